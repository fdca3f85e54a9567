"""A lesson is recorded, a link made, and opened by somebody who has nothing but the link: all of Estrade together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.people import People
from tests.peers import need
from tests.rig import Rig

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    need("mosquitto", "mosquitto")
    settings = {"recording.enabled": True, "recording.free_floor_gb": 0.01}
    started = Rig(tmp_path_factory.mktemp("estrade"), settings=settings)
    started.start()
    try:
        yield started
    finally:
        started.end()


async def test_a_recording_is_seen_through_its_link_and_the_centre_cannot_read_it(rig: Rig, browser: Browser) -> None:
    rig.wait_ready()
    people = People(rig, browser)
    pupil = await people.pupil()
    await pupil.enter("Lina")
    rig.press("lesson/start")
    await pupil.is_in("class")
    assert not await pupil.page.is_visible("#recording-fact")
    rig.press("recording", {"on": True})
    await expect(pupil.page.locator("#recording-fact")).to_be_visible(timeout=15_000)
    await expect(pupil.page.locator("#recording-fact")).to_have_css("color", "rgb(255, 255, 255)")  # on red: the sign
    await expect(pupil.page.locator("#sound-fact .icon.on")).to_have_css("background-color", "rgba(0, 0, 0, 0)")

    def is_long(view: dict[str, Any]) -> bool:
        return bool((view["recording"]["elapsed_s"] or 0) >= 4)

    await asyncio.to_thread(rig.wait_for_panel, is_long, "some seconds of recording")
    rig.press("lesson/stop")
    idle = await asyncio.to_thread(rig.wait_for_panel, lambda view: view["recording"]["all"], "the recording")
    recording = idle["recording"]["all"][0]["id"]
    rig.press("recording/share", {"id": recording})

    def shared(view: dict[str, Any]) -> bool:
        share = view["recording"]["all"][0]["share"]
        assert share["state"] != "failed", share
        return bool(share["state"] == "ready")

    view = await asyncio.to_thread(rig.wait_for_panel, shared, "the link")
    link = view["recording"]["all"][0]["share"]["link"]
    page = await people.page()
    await page.goto(link)
    await expect(page.locator("#video")).to_be_visible(timeout=15_000)
    played: list[float] = await page.evaluate(
        """async () => {
          const video = document.querySelector('#video');
          video.muted = true;
          await video.play();
          await new Promise(done => { video.ontimeupdate = () => video.currentTime > 0.5 && done(); });
          return [video.videoWidth, video.duration];
        }"""
    )
    assert played[0] > 0
    assert 3 < played[1] < 30
    await page.goto("about:blank")
    await page.goto(link[:-4] + "AAAA")
    await expect(page.locator("#problem")).to_contain_text("share-key")
    sealed = [path for path in rig.folder.rglob("*.sealed") if path.stat().st_size]
    assert len(sealed) == 1
    assert b"moof" not in sealed[0].read_bytes()
    await people.leave()
    assert people.complaints.found == []
