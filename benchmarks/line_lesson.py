"""The lesson of the benchmark of lines: camera, voice, slides that change and a hand that writes once a second.

Each stroke and each slide is noted with its capture, so that a page that looks for them can say how late it saw them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_S, BLOCK_SAMPLES, AudioBlock, Frame
from agent.streams.layers import PictureTrackName
from benchmarks.line_figures import Slide, Stroke
from benchmarks.ordinary_sound import RoomSound, Voices
from benchmarks.recording import RATE_HZ, recording
from tests.fakes import board_slides

STROKE_S = 1.0
SLIDE_S = 20.0
"""A slide is written on for so long; then comes the other one."""
LOOKED_FOR_S = 3.0
"""Nothing is written just before a slide goes: there would be no time to see it late."""
CAMERA_PICTURES = 60
VOICE_S = 60
INK_TOP_PX = 1014
"""Both slides are bare below."""
_ROWS_PX = (1030, 1056)
"""Strokes of a slide lie on one row, those of the next on the other: none is taken for another's."""
_PLACES, _LEFT_PX, _STEP_PX, _LONG_PX, _THICK_PX = 32, 48, 57, 34, 8
_END_PX = 5
"""A stroke's round ends are not looked at."""


class Room(Protocol):
    """What a lesson is given to: a `Publisher`, or what stands in the same place."""

    def push_frame(self, track: PictureTrackName, frame: Frame) -> None:
        """Take the newest picture of a device."""
        ...

    def push_sound(self, source: str, block: AudioBlock) -> None:
        """Take 20 ms of a source."""
        ...


@dataclass(frozen=True)
class Material:
    """What is shown and said; made once for all rows."""

    camera: list[Frame]
    voice: NDArray[np.int16]
    slides: tuple[NDArray[np.uint8], NDArray[np.uint8]]

    @classmethod
    def make(cls) -> Material:
        """Draw and speak; takes some seconds."""
        rng = np.random.default_rng(12)
        voice = RoomSound(rng, Voices(rng, 2)).chunk(VOICE_S, "lecture")
        return cls(_camera(), voice, (board_slides.text(), board_slides.photograph()))

    def png(self, number: int) -> bytes:
        """Return a slide as the page compares it."""
        bgr = cv2.cvtColor(self.slides[number], cv2.COLOR_YUV2BGR_I420)
        return cv2.imencode(".png", bgr)[1].tobytes()


def page_board() -> dict[str, Any]:
    """Return what the page must know to find strokes and slides (``line_page.js``)."""
    places = [_LEFT_PX + number * _STEP_PX for number in range(_PLACES)]
    return {
        "rows": _ROWS_PX,
        "strokes": [{"from": x_px + _END_PX, "to": x_px + _LONG_PX - _END_PX} for x_px in places],
        "slides": ["/slides/0.png", "/slides/1.png"],
        "inkTop": INK_TOP_PX,
    }


@dataclass
class Lesson:
    """One lesson; `run` gives it to a room, and notes what it showed."""

    material: Material
    room: Room
    strokes: list[Stroke] = field(default_factory=list)
    slides: list[Slide] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    """How late each block of the voice was: the machine's doing, and no line's."""

    async def run(self, slides_from_s: float) -> None:
        """Teach until cancelled; the first slide stays for ``slides_from_s``."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_each(1 / RATE_HZ, self._camera))
            tasks.create_task(_each(BLOCK_S, self._voice))
            tasks.create_task(self._board(slides_from_s))

    def _camera(self, number: int, due_s: float) -> None:
        picture = self.material.camera[number % len(self.material.camera)]
        self.room.push_frame("camera", replace(picture, captured_mono_s=time.monotonic(), sequence=number))

    def _voice(self, number: int, due_s: float) -> None:
        self.late_s.append(time.monotonic() - due_s)
        at = number * BLOCK_SAMPLES % (len(self.material.voice) - BLOCK_SAMPLES)
        self.room.push_sound("room", AudioBlock(self.material.voice[at : at + BLOCK_SAMPLES], due_s - BLOCK_S, number))

    async def _board(self, first_for_s: float) -> None:
        number, lasts_s = 0, first_for_s
        while True:
            picture, begun_s = self.material.slides[number % 2], time.time()
            self.slides.append(Slide(number, begun_s, begun_s + lasts_s))
            self._show(picture)
            for place in range(_PLACES):
                due_s = begun_s + (place + 0.5) * STROKE_S
                if due_s > begun_s + lasts_s - LOOKED_FOR_S:
                    break
                await asyncio.sleep(max(0.0, due_s - time.time()))
                picture = _with_stroke(picture, number, place)
                self.strokes.append(Stroke(number, place, time.time()))
                self._show(picture)
            await asyncio.sleep(max(0.0, begun_s + lasts_s - time.time()))
            number, lasts_s = number + 1, SLIDE_S

    def _show(self, picture: NDArray[np.uint8]) -> None:
        width_px, height_px = board_slides.WIDTH_PX, board_slides.HEIGHT_PX
        self.room.push_frame("board", Frame(picture, width_px, height_px, time.monotonic(), len(self.strokes)))


def _with_stroke(picture: NDArray[np.uint8], slide: int, place: int) -> NDArray[np.uint8]:
    written = picture.copy()
    x_px, y_px = _LEFT_PX + place * _STEP_PX, _ROWS_PX[slide % 2]
    cv2.line(written[: board_slides.HEIGHT_PX], (x_px, y_px), (x_px + _LONG_PX, y_px), 40, _THICK_PX)
    return written


async def _each(interval_s: float, do: Callable[[int, float], None]) -> None:
    """Call at a steady pace; the first time after one interval."""
    begun_s, number = time.monotonic(), 0
    while True:
        due_s = begun_s + (number + 1) * interval_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        do(number, due_s)
        number += 1


def _camera() -> list[Frame]:
    pictures: list[Frame] = []
    with av.open(str(recording())) as container:
        for frame in container.decode(video=0):
            if len(pictures) == CAMERA_PICTURES:
                break
            image = np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)
            pictures.append(Frame(image, frame.width, frame.height, 0.0, len(pictures)))
    return pictures + pictures[-2:0:-1]  # to and fro: nothing jumps
