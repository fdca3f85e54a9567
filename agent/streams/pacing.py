"""Large pictures leave in bursts, spread over time, so that a thin line's router need not drop them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Protocol

TIMES_ESTIMATE = 2.5
"""A key frame leaves faster than the estimate: a router's queue has some place, and the picture is waited for."""
LEAST_BPS, MOST_BPS = 400_000, 40_000_000
"""A phone on the edge of its cell; what no line of a pupil is above, and no burst of a room's uplink should be."""
UNKNOWN_BPS = 12_000_000
"""Until the viewer has told its estimate: the first key frame of a newcomer, 50 kB, leaves within 35 ms."""

TIMER_S = 0.001
"""uvloop's timers count in milliseconds: one for less is called at once, again and again until the time has come. Who
is late by that makes up for it."""
LATE_S = 0.005
"""A timer that comes at most so late is made up for; after more, what it held up would leave at once."""


def pace_bps(estimate_bps: int | None) -> float:
    """Return how fast bursts follow each other for a viewer whose REMB says this."""
    if estimate_bps is None:
        return UNKNOWN_BPS
    return min(MOST_BPS, max(LEAST_BPS, TIMES_ESTIMATE * estimate_bps))


class Timer(Protocol):
    """What `asyncio.AbstractEventLoop.call_later` returns."""

    def cancel(self) -> None: ...


class Pacer:
    """One timer for whatever waits, of all viewers. Each is called once at its time, in the order of their times."""

    def __init__(self, now: Callable[[], float], call_later: Callable[[float, Callable[[], None]], Timer]) -> None:
        self._now = now
        self._call_later = call_later
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._timer: Timer | None = None
        self._timer_mono_s = float("inf")

    def call_at(self, mono_s: float, leave: Callable[[], None]) -> None:
        """Call ``leave`` at an instant. It cannot be taken back: who has nothing to send then does nothing."""
        heapq.heappush(self._waiting, (mono_s, next(self._numbers), leave))
        if mono_s < self._timer_mono_s:
            self._set()

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_mono_s = self._waiting[0][0] if self._waiting else float("inf")
        if self._waiting:
            self._timer = self._call_later(max(TIMER_S, self._timer_mono_s - self._now()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._timer_mono_s = float("-inf")  # whoever calls `call_at` from in here sets no timer: we do, at the end
        try:
            now_s = self._now()
            while self._waiting and self._waiting[0][0] <= now_s:
                heapq.heappop(self._waiting)[2]()
        finally:
            self._set()
