"""From what a calendar says to lessons of rooms: pure, and never by guessing.

What cannot be laid out is named with its reason, for somebody to mend it where the calendar is written.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from controller.schedule.holidays import Holiday, Holidays

LONGEST = timedelta(hours=12)
"""What goes on for longer is a journey or a week of practice, and no lesson in a room."""
MOST_TITLE = 80
MOST_UNLAID = 50
"""Named; the others are counted."""

Reason = Literal["unreadable", "too-often", "whole-day", "no-length", "too-long", "no-room", "several-rooms"]


class Said(BaseModel):
    """What an event says, whenever it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uid: str = Field(max_length=200)
    title: str = Field(max_length=200)
    location: str = Field(max_length=200)
    class_name: str = Field(max_length=200, description="its line `CLASS:`, or its first category; empty: neither")
    is_cancelled: bool


class Timed(Said):
    """An event at one time; each occurrence of a rule is one."""

    begins: AwareDatetime
    ends: AwareDatetime


class WholeDay(Said):
    """An event of whole days, both included."""

    begins: date
    ends: date


class Unlaid(BaseModel):
    """An event that is not laid out, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uid: str = Field(max_length=200)
    title: str = Field(max_length=200)
    reason: Reason


class Reading(BaseModel):
    """All that a calendar says about some weeks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timed: tuple[Timed, ...] = ()
    whole_days: tuple[WholeDay, ...] = ()
    problems: tuple[Unlaid, ...] = ()


@dataclass(frozen=True, slots=True)
class LaidLesson:
    """A lesson of a room; with the room, ``uid`` and ``begins`` tell it from any other of its calendar."""

    room: str
    uid: str
    begins: datetime
    ends: datetime
    title: str
    class_name: str
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Lessons by their time; what was not laid out, each event once; how many fell into holidays."""

    lessons: tuple[LaidLesson, ...] = ()
    unlaid: tuple[Unlaid, ...] = ()
    unlaid_count: int = 0
    in_holidays: int = 0


def lay_out(
    reading: Reading, *, zone: ZoneInfo, holidays: Holidays, rooms: Mapping[str, str], room: str | None = None
) -> Plan:
    """Return the plan of a calendar that belongs to ``room``, or to a school with ``rooms`` (names by id).

    In a school's calendar an event's location is a room's id or name, whatever its case and spaces. A lesson that
    begins in the holidays, by the day of the school's ``zone``, is left out.
    """
    places = _places(rooms)
    unlaid = {(problem.uid, problem.reason): problem for problem in reading.problems}
    lessons: dict[tuple[str, str, datetime], LaidLesson] = {}
    in_holidays = 0

    def leave(event: Said, reason: Reason) -> None:
        unlaid.setdefault((event.uid, reason), Unlaid(uid=event.uid, title=event.title, reason=reason))

    for day in reading.whole_days:
        leave(day, "whole-day")
    for event in reading.timed:
        here = {room} if room is not None else places.get(_folded(event.location), set())
        if event.ends <= event.begins:
            leave(event, "no-length")
        elif event.ends - event.begins > LONGEST:
            leave(event, "too-long")
        elif len(here) != 1:
            leave(event, "several-rooms" if here else "no-room")
        elif holidays.on(event.begins.astimezone(zone).date()) is not None:
            in_holidays += 1
        else:
            (only,) = here
            lesson = LaidLesson(
                only, event.uid, event.begins, event.ends, event.title[:MOST_TITLE],
                event.class_name or event.title, event.is_cancelled,
            )  # fmt: skip
            lessons.setdefault((only, event.uid, event.begins), lesson)
    laid = sorted(lessons.values(), key=lambda lesson: (lesson.begins, lesson.room, lesson.uid))
    named = sorted(unlaid.values(), key=lambda one: (one.title, one.uid))
    return Plan(tuple(laid), tuple(named[:MOST_UNLAID]), len(named), in_holidays)


def _places(rooms: Mapping[str, str]) -> Mapping[str, set[str]]:
    places: defaultdict[str, set[str]] = defaultdict(set)
    for room, name in rooms.items():
        for place in (_folded(room), _folded(name)):
            if place:
                places[place].add(room)
    return places


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def holidays_of(reading: Reading) -> Holidays:
    """Return the holidays that a calendar of holidays names: its whole days, but for those that it takes back."""
    return Holidays(Holiday(day.begins, day.ends, day.title) for day in reading.whole_days if not day.is_cancelled)
