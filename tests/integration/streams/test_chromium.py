"""What a real Chromium gets: both pictures decoded and moving, sound, two MediaStreams, lips in step."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock, Frame
from agent.streams.publisher import Publisher
from tests.integration.streams.conftest import Room
from tests.integration.streams.sources import again, film, picture, speak
from tests.peers import need

pytestmark = pytest.mark.alone

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("viewer.html")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=need("chromium", "chromium"), args=FLAGS)
        opened = await browser.new_page()
        # localhost is a secure context, which audio worklets need; nothing listens there
        await opened.route("http://localhost/**", lambda route: route.fulfill(path=PAGE, content_type="text/html"))
        await opened.goto("http://localhost/viewer")
        yield opened
        await browser.close()


async def join(page: Page, publisher: Publisher, pictures: int = 2, *, listen: bool = False) -> None:
    async def answer(viewer: str, sdp: str) -> str:
        return await publisher.accept(viewer, sdp, ())

    await page.expose_function("answer", answer)
    await page.evaluate("([v, p, l]) => join(v, p, l)", ["chromium", pictures, listen])


async def until(page: Page, condition: str) -> Any:
    handle = await page.wait_for_function(condition, timeout=25_000, polling=50)
    return await handle.json_value()


async def test_both_pictures_move_and_the_sound_is_heard(room: Room, page: Page) -> None:
    # drawn beforehand: drawing takes the loop's time
    cameras, boards = [picture(n, 1280, 720) for n in range(15)], [picture(n, 1920, 1080) for n in range(5)]
    room.feed(film(room.publisher, "camera", make=lambda n: again(cameras, n)))
    room.feed(film(room.publisher, "board", rate_hz=5, make=lambda n: again(boards, n)))
    room.feed(speak(room.publisher))
    await join(page, room.publisher)
    await until(page, "state.presented.board >= 10 && state.presented.camera >= 60")
    state = await page.evaluate("({...state, pc: undefined, audio: undefined})")
    stats = await page.evaluate("inbound()")
    transport = await page.evaluate("transport()")

    assert state["streams"]["sound"] == state["streams"]["camera"] != state["streams"]["board"]
    assert (stats["mid1"]["frameWidth"], stats["mid1"]["frameHeight"]) == (1920, 1080)
    assert (stats["mid2"]["frameWidth"], stats["mid2"]["frameHeight"]) == (1280, 720)
    assert stats["sound"]["totalAudioEnergy"] > 0.01
    assert stats["mid1"]["packetsLost"] == stats["mid2"]["packetsLost"] == 0
    assert transport["dtlsRole"] == "client"
    assert transport["srtpCipher"] == "SRTP_AEAD_AES_256_GCM"
    assert state["messages"][0]["type"] == "notice"
    assert [v.name for v in room.publisher.viewers()] == ["Zoé"]
    marks = {"answer": state["answered"], "connected": state["connected"], **state["first"]}
    log.info("Join: %s", {name: f"{at - state['begun']:.0f} ms" for name, at in marks.items()})


async def test_a_change_of_layers_is_seen_without_a_freeze(room: Room, page: Page) -> None:
    cameras = [picture(n, 1280, 720) for n in range(15)]
    room.feed(film(room.publisher, "camera", make=lambda n: again(cameras, n)))
    room.feed(speak(room.publisher))
    await join(page, room.publisher)
    await until(page, "state.presented.camera >= 60")
    for use, width in (("save-data", 320), ("automatic", 1280), ("save-data", 320)):
        await page.evaluate(
            "use => state.channel.send(JSON.stringify({ type: 'wish', use, reads_lips: true }))",
            use,
        )
        await until(page, f"inbound().then((stats) => stats.mid2.frameWidth === {width})")
        await until(page, "(state.before ??= state.presented.camera) && state.presented.camera >= state.before + 30")
        await page.evaluate("state.before = undefined")
    stats = await page.evaluate("inbound()")
    assert stats["mid2"]["pliCount"] == 0, "it never missed what a picture is made from"
    assert stats["mid2"]["freezeCount"] <= 1, "a busy machine may hold one up; three changes that freeze are three"
    told = await page.evaluate("state.messages.filter((message) => message.type === 'sending')")
    assert [(message["camera"], message["sound"], message["why"]) for message in told] == [
        ("720p", "voice", "best"),
        ("180p", "low", "wish"),
        ("720p", "voice", "best"),
        ("180p", "low", "wish"),
    ]


async def test_a_colour_arrives_as_it_was_captured(room: Room, page: Page) -> None:
    """As the capture processes have it (`agent.media`): OpenCV's BT.601 in limited range, here of a strong red."""
    red = (200, 40, 60)
    luma = 16 + (65.481 * red[0] + 128.553 * red[1] + 24.966 * red[2]) / 255
    blue = 128 + (-37.797 * red[0] - 74.203 * red[1] + 112 * red[2]) / 255
    other = 128 + (112 * red[0] - 93.786 * red[1] - 18.214 * red[2]) / 255
    plain = picture(0, luma=round(luma))
    plain.image[180:225], plain.image[225:] = round(blue), round(other)
    room.feed(film(room.publisher, "camera", make=lambda n: again([plain], n)))
    await join(page, room.publisher, pictures=1)
    await until(page, "state.presented.camera >= 15")
    shown = await page.evaluate(
        """() => {
          const context = new OffscreenCanvas(8, 8).getContext("2d");
          context.drawImage(document.querySelector("video"), 0, 0, 8, 8);
          return [...context.getImageData(4, 4, 1, 1).data].slice(0, 3);
        }"""
    )
    assert shown == pytest.approx(red, abs=4)


async def test_its_reports_say_how_the_line_does(room: Room, page: Page) -> None:
    room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))
    await join(page, room.publisher)
    async with asyncio.timeout(30):
        while True:
            lines = [view.line for view in room.publisher.viewers()]
            if lines and lines[0] is not None and None not in (lines[0].sound.round_trip_s, lines[0].estimate_bps):
                break
            await asyncio.sleep(0.2)
    line = lines[0]
    assert line.sound.packets_lost == 0
    assert line.sound.highest_sequence > 0
    assert 0 <= line.sound.jitter_s < 1
    assert line.sent_bytes > 10_000


async def test_a_plain_player_gets_the_camera_with_the_sound(room: Room, page: Page) -> None:
    room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))
    await join(page, room.publisher, pictures=1)
    await until(page, "state.presented.camera >= 15")
    state = await page.evaluate("({...state, pc: undefined, audio: undefined})")
    stats = await page.evaluate("inbound()")
    assert state["streams"]["sound"] == state["streams"]["camera"]
    assert stats["mid1"]["framesDecoded"] >= 15
    assert stats["sound"]["totalAudioEnergy"] > 0.001


FLASH_EVERY_S, FLASH_S = 0.6, 0.1
"""Far enough apart that a flash is never taken for the next beep's."""


async def clap(publisher: Publisher) -> None:
    """A white flash and a beep at the same instants; the picture is handed over 60 ms late."""
    begun_s = time.monotonic()

    def is_on(mono_s: float) -> bool:
        return (mono_s - begun_s) % FLASH_EVERY_S < FLASH_S

    async def show() -> None:
        number = 0
        while True:
            captured_s = begun_s + number / 30
            await asyncio.sleep(max(0.0, captured_s + 0.06 - time.monotonic()))
            plain = picture(number, luma=230 if is_on(captured_s + 1e-6) else 40)
            publisher.push_frame("camera", Frame(plain.image, 320, 180, captured_s, number))
            number += 1

    async def sound() -> None:
        number = 0
        while True:
            captured_s = begun_s + number * BLOCK_S
            await asyncio.sleep(max(0.0, captured_s + BLOCK_S - time.monotonic()))
            wave = 12_000 * np.sin(2 * np.pi * 1000 * np.arange(BLOCK_SAMPLES) / SAMPLE_RATE_HZ)
            samples = (wave * is_on(captured_s + 1e-6)).astype(np.int16)
            publisher.push_sound("room", AudioBlock(samples, captured_s, number))
            number += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(show())
        tasks.create_task(sound())


@pytest.mark.timeout(150)
async def test_lips_and_sound_come_into_step_and_stay(room: Room, page: Page) -> None:
    """Chromium moves sound and picture together step by step after the first sender reports: waited for, not timed."""
    room.feed(clap(room.publisher))
    await join(page, room.publisher, listen=True)
    await until(page, "state.flashes.length >= 20 && state.beeps.length >= 20")
    async with asyncio.timeout(75):
        while True:
            flashes, beeps = await page.evaluate("[state.flashes.slice(-20), state.beeps]")
            apart_ms = [min((flash - beep for beep in beeps), key=abs) for flash in flashes]
            if abs(statistics.median(apart_ms)) <= 45 and abs(statistics.median(apart_ms[-10:])) <= 45:
                break
            await until(page, f"state.flashes.length >= {await page.evaluate('state.flashes.length')} + 3")
    log.info("Flash after beep: median %.0f ms of %s", statistics.median(apart_ms), [round(a) for a in apart_ms])
