"""Whether a camera still points where it pointed when its room was calibrated."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from agent.health import picture_measures as measures
from agent.health.baseline import EDGES_HEIGHT, EDGES_WIDTH, CameraBaseline
from agent.health.picture_measures import Floats
from agent.health.reading import Reading
from protocol.messages import CheckStatus

MOVED_SHARE = 0.02
"""Of the picture's width."""
BETTER, AS_BEFORE, OTHER = 0.12, 0.30, 0.24
"""Likeness of edges: by how much more a shifted picture must fit; when it fits well; when it is another scene."""
_SECONDS = 5


class Aim:
    """Compares edges with the baseline's, once a second; their mean of some seconds, which people walk out of."""

    def __init__(self, baseline: CameraBaseline) -> None:
        self._known = baseline.edge_map()
        self._window = cv2.createHanningWindow((EDGES_WIDTH, EDGES_HEIGHT), cv2.CV_32F)
        self._mean: Floats | None = None
        self._seconds = 0

    def forget(self) -> None:
        """Begin anew: the camera turns."""
        self._mean, self._seconds = None, 0

    def look(self, squared: Floats) -> Iterator[Reading]:
        """Return whether the view has moved, in percent of its width."""
        edges = measures.edges(squared)
        mean = edges if self._mean is None else self._mean + (edges - self._mean) / np.float32(_SECONDS)
        self._mean = mean
        self._seconds += 1
        if self._seconds < _SECONDS:
            return
        here = measures.likeness(mean, self._known)
        (across, down), _ = cv2.phaseCorrelate(self._known - self._known.mean(), mean - mean.mean(), self._window)
        shift = math.hypot(across, down) / EDGES_WIDTH
        there = self._likeness_at(mean, round(across), round(down))
        if shift > MOVED_SHARE and there > max(AS_BEFORE, here + BETTER):
            yield Reading("picture-moved", CheckStatus.WARNING, round(100 * shift, 1), "%")
        elif here > AS_BEFORE:
            yield Reading("picture-moved", CheckStatus.OK, 0.0, "%")
        elif max(here, there) < OTHER:
            yield Reading("picture-moved", CheckStatus.WARNING, variant="other-scene")
        else:
            yield Reading("picture-moved", CheckStatus.UNKNOWN)

    def _likeness_at(self, mean: Floats, across: int, down: int) -> float:
        """Return how well the two fit where they overlap, once shifted; 0 when too little of them does."""
        if abs(across) > EDGES_WIDTH // 2 or abs(down) > EDGES_HEIGHT // 2:
            return 0.0
        known, now = _cut(self._known, -across, -down), _cut(mean, across, down)
        return measures.likeness(np.ascontiguousarray(known), np.ascontiguousarray(now))


def _cut(picture: Floats, across: int, down: int) -> Floats:
    rows = slice(max(0, down), EDGES_HEIGHT + min(0, down))
    columns = slice(max(0, across), EDGES_WIDTH + min(0, across))
    return picture[rows, columns]
