"""Reads one calendar in a process of its own, with bounds: ``python -m controller.schedule.ical_child``.

What others wrote may be endless, or make the library that reads it so. The bounds are set before a byte of it is read;
the kernel ends what breaks them. On stdin: one line of JSON, ``zone``, ``since`` and ``until``; then the calendar. On
stdout: a JSON object a line, with ``timed``, ``whole_day`` or ``problem``, or one with ``error`` and ``code``. They are
all there where it ends with 0.

It imports the standard library and the two calendar libraries alone: everything else costs memory and start.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

CPU_S = 5
"""2,000 events of a year, each weekly, take 2.7 s with their 18,000 lessons of two months."""
MEMORY_BYTES = 256 * 2**20
"""Of addresses; those 2,000 events take 125 MB."""
MOST_EVENTS = 2_000
MOST_OCCURRENCES = 20_000
MOST_A_DAY = 24
"""Of one rule: no class begins more often, and a rule by the second is there to be endless."""
MOST_TEXT = 200
_DAY = timedelta(days=1)
_TIME_NAMES = frozenset({"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"})
_FOLD = re.compile(rb"\r?\n[ \t]")
_EVENT = re.compile(r"^BEGIN:VEVENT\s*$", re.IGNORECASE | re.MULTILINE)
_CLASS = re.compile(r"^[^\S\n]*CLASSE?[^\S\n]*:[^\S\n]*(\S.*)$", re.IGNORECASE | re.MULTILINE)  # never past its line


class NotTakenError(Exception):
    """The whole calendar is refused."""

    def __init__(self, sentence: str, code: str = "calendar-unreadable") -> None:
        super().__init__(sentence)
        self.code = code


def read(body: bytes, zone: ZoneInfo, since: datetime, until: datetime) -> dict[str, Any]:
    """Return what happens from ``since`` until ``until``; times without a zone are of ``zone``.

    An event that cannot be read is a problem with its reason; the others stay. Raises NotTakenError.
    """
    calendars = _parsed(_text_of(body))
    happenings: dict[tuple[str, str, str], dict[str, Any]] = {}
    problems: list[dict[str, str]] = []
    for calendar in calendars:
        _without_unknown_zone(calendar)
        is_cancelled = str(calendar.get("METHOD", "")).upper() == "CANCEL"
        for uid, series in _series(calendar):
            try:
                reason = _unfit(series)
                for event in _between(calendar, series, since - _DAY, until + _DAY) if reason is None else ():
                    happening = _happening(uid, event, zone, since, until)
                    if happening is not None:
                        happening["is_cancelled"] |= is_cancelled
                        # Some programs give one name to a lesson of several rooms, an event for each.
                        happenings.setdefault((uid, happening["begins"], happening["location"]), happening)
            except (MemoryError, RecursionError):
                raise
            except Exception:  # as in _parsed; it is this event's alone
                reason = "unreadable"
            if reason is not None:
                problems.append({"uid": uid, "title": _text(series[0].get("SUMMARY")), "reason": reason})
            if len(happenings) > MOST_OCCURRENCES:
                raise NotTakenError(
                    f"the calendar has more than {MOST_OCCURRENCES} lessons in these weeks", "calendar-too-large"
                )
    found = [happenings[key] for key in sorted(happenings, key=lambda key: (key[1], key[0], key[2]))]
    return {
        "timed": [_without(happening, "is_whole_day") for happening in found if not happening["is_whole_day"]],
        "whole_days": [_without(happening, "is_whole_day") for happening in found if happening["is_whole_day"]],
        "problems": problems,
    }


def _text_of(body: bytes) -> str:
    """Return the calendar's lines whole again; by bytes, for some fold within a letter."""
    try:
        text = _FOLD.sub(b"", body).decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        sentence = f"the calendar is not written in UTF-8, as its line {body.count(10, 0, error.start) + 1} shows"
        raise NotTakenError(sentence) from error
    if not text[:15].upper().startswith("BEGIN:VCALENDAR"):
        raise NotTakenError("this is something else than a calendar, a page to sign in perhaps")
    if not text[-13:].upper() == "END:VCALENDAR":
        raise NotTakenError("the calendar breaks off before its end")
    return text


def _parsed(text: str) -> list[Any]:
    events = sum(1 for _ in _EVENT.finditer(text))
    if events > MOST_EVENTS:
        raise NotTakenError(f"the calendar has {events} events; {MOST_EVENTS} are taken", "calendar-too-large")
    try:
        calendars = list(icalendar.Calendar.from_ical(text, multiple=True))
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # the library raises whatever it stumbles over
        raise NotTakenError(f"the calendar cannot be read: {_text(error)}") from error
    # A part that is not closed takes what surrounds it with it, and the library says nothing.
    if not calendars or sum(len(_events(calendar)) for calendar in calendars) != events:
        raise NotTakenError("parts of the calendar are not closed, or lie within others")
    return calendars


def _events(calendar: Any) -> list[Any]:
    return [part for part in calendar.subcomponents if part.name == "VEVENT"]


def _without_unknown_zone(calendar: Any) -> None:
    """Forget a default zone that there is not; times without one are then the school's."""
    name = calendar.get("X-WR-TIMEZONE")
    if name is not None:
        try:
            ZoneInfo(str(name))
        except (KeyError, ValueError, OSError):
            del calendar["X-WR-TIMEZONE"]


def _series(calendar: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield events that belong together: one with a rule, and its changed occurrences.

    Events without a UID, and several that share one and are no newer versions of each other, stay apart.
    """
    by_uid: defaultdict[str, list[Any]] = defaultdict(list)
    for position, event in enumerate(_events(calendar)):
        by_uid[_text(event.get("UID")) or f"none-{_digest(event) or position}"].append(event)
    for uid, events in by_uid.items():
        changes = [event for event in events if "RECURRENCE-ID" in event]
        masters = [event for event in events if "RECURRENCE-ID" not in event]
        if len(masters) > 1 and len({str(event.get("SEQUENCE", 0)) for event in masters}) == 1:
            for master in masters:
                yield uid, [master, *changes]
        else:
            yield uid, events


def _digest(event: Any) -> str:
    """Return what is the same as long as the event is; empty where the library cannot write what it has read."""
    try:
        return hashlib.sha256(event.to_ical()).hexdigest()[:24]
    except (MemoryError, RecursionError):
        raise
    except Exception:  # as in _parsed
        return ""


def _unfit(series: Iterable[Any]) -> str | None:
    """Say why a series is not expanded: a time of it is no time, or its rule is finer than a lesson's."""
    for event in series:
        if any(name in _TIME_NAMES for name, _ in event.errors) or _ends_before_it_begins(event):
            return "unreadable"
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            frequencies = {str(value).upper() for value in rule.get("FREQ", [])}
            times = [len(rule.get(name, [])) or 1 for name in ("BYHOUR", "BYMINUTE", "BYSECOND")]
            if frequencies & {"SECONDLY", "MINUTELY", "HOURLY"} or times[0] * times[1] * times[2] > MOST_A_DAY:
                return "too-often"
    return None


def _ends_before_it_begins(event: Any) -> bool:
    """Say so of what the library would turn round."""
    try:
        return bool(event["DTEND"].dt < event["DTSTART"].dt)
    except (KeyError, TypeError):
        return False


def _between(calendar: Any, series: Iterable[Any], since: datetime, until: datetime) -> list[Any]:
    alone = icalendar.Calendar()
    for name in ("X-WR-TIMEZONE", "CALSCALE"):
        if name in calendar:
            alone[name] = calendar[name]
    for event in series:
        alone.add_component(event)
    return list(recurring_ical_events.of(alone).between(since, until))


def _happening(uid: str, event: Any, zone: ZoneInfo, since: datetime, until: datetime) -> dict[str, Any] | None:
    start, end = event["DTSTART"].dt, event["DTEND"].dt
    said = _CLASS.search(str(event.get("DESCRIPTION", "")))
    happening = {
        "uid": uid,
        "title": _text(event.get("SUMMARY")),
        "location": _text(event.get("LOCATION")),
        "class_name": _text(said[1]) if said else _category(event),
        "is_cancelled": str(event.get("STATUS", "")).upper() == "CANCELLED",
        "is_whole_day": not isinstance(start, datetime),
    }
    if isinstance(start, datetime):
        begins, ends = _instant(start, zone), _instant(end, zone)
        return happening | {"begins": begins.isoformat(), "ends": ends.isoformat()} if since <= begins < until else None
    last = max(start, end - _DAY)  # the calendar's end is the day after
    if last < since.astimezone(zone).date() or start > until.astimezone(zone).date():
        return None
    return happening | {"begins": start.isoformat(), "ends": last.isoformat()}


def _instant(at: datetime | date, zone: ZoneInfo) -> datetime:
    """Return a time in UTC. One that the clocks leave out counts from before the change, one that they have twice is
    the first (RFC 5545 §3.3.5); that is what ``fold`` 0 means."""
    if not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day, tzinfo=zone)
    return (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC)


def _category(event: Any) -> str:
    categories = event.get("CATEGORIES")
    first = categories[0] if isinstance(categories, list) and categories else categories
    return _text(next(iter(first.cats), "")) if first is not None else ""


def _text(value: object) -> str:
    """Return one line without what cannot be seen; of a property that is there several times, the first."""
    if isinstance(value, list):
        value = value[0] if value else None
    words = "" if value is None else str(value)[: MOST_TEXT * 4]
    return " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())[:MOST_TEXT]


def _without(happening: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in happening.items() if key != name}


def set_bounds() -> None:
    """Give this process a bound on processor and memory, and let it make no file and no process."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))  # the first is told by a signal of its own
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for none in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(none, (0, 0))
    os.nice(10)  # a lesson's signalling goes first


def main() -> None:
    """Answer the one request on stdin."""
    set_bounds()
    head = json.loads(sys.stdin.buffer.readline())
    since, until = datetime.fromisoformat(head["since"]), datetime.fromisoformat(head["until"])
    try:
        said = read(sys.stdin.buffer.read(), ZoneInfo(head["zone"]), since, until)
    except NotTakenError as error:
        _write({"error": str(error), "code": error.code})
    except MemoryError:
        sentence = f"reading the calendar takes more than {MEMORY_BYTES >> 20} MB"
        _write({"error": sentence, "code": "calendar-too-large"})
    except RecursionError:
        _write({"error": "the calendar is nested too deeply", "code": "calendar-unreadable"})
    else:
        for kind, all_of_it in (("timed", "timed"), ("whole_day", "whole_days"), ("problem", "problems")):
            for one in said[all_of_it]:
                _write({kind: one})


def _write(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    main()
