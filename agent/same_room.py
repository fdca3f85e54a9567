"""Whether the microphone that pupils hear stands in the room: it hears who the room's own microphone hears.

Two microphones of one room rise and fall together, however far apart they stand; one behind another wall, or on another
cable, has its own people. Where they differ, the room's own is believed. Pure: time is passed in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.levels import Levels
from agent.likeness import LEVEL_S, compare, smooth

WINDOW_LEVELS = 60
LATE_S = 0.3
"""Blocks of a busy machine come this late."""
LOOK_S = 0.8
LAGS_S: NDArray[np.float64] = np.arange(-0.08, 0.09, 0.04)
SPREAD_DB, LOUD_LEAST = 4.0, 15
"""Both must hear somebody: a microphone that is far away hears less, and is no stranger for that."""
STRANGE_SCORE, SAME_SCORE = 0.2, 0.45
STRANGE_LOOKS = 2


class SameRoom:
    """Compares one microphone with the room's own, about once a second; `is_stranger` is what came of it."""

    def __init__(self) -> None:
        self.is_stranger = False
        self._looked_s = -np.inf
        self._strange = 0

    def look(self, own: Levels, heard: Levels, now_s: float) -> None:
        """Compare the last 2.4 s, if it is time; a silence changes nothing."""
        if own is heard:
            self.is_stranger, self._strange = False, 0
        if own is heard or now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        begins_s = np.float64(now_s - LATE_S) - LEVEL_S * np.arange(WINDOW_LEVELS, 0, -1, dtype=np.float64)
        theirs = smooth(own.power(begins_s[None, :] - LAGS_S[:, None], LEVEL_S))
        found = compare(smooth(heard.power(begins_s, LEVEL_S)), theirs, np.ones(theirs.shape, np.bool_), LAGS_S)
        if min(found.spread_db, found.played_spread_db) < SPREAD_DB or found.loud < LOUD_LEAST:
            return
        self._strange = self._strange + 1 if found.score < STRANGE_SCORE else 0
        if self._strange >= STRANGE_LOOKS:
            self.is_stranger = True
        elif found.score >= SAME_SCORE:
            self.is_stranger = False
