"""Limits on failures by address, and never on successes: a school sits behind one. Limits on acts by ticket."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict, deque
from collections.abc import Callable

_MOST_KEYS = 50_000
"""Remembered at once; beyond it the one longest unheard of is forgotten."""


def address_key(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 that an IPv6 household has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class FailureThrottle:
    """Counts failures by key over a sliding period.

    ``most`` failures are let through in ``period_s``; when all keys together reach ``most_overall``, the breaker is
    out and each key has ``most_when_out`` instead: many addresses that guess together are stopped, and somebody who
    types the right code at the first try still gets in.
    """

    def __init__(
        self,
        mono: Callable[[], float],
        *,
        most: int = 10,
        period_s: float = 60.0,
        most_overall: int = 300,
        most_when_out: int = 1,
    ) -> None:
        self._mono = mono
        self._most = most
        self._period_s = period_s
        self._most_overall = most_overall
        self._most_when_out = most_when_out
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._overall: deque[float] = deque(maxlen=most_overall)

    def _forget(self, times: deque[float]) -> None:
        while times and times[0] <= self._mono() - self._period_s:
            times.popleft()

    @property
    def is_out(self) -> bool:
        """Whether the breaker is out."""
        self._forget(self._overall)
        return len(self._overall) >= self._most_overall

    def wait_s(self, key: str) -> float | None:
        """Return how many whole seconds this key has to wait, None when it may try now."""
        times = self._failures.get(key)
        if times is None:
            return None
        self._forget(times)
        if not times:
            del self._failures[key]
            return None
        most = self._most_when_out if self.is_out else self._most
        if len(times) < most:
            return None
        return max(1.0, math.ceil(times[-most] + self._period_s - self._mono()))

    def fail(self, key: str) -> None:
        """Count a failure."""
        now = self._mono()
        self._failures.setdefault(key, deque(maxlen=self._most)).append(now)
        self._failures.move_to_end(key)
        self._overall.append(now)
        while len(self._failures) > _MOST_KEYS:
            self._failures.popitem(last=False)

    def attempt(self, key: str) -> float | None:
        """Count a failure until `forgive` and return None; or count none and return the seconds of `wait_s`."""
        wait_s = self.wait_s(key)
        if wait_s is None:
            self.fail(key)
        return wait_s

    def forgive(self, key: str) -> None:
        """Take back the newest failure of a key: it was counted before its outcome was known, and went well."""
        times = self._failures.get(key)
        if times:
            times.pop()
        if self._overall:
            self._overall.pop()


class RateThrottle:
    """Lets each key act ``burst`` times at once, and again as often as ``every_s`` seconds have gone by."""

    def __init__(self, mono: Callable[[], float], *, burst: int = 10, every_s: float = 1.0) -> None:
        self._mono = mono
        self._every_s = every_s
        self._ahead_s = (burst - 1) * every_s
        self._rested_at: OrderedDict[str, float] = OrderedDict()
        """When a key will have its whole burst again."""

    def act(self, key: str) -> float | None:
        """Count an act and return None; or count none and return how many whole seconds this key has to wait."""
        now = self._mono()
        while self._rested_at and (len(self._rested_at) > _MOST_KEYS or next(iter(self._rested_at.values())) <= now):
            self._rested_at.popitem(last=False)
        rested_at = max(now, self._rested_at.get(key, now))
        if rested_at - now > self._ahead_s:
            return max(1.0, math.ceil(rested_at - now - self._ahead_s))
        self._rested_at[key] = rested_at + self._every_s
        self._rested_at.move_to_end(key)
        return None
