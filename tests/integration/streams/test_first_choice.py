"""What a pupil in Chromium is sent first: over a thin line what that carries, over any other the best."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from playwright.async_api import Browser, async_playwright

from agent.streams.ladder import Choice
from tests.fakes import board_slides
from tests.integration.streams.conftest import Room
from tests.integration.streams.sources import film, speak
from tests.integration.streams.test_chromium import FLAGS
from tests.integration.streams.test_tiles import AS_TILES, THIN, board
from tests.networks.pupil_site import pupil_site
from tests.networks.shaper import Line, Shaper, shaped
from tests.peers import need

pytestmark = [pytest.mark.alone, pytest.mark.timeout(120)]

FIBRE = Line(300e6, 0.005, 0.3, jitter_s=0.002)
PHONE = Line(9e6, 0.085, 1.0, jitter_s=0.03, loss=0.002, burst_packets=3)
_BEGIN_JS = """async () => {
  const { WhepConnection } = await import('/static/lib/whep.js');
  const connection = (window.connection = new WhepConnection());
  await connection.connect({ url: '/whep/room', token: 't', iceServers: [], timeoutMs: 20000 });
}"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(executable_path=need("chromium", "chromium"), args=FLAGS)


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """Have so many programs take whatever processor time they can get."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
        for hog in hogs:
            hog.wait()


def lesson(room: Room) -> None:
    board(room, board_slides.text())
    room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))


async def first_choice(room: Room, browser: Browser, line: Shaper, stays_s: float = 0.0) -> Choice | None:
    """Let a pupil come, and go after so long; return what it is sent first."""
    begun = asyncio.Event()
    chosen: list[Choice] = []
    give = room.publisher.accept

    async def watch(viewer: str) -> None:
        while not begun.is_set():
            await asyncio.sleep(0.01)
            mine = [one for one in room.publisher.viewers() if one.id == viewer and one.sending is not None]
            if mine and mine[0].sending is not None:
                chosen.append(mine[0].sending)
                begun.set()

    async def accept(viewer: str, offer: str) -> str:
        answer = await give(viewer, offer, (), viewer)
        room.feed(watch(viewer))
        return answer

    async with pupil_site(accept, line) as origin:
        page = await browser.new_page()
        await page.goto(origin)
        await page.evaluate(_BEGIN_JS)
        async with asyncio.timeout(20):
            await begun.wait()
        await asyncio.sleep(stays_s)
        await page.close()
    return chosen[0]


async def test_over_64_kb_s_the_first_is_what_the_line_carries(room: Room, browser: Browser) -> None:
    lesson(room)
    async with shaped(THIN, THIN) as line:
        assert await first_choice(room, browser, line, stays_s=4.0) == AS_TILES
        assert line.to_viewer.dropped == 0


@pytest.mark.parametrize("way", [FIBRE, PHONE], ids=["fibre", "phone"])
async def test_a_busy_computer_is_not_taken_for_a_thin_line(room: Room, browser: Browser, way: Line) -> None:
    lesson(room)
    with busy(6):
        for _ in range(6):
            async with shaped(way, way) as line:
                choice = await first_choice(room, browser, line)
                assert choice is not None
                assert (choice.board, choice.camera) == ("full", "720p")
