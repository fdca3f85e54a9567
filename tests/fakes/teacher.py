"""A teacher who stands or walks before a blackboard: a photograph of a person, cut out and moved across a drawn room.

`teacher.webp` is made from NASA's portrait of the astronaut Eileen Collins (S93-34587 of the NASA Great Images
collection, in the public domain: NASA's pictures are not protected by copyright), cut out and made smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.devices.i420 import from_bgr
from agent.media import Frame

WIDTH_PX, HEIGHT_PX = 1280, 720
Bgr = NDArray[np.uint8]
FEET = 0.86
"""Where the desk hides the rest of the teacher."""


def room(width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> Bgr:
    """Return the empty room: wall, board with chalk on it, floor."""
    picture: Bgr = np.full((height_px, width_px, 3), (190, 200, 205), np.uint8)
    picture[height_px // 9 : height_px * 7 // 12, width_px // 9 : width_px * 5 // 7] = (60, 80, 50)
    picture[height_px * 7 // 9 :] = (120, 130, 150)
    where = (width_px // 5, height_px // 3)
    cv2.putText(picture, "a2 + b2 = c2", where, cv2.FONT_HERSHEY_SIMPLEX, height_px / 360, (230, 230, 230), 4)
    blurred: Bgr = np.empty_like(picture)
    cv2.GaussianBlur(picture, (5, 5), 0, dst=blurred)
    return blurred


class Classroom:
    """Draws pictures of the room. ``noise`` is the camera's, in levels, new in each picture."""

    def __init__(self, *, noise: int = 3, seed: int = 1) -> None:
        teacher = cv2.imread(str(Path(__file__).with_name("teacher.webp")), cv2.IMREAD_UNCHANGED)
        assert teacher is not None
        self._teacher = teacher
        self._empty = room()
        self._random = np.random.default_rng(seed)
        self._noise = noise
        self._sequence = 0

    def frame(self, mono_s: float, people: Sequence[float], height: float = 0.4) -> Frame:
        """Return a picture with somebody at each of these places; places and height are shares of the picture."""
        picture = self._empty.copy()
        for x in people:
            self._stand(picture, x, height)
        if self._noise:
            grain = self._random.integers(-self._noise, self._noise + 1, picture.shape[:2], dtype=np.int16)
            picture = np.clip(picture + grain[..., None], 0, 255).astype(np.uint8)
        self._sequence += 1
        return Frame(from_bgr(picture), WIDTH_PX, HEIGHT_PX, mono_s, self._sequence)

    def _stand(self, picture: Bgr, x: float, height: float) -> None:
        side = round(height * HEIGHT_PX)
        left, top = x * WIDTH_PX - side * 0.43, round(FEET * HEIGHT_PX) - side
        # to a fraction of a pixel, as a lens shows somebody who walks slowly
        into = np.array(((side / 384, 0, left - int(left)), (0, side / 384, 0)))
        small = cv2.warpAffine(self._teacher, into, (side + 1, side), flags=cv2.INTER_AREA)
        begin, end = max(0, -int(left)), min(side + 1, WIDTH_PX - int(left))
        if end <= begin:
            return
        part = picture[top : top + side, int(left) + begin : int(left) + end]
        share = small[:, begin:end, 3:].astype(np.float32) / 255
        part[:] = part * (1 - share) + small[:, begin:end, :3] * share
