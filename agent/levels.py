"""How loud it was, and when: power over time of one source, as numbers; no sound is kept.

Pure: every block carries its time of capture. Twelve seconds are kept, for a page tells what it played late.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_S, AudioBlock

Floats = NDArray[np.float64]

KEPT_S = 12.0
"""A page reports each second what it played up to two seconds after it was said; four seconds are compared."""
FULL_SCALE_POWER = 32_768.0**2


def power_of(samples: NDArray[np.integer[Any]]) -> float:
    """Return the mean square of a block; 1 is that of a full-scale square wave."""
    wide = samples.astype(np.float32)
    return float(np.dot(wide, wide)) / max(1, len(wide)) / FULL_SCALE_POWER


class Levels:
    """Power of one source, of which blocks of 20 ms come in their order of capture."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, float, float]] = deque(maxlen=round(KEPT_S / BLOCK_S))
        self._sum = 0.0
        self._points: tuple[Floats, Floats] | None = None

    def hear(self, block: AudioBlock) -> None:
        """Take 20 ms."""
        self.take(power_of(block.samples), block.captured_mono_s)

    def take(self, power: float, begin_mono_s: float) -> None:
        """Take 20 ms of this power; what overlaps what is known by more than half a block is left out."""
        if self._kept and begin_mono_s < self._kept[-1][0] + BLOCK_S / 2:
            return
        before = self._sum
        self._sum += power * BLOCK_S
        self._kept.append((begin_mono_s, before, self._sum))
        self._points = None

    @property
    def end_mono_s(self) -> float:
        """Return until when it is known; minus infinity before the first block."""
        return self._kept[-1][0] + BLOCK_S if self._kept else -np.inf

    def power(self, begin_mono_s: Floats, length_s: float) -> Floats:
        """Return the mean power of spans that begin at these times; what is not known counts as silence."""
        if not self._sum:
            return np.zeros_like(begin_mono_s)
        if self._points is None:
            kept = np.array(self._kept)
            times = np.column_stack((kept[:, 0], kept[:, 0] + BLOCK_S)).ravel()
            # a block that begins a little before the one before it ends must not turn time back
            self._points = np.maximum.accumulate(times), kept[:, 1:].ravel()
        until = np.interp(begin_mono_s + length_s, *self._points)
        power: Floats = np.maximum(0.0, until - np.interp(begin_mono_s, *self._points)) / length_s
        return power


class RoomLevels:
    """What a page that hears the teacher must have played, in a lesson: written by the room's sound, read by the lamp.

    The truth is what the microphone gave, whatever goes wrong between it and the pupils; the mixer tells only what
    else it put in, and when the teacher let nothing out.
    """

    def __init__(self) -> None:
        self.microphone = Levels()
        """The one that is heard; after a change, the other goes on here."""
        self.beside = Levels()
        """What is mixed in beside the microphone: the board's sound."""
        self._open = Levels()

    def hear(self, block: AudioBlock) -> None:
        """Take 20 ms of the microphone that is heard."""
        self.microphone.hear(block)

    def let_out(
        self, whole: NDArray[np.int16], voice: NDArray[np.int16], begin_mono_s: float, *, is_open: bool
    ) -> None:
        """Take 20 ms of the programme: all of it, what of it is the microphone, and whether it is let out."""
        is_alone = whole is voice or not is_open
        self.beside.take(0.0 if is_alone else power_of(np.subtract(whole, voice, dtype=np.int32)), begin_mono_s)
        self._open.take(float(is_open), begin_mono_s)

    @property
    def end_mono_s(self) -> float:
        """Return until when all of it is known."""
        return min(self.microphone.end_mono_s, self._open.end_mono_s)

    def is_open(self, begin_mono_s: Floats, length_s: float) -> NDArray[np.bool_]:
        """Return which of these spans the teacher let out, from end to end."""
        whole: NDArray[np.bool_] = self._open.power(begin_mono_s, length_s) > 0.99
        return whole
