"""Pictures and sound with their time of capture: the only thing devices and streams share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 48_000
BLOCK_SAMPLES = 960
"""Samples in one audio block: 20 ms, one Opus frame (RFC 6716 §2.1.4)."""
BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture.

    ``image`` is I420, shape ``(height_px * 3 // 2, width_px)`` uint8, C-contiguous: Y, then U, then V, in BT.601
    (SMPTE 170M matrix), studio range: what OpenCV's and swscale's BGR conversions give and what MJPEG cameras hold, so
    an encoder tags its stream so (H.264 matrix_coefficients 6, full range flag 0). Width and height are even. Nobody
    writes into it. ``captured_mono_s`` is CLOCK_MONOTONIC at the instant the picture reached the capture process;
    ``sequence`` counts the pictures of one device from 0, gaps are drops.
    """

    image: NDArray[np.uint8]
    width_px: int
    height_px: int
    captured_mono_s: float
    sequence: int

    def __post_init__(self) -> None:
        assert self.image.shape == (self.height_px * 3 // 2, self.width_px), self.image.shape

    def with_image(self, image: NDArray[np.uint8]) -> Frame:
        """Return the same instant with another picture of the same size."""
        return replace(self, image=image)


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """20 ms of sound: ``samples`` is mono int16, shape ``(960,)``, 48 kHz.

    ``captured_mono_s`` is CLOCK_MONOTONIC of the *first* sample; ``sequence`` counts from 0, gaps are drops.
    """

    samples: NDArray[np.int16]
    captured_mono_s: float
    sequence: int


FrameFilter = Callable[[Frame], Frame]


class FrameFilters:
    """An ordered list of functions on frames, between capture and encoders: masks, crop, the on-air corner.

    Filters may come and go on the loop while other threads apply them: a frame goes through those that were there when
    it began.
    """

    def __init__(self) -> None:
        self._filters: tuple[tuple[bool, FrameFilter], ...] = ()

    def add(self, frame_filter: FrameFilter, *, is_last: bool = False) -> Callable[[], None]:
        """Append a filter; return the function that takes it out again.

        ``is_last``: it comes after all that are not, also after those that are added later. So nothing that hides a
        part of the picture ever meets one that was moved or enlarged before.
        """
        entry = (is_last, frame_filter)
        self._filters = tuple(sorted((*self._filters, entry), key=lambda one: one[0]))

        def take_out() -> None:
            self._filters = tuple(one for one in self._filters if one is not entry)

        return take_out

    def apply(self, frame: Frame) -> Frame:
        """Run the frame through all filters in order."""
        for _, frame_filter in self._filters:
            frame = frame_filter(frame)
        return frame
