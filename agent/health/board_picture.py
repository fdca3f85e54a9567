"""A board that shows nothing although it should; one that stands still is at work."""

from __future__ import annotations

import cv2
import numpy as np

from agent.health.reading import Reading
from agent.media import Frame
from protocol.messages import CheckStatus

_BLACK_UP_TO = 24
"""In studio range, where black is 16: a black picture through a capture card or a codec."""
_ONE_COLOUR_WITHIN = 3
"""Levels from the darkest to the brightest of a quarter of the pixels: a mouse pointer or a task bar is more."""


class BoardLooks:
    """Looks at the board's pictures, one after another."""

    def look(self, frame: Frame, mono_s: float, *, is_turning: bool = False) -> tuple[Reading, ...]:
        """Return whether the picture is of one colour."""
        light = frame.image[: frame.height_px : 2, : frame.width_px : 2]
        darkest, brightest, _, _ = cv2.minMaxLoc(np.ascontiguousarray(light))
        variant, status = "", CheckStatus.OK
        if brightest <= _BLACK_UP_TO:
            status = CheckStatus.WARNING
        elif brightest - darkest <= _ONE_COLOUR_WITHIN and _is_one_tint(frame):
            variant, status = "one-colour", CheckStatus.WARNING
        return (Reading("board-picture-black", status, round(brightest - darkest), variant=variant),)


def _is_one_tint(frame: Frame) -> bool:
    planes = frame.image.reshape(-1)[frame.height_px * frame.width_px :].reshape(2, -1)
    return all(int(np.ptp(plane)) <= _ONE_COLOUR_WITHIN for plane in planes)
