"""Keeps what a calendar said: asked again and again, and when that fails, what it said last, with its age.

Who stores it, and whose turn it is, is decided elsewhere; the clock is passed in.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.safe_http import SafeHttp
from controller.schedule.fetch import Fetched, Known, from_address, from_file
from controller.schedule.plan import Reading
from controller.schedule.reader import read_calendar
from protocol.errors import CalendarError, FetchError

log = logging.getLogger(__name__)

LOOK_AHEAD = timedelta(days=60)
EVERY = timedelta(minutes=15)
AGAIN = timedelta(minutes=3)
"""After what may pass by itself: a line that was away at seven is back before the first lesson."""
AT_ONCE = 4
"""From asking to having it read: so many texts of at most 5 MB are in memory, however many calendars are due."""
READ_AT_ONCE = 1
"""Processes; each may take a core for seconds, and lessons want the machine too."""


@dataclass(frozen=True, slots=True)
class CalendarSource:
    """Where a calendar is, and the zone of its school."""

    calendar: str
    zone: ZoneInfo
    place: str | Path


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a try failed: what of an error may be kept, which holds all that it went through."""

    code: str
    message: str
    retryable: bool


_NOTHING = Reading()


@dataclass(frozen=True, slots=True)
class CalendarState:
    """What is known of a calendar.

    ``reading`` is the last good one: ``read_on`` is the school's day of which its LOOK_AHEAD begins, ``good_at`` when
    the calendar was last found to say so. ``problem`` is why the last try failed, None when it did not.
    """

    reading: Reading = _NOTHING
    known: Known | None = None
    read_on: date | None = None
    good_at: datetime | None = None
    tried_at: datetime | None = None
    problem: Failure | None = None

    def age(self, now: datetime) -> timedelta | None:
        """Return how old the reading is, None where there never was one."""
        return None if self.good_at is None else now - self.good_at

    def is_due(self, now: datetime) -> bool:
        """Say whether to try again; a clock that was put back does not keep us from it for longer than a turn."""
        wait = AGAIN if self.problem is not None and self.problem.retryable else EVERY
        return self.tried_at is None or abs(now - self.tried_at) >= wait


class Calendars:
    """Asks for calendars, few at once."""

    def __init__(self, http: SafeHttp) -> None:
        self._http = http
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._reading = asyncio.Semaphore(READ_AT_ONCE)

    async def refresh(self, source: CalendarSource, before: CalendarState, now: datetime) -> CalendarState:
        """Return the state after one try at ``now``; nothing that the calendar does is raised."""
        today = now.astimezone(source.zone).date()
        # Once a day it is read whole though it is as it was: the weeks that are looked at have moved on.
        known = before.known if before.read_on == today else None
        try:
            async with self._turns:
                fetched = await self._fetch(source, known)
                if fetched is None:
                    after = replace(before, good_at=now, tried_at=now, problem=None)
                else:
                    after = CalendarState(await self._read(source, fetched, today), fetched.known, today, now, now)
        except (FetchError, CalendarError) as error:
            if before.problem is None:
                log.warning(
                    "a calendar cannot be taken; its last lessons stay",
                    extra={"calendar": source.calendar, "code": error.code},
                )
            return replace(before, tried_at=now, problem=Failure(error.code, error.message, error.retryable))
        if before.problem is not None:
            log.info("a calendar can be taken again", extra={"calendar": source.calendar})
        return after

    async def _fetch(self, source: CalendarSource, known: Known | None) -> Fetched | None:
        if isinstance(source.place, Path):
            return await from_file(source.place, known)
        return await from_address(self._http, source.place, known)

    async def _read(self, source: CalendarSource, fetched: Fetched, today: date) -> Reading:
        since = datetime(today.year, today.month, today.day, tzinfo=source.zone)
        async with self._reading:
            return await read_calendar(fetched.body, source.zone, since, since + LOOK_AHEAD)
