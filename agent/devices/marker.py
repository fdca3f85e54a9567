"""A marker that is shown on the board and found again in the camera's picture: power, input, aim, focus in one look.

One of OpenCV's ArUco markers, 5 by 5. Run as ``python -m agent.devices.marker`` it looks for it in one picture after
the other, so that OpenCV is neither in the agent nor in the way of it, and can be ended at any instant.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MARKER_ID = 23
MODULES = (
    "0000000",
    "0010110",
    "0101000",
    "0001000",
    "0101100",
    "0111100",
    "0000000",
)
"""Marker 23 of DICT_5X5_50 with its black border, 1 is white: drawn without OpenCV. A test holds it to OpenCV's."""
SIZE = struct.Struct("=II")
"""Before each picture: its width and height; then its Y rows. The answer is one line of JSON: the corners, or null."""

Corner = tuple[float, float]


class Finder:
    """Finds the marker."""

    def __init__(self) -> None:
        import cv2  # here alone: the agent reads this module for the marker itself

        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_NONE
        parameters.adaptiveThreshWinSizeMax = 53  # a marker that is near has thick lines
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_50)
        self._detector = cv2.aruco.ArucoDetector(dictionary, parameters)

    def find(self, luma: NDArray[np.uint8]) -> tuple[Corner, ...] | None:
        """Return the marker's four corners in pixels, or None; ``luma`` has the shape ``(height, width)``."""
        corners, ids, _ = self._detector.detectMarkers(luma)
        for quad, number in zip(corners, () if ids is None else ids.ravel(), strict=False):
            if number == MARKER_ID:
                return tuple((float(x), float(y)) for x, y in quad.reshape(4, 2))
        return None


def area_share(corners: Sequence[Corner], width_px: int, height_px: int) -> float:
    """Return what part of the picture the marker fills."""
    xs, ys = np.array(corners).T
    area = abs(float(np.dot(xs, np.roll(ys, 1)) - np.dot(ys, np.roll(xs, 1)))) / 2
    return area / (width_px * height_px)


def main() -> None:
    """Look for the marker in what comes on standard input, until it ends."""
    finder = Finder()
    given = sys.stdin.buffer
    while len(head := given.read(SIZE.size)) == SIZE.size:
        width_px, height_px = SIZE.unpack(head)
        rows = given.read(width_px * height_px)
        if len(rows) < width_px * height_px:
            return
        found = finder.find(np.frombuffer(rows, np.uint8).reshape(height_px, width_px))
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
