"""What pupils say on its way to the loudspeaker: evened out, never late for long, and without a click."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_SAMPLES

START_BLOCKS = 2
"""Before the first block sounds, so many wait, 40 ms: the agent's loop and the device's thread are late by turns."""

MOST_BLOCKS = 6
"""More than 120 ms waiting is late speech: what is too much is left out, down to `START_BLOCKS`."""

FADE_SAMPLES = 240
"""5 ms: short enough to cost no syllable, long enough not to be heard."""

_UP = np.linspace(0.0, 1.0, FADE_SAMPLES, dtype=np.float32)
_DOWN = 1.0 - _UP


class Playback:
    """The blocks that wait; ``take`` gives the next one that arrived, or None. For one thread, PortAudio's."""

    def __init__(self, take: Callable[[], NDArray[np.int16] | None]) -> None:
        self._take = take
        self._waiting: deque[NDArray[np.int16]] = deque()
        self._is_playing = False
        self._last = 0.0
        self.late_blocks = 0
        """Left out because they came too late."""
        self.gaps = 0
        """How often there was nothing to play after something, the end of each remark included."""

    def next_block(self) -> NDArray[np.int16] | None:
        """Return the 20 ms to play now, shape ``(960,)``; None is silence."""
        while (arrived := self._take()) is not None:
            self._waiting.append(arrived)
        if not self._is_playing and len(self._waiting) < START_BLOCKS:
            return None
        if not self._waiting:
            self._is_playing = False
            self.gaps += 1
            return self._fading_away()
        block = self._waiting.popleft()
        if len(self._waiting) >= MOST_BLOCKS:
            block = self._skip(block)
        if not self._is_playing:
            self._is_playing = True
            block = _joined(np.zeros(FADE_SAMPLES, np.int16), block)
        self._last = float(block[-1])
        return block

    def _skip(self, block: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the block to play instead, joined to what would have come."""
        going_on = block
        while len(self._waiting) >= START_BLOCKS:
            block = self._waiting.popleft()
            self.late_blocks += 1
        return _joined(going_on[:FADE_SAMPLES], block)

    def _fading_away(self) -> NDArray[np.int16]:
        block = np.zeros(BLOCK_SAMPLES, np.int16)
        block[:FADE_SAMPLES] = self._last * _DOWN
        self._last = 0.0
        return block


def _joined(before: NDArray[np.int16], block: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the block, its beginning faded over from what was before."""
    joined = block.copy()
    joined[:FADE_SAMPLES] = before * _DOWN + block[:FADE_SAMPLES] * _UP
    return joined
