"""From looks to what is told: a check changes only when its evidence has held (`agent.health.specs`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agent.health.reading import Reading
from agent.health.specs import SPECS, CheckSpec
from agent.health.words import words
from protocol.messages import Check, CheckStatus

_RANK = {CheckStatus.OK: 0, CheckStatus.WARNING: 1, CheckStatus.CRITICAL: 2}
_STATUS = {rank: status for status, rank in _RANK.items()}
_JUST_S = 0.001
"""Looks are in time within this: 4 × a second is 0.25 s only nearly."""


class Tracker:
    """Takes each look's readings; ``checks`` is what the room tells. Not thread-safe: one owner calls it."""

    def __init__(self) -> None:
        self._followed: dict[str, _Followed] = {}

    def take(self, readings: Iterable[Reading], mono_s: float, at: datetime) -> None:
        """Take the readings of one look at ``mono_s`` (any steady clock), which is ``at`` for people."""
        for reading in readings:
            followed = self._followed.get(reading.check)
            if followed is None:
                followed = self._followed[reading.check] = _Followed(SPECS[reading.check], at)
            if reading.status is not CheckStatus.UNKNOWN:
                followed.take(reading, mono_s, at)
        for followed in self._followed.values():
            followed.age(mono_s, at)

    def checks(self) -> tuple[Check, ...]:
        """Return every check that was ever read, in the order of their first readings."""
        return tuple(followed.check() for followed in self._followed.values())

    def forget(self, prefix: str) -> None:
        """Drop the checks whose id begins so: their device is closed, or another one was chosen."""
        self._followed = {id: followed for id, followed in self._followed.items() if not id.startswith(prefix)}


@dataclass(frozen=True, slots=True)
class _Look:
    mono_s: float
    at: datetime
    rank: int
    reading: Reading


class _Followed:
    """One check's looks of the last ``on_s`` and what was made of them."""

    def __init__(self, spec: CheckSpec, at: datetime) -> None:
        self._spec = spec
        self._looks: deque[_Look] = deque()
        self._seen = [0, 0, 0]
        """How many of the looks saw at least OK, a warning, something critical."""
        self._rank: int | None = None
        self._below_since_s: list[float | None] = [None, None, None]
        """Since when no look has seen a rank or a worse one."""
        self._since = at
        self._told: Reading | None = None
        self._last: Reading | None = None
        self._last_s: float | None = None

    def take(self, reading: Reading, mono_s: float, at: datetime) -> None:
        """Take a look that could tell something."""
        look = _Look(mono_s, at, _RANK[reading.status], reading)
        if self._last_s is not None and mono_s - self._last_s > self._spec.gap_s:
            self._looks.clear()
            self._seen = [0, 0, 0]
            self._below_since_s = [None, None, None]
        self._last, self._last_s = reading, mono_s
        self._looks.append(look)
        self._count(look, 1)
        begin_s = mono_s - self._spec.on_s + _JUST_S
        while len(self._looks) > 1 and self._looks[1].mono_s <= begin_s:
            self._count(self._looks.popleft(), -1)
        for rank in (1, 2):
            if look.rank >= rank:
                self._below_since_s[rank] = None
            elif self._below_since_s[rank] is None:
                self._below_since_s[rank] = mono_s
        self._judge(look, begin_s)

    def age(self, mono_s: float, at: datetime) -> None:
        """Drop what was told when it could not be told again for too long."""
        if self._rank is not None and self._last_s is not None and mono_s - self._last_s > self._spec.keep_s:
            self._set(None, at, None)

    def check(self) -> Check:
        """Return the check as it is told."""
        id, told = self._spec.id, self._told
        if self._rank is None or self._last is None:
            return Check(id=id, status=CheckStatus.UNKNOWN, since=self._since)
        status, value, unit = _STATUS[self._rank], self._last.value, self._last.unit
        if told is None:
            return Check(id=id, status=status, since=self._since, value=value, unit=unit)
        message, remedy = words(id, told.variant)
        return Check(id=id, status=status, since=self._since, value=value, unit=unit, message=message, remedy=remedy)

    def _judge(self, look: _Look, begin_s: float) -> None:
        rank = self._rank or 0
        is_whole = self._looks[0].mono_s <= begin_s
        worst = max((r for r in (1, 2) if is_whole and self._is_seen(r)), default=0)
        if worst > rank:
            first = next(look for look in self._looks if look.rank >= worst)
            self._set(worst, first.at, look.reading if look.rank else first.reading)
        elif rank > worst and self._is_over(rank, look.mono_s):
            lower = next((r for r in range(rank - 1, 0, -1) if not self._is_over(r, look.mono_s)), 0)
            self._set(lower, look.at, look.reading if lower else None)
        elif self._rank is None and look.rank == 0:
            self._set(0, look.at, None)
        elif look.rank and self._rank == look.rank:
            self._told = look.reading

    def _is_seen(self, rank: int) -> bool:
        return self._seen[rank] >= self._spec.share * len(self._looks) - 1e-9

    def _is_over(self, rank: int, mono_s: float) -> bool:
        since_s = self._below_since_s[rank]
        return since_s is not None and mono_s - since_s >= self._spec.off_s - _JUST_S

    def _count(self, look: _Look, step: int) -> None:
        for rank in range(look.rank + 1):
            self._seen[rank] += step

    def _set(self, rank: int | None, since: datetime, told: Reading | None) -> None:
        if rank != self._rank:
            self._since = since
        self._rank, self._told = rank, told
