"""Panel and board on one screen: nothing of the panel is ever in a picture, what lies beside it is."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from Xlib import X
from Xlib.display import Display

from agent.devices.captured import CapturedPicture
from agent.devices.x11 import Screen
from agent.devices.x11_panel import LINGER_S
from agent.media import Frame
from protocol.messages import DeviceRole
from tests.integration.devices.conftest import RunHost
from tests.integration.devices.test_drivers import made, running, x_server
from tests.peers import need

PINK = 0xFF00FF
"""The panel's colour in these tests; nothing else on the screen has it."""
WHITE = 0xFFFFFF


class Window:
    """A window of one colour, of a program of its own."""

    def __init__(
        self, name: str, colour: int, at: tuple[int, int, int, int], class_: str, *, popup: bool = False
    ) -> None:
        self.display = Display(name)
        self.window = self._make(colour, at, popup=popup)
        self.window.set_wm_class(class_, class_)
        self.show()

    def _make(self, colour: int, at: tuple[int, int, int, int], *, popup: bool) -> Any:
        screen = self.display.screen()
        x, y, width, height = at
        return screen.root.create_window(
            x, y, width, height, 0, screen.root_depth, background_pixel=colour, override_redirect=popup
        )

    def show(self) -> None:
        self.window.map()
        self.display.sync()

    def menu(self, at: tuple[int, int, int, int]) -> None:
        """Open another window of this program, without a class."""
        self._make(PINK, at, popup=True).map()
        self.display.sync()

    def move(self, x: int, y: int) -> None:
        self.window.configure(x=x, y=y)
        self.display.sync()

    def close(self) -> None:
        self.display.close()


def has_pink(frame: Frame) -> bool:
    """Say whether anything in the picture is the panel's colour, whatever colour range it was made with."""
    half = frame.width_px * frame.height_px // 4
    chroma = frame.image.reshape(-1)[frame.width_px * frame.height_px :]
    u, v = chroma[:half].astype(int), chroma[half : 2 * half].astype(int)
    return bool(((u > 165) & (v > 165)).any())


def is_white(frame: Frame, x: int, y: int) -> bool:
    return bool(frame.image[y, x] > 200)


class Pupil:
    """Sees every picture that is sent."""

    def __init__(self, board: CapturedPicture) -> None:
        self._board = board
        self.frames: list[Frame] = []

    async def watch(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    frame = await self._board.next_frame()
                    self.frames.append(dataclasses.replace(frame, image=frame.image.copy()))

    async def until(self, condition: Callable[[Frame], bool]) -> None:
        async with asyncio.timeout(5):
            while not (self.frames and condition(self.frames[-1])):
                await self.watch(0.1)


@pytest.fixture
def screen() -> Iterator[str]:
    with x_server() as (display, _server):
        yield display


@asynccontextmanager
async def pupil_of(run_host: RunHost, screen: str) -> AsyncIterator[Pupil]:
    driver, config = made(DeviceRole.BOARD, "x11", display=screen, rate_hz=30, show_pointer=False)
    async with run_host(driver) as host, host.open_picture(driver, "board", config, hung_s=2.0) as board:
        yield Pupil(board)


async def test_a_panel_that_comes_moves_and_goes_is_in_no_picture(run_host: RunHost, screen: str) -> None:
    slides = Window(screen, WHITE, (0, 0, 600, 768), "slides")
    async with pupil_of(run_host, screen) as pupil:
        await pupil.until(lambda frame: is_white(frame, 100, 100))
        panel = Window(screen, PINK, (50, 50, 300, 300), "estrade-panel")
        await pupil.watch(0.5)
        panel.menu((700, 100, 200, 200))
        for step in range(60):
            panel.move(50 + 9 * step, 50 + 4 * step)
            await pupil.watch(0.02)
        await pupil.watch(1.0)
        assert is_white(pupil.frames[-1], 100, 100)
        note = Window(screen, WHITE, (800, 100, 100, 100), "note")
        await pupil.until(lambda frame: is_white(frame, 850, 150))
        panel.close()
        note.close()
        await pupil.watch(1.0)
        slides.close()
    assert not any(map(has_pink, pupil.frames))
    assert len(pupil.frames) > 3


def pink_in(picture: NDArray[np.uint8]) -> bool:
    return bool((picture.reshape(-1).view(np.uint32) & 0xFFFFFF == PINK).any())


@pytest.fixture
def eyes(screen: str) -> Iterator[tuple[Screen, Callable[[], NDArray[np.uint8]]]]:
    """The capture's own eyes on the screen, and a picture with everything that is on it."""
    display = Display(screen)
    looks = Screen(screen, "board", show_pointer=False, panel_class="estrade-panel")

    def take() -> NDArray[np.uint8]:
        raw = display.screen().root.get_image(0, 0, 1366, 768, X.ZPixmap, 0xFFFFFFFF).data
        return np.frombuffer(raw, np.uint8).reshape(768, 1366, 4)

    yield looks, take
    looks.close()
    display.close()


def test_a_panel_that_moves_while_the_picture_is_taken_is_covered_where_it_was_then(
    screen: str, eyes: tuple[Screen, Callable[[], NDArray[np.uint8]]]
) -> None:
    looks, take = eyes
    panel = Window(screen, PINK, (0, 0, 200, 200), "estrade-panel")
    assert not pink_in(looks.without_panel(take)[0])

    def take_on_the_way() -> NDArray[np.uint8]:
        panel.move(400, 300)
        picture = take()
        panel.move(800, 500)
        assert pink_in(picture)
        return picture

    assert not pink_in(looks.without_panel(take_on_the_way)[0])
    panel.close()


def test_what_a_panel_leaves_behind_on_a_window_that_is_slow_to_paint_is_covered(
    screen: str, eyes: tuple[Screen, Callable[[], NDArray[np.uint8]]]
) -> None:
    looks, take = eyes
    slow = Window(screen, WHITE, (0, 0, 600, 600), "slides")
    slow.window.change_attributes(background_pixmap=0)  # nothing is painted by the server: what was there stays
    slow.display.sync()
    panel = Window(screen, PINK, (100, 100, 200, 200), "estrade-panel")
    assert not pink_in(looks.without_panel(take)[0])
    panel.close()
    for _ in range(3):
        assert pink_in(take())
        assert not pink_in(looks.without_panel(take)[0])
    slow.window.clear_area(0, 0, 600, 600)
    slow.close()


def test_a_window_that_is_not_seen_uncovers_nothing(
    screen: str, eyes: tuple[Screen, Callable[[], NDArray[np.uint8]]]
) -> None:
    looks, take = eyes
    panel = Window(screen, PINK, (50, 50, 300, 300), "estrade-panel")
    display = Display(screen)
    glass = display.screen().root.create_window(
        0, 0, 1366, 768, 0, 0, window_class=X.InputOnly, visual=X.CopyFromParent, override_redirect=True
    )
    glass.map()
    display.sync()
    looks.without_panel(take)
    time.sleep(LINGER_S + 0.1)  # what was covered a moment ago is covered still
    assert pink_in(take())
    assert not pink_in(looks.without_panel(take)[0])
    display.close()
    panel.close()


def test_who_gets_the_number_of_a_panel_that_left_is_seen(
    screen: str, eyes: tuple[Screen, Callable[[], NDArray[np.uint8]]]
) -> None:
    looks, take = eyes
    panel = Window(screen, PINK, (50, 50, 300, 300), "estrade-panel")
    assert not pink_in(looks.without_panel(take)[0])
    panel.close()
    slides = Window(screen, WHITE, (50, 50, 300, 300), "slides")
    assert slides.window.id == panel.window.id
    looks.without_panel(take)
    time.sleep(LINGER_S + 0.1)
    picture = looks.without_panel(take)[0]
    assert (picture[100, 100, :3] == 255).all()
    slides.close()


async def test_a_panel_that_was_there_first_leaves_a_blank_and_over_all_what_was_before(
    run_host: RunHost, screen: str
) -> None:
    panel = Window(screen, PINK, (0, 0, 1366, 768), "estrade-panel")
    async with pupil_of(run_host, screen) as pupil:
        await pupil.watch(0.5)
        assert 40 < int(pupil.frames[-1].image[400, 700]) < 80, "slate"
        slides = Window(screen, WHITE, (0, 0, 600, 768), "slides")
        await pupil.until(lambda frame: is_white(frame, 300, 300))
        panel.window.configure(stack_mode=X.Above)
        panel.display.sync()
        await pupil.watch(1.0)
        assert is_white(pupil.frames[-1], 300, 300), "what was beneath"
        slides.close()
    panel.close()
    assert not any(map(has_pink, pupil.frames))


async def test_the_panel_in_a_real_browser_under_a_window_manager_is_in_no_picture(
    run_host: RunHost, screen: str, tmp_path: Path
) -> None:
    page = tmp_path / "panel.html"
    page.write_text("<!doctype html><title>Panneau</title><body style='background:#f0f'><select><option>a<option>b")
    argv = (
        need("chromium", "chromium"),
        "--class=estrade-panel",
        f"--app={page.as_uri()}",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--no-first-run",
        "--ozone-platform=x11",
        "--window-size=500,400",
        "--window-position=40,40",
        "--disable-background-networking",
    )
    environment = {**os.environ, "DISPLAY": screen, "HOME": str(tmp_path)}
    with running(need("openbox", "openbox"), env=environment):
        slides = Window(screen, WHITE, (700, 0, 600, 700), "slides")
        async with pupil_of(run_host, screen) as pupil:
            await pupil.until(lambda frame: is_white(frame, 900, 300))
            with running(*argv, env=environment):
                async with asyncio.timeout(30):
                    while not pink_on(screen):
                        await pupil.watch(0.2)
                await pupil.watch(1.0)
                assert is_white(pupil.frames[-1], 1200, 300), "what lies beside it is sent"
            await pupil.watch(1.0)
        slides.close()
    assert not any(map(has_pink, pupil.frames))


def pink_on(screen: str) -> bool:
    """Say whether the panel's colour is on the screen itself."""
    display = Display(screen)
    try:
        size = display.screen().root.get_geometry()
        raw = display.screen().root.get_image(0, 0, size.width, size.height, X.ZPixmap, 0xFFFFFFFF).data
        return bool((np.frombuffer(raw, np.uint32) & 0xFFFFFF == PINK).any())
    finally:
        display.close()
