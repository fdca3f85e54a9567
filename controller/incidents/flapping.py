"""When something changes so often that each change is no news. Pure.

After Nagios: of the last 21 states the share that differ from the one before, newer changes counting for more; half of
them is flapping, until it is less than a quarter. A state is noted at each change, and in time while nothing changes.
"""

from __future__ import annotations

STEP_S = 120.0
"""A calm state is noted this often: with a change each 3 min or sooner half of the states are changes."""
HIGH, LOW = 0.5, 0.25
_CHANGES = 20
_MASK = (1 << _CHANGES) - 1
_WEIGHTS = tuple(1.2 - 0.4 * age / (_CHANGES - 1) for age in range(_CHANGES))
"""From the newest to the oldest; their mean is 1."""


def _share(bits: int) -> float:
    return sum(weight for age, weight in enumerate(_WEIGHTS) if bits >> age & 1) / _CHANGES


class Flaps:
    """The changes of one condition; times are seconds of any steady clock."""

    __slots__ = ("_at_s", "_bits", "is_flapping")

    def __init__(self, now_s: float, *, is_flapping: bool = False) -> None:
        self._bits = _MASK if is_flapping else 0
        """Bit 0 is the newest state: whether it differs from the one before."""
        self._at_s = now_s
        self.is_flapping = is_flapping

    def change(self, now_s: float) -> None:
        """Note a change."""
        self._advance(now_s)
        self._bits = (self._bits << 1 | 1) & _MASK
        self._at_s = now_s

    def look(self, now_s: float) -> bool:
        """Return whether it flaps now."""
        share = self.share(now_s)
        self.is_flapping = share >= (LOW if self.is_flapping else HIGH)
        return self.is_flapping

    def share(self, now_s: float) -> float:
        """Return the weighted share of changes, 0 to 1."""
        self._advance(now_s)
        return _share(self._bits) if self._bits else 0.0

    def calm_at_s(self) -> float:
        """Return when it will not flap any more if nothing changes."""
        steps = next(steps for steps in range(_CHANGES + 1) if _share(self._bits << steps & _MASK) < LOW)
        return self._at_s + steps * STEP_S

    def forgotten_at_s(self) -> float:
        """Return when no change is left if none is added."""
        lowest = self._bits & -self._bits
        return self._at_s + (_CHANGES + 1 - lowest.bit_length()) * STEP_S if lowest else self._at_s

    def _advance(self, now_s: float) -> None:
        steps = int((now_s - self._at_s) // STEP_S)
        if steps > 0:
            self._bits = self._bits << min(steps, _CHANGES) & _MASK
            self._at_s += steps * STEP_S
