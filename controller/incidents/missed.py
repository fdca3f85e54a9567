"""Lessons that were planned and did not begin: counted each, and an incident where the room is the cause."""

from __future__ import annotations

import math
from bisect import bisect_right

from controller.incidents.causes import LINK, MISSED, Severity
from controller.incidents.decisions import Held, Key, Missed, MissedReason
from controller.incidents.lesson_calendar import SOON_S, Planned
from controller.incidents.registry import Registry
from controller.incidents.subjects import Room

MISSED_S = 600.0
"""A lesson that has not begun so long after its time is missed."""


def judge_lessons(registry: Registry, room: Room, now_s: float, settled_s: float) -> float:
    """Look whether lessons that should have begun did; return when the next one is missed.

    None is before ``settled_s``: until then a room had no time to say that it teaches.
    """
    if room.judged_s is None:
        return math.inf
    lessons = room.calendar.lessons
    for lesson in lessons[bisect_right(lessons, room.judged_s, key=lambda lesson: lesson.starts_s) :]:
        if lesson.id in room.judged:
            continue
        at_s = max(lesson.starts_s + MISSED_S, settled_s)
        if now_s < at_s:
            return at_s
        room.judged_s = lesson.starts_s
        room.remember(lesson.id)
        if not room.in_lesson and not _is_held(lesson, room.began_s):
            _miss(registry, room, lesson, now_s)
    return math.inf


def take_back(registry: Registry, room: Room) -> None:
    """Hear of a lesson that began out of our hearing: it may be the one that was counted as missed."""
    if room.missed is not None and _is_held(room.missed, room.began_s):
        registry.decisions.append(Held(room.id, room.missed.id))
        room.missed = None


def _is_held(lesson: Planned, began_s: float) -> bool:
    return lesson.starts_s - SOON_S <= began_s <= lesson.starts_s + MISSED_S


def _miss(registry: Registry, room: Room, lesson: Planned, now_s: float) -> None:
    reason, by = _why(registry, room, lesson, now_s)
    if by is None and reason in ("off", "failed"):
        condition = room.conditions.get(MISSED)
        if condition is not None and condition.is_dismissed:
            registry.note(room, MISSED, 0, now_s)  # what somebody closed was another lesson
        registry.note(room, MISSED, Severity.CRITICAL, now_s)
        by = Key("room", room.id, MISSED)
    room.missed = lesson
    registry.decisions.append(Missed(room.id, lesson.id, reason, by))


def _why(registry: Registry, room: Room, lesson: Planned, now_s: float) -> tuple[MissedReason, Key | None]:
    """Return why, and the incident that says so: one cause is one incident."""
    if room.floor_s > now_s:
        return "maintenance", None
    if room.refused == lesson.id:
        return "refused", None
    if registry.is_blind or room.link == "unknown":
        return "unknown", None
    link = room.conditions.get(LINK)
    if link is not None and room.link == "offline":
        return "offline", link.joined.key if link.joined is not None else link.key if link.is_open else None
    if room.link == "off":
        return "off", None
    by = min(
        (
            condition.key
            for condition in room.conditions.values()
            if condition.is_open
            and condition.severity is Severity.CRITICAL
            and condition.key.cause not in (LINK, MISSED)
        ),
        default=None,
    )
    if room.is_failed:
        return "failed", by
    return ("nobody", None) if by is None else ("device", by)
