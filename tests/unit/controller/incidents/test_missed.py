"""Planned lessons that did not begin: each is counted, and the room's fault is an incident, once."""

from __future__ import annotations

import pytest

from controller.incidents.causes import LINK, MISSED
from controller.incidents.decisions import Close, Held, Key, Missed, Open
from controller.incidents.lesson_calendar import LessonCalendar, Planned, Urgency
from tests.unit.controller.incidents.script import ROOM, Script, key

FIRST, SECOND = Planned(1000.0, 4000.0, "l-1"), Planned(4600.0, 7600.0, "l-2")
LATE_S = FIRST.starts_s + 600


@pytest.fixture
def script() -> Script:
    script = Script()
    script.judge.plan(ROOM, LessonCalendar((FIRST, SECOND)), 0.0)
    return script


def test_a_lesson_that_nobody_began_is_counted_and_is_no_incident(script: Script) -> None:
    script.run(2000)
    assert script.history == [(LATE_S, Missed(ROOM, "l-1", "nobody"))]


def test_a_lesson_that_began_in_time_is_not_missed(script: Script) -> None:
    script.run(1500)
    script.judge.lesson(ROOM, "running", script.now_s)
    script.run(1550)
    script.judge.lesson(ROOM, "idle", script.now_s)
    script.run(2000)
    assert script.history == []


def test_a_lesson_that_goes_on_is_the_next_one_too_and_one_long_over_is_not(script: Script) -> None:
    script.run(1000)
    script.judge.lesson(ROOM, "running", script.now_s)
    script.run(5300)
    assert script.history == []
    script.judge.lesson(ROOM, "idle", script.now_s)
    script.judge.plan(ROOM, LessonCalendar((FIRST, SECOND, Planned(8000.0, 9000.0, "l-3"))), script.now_s)
    script.run(9000)
    assert script.history == [(8600.0, Missed(ROOM, "l-3", "nobody"))]


def test_a_refused_lesson_is_counted(script: Script) -> None:
    script.judge.refuse(ROOM, "l-1")
    script.run(2000)
    assert script.history == [(LATE_S, Missed(ROOM, "l-1", "refused"))]


def test_a_room_that_is_offline_has_one_incident_for_it(script: Script) -> None:
    script.run(100)
    script.judge.link(ROOM, "offline", script.now_s)
    script.run(2000)
    assert [one.key for _, one in script.of(Open)] == [key(LINK)]
    assert script.of(Missed) == [(LATE_S, Missed(ROOM, "l-1", "offline", key(LINK)))]


def test_a_lesson_missed_for_a_dead_camera_has_one_incident_for_it(script: Script) -> None:
    script.tell(picture_black="critical")
    script.run(2000)
    assert [one.key for _, one in script.of(Open)] == [key("check:picture-black")]
    assert script.of(Missed) == [(LATE_S, Missed(ROOM, "l-1", "device", key("check:picture-black")))]


def test_a_lesson_missed_for_a_computer_that_is_off_is_an_incident_until_one_begins(script: Script) -> None:
    script.judge.link(ROOM, "off", 0.0)
    script.run(1700)
    assert [(at_s, one.key, one.urgency) for at_s, one in script.of(Open)] == [(LATE_S, key(MISSED), Urgency.URGENT)]
    assert script.of(Missed) == [(LATE_S, Missed(ROOM, "l-1", "off", key(MISSED)))]
    script.judge.link(ROOM, "online", script.now_s)
    script.run(4600)
    script.judge.lesson(ROOM, "running", script.now_s)
    script.run(5000)
    assert [(at_s, one.key, one.reason) for at_s, one in script.of(Close)] == [(4660, key(MISSED), "recovered")]


def test_a_lesson_that_failed_is_an_incident(script: Script) -> None:
    script.run(1000)
    script.judge.lesson(ROOM, "failed", script.now_s)
    script.run(2000)
    assert [one.key for _, one in script.of(Open)] == [key(MISSED)]


def test_who_cannot_be_seen_is_counted_as_unknown(script: Script) -> None:
    script.judge.link(ROOM, "unknown", 0.0)
    script.run(2000)
    assert script.history == [(LATE_S, Missed(ROOM, "l-1", "unknown"))]


def test_in_maintenance_a_lesson_is_counted_and_no_incident(script: Script) -> None:
    script.judge.maintain("room", ROOM, 5000.0, 0.0)
    script.judge.link(ROOM, "off", 0.0)
    script.run(2000)
    assert script.history == [(LATE_S, Missed(ROOM, "l-1", "maintenance"))]


def test_a_lesson_held_out_of_our_hearing_is_taken_back(script: Script) -> None:
    """A room works alone: only when its line is back does it say that it has taught since the bell."""
    script.run(100)
    script.judge.link(ROOM, "offline", script.now_s)
    script.run(2000)
    script.judge.link(ROOM, "online", script.now_s)
    script.judge.lesson(ROOM, "running", script.now_s, began_s=1010.0)
    script.run(2100)
    assert script.of(Held) == [(2001, Held(ROOM, "l-1"))]


def converted_anew(off_s: float) -> LessonCalendar:
    """Return the plan as it comes out when two clocks are read at other moments, or one was set."""
    return LessonCalendar(tuple(Planned(one.starts_s + off_s, one.ends_s + off_s, one.id) for one in (FIRST, SECOND)))


@pytest.mark.parametrize("off_s", [-1800.0, -1e-6, 0.0, 1e-6, 1800.0])
def test_a_plan_that_comes_anew_judges_no_lesson_twice_nor_forgets_one(script: Script, off_s: float) -> None:
    script.run(LATE_S)
    script.judge.plan(ROOM, converted_anew(off_s), script.now_s)
    script.run(LATE_S + 100)
    script.judge.plan(ROOM, LessonCalendar(), script.now_s)
    script.now_s = SECOND.starts_s + 600
    script.judge.plan(ROOM, converted_anew(off_s), script.now_s)
    script.run(SECOND.starts_s + 4000)
    assert [one.lesson for _, one in script.of(Missed)] == ["l-1", "l-2"]


def test_a_lesson_that_was_held_and_begun_once_more_is_not_missed_by_a_plan_that_comes_anew(script: Script) -> None:
    for begins_s in (1000, 2500):
        script.run(begins_s)
        script.judge.lesson(ROOM, "running", script.now_s)
        script.run(begins_s + 700)
        script.judge.lesson(ROOM, "idle", script.now_s)
    script.judge.plan(ROOM, converted_anew(1e-6), script.now_s)
    script.run(4000)
    assert script.history == []


@pytest.mark.parametrize("by_whom", ["nobody", "the one before", "the room"])
def test_a_lesson_whose_time_fell_into_a_take_over_is_judged_once_rooms_were_heard(by_whom: str) -> None:
    script = Script()
    script.now_s = LATE_S + 30
    missed = [("sold", "l-9"), (ROOM, "l-1")] if by_whom == "the one before" else []
    script.judge.restore([], missed, script.now_s)
    script.judge.plan(ROOM, LessonCalendar((FIRST,)), script.now_s)
    script.run(script.now_s + 5)
    if by_whom == "the room":
        script.judge.lesson(ROOM, "running", script.now_s, began_s=FIRST.starts_s + 20)
    script.run(script.now_s + 600)
    assert script.history == ([(LATE_S + 45, Missed(ROOM, "l-1", "nobody"))] if by_whom == "nobody" else [])


def test_a_room_that_is_new_in_the_plan_has_missed_nothing_before() -> None:
    script = Script()
    script.now_s = LATE_S + 30
    script.judge.plan(ROOM, LessonCalendar((FIRST,)), script.now_s)
    script.run(script.now_s + 600)
    assert script.history == []


def test_the_next_lesson_missed_is_an_incident_again_though_somebody_closed_the_last(script: Script) -> None:
    script.judge.link(ROOM, "off", 0.0)
    script.run(2000)
    script.judge.dismiss(key(MISSED))
    script.run(SECOND.starts_s + 700)
    assert [at_s for at_s, _ in script.of(Open)] == [LATE_S, SECOND.starts_s + 600]
    assert [(at_s, one.reason) for at_s, one in script.of(Close)] == [(2001, "by-hand")]
    assert [one.by for _, one in script.of(Missed)] == [key(MISSED), key(MISSED)]


def test_a_lesson_missed_in_an_outage_names_it() -> None:
    script = Script()
    for n in range(2, 6):
        script.judge.add(f"hugo-0{n}", "hugo", "075")
    script.judge.plan(ROOM, LessonCalendar((FIRST,)), 0.0)
    for n in range(1, 6):
        script.judge.link(f"hugo-0{n}", "online", 0.0)
    script.run(100)
    last_s = script.now_s
    script.heard_s = last_s
    for n in range(1, 6):
        script.judge.link(f"hugo-0{n}", "offline", script.now_s)
    script.run(2000)
    school = Key("school", "hugo", "school-offline")
    assert [one.key for _, one in script.of(Open)] == [school]
    assert script.of(Missed) == [(LATE_S, Missed(ROOM, "l-1", "offline", school))]
