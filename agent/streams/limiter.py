"""Keeps a sum of sounds below full scale without cutting its tops: turned down at once, let up again slowly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CEILING = 29_204
"""-1 dBFS: what Opus makes of a full-scale sound goes over it by less than this."""
RELEASE_PER_BLOCK = 0.04
"""From half to whole within a quarter of a second: slower than a syllable, so that loudness does not flutter."""


class Limiter:
    """Works on blocks in order; adds no delay. One thread."""

    def __init__(self) -> None:
        self._gain = 1.0

    def apply(self, samples: NDArray[np.float32]) -> NDArray[np.int16]:
        """Return a block, none of it beyond ±`CEILING`. Its gain never jumps, save where a top would go over."""
        loud = np.abs(samples)
        if self._gain == 1.0 and loud.max() <= CEILING:
            return samples.astype(np.int16)
        allowed = np.minimum.accumulate(np.minimum(1.0, CEILING / np.maximum(loud, 1.0)))
        let_up = np.linspace(self._gain, min(1.0, self._gain + RELEASE_PER_BLOCK), len(samples))
        gains = np.minimum(let_up, allowed)
        self._gain = float(gains[-1])
        return np.asarray(np.trunc(samples * gains), np.int16)
