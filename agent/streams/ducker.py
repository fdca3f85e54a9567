"""Takes the board's sound back while somebody speaks, so that a voice is understood over a film.

Pure: hears block by block what the microphone and the board gave for the same 20 ms; says how loud the board may be.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_S

DUCK_DB = -12.0
"""A quarter of its amplitude: still followed, and no longer masking speech."""
ATTACK_S = 0.02
"""One block: the first syllable is heard already."""
RELEASE_S = 0.4
"""Back to full over this, once `HANG_S` has passed without a voice."""
HANG_S = 0.3
"""Pauses between words are shorter; without it the film would pump."""
VOICE_LEAST_DBFS = -50.0
"""Somebody who speaks in a room is above this; rustling paper is mostly below."""
OVER_FLOOR_DB = 10.0
FLOOR_RISES_DB_S = 2.0
"""A fan that is switched on counts as a voice for some seconds, a sentence never becomes the floor."""
SILENCE_DBFS = -90.0

ECHO_LOOK_BLOCKS = 7
ECHO_LOOKS = 107
"""15 s of looks: speech over a film has pauses within that."""
ECHO_LOOKS_LEAST = 7
ECHO_SHARE = 0.15
"""The quietest seventh of looks is the loudspeaker alone, whoever speaks over it the rest of the time."""
ECHO_MARGIN_DB = 9.0
ECHO_UNKNOWN_DB = -20.0
BOARD_SOUNDS_DBFS = -50.0
SMOOTHING = 0.1
"""Share of a block in the levels that are compared: the room answers some 200 ms long."""


class Ducker:
    """Follows one room. The microphone hears the board's own loudspeaker, too: how much of it is learned, and is no
    voice. One thread."""

    def __init__(self) -> None:
        self._gain_db = 0.0
        self._floor_db = SILENCE_DBFS
        self._held_blocks = 0
        self._smooth_voice = self._smooth_board = 0.0
        self._ratios: deque[float] = deque(maxlen=ECHO_LOOKS)
        self._blocks = 0

    def gains(self, voice: NDArray[np.float32], board: NDArray[np.float32]) -> tuple[float, float]:
        """Return the board's gain at the beginning and at the end of this block; what is between is a straight line."""
        before_db = self._gain_db
        if self._is_voice(_power(voice), _power(board)):
            self._held_blocks = round(HANG_S / BLOCK_S)
        elif self._held_blocks:
            self._held_blocks -= 1
        if self._held_blocks:
            self._gain_db = max(DUCK_DB, before_db + DUCK_DB * BLOCK_S / ATTACK_S)
        else:
            self._gain_db = min(0.0, before_db - DUCK_DB * BLOCK_S / RELEASE_S)
        return _amplitude(before_db), _amplitude(self._gain_db)

    def _is_voice(self, voice: float, board: float) -> bool:
        voice_db = _dbfs(voice)
        self._floor_db = min(voice_db, self._floor_db + FLOOR_RISES_DB_S * BLOCK_S)
        self._smooth_voice += (voice - self._smooth_voice) * SMOOTHING
        self._smooth_board = max(board, self._smooth_board + (board - self._smooth_board) * SMOOTHING)
        board_db = _dbfs(self._smooth_board)
        self._blocks += 1
        least_db = max(VOICE_LEAST_DBFS, self._floor_db + OVER_FLOOR_DB)
        if board_db > BOARD_SOUNDS_DBFS:
            if self._blocks % ECHO_LOOK_BLOCKS == 0:
                self._ratios.append(_dbfs(self._smooth_voice) - board_db)
            least_db = max(least_db, board_db + self._echo_db() + ECHO_MARGIN_DB)
        return voice_db > least_db

    def _echo_db(self) -> float:
        """Return how much louder, or as a rule softer, the microphone hears the board than it is."""
        if len(self._ratios) < ECHO_LOOKS_LEAST:
            return ECHO_UNKNOWN_DB
        return sorted(self._ratios)[int(len(self._ratios) * ECHO_SHARE)]


def _power(samples: NDArray[np.float32]) -> float:
    """Return the mean square, 1 being that of full scale."""
    return float(np.dot(samples, samples)) / len(samples) / 32_768**2


def _dbfs(power: float) -> float:
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS


def _amplitude(gain_db: float) -> float:
    return float(10 ** (gain_db / 20))
