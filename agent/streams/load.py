"""How many of its best layers a room can afford, by what its machine has left. Pure: numbers and time are passed in.

A hot or busy mini-PC lowers its layers before it drops pictures: fewer pictures a second first, then a smaller camera,
then a smaller board; the sound never.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MachineNumbers:
    """What a look saw. ``busy`` is the share of all processors, 1 is all; None where the machine does not say."""

    busy: float | None
    temperature_c: float | None
    encode_share: float
    """Of the time between two pictures, what the slowest encoder takes; above 1 it cannot keep up."""
    dropped_share: float
    """Of the pictures since the last look, those that an encoder had no time for."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is given up: a share of the camera's pictures, and how many of the best layers of each track."""

    rate_share: float = 1.0
    cameras: int = 0
    boards: int = 0


STEPS: Final = (Limits(), Limits(0.5), Limits(0.5, 1), Limits(0.5, 1, 1), Limits(0.5, 2, 1))
BUSY, CALM = 0.92, 0.75
"""Share of all processors from which on the machine has nothing left, and below which it has again."""
HOT_C, COOL_C = 92.0, 84.0
"""Most mini-PCs slow themselves down from 95 to 100 °C on: sooner is gentler."""
SLOW, QUICK = 0.9, 0.6
DROPS = 0.05
STRAINED_S = 6.0
"""A start, a slide or a self-test takes all of a machine for a few seconds."""
EASED_S = 60.0
"""A machine that was hot is hot again at once, if it is given everything back."""


class LoadLimit:
    """Steps down while the machine is strained, back up after a long calm."""

    def __init__(self) -> None:
        self._step = 0
        self._strained_since_s: float | None = None
        self._eased_since_s: float | None = None

    @property
    def limits(self) -> Limits:
        """What is given up now."""
        return STEPS[self._step]

    def look(self, numbers: MachineNumbers, now_s: float) -> Limits:
        """Take a look's numbers; one each second or so."""
        busy, heat = numbers.busy or 0.0, numbers.temperature_c or 0.0
        cannot_keep_up = numbers.encode_share > SLOW or numbers.dropped_share > DROPS
        # an encoder that is slow on a calm machine is slow by itself, and a busy machine whose encoders keep up serves
        is_strained = heat >= HOT_C or (cannot_keep_up and busy >= BUSY) or numbers.encode_share > 1
        is_eased = heat <= COOL_C and busy <= CALM and numbers.encode_share < QUICK and not numbers.dropped_share
        self._strained_since_s = _since(self._strained_since_s, is_strained, now_s)
        self._eased_since_s = _since(self._eased_since_s, is_eased, now_s)
        if self._strained_since_s is not None and now_s - self._strained_since_s >= STRAINED_S:
            self._step = min(self._step + 1, len(STEPS) - 1)
            self._strained_since_s = now_s
        elif self._step and self._eased_since_s is not None and now_s - self._eased_since_s >= EASED_S:
            self._step -= 1
            self._eased_since_s = now_s
        return self.limits


def _since(since_s: float | None, is_so: bool, now_s: float) -> float | None:
    return (now_s if since_s is None else since_s) if is_so else None
