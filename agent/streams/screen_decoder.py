"""Decodes a shared screen in a thread of its own: bounded, the newest picture first, as the room's own frames are."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import av
from av.video.reformatter import Interpolation

from agent.media import Frame
from agent.streams.vp8 import is_key

if TYPE_CHECKING:
    import numpy as np
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

MOST_WIDTH_PX, MOST_HEIGHT_PX = 1920, 1080
"""What a board is sent with at most."""
LEAST_PX = 64
"""A window that is narrower is stretched: no encoder takes less."""
MOST_PIXELS = 4096 * 2304
"""A 4K screen. Its reference pictures take 60 MB; those of an 8K one four times as much."""
MOST_WAITING = 8
"""Half a second of pictures; when more wait the thread cannot follow, and goes on with the next key picture."""
JOIN_S = 1.0


@dataclass(slots=True)
class DecoderCounts:
    """What became of the pictures."""

    decoded: int = 0
    shown: int = 0
    unreadable: int = 0
    overrun: int = 0
    """Times that too many waited."""


class ScreenDecoder:
    """``on_frame`` gets pictures, ``on_broken`` hears that a key picture is needed, ``on_too_large`` that nothing will
    ever come of this screen. All three, and `put`, on ``loop``; the thread lives until `close`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_frame: Callable[[Frame], None],
        on_broken: Callable[[], None],
        on_too_large: Callable[[], None],
    ) -> None:
        self.counts = DecoderCounts()
        self._loop = loop
        self._on_frame = on_frame
        self._on_broken = on_broken
        self._on_too_large = on_too_large
        self._waiting: queue.Queue[tuple[bytes, float] | None] = queue.Queue(MOST_WAITING)
        self._is_closed = False
        self._codec = _open()
        self._thread = threading.Thread(target=self._run, name="shared screen", daemon=True)
        self._thread.start()

    def put(self, picture: bytes, came_mono_s: float) -> None:
        """Take a whole picture that came at ``came_mono_s`` (CLOCK_MONOTONIC). Never blocks."""
        if self._is_closed:
            return
        if is_key(picture) and _pixels(picture) > MOST_PIXELS:
            self._on_too_large()
            return
        try:
            self._waiting.put_nowait((picture, came_mono_s))
        except queue.Full:
            self.counts.overrun += 1
            self._empty()
            self._on_broken()

    def close(self) -> None:
        """Let the thread end; it may be busy with its last picture for a moment."""
        self._is_closed = True
        self._empty()
        self._waiting.put_nowait(None)

    async def join(self) -> None:
        """Wait until the thread has ended, `JOIN_S` at most."""
        await asyncio.to_thread(self._thread.join, JOIN_S)

    def _empty(self) -> None:
        try:
            while True:
                self._waiting.get_nowait()
        except queue.Empty:
            pass

    def _tell(self, function: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(lambda: None if self._is_closed else function())
        except RuntimeError:  # the loop has ended before us
            log.debug("A shared picture came too late for the loop")

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            picture, came_mono_s = waiting
            try:
                decoded = self._codec.decode(av.Packet(picture))
                self.counts.decoded += len(decoded)
                if decoded and self._waiting.empty():  # of pictures that wait only the newest is shown
                    self._hand_over(decoded[-1], came_mono_s)
            except (av.FFmpegError, ValueError, AssertionError):
                self.counts.unreadable += 1
                self._codec = _open()
                self._tell(self._on_broken)

    def _hand_over(self, picture: VideoFrame, came_mono_s: float) -> None:
        width_px, height_px = fitted(picture.width, picture.height)
        shown = picture.reformat(width_px, height_px, format="yuv420p", interpolation=Interpolation.AREA)
        image = cast("NDArray[np.uint8]", shown.to_ndarray())
        frame = Frame(image, width_px, height_px, came_mono_s, self.counts.shown)
        self.counts.shown += 1
        self._tell(lambda: self._on_frame(frame))


def fitted(width_px: int, height_px: int) -> tuple[int, int]:
    """Return the size in which a screen is shown: even, its own where that is no larger than a board's."""
    share = min(1.0, MOST_WIDTH_PX / width_px, MOST_HEIGHT_PX / height_px)
    return max(LEAST_PX, int(width_px * share) // 2 * 2), max(LEAST_PX, int(height_px * share) // 2 * 2)


def _open() -> VideoCodecContext:
    codec = av.CodecContext.create("vp8", "r")
    codec.thread_count = 1  # more would each hold a picture back
    return codec


def _pixels(key: bytes) -> int:
    """Return how many pixels a key picture says it has (RFC 6386 §9.1); 0 for one that says nothing."""
    if len(key) < 10:
        return 0
    width_px, height_px = (int.from_bytes(key[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return width_px * height_px
