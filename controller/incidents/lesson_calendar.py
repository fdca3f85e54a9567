"""A room's lessons and its school's hours: how urgent a fault is, and when that rises. Pure.

Times are seconds of the judge's clock. Whoever hands a calendar over converts, and does so again when the wall clock
was stepped and when the day goes on: a day or two ahead is enough, and a week of 5,000 rooms would be 30 MB.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

SOON_S = 900.0
"""A lesson that begins within this is as good as begun."""


class Urgency(IntEnum):
    """Who has to hear of it, and when."""

    QUIET = 0
    """Panel and page only: at night and in the holidays mini-PCs are switched off by cleaners."""
    NORMAL = 1
    URGENT = 2
    """There is a lesson, or about to be."""


class Planned(NamedTuple):
    """A lesson of the timetable; ``id`` is that of this one time, however often the plan is converted."""

    starts_s: float
    ends_s: float
    id: str


@dataclass(frozen=True, slots=True)
class LessonCalendar:
    """Lessons and hours in order, each apart from the next. ``hours`` None: not known, so it is always school time."""

    lessons: tuple[Planned, ...] = ()
    hours: tuple[tuple[float, float], ...] | None = None

    def urgency(self, now_s: float) -> Urgency:
        """Return how urgent a fault is now."""
        begun = bisect_right(self.lessons, now_s + SOON_S, key=lambda lesson: lesson.starts_s)
        if begun and now_s < self.lessons[begun - 1].ends_s:
            return Urgency.URGENT
        if self.hours is None:
            return Urgency.NORMAL
        open_hours = bisect_right(self.hours, now_s, key=lambda hours: hours[0])
        return Urgency.NORMAL if open_hours and now_s < self.hours[open_hours - 1][1] else Urgency.QUIET

    def rises_at_s(self, now_s: float, urgency: Urgency) -> float:
        """Return when a fault may first be more urgent than ``urgency``; infinity when it never will."""
        if urgency is Urgency.URGENT:
            return math.inf
        later = bisect_right(self.lessons, now_s + SOON_S, key=lambda lesson: lesson.starts_s)
        at_s = self.lessons[later].starts_s - SOON_S if later < len(self.lessons) else math.inf
        if urgency is Urgency.QUIET and self.hours is not None:
            next_hours = bisect_right(self.hours, now_s, key=lambda hours: hours[0])
            if next_hours < len(self.hours):
                at_s = min(at_s, self.hours[next_hours][0])
        return at_s
