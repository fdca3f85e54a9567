"""A part of a picture, enlarged to the whole.

`cv2.resize` is three times as fast as a warp and sharper, but begins and ends at whole pixels, so a slow move would be
seen to step. `span` takes a few pixels more than the part, enlarges those, and cuts: of all whole numbers of pixels it
takes those that put the part where it belongs, to some tenths of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.framing.planner import View
from agent.media import Frame

NOTHING_PX = 0.5
"""Less than this from the whole picture is the whole picture."""
SPARE_PX = 4
"""How many pixels more may be taken on each side."""


@dataclass(frozen=True, slots=True)
class Span:
    """Along one side: take ``taken`` pixels from ``start``, make them ``enlarged``, leave ``cut`` away in front."""

    start: int
    taken: int
    enlarged: int
    cut: int


@lru_cache(maxsize=16)
def span(begin: float, share: float, length: int) -> Span:
    """Return how to enlarge the part that begins at ``begin``, both shares of ``length`` pixels, to all of them."""
    first = begin * length
    lowest = min(int(first), length - 1)
    last = min(length, int(first + share * length + 1.999))
    chosen, best = Span(0, length, length, 0), float("inf")
    for taken_before in range(min(SPARE_PX, lowest) + 1):
        start = lowest - taken_before
        place = (first - start) / share
        for end in range(last, min(length, last + SPARE_PX) + 1):
            enlarged = round((end - start) / share)
            cut = min(max(round(place), 0), enlarged - length)
            stretch = enlarged / (end - start) * share
            off = max(abs(place * stretch - cut), abs((place + length) * stretch - cut - length))
            if cut >= 0 and off < best:
                chosen, best = Span(start, end - start, enlarged, cut), off
    return chosen


def crop(frame: Frame, view: View) -> Frame:
    """Return the part of the frame in the frame's own size; the frame itself when it is all of it. Any thread."""
    width_px, height_px = frame.width_px, frame.height_px
    if (1 - view.share) * width_px < NOTHING_PX:
        return frame
    image: NDArray[np.uint8] = np.empty_like(frame.image)
    enlarge(frame.image[:height_px], image[:height_px], view)
    shape = (2, height_px // 2, width_px // 2)
    chroma = frame.image.reshape(-1)[width_px * height_px :].reshape(shape)
    enlarged = image.reshape(-1)[width_px * height_px :].reshape(shape)
    for plane in (0, 1):
        enlarge(chroma[plane], enlarged[plane], view)
    return frame.with_image(image)


def enlarge(plane: NDArray[np.uint8], out: NDArray[np.uint8], view: View) -> None:
    """Write the part of one plane into ``out``, of the same shape."""
    rows, columns = plane.shape
    down, across = span(view.top, view.share, rows), span(view.left, view.share, columns)
    taken = plane[down.start : down.start + down.taken, across.start : across.start + across.taken]
    large = cv2.resize(taken, (across.enlarged, down.enlarged), interpolation=cv2.INTER_CUBIC)
    out[:] = large[down.cut : down.cut + rows, across.cut : across.cut + columns]
