"""The pupil's board as tiles, fed with messages as a room packs them; no network."""

from __future__ import annotations

import asyncio
import base64
import re

import numpy as np
import pytest
from playwright.async_api import Page, expect

from agent.media import Frame
from agent.streams.tile_encoder import COARSE, encode_part
from agent.streams.tiles import Part, TileMap
from protocol.tiles import Kind, TileMessage
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.test_stage import _BEGIN_JS, _SHOW_JS, stage, state
from tests.fakes import board_slides

pytestmark = pytest.mark.asyncio(loop_scope="session")

_TAKE_JS = """text => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  stage.takeTiles(bytes.buffer);
}"""
_PIXEL_JS = """([x, y]) => {
  const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  copy.drawImage(document.querySelector('canvas.parts'), -x, -y);
  return Array.from(copy.getImageData(0, 0, 1, 1).data.slice(0, 3));
}"""
_NOTE_JS = "() => { stage.tick(false); return document.querySelector('#tile-board .note').textContent; }"
WIDTH_PX, HEIGHT_PX = 1920, 1080


@pytest.fixture
def url(serve: Serve) -> str:
    return serve("pupil").url


def part(number: int, level: int, *, x_px: int = 0, width_px: int = 256, behind_ms: int = 0, scene: int = 1) -> bytes:
    """Return a part of one grey."""
    grey = np.full((64, width_px // 2), 128, np.uint8)
    planes = np.full((128, width_px), level, np.uint8), grey, grey
    return message(number, encode_part(planes, COARSE)[0], x_px, 0, width_px, 128, behind_ms, scene)


def message(
    number: int, picture: bytes, x_px: int, y_px: int, width_px: int, height_px: int, behind_ms: int = 0, scene: int = 1
) -> bytes:
    place = (x_px, y_px, width_px, height_px)
    return TileMessage(Kind.PART, scene, number, 0, behind_ms, WIDTH_PX, HEIGHT_PX, *place, picture=picture).pack()


def bare(kind: Kind, number: int = 0, scene: int = 1) -> bytes:
    return TileMessage(kind, scene, number, 0, 0, WIDTH_PX, HEIGHT_PX).pack()


def slide() -> list[bytes]:
    """Return a whole slide."""
    board = TileMap()
    board.take(Frame(board_slides.photograph(), WIDTH_PX, HEIGHT_PX, 0.0, 0), 0.0)
    parts = [
        Part(x_px, y_px, min(256, WIDTH_PX - x_px), min(128, HEIGHT_PX - y_px), is_ink=False, is_fine=False)
        for y_px in range(0, HEIGHT_PX, 128)
        for x_px in range(0, WIDTH_PX, 256)
    ]
    pictures = [encode_part(board.cut(one), COARSE)[0] for one in parts]
    return [
        message(number, picture, one.x_px, one.y_px, one.width_px, one.height_px)
        for number, (one, picture) in enumerate(zip(parts, pictures, strict=True), 1)
    ]


async def take(page: Page, *messages: bytes) -> None:
    for one in messages:
        await page.evaluate(_TAKE_JS, base64.b64encode(one).decode())


async def level(page: Page, x: int, y: int, luma: int) -> None:
    """Wait until a pixel of the canvas is the grey of this luma."""
    wanted = 1.164 * (luma - 16)
    async with asyncio.timeout(10):
        while True:
            if abs((await page.evaluate(_PIXEL_JS, [x, y]))[1] - wanted) <= 4:
                return
            await asyncio.sleep(0.02)


async def test_parts_in_any_order_and_those_of_an_earlier_scene_left_out(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await take(page, bare(Kind.BEGIN), part(2, 200), part(1, 60, width_px=512))
    await state(page, "board", "playing")
    await level(page, 300, 10, 60)
    await level(page, 10, 10, 200)
    await take(page, bare(Kind.BEGIN, scene=2))
    await state(page, "board", "waiting")
    await take(page, part(3, 200), part(1, 100, x_px=512, scene=2))
    await level(page, 520, 10, 100)
    assert await page.evaluate(_PIXEL_JS, [10, 10]) == [0, 0, 0]
    await assert_accessible(page)


async def test_garbage_is_counted_and_changes_nothing(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await take(page, bare(Kind.BEGIN), part(1, 200))
    await level(page, 10, 10, 200)
    await take(page, b"", b"\x09" + bytes(40), message(2, b"no picture", 0, 0, 256, 128), part(3, 200)[:-4])
    await page.evaluate("stage.takeTiles('text')")
    await page.wait_for_function("stage.tiles.board.parts.ignored >= 4")
    await level(page, 10, 10, 200)


async def test_a_board_that_is_behind_says_how_old_it_is(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await take(page, bare(Kind.BEGIN), part(1, 200, behind_ms=12_000))
    await level(page, 10, 10, 200)
    assert re.fullmatch("Le tableau a 1[2-9]\u00a0s.", await page.evaluate(_NOTE_JS))
    await take(page, part(3, 200))  # the second has not come yet
    assert await page.evaluate(_NOTE_JS) == ""
    assert 0 < await page.evaluate("stage.tiles.board.parts.ageMs()") < 5000
    await take(page, part(2, 200))
    assert await page.evaluate("stage.tiles.board.parts.ageMs()") == 0


async def test_it_begins_on_the_videos_picture_and_stays_until_the_video_moves(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await page.evaluate(_SHOW_JS)
    await state(page, "board", "playing")
    canvas = page.locator("canvas.parts")
    await expect(canvas).to_be_hidden()
    await take(page, bare(Kind.BEGIN), part(1, 200))
    await expect(canvas).to_be_visible()
    assert (await page.evaluate(_PIXEL_JS, [1000, 800]))[1] > 100, "the video's green"
    await take(page, bare(Kind.END, 2))
    await expect(canvas).to_be_hidden()
    await state(page, "board", "playing")


@pytest.mark.parametrize(("width", "height", "dark"), [(1280, 800, False), (390, 844, True), (320, 568, False)])
async def test_it_fits_every_screen(open_page: OpenPage, url: str, width: int, height: int, dark: bool) -> None:
    page = await open_page(url, width=width, height=height, dark=dark, phone=width < 500)
    await expect(page.locator("html[data-phase=join]")).to_be_attached()
    await page.evaluate(_BEGIN_JS)
    await take(page, bare(Kind.BEGIN), *slide())
    await state(page, "board", "playing")
    await assert_fits(page)
    await page.evaluate("stage.swap()")
    await expect(page.locator("canvas.parts")).to_be_visible()
    await page.evaluate("stage.swap()")
