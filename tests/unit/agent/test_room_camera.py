"""What the signal's checks mean for a camera whose views somebody found right."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from agent.camera_views import LATE_S
from agent.lesson import Lesson
from agent.masks import Mask
from agent.media import Frame, FrameFilters
from agent.room_camera import MOVED, RoomCamera
from protocol.lesson import LessonState
from protocol.messages import Check, CheckStatus

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SCENE = 200


def said(status: CheckStatus) -> tuple[Check, ...]:
    return (Check(id="picture-black", status=CheckStatus.OK, since=AT), Check(id=MOVED, status=status, since=AT))


class Teaching:
    """A lesson that runs or does not."""

    def __init__(self) -> None:
        self.filters = {"camera": FrameFilters()}
        self.state = LessonState.LIVE
        self.publisher = None
        self.listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def becomes(self, state: LessonState) -> None:
        self.state = state
        for listener in self.listeners:
            listener()


@pytest.fixture
def lesson() -> Teaching:
    return Teaching()


@pytest.fixture
def camera(tmp_path: Path, lesson: Teaching) -> RoomCamera:
    """A masked camera that does not turn: its pupils see it until its picture moved."""
    lesson.becomes(LessonState.LIVE)
    masks = (Mask(rectangle=(0, 0, 0.5, 1)),)
    return RoomCamera(
        None, masks, cast(Lesson, lesson), tmp_path, on_change=lambda: None, on_check=lambda: None, now=lambda: AT
    )


def is_shown(camera: RoomCamera) -> bool:
    frame = Frame(np.full((36 * 3 // 2, 64), SCENE, np.uint8), 64, 36, time.monotonic() + LATE_S + 0.1, 0)
    return bool(camera.views.screen(frame).image[20, 60] == SCENE)


def test_a_camera_that_was_pushed_is_covered(camera: RoomCamera) -> None:
    camera.hear(said(CheckStatus.OK))
    assert is_shown(camera)
    camera.hear(said(CheckStatus.WARNING))
    assert not is_shown(camera)


def look_and_say_it_is_right(camera: RoomCamera) -> None:
    camera.views.draft(Frame(np.zeros((36 * 3 // 2, 64), np.uint8), 64, 36, time.monotonic(), 0))
    camera.views.confirm("camera")


@pytest.mark.parametrize("meanwhile", [(), said(CheckStatus.UNKNOWN), said(CheckStatus.WARNING)])
def test_who_looks_again_after_a_push_is_believed_for_the_lesson(
    camera: RoomCamera, lesson: Teaching, meanwhile: tuple[Check, ...]
) -> None:
    lesson.becomes(LessonState.PREPARING)
    camera.hear(said(CheckStatus.WARNING))
    look_and_say_it_is_right(camera)
    camera.hear(meanwhile)  # none: the camera is on a view of which nobody recorded how it is normally
    camera.hear(said(CheckStatus.WARNING))
    assert is_shown(camera)
    lesson.becomes(LessonState.IDLE)
    lesson.becomes(LessonState.LIVE)
    camera.hear(said(CheckStatus.WARNING))
    assert not is_shown(camera)


def test_a_second_push_is_heard_as_well(camera: RoomCamera) -> None:
    camera.hear(said(CheckStatus.WARNING))
    look_and_say_it_is_right(camera)
    camera.hear(said(CheckStatus.OK))
    camera.hear(said(CheckStatus.WARNING))
    assert not is_shown(camera)
