"""Small pictures of the camera's views: what is sent, where it stands, and gone with the lesson."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from agent.camera_views import Sight
from agent.masks import Painter
from agent.media import Frame
from agent.thumbnails import EACH_S, LOOK_S, STALE_S, Thumbnails
from protocol.lesson import LessonState
from protocol.messages import OnAir
from tests.waiting import until


class Views:
    """A camera that stands on *board*; ``meanwhile`` happens while its picture is worked on."""

    turns = True
    at: str | None = "board"
    arrived_mono_s = 0.0
    to_check: str | None = None
    sight = Sight(None, Painter(()))
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self) -> None:
        self.seen: list[Frame] = []

    def saw(self, frame: Frame) -> None:
        self.seen.append(frame)

    def screen(self, frame: Frame) -> Frame:
        self.meanwhile()
        return frame

    def can_be_looked_at(self, frame: Frame) -> bool:
        return frame.captured_mono_s >= self.arrived_mono_s


class Desk:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.frame: Frame | None = self.picture()
        self.views = Views()
        self.listeners: list[Callable[[], None]] = []
        self.lesson = SimpleNamespace(
            state=LessonState.LIVE,
            paused=False,
            on_air=OnAir(),
            publisher=self.publisher(),
            on_change=self.listeners.append,
        )
        self.changes = 0
        self.thumbnails = Thumbnails(
            cast(Any, self.lesson), cast(Any, self.views), self.changed, clock=lambda: self.now_s
        )

    def changed(self) -> None:
        self.changes += 1

    def publisher(self) -> SimpleNamespace:
        return SimpleNamespace(newest_frame=lambda track: self.frame)

    def lesson_is(self, state: LessonState) -> None:
        self.lesson.state = state
        for listener in self.listeners:
            listener()

    def picture(self) -> Frame:
        return Frame(np.full((36 * 3 // 2, 64), 90, np.uint8), 64, 36, self.now_s, 0)

    async def take(self, *, after_s: float = 0.0) -> bytes | None:
        self.now_s += after_s
        if self.frame is not None and after_s:
            self.frame = self.picture()
        await self.thumbnails._take()
        return self.thumbnails.jpeg("board")


async def test_the_view_at_hand_is_taken_again_when_it_is_old() -> None:
    desk = Desk()
    assert (await desk.take() or b"").startswith(b"\xff\xd8")
    first = desk.thumbnails.version("board")
    await desk.take(after_s=EACH_S / 2)
    assert desk.thumbnails.version("board") == first
    await desk.take(after_s=EACH_S)
    assert desk.thumbnails.version("board") != first
    assert (desk.changes, desk.thumbnails.jpeg("teacher")) == (2, None)


async def test_nothing_is_taken_of_what_pupils_do_not_see() -> None:
    hiding: list[Callable[[Desk], None]] = [
        lambda desk: setattr(desk.views, "sight", Sight("moving", Painter(()))),
        lambda desk: setattr(desk.views, "at", None),
        lambda desk: setattr(desk.lesson, "paused", True),
        lambda desk: setattr(desk.lesson, "on_air", OnAir(camera=False)),
        lambda desk: setattr(desk.lesson, "publisher", None),
        lambda desk: setattr(desk, "frame", None),
        lambda desk: setattr(desk, "now_s", desk.now_s + STALE_S + 0.1),
        lambda desk: setattr(desk.views, "arrived_mono_s", desk.now_s + 0.1),
    ]
    for hide in hiding:
        desk = Desk()
        hide(desk)
        assert await desk.take() is None


async def test_a_camera_that_goes_meanwhile_leaves_no_thumbnail() -> None:
    going: list[Callable[[Desk], None]] = [
        lambda desk: setattr(desk.views, "at", "teacher"),
        lambda desk: setattr(desk.views, "arrived_mono_s", 200.0),
        lambda desk: setattr(desk.views, "sight", Sight("moved", Painter(()))),
        lambda desk: setattr(desk.lesson, "state", LessonState.ENDING),
        lambda desk: setattr(desk.lesson, "publisher", desk.publisher()),
    ]
    for go in going:
        desk = Desk()
        desk.views.meanwhile = partial(go, desk)
        assert await desk.take() is None
        assert desk.thumbnails.jpeg("teacher") is None


async def test_they_are_gone_with_the_lesson_however_soon_the_next_begins() -> None:
    desk = Desk()
    assert await desk.take() is not None
    desk.lesson_is(LessonState.DEGRADED)
    assert desk.thumbnails.jpeg("board") is not None
    desk.lesson_is(LessonState.ENDING)
    desk.lesson_is(LessonState.PREPARING)
    assert desk.thumbnails.jpeg("board") is None


@pytest.mark.parametrize("turns", [True, False])
async def test_the_views_hear_what_shape_pictures_have_while_a_lesson_runs(turns: bool) -> None:
    desk = Desk()
    desk.views.turns = turns
    desk.lesson.state = LessonState.IDLE
    life = asyncio.create_task(desk.thumbnails.run())
    with pytest.raises(AssertionError):
        await until(lambda: desk.views.seen, most_s=2 * LOOK_S)
    desk.lesson.state = LessonState.LIVE
    await until(lambda: desk.views.seen)
    life.cancel()
