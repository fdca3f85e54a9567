"""What one microphone hears, in numbers: alive, loud, over which noise. Some µs a block; no sound is kept.

Pure: time is passed in. A microphone that is only watched costs its capture process and this.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from agent.media import AudioBlock

SILENCE_DBFS = -120.0
FLOOR_LEAST_DBFS = -75.0
"""Below this it is the converter's noise: one microphone is not better than another for it."""
SHORT_BLOCKS = 5
"""100 ms: a syllable."""
SHORTS_A_SECOND = 10
WINDOW_S = 30
QUIET_OVER_FLOOR_DB = 8.0
QUIET_DBFS = -55.0
"""Whatever the noise, nobody is speaking below this."""
QUIET_S = 0.3
"""Pauses inside of a word are shorter."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How well a microphone heard the last 30 s. ``level_dbfs`` is that of speech, if there was any."""

    level_dbfs: float
    floor_dbfs: float

    @property
    def clarity_db(self) -> float:
        """How far what is said stands out of the noise."""
        return self.level_dbfs - self.floor_dbfs


class Ear:
    """Follows one microphone, block by block, from when it is opened until it is lost."""

    def __init__(self) -> None:
        self.last_s = -math.inf
        """When it last gave anything."""
        self._power = 0.0
        self._blocks = 0
        self._shorts: list[float] = []
        self._loudest: deque[float] = deque(maxlen=WINDOW_S)
        self._faintest: deque[float] = deque(maxlen=WINDOW_S)
        self._quiet_since_s: float | None = None

    def take(self, block: AudioBlock, now_s: float) -> None:
        """Hear 20 ms that arrived at ``now_s``."""
        self.last_s = now_s
        samples = block.samples.astype(np.float32)
        self._power += float(np.dot(samples, samples)) / len(samples)
        self._blocks += 1
        if self._blocks == SHORT_BLOCKS:
            self._short(_dbfs(self._power / SHORT_BLOCKS), now_s)
            self._power, self._blocks = 0.0, 0

    def is_quiet(self, now_s: float) -> bool:
        """Say whether nobody has spoken for a moment."""
        return self._quiet_since_s is not None and now_s - self._quiet_since_s >= QUIET_S

    def hearing(self) -> Hearing | None:
        """Return what it heard in the last 30 s; None before it has heard so long without a break."""
        if len(self._loudest) < WINDOW_S:
            return None
        loudest, faintest = sorted(self._loudest), sorted(self._faintest)
        # what is loud in a quarter of the seconds, and faint in three quarters: a slammed door is neither
        return Hearing(loudest[WINDOW_S * 3 // 4], max(FLOOR_LEAST_DBFS, faintest[WINDOW_S // 4]))

    def _short(self, level_dbfs: float, now_s: float) -> None:
        floor_dbfs = min(self._faintest, default=SILENCE_DBFS)  # in the first second, nothing is known of the noise
        if level_dbfs > max(QUIET_DBFS, floor_dbfs + QUIET_OVER_FLOOR_DB):
            self._quiet_since_s = None
        elif self._quiet_since_s is None:
            self._quiet_since_s = now_s
        self._shorts.append(level_dbfs)
        if len(self._shorts) == SHORTS_A_SECOND:
            self._loudest.append(max(self._shorts))
            self._faintest.append(min(self._shorts))
            self._shorts.clear()


def _dbfs(power: float) -> float:
    return max(SILENCE_DBFS, 10 * math.log10(power / 32_768**2)) if power > 0 else SILENCE_DBFS
