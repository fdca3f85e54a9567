"""Lessons of rooms from what a calendar says, and what is left out with its reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from controller.schedule.holidays import Holiday, Holidays
from controller.schedule.plan import MOST_UNLAID, Plan, Reading, Timed, Unlaid, WholeDay, holidays_of, lay_out

PARIS = ZoneInfo("Europe/Paris")
ROOMS = {"hugo-b12": "Salle B12", "hugo-b13": "Salle B13", "hugo-lab": "Labo", "hugo-lab2": "labo"}
EIGHT = datetime(2026, 11, 30, 7, tzinfo=UTC)


def timed(location: str = "Salle B12", begins: datetime = EIGHT, minutes: float = 55, **more: Any) -> Timed:
    said = {"uid": "1", "title": "Maths", "class_name": "", "is_cancelled": False} | more
    return Timed(location=location, begins=begins, ends=begins + timedelta(minutes=minutes), **said)


def laid(*events: Timed, holidays: Holidays | None = None, room: str | None = None) -> Plan:
    return lay_out(Reading(timed=events), zone=PARIS, holidays=holidays or Holidays(), rooms=ROOMS, room=room)


def test_a_schools_event_is_of_the_room_that_its_location_names() -> None:
    for location in ("Salle B12", "salle  b12 ", "HUGO-B12", "\uff33alle B12"):
        (lesson,) = laid(timed(location)).lessons
        assert (lesson.room, lesson.title, lesson.begins) == ("hugo-b12", "Maths", EIGHT)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (timed("Salle B1"), "no-room"),
        (timed("Salle B12, Salle B13"), "no-room"),
        (timed(""), "no-room"),
        (timed("LABO"), "several-rooms"),
        (timed(minutes=0), "no-length"),
        (timed(minutes=-5), "no-length"),
        (timed(minutes=12 * 60 + 1), "too-long"),
    ],
)
def test_what_does_not_fit_is_named_and_never_guessed(event: Timed, reason: str) -> None:
    plan = laid(event)
    assert plan.lessons == ()
    assert [(one.title, one.reason) for one in plan.unlaid] == [("Maths", reason)]


def test_a_rooms_own_calendar_needs_no_location() -> None:
    assert [lesson.room for lesson in laid(timed(""), timed("LABO", uid="2"), room="hugo-b13").lessons] == [
        "hugo-b13",
        "hugo-b13",
    ]


def test_one_name_at_one_time_is_a_lesson_in_each_room_and_one_in_the_same() -> None:
    events = timed("Salle B12"), timed("hugo-b12"), timed("Salle B13")
    assert [lesson.room for lesson in laid(*events).lessons] == ["hugo-b12", "hugo-b13"]
    assert [lesson.room for lesson in laid(*events, room="hugo-lab").lessons] == ["hugo-lab"]


def test_the_class_is_what_the_calendar_says_or_else_the_title() -> None:
    lessons = laid(timed(class_name="3e B"), timed(uid="2")).lessons
    assert [lesson.class_name for lesson in lessons] == ["3e B", "Maths"]


def test_lessons_in_the_holidays_are_left_out_by_the_day_of_the_school() -> None:
    holidays = Holidays([Holiday(date(2026, 12, 19), date(2027, 1, 3), "Noël")])
    last_night = datetime(2026, 12, 18, 23, 30, tzinfo=UTC)  # the 19th in Paris
    plan = laid(
        timed(begins=datetime(2026, 12, 18, 15, tzinfo=UTC)),
        timed(begins=last_night),
        timed(begins=datetime(2027, 1, 3, 22, 30, tzinfo=UTC)),
        timed(begins=datetime(2027, 1, 3, 23, 30, tzinfo=UTC)),
        holidays=holidays,
    )
    assert [lesson.begins.day for lesson in plan.lessons] == [18, 3]
    assert plan.in_holidays == 2


def test_a_cancelled_lesson_is_kept_as_one() -> None:
    (lesson,) = laid(timed(is_cancelled=True)).lessons
    assert lesson.is_cancelled


def test_an_event_of_many_occurrences_is_named_once_and_many_events_are_counted() -> None:
    weekly = [timed("?", EIGHT + timedelta(weeks=week)) for week in range(9)]
    assert laid(*weekly).unlaid_count == 1
    many = laid(*(timed("?", uid=str(number)) for number in range(MOST_UNLAID + 7)))
    assert (len(many.unlaid), many.unlaid_count) == (MOST_UNLAID, MOST_UNLAID + 7)


def test_the_readers_problems_and_whole_days_are_named_too() -> None:
    day = WholeDay(uid="2", title="Sortie", location="", class_name="", is_cancelled=False,
                   begins=date(2026, 12, 1), ends=date(2026, 12, 1))  # fmt: skip
    problem = Unlaid(uid="1", title="Chimie", reason="too-often")
    plan = lay_out(Reading(whole_days=(day,), problems=(problem,)), zone=PARIS, holidays=Holidays(), rooms=ROOMS)
    assert [(one.title, one.reason) for one in plan.unlaid] == [("Chimie", "too-often"), ("Sortie", "whole-day")]


def test_lessons_come_in_the_order_of_their_time() -> None:
    later, sooner = timed(uid="1", begins=EIGHT + timedelta(hours=1)), timed(uid="2")
    assert [lesson.uid for lesson in laid(later, sooner).lessons] == ["2", "1"]


def test_a_calendar_of_holidays_gives_its_whole_days_but_those_that_it_takes_back() -> None:
    def day(title: str, first: int, last: int, **more: Any) -> WholeDay:
        said = {"uid": title, "title": title, "location": "", "class_name": "", "is_cancelled": False} | more
        return WholeDay(begins=date(2026, 12, first), ends=date(2026, 12, last), **said)

    holidays = holidays_of(Reading(whole_days=(day("Noël", 19, 31), day("Pont", 8, 8, is_cancelled=True))))
    found = holidays.on(date(2026, 12, 31))
    assert found is not None
    assert found.name == "Noël"
    assert holidays.on(date(2026, 12, 8)) is None


def test_a_day_is_a_holiday_from_the_first_to_the_last_also_within_a_longer_one() -> None:
    holidays = Holidays(
        [Holiday(date(2026, 7, 4), date(2026, 8, 31), "Été"), Holiday(date(2026, 7, 14), date(2026, 7, 14), "Fête")]
    )
    days = [
        date(2026, 7, 3),
        date(2026, 7, 4),
        date(2026, 7, 14),
        date(2026, 7, 15),
        date(2026, 8, 31),
        date(2026, 9, 1),
    ]
    assert [found.name if (found := holidays.on(day)) else None for day in days] == [
        None, "Été", "Fête", "Été", "Été", None,
    ]  # fmt: skip


def test_holidays_do_not_end_before_they_begin() -> None:
    with pytest.raises(ValueError, match="end on 2026-12-18, before they begin"):
        Holiday(date(2026, 12, 19), date(2026, 12, 18), "Noël")
