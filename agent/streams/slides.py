"""When the board shows a new slide: a large change that then stays. Pure; looked at about once a second."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.media import Frame

ACROSS, DOWN = 96, 54
CHANGED: Final = 10.0
"""Grey levels by which the mean of a part differs: a line of text in it, and not a codec's noise."""
NEW_SHARE: Final = 0.08
"""Of the parts that changed since the board last stood still: writing of a second is far less, a slide of text more."""
STILL_SHARE: Final = 0.02
"""Of the parts that may change between two looks of a board that stands still; a film moves more."""
APART_S: Final = 10.0
"""Leafing through is one chapter, where it began."""


class SlideWatch:
    """Remembers how the board last stood still, in 96×54 parts, and says when something else does."""

    def __init__(self) -> None:
        self._still: NDArray[np.float32] | None = None
        self._before: NDArray[np.float32] | None = None
        self._told_s = float("-inf")

    def see(self, frame: Frame, at_s: float) -> bool:
        """Say whether a new slide stands there since the board last stood still."""
        parts = _parts(frame)
        before, self._before = self._before, parts
        if before is None or before.shape != parts.shape or _changed(parts, before) > STILL_SHARE:
            return False
        last, self._still = self._still, parts
        if (
            last is None
            or last.shape != parts.shape
            or _changed(parts, last) < NEW_SHARE
            or at_s - self._told_s < APART_S
        ):
            return False
        self._told_s = at_s
        return True


def _parts(frame: Frame) -> NDArray[np.float32]:
    down, across = min(DOWN, frame.height_px), min(ACROSS, frame.width_px)
    high, wide = frame.height_px // down, frame.width_px // across
    luma = frame.image[: high * down, : wide * across]
    parts: NDArray[np.float32] = luma.reshape(down, high, across, wide).mean(axis=(1, 3), dtype=np.float32)
    return parts


def _changed(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the share of the parts that differ: all of them when the board's size has changed."""
    return float(np.mean(np.abs(one - other) > CHANGED)) if one.shape == other.shape else 1.0
