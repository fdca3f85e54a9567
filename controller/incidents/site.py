"""Whether a room fell silent alone, or with its school or territory. Pure.

Asked at the moment a room's own incident would open: who else was not heard since? So it does not matter that rooms in
a lesson are missed after 9 s and others after 35.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

TOGETHER_S = 60.0
"""Rooms that were last heard longer before this one went for a reason of their own."""
LATE_SHARE = 1.2
"""A report may be late by a fifth of its period."""
WAIT_MOST_S = 12.0
"""A report's longest period and a fifth: by then everybody had time for one."""
_LEAST_ROOMS, _LEAST_SCHOOLS = 3, 3


class Heard(NamedTuple):
    """When a room was last heard, and how often it reports."""

    at_s: float
    period_s: float

    @property
    def silent_s(self) -> float:
        """From when on it surely says nothing: the next report is late."""
        return self.at_s + LATE_SHARE * self.period_s


class Answer(NamedTuple):
    """Of the rooms that were there: how many, how many went too, how many had no time to say so until ``decided_s``."""

    there: int
    lost: int
    undecided: int
    decided_s: float


class Silence:
    """When each of some rooms was last heard: sorted once, asked for many."""

    __slots__ = ("_by_period",)

    def __init__(self, heard: Iterable[tuple[Heard, str]]) -> None:
        """Take rooms with their schools; leave out those that are away on purpose or were never heard."""
        by_period: dict[float, list[tuple[float, str]]] = {}
        for (at_s, period_s), school in heard:
            by_period.setdefault(period_s, []).append((at_s, school))
        self._by_period = by_period
        for times in by_period.values():
            times.sort()

    def ask(self, silent: Heard, now_s: float) -> Answer:
        """Return who went with a room, itself among them, that was last heard as ``silent`` says."""
        there = lost = undecided = 0
        decided_s = now_s
        for period_s, times in self._by_period.items():
            first = bisect_left(times, silent.at_s - TOGETHER_S, key=_at)
            unheard = bisect_right(times, silent.silent_s, key=_at) - first
            there += len(times) - first
            at_s = silent.silent_s + LATE_SHARE * period_s
            if now_s >= at_s:
                lost += unheard
            else:
                undecided += unheard
                decided_s = max(decided_s, at_s)
        return Answer(there, lost, undecided, decided_s)

    def schools(self, silent: Heard) -> int:
        """Return of how many schools rooms went."""
        return len(
            {
                school
                for times in self._by_period.values()
                for at_s, school in times
                if silent.at_s - TOGETHER_S <= at_s <= silent.silent_s
            }
        )


def is_site(scope: str, lost: int, there: int, schools: int) -> bool:
    """Return whether so many rooms, of so many schools, are the whole school or territory."""
    if lost < _LEAST_ROOMS:
        return False
    return 2 * lost >= there if scope == "school" else 10 * lost >= 3 * there and schools >= _LEAST_SCHOOLS


def is_over(away: int, most: int) -> bool:
    """Return whether an outage that touched ``most`` rooms is over; who stays away then has a reason of its own."""
    return 4 * away <= most


def _at(entry: tuple[float, str]) -> float:
    return entry[0]
