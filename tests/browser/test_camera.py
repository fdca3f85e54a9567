"""The panel's page, a real room and a camera that turns at the other end of a socket."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests import chromium
from tests.broker import Broker
from tests.fakes.visca_camera import ViscaCamera, tcp_camera
from tests.integration.agent.conftest import SIMULATED, room_settings, running_room
from tests.waiting import until

pytestmark = [pytest.mark.timed, pytest.mark.asyncio(loop_scope="session")]

TEACHER = (400.0, 100.0, 50.0)


async def test_a_touch_sends_the_camera_there_and_a_page_that_is_gone_lets_it_stand(
    broker: Broker, browser: Browser, tmp_path: Path
) -> None:
    camera = ViscaCamera(presets={1: (0.0, 0.0, 0.0), 2: TEACHER})
    async with tcp_camera(camera) as port:
        table = {"driver": "visca", "transport": "tcp", "host": "127.0.0.1", "port": port}
        table["presets"] = {"board": 1, "teacher": 2}
        settings = room_settings(broker, tmp_path, {**SIMULATED, "ptz": table})
        async with running_room(settings):
            token = settings.panel.token_file.read_text().partition("\n")[0]
            complaints = chromium.Complaints(f"http://127.0.0.1:{settings.panel.port}")
            context = await chromium.new_context(browser)
            complaints.watch(context)
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{settings.panel.port}/?token={token}")
            await page.click("#start")
            await page.click(".beside [data-preset=teacher]")
            await until(lambda: camera.view == TEACHER, "the camera is there")
            await expect(page.locator(".beside [data-preset=teacher]")).to_have_attribute("aria-current", "true")
            await expect(page.locator(".beside [data-preset=teacher] img")).to_be_visible(timeout=10_000)

            await page.click("#camera-turn")
            await page.hover("[data-turn=left]")
            await page.mouse.down()
            await until(lambda: camera.speed[0] < 0, "it turns")
            await asyncio.sleep(0.8)  # longer than it turns by itself
            assert camera.speed[0] < 0
            await page.mouse.up()
            await until(lambda: camera.stands, "it stands", 1)
            assert camera.view[0] < TEACHER[0]

            await page.mouse.down()
            await until(lambda: not camera.stands, "it turns")
            began_s = time.monotonic()
            await context.close()
            await until(lambda: camera.stands, "it stands", 2)
            assert time.monotonic() - began_s < 1.0
            assert complaints.found == []
