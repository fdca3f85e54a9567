"""The pupil's own modules in Chromium, with the board as tiles behind a line of 64 kb/s: canvas, words, and sound."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page, async_playwright, expect

from tests.fakes import board_slides
from tests.integration.streams.conftest import Room
from tests.integration.streams.sources import speak
from tests.integration.streams.test_chromium import FLAGS
from tests.integration.streams.test_tiles import AS_TILES, THIN, bgr, board, written
from tests.networks.pupil_site import pupil_site
from tests.networks.shaper import Line, shaped
from tests.peers import need

pytestmark = [pytest.mark.alone, pytest.mark.timeout(120)]

log = logging.getLogger(__name__)

_BEGIN_JS = """async () => {
  const { Stage } = await import('/static/pupil/stage.js');
  const { WhepConnection } = await import('/static/lib/whep.js');
  document.documentElement.dataset.phase = 'class';
  for (const section of document.querySelectorAll('main > section')) section.hidden = section.id !== 'class';
  window.stage = new Stage();
  const connection = (window.connection = new WhepConnection());
  connection.addEventListener('tiles', ({ detail }) => stage.takeTiles(detail));
  await connection.connect({ url: '/whep/room', token: 't', iceServers: [], timeoutMs: 8000 });
  stage.show(connection.tracks);
  setInterval(() => stage.tick(false), 250);
}"""
_SOUND_JS = """async () => {
  const found = [...(await connection.pc.getStats()).values()];
  const sound = found.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio');
  return [sound.concealedSamples, sound.totalSamplesReceived];
}"""


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=need("chromium", "chromium"), args=FLAGS)
        yield await browser.new_page(locale="fr-FR", viewport={"width": 1280, "height": 800})
        await browser.close()


async def seen(page: Page) -> NDArray[np.uint8]:
    """Return the canvas in BGR."""
    url: str = await page.evaluate("document.querySelector('canvas.parts').toDataURL('image/png')")
    data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


async def until_seen(page: Page, picture: NDArray[np.uint8], deadline_s: float) -> None:
    async with asyncio.timeout(deadline_s):
        while True:
            is_whole = await page.evaluate("stage.tiles.board.hasParts() && stage.tiles.board.parts.ageMs() === 0")
            if is_whole and np.abs((await seen(page)).astype(np.int16) - bgr(picture)).mean() < 3:
                return
            await asyncio.sleep(0.5)


async def test_chromium_shows_the_board_and_plays_the_sound(room: Room, page: Page) -> None:
    first, slide = board_slides.handwriting(1.0), board_slides.photograph()
    ink = written(slide, 10)
    board(room, first)
    room.feed(speak(room.publisher))
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    async with (
        shaped(Line(delay_s=0.1), Line(delay_s=0.1)) as line,
        pupil_site(lambda viewer, offer: room.publisher.accept(viewer, offer, ()), line) as origin,
    ):
        await page.goto(f"{origin}/")
        await page.evaluate(_BEGIN_JS)
        await expect(page.locator("#tile-board")).to_have_attribute("data-state", "playing", timeout=15_000)
        room.publisher.force("pupil-1", AS_TILES)
        await until_seen(page, first, 30)
        line.to_viewer.line = line.to_room.line = THIN
        concealed, samples = await page.evaluate(_SOUND_JS)
        board(room, slide)
        for picture in ink:
            await asyncio.sleep(0.2)
            board(room, picture)
        await until_seen(page, ink[-1], 30)
        concealed_then, samples_then = await page.evaluate(_SOUND_JS)
        gaps_percent = 100 * (concealed_then - concealed) / (samples_then - samples)
        log.info("Sound that was made up: %.2f %%", gaps_percent)
        assert await page.evaluate("stage.tiles.board.parts.ignored") == 0
        assert await page.locator("canvas.parts").is_visible()
        assert await page.get_by_role("img", name="Tableau").count() == 1

        line.to_viewer.line = line.to_room.line = Line(delay_s=0.1)
        room.publisher.force("pupil-1", None)
        await expect(page.locator("canvas.parts")).to_be_hidden(timeout=20_000)
        await expect(page.locator("#tile-board")).to_have_attribute("data-state", "playing")
    assert complaints == []
