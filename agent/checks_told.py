"""Which health carries the checks: with their sentences they are ten times the rest, and hardly ever other ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from protocol.messages import Check

WHOLE_EVERY_S = 30.0
"""Values of checks may be as old as this at the centre. A health may get lost (QoS 0), and with it the checks in it."""
TAKES_SHORT_PROTO = 2
"""An older centre takes a health without checks for one that is not of its form."""


class ChecksTold:
    """What the centre was last told of the checks. Pure: the clock is passed in."""

    def __init__(self, mono: Callable[[], float] = time.monotonic) -> None:
        self._mono = mono
        self._takes_short = False
        self._sid: str | None = None
        self._told: list[tuple[object, ...]] | None = None
        self._told_mono_s = 0.0

    def controllers_are(self, protos: Collection[int]) -> None:
        """Take the protocol versions of the controllers that are there; one that has just come knows no check."""
        self._takes_short = bool(protos) and min(protos) >= TAKES_SHORT_PROTO
        self.forget()

    def forget(self) -> None:
        """Have the next health carry the checks."""
        self._told = None

    def are_due(self, sid: str | None, checks: Collection[Check]) -> bool:
        """Return whether the health that is made now has to carry these checks."""
        is_old = self._mono() - self._told_mono_s >= WHOLE_EVERY_S
        return not self._takes_short or is_old or sid != self._sid or _sayings(checks) != self._told

    def told(self, sid: str | None, checks: Collection[Check]) -> None:
        """Note that these checks went out on this connection."""
        self._sid, self._told, self._told_mono_s = sid, _sayings(checks), self._mono()


def _sayings(checks: Collection[Check]) -> list[tuple[object, ...]]:
    """Return what is news of checks; a value that moves is none."""
    return [(check.id, check.status, check.since, check.message, check.remedy) for check in checks]
