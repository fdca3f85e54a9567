"""Rooms that fall silent, alone and together: one cause, one incident, and pages that know at once."""

from __future__ import annotations

import pytest

from controller.incidents.causes import BROKER, LINK, SCHOOL_OFFLINE, TERRITORY_OFFLINE, Severity
from controller.incidents.decisions import Close, Escalate, Flapping, Join, Key, Leave, Open, Reopen
from controller.incidents.judge import LOOK_AGAIN_S
from controller.incidents.lesson_calendar import SOON_S, LessonCalendar, Planned, Urgency
from controller.incidents.registry import CENTRE
from protocol.messages import CheckStatus
from tests.unit.controller.incidents.town import Town

SCHOOL = Key("school", "hugo", SCHOOL_OFFLINE)
TERRITORY = Key("territory", "075", TERRITORY_OFFLINE)
CENTRE_KEY = Key("centre", CENTRE, BROKER)


@pytest.fixture
def town() -> Town:
    return Town()


def test_a_room_lost_in_a_lesson_is_shown_after_9_s_and_an_incident_15_s_later(town: Town) -> None:
    hugo = town.build("hugo", 6)
    town.run(30)
    town.teach(hugo[:1])
    town.run(12)
    town.cut(hugo[:1])
    silent_s = town.rooms[hugo[0]].heard_s or 0
    while town.judge.shown(hugo[0], town.now_s).link != "offline":
        town.run(1)
    assert town.now_s - silent_s == 10  # past 9 s, at a step of one
    assert town.judge.shown(hugo[0], town.now_s).status is CheckStatus.CRITICAL
    assert town.opened == []
    town.run(60)
    assert [(at_s - silent_s, one.key) for at_s, one in town.of(Open)] == [(25, Key("room", hugo[0], LINK))]


def test_a_room_lost_while_idle_is_an_incident_after_its_hold_down(town: Town) -> None:
    hugo = town.build("hugo", 6)
    town.run(30)
    town.cut(hugo[:1])
    silent_s = town.rooms[hugo[0]].heard_s or 0
    town.run(150)
    assert [(at_s - silent_s, one.key) for at_s, one in town.of(Open)] == [(36 + 60, Key("room", hugo[0], LINK))]
    town.mend(hugo)
    town.run(80)
    assert [(one.key, one.reason) for _, one in town.of(Close)] == [(Key("room", hugo[0], LINK), "recovered")]


def test_a_short_cut_is_no_incident(town: Town) -> None:
    hugo = town.build("hugo", 6)
    town.run(30)
    town.cut(hugo[:1])
    town.run(60)
    town.mend(hugo)
    town.run(200)
    assert town.history == []


@pytest.mark.parametrize("in_lesson", [0, 1, 8, 40])
def test_a_school_that_is_cut_is_one_incident(town: Town, in_lesson: int) -> None:
    hugo = town.build("hugo", 40)
    town.build("jaures", 90)
    town.run(30)
    town.teach(hugo[:in_lesson])
    town.run(20)
    town.cut(hugo)
    town.run(300)
    assert town.opened == [SCHOOL]
    (opened,) = [one for _, one in town.of(Open)]
    assert sorted({*opened.rooms, *(one.room for _, one in town.of(Join))}) == hugo
    town.mend(hugo)
    town.run(60 + 90 + 20)
    assert [(one.key, one.reason) for _, one in town.of(Close)] == [(SCHOOL, "recovered")]
    assert town.opened == [SCHOOL]


def test_who_stays_away_when_its_school_is_back_is_an_incident_of_its_own(town: Town) -> None:
    hugo = town.build("hugo", 20)
    town.build("jaures", 90)
    town.run(30)
    town.cut(hugo)
    town.run(200)
    town.mend(hugo[1:])
    town.run(400)
    assert town.opened == [SCHOOL, Key("room", hugo[0], LINK)]
    assert [one.key for _, one in town.of(Close)] == [SCHOOL]
    assert town.of(Open)[1][0] == town.of(Close)[0][0] + 60
    assert {one.room for _, one in town.of(Leave)} <= set(hugo[1:])


def test_too_few_for_a_school_are_incidents_of_their_own(town: Town) -> None:
    hugo = town.build("hugo", 40)
    town.build("jaures", 90)
    town.build("duo", 2)
    town.run(30)
    town.cut(["duo-00", "duo-01", *hugo[:5]])
    town.run(200)
    assert sorted(town.opened) == [Key("room", id, LINK) for id in ["duo-00", "duo-01", *hugo[:5]]]


def test_who_was_away_before_does_not_count(town: Town) -> None:
    """Of six rooms three are broken; of the others one is lost: that is no school."""
    hugo = town.build("hugo", 6)
    town.run(30)
    town.cut(hugo[:3])
    for id in hugo[1:3]:
        town.mend([id])
        town.run(40)
        town.cut([id])
    town.run(300)
    before = list(town.opened)
    town.cut(hugo[3:4])
    town.run(300)
    assert town.opened == [*before, Key("room", hugo[3], LINK)]


def test_rooms_in_maintenance_are_missed_by_nobody(town: Town) -> None:
    hugo = town.build("hugo", 10)
    town.build("jaures", 90)
    town.run(30)
    town.judge.maintain("school", "hugo", town.now_s + 600, town.now_s)
    town.cut(hugo)
    town.run(400)
    assert town.opened == []
    assert town.judge.shown(hugo[0], town.now_s) == ("maintenance", CheckStatus.CRITICAL)
    town.run(400)
    assert town.opened == [SCHOOL]


def test_rooms_in_maintenance_make_no_school_of_one_that_is_lost(town: Town) -> None:
    hugo = town.build("hugo", 6)
    town.run(30)
    for id in hugo[:3]:
        town.judge.maintain("room", id, town.now_s + 3600, town.now_s)
    town.cut(hugo[:4])
    town.run(300)
    assert town.opened == [Key("room", hugo[3], LINK)]


def test_a_territory_that_is_cut_is_one_incident(town: Town) -> None:
    cut = [id for school in ("hugo", "zola", "sand", "duo") for id in town.build(school, 12)]
    town.build("far", 30)
    town.build("away", 30, territory="02a")
    town.run(30)
    town.teach([*cut[:3], *cut[20:23]])
    town.run(20)
    town.cut(cut)
    town.run(300)
    assert town.opened == [TERRITORY]
    town.mend(cut)
    town.run(200)
    assert [(one.key, one.reason) for _, one in town.of(Close)] == [(TERRITORY, "recovered")]


def test_an_outage_that_spreads_ends_as_one_incident(town: Town) -> None:
    schools = [town.build(school, 10) for school in ("hugo", "zola", "sand")]
    town.build("far", 20)
    town.run(30)
    for rooms in schools:
        town.cut(rooms)
        town.run(25)
    town.run(300)
    open_ones = set(town.opened) - {one.key for _, one in town.of(Close)}
    assert open_ones == {TERRITORY}
    assert {(one.reason, one.by) for _, one in town.of(Close)} == {("covered", TERRITORY)}


def test_our_own_line_is_one_incident_and_no_room_is_offline(town: Town) -> None:
    rooms = [id for school in ("hugo", "zola", "sand") for id in town.build(school, 10)]
    town.run(30)
    town.teach(rooms[:5])
    town.run(20)
    town.lose_broker()
    town.run(9)
    assert town.opened == []
    town.run(300)
    assert town.opened == [CENTRE_KEY]
    assert {town.judge.shown(id, town.now_s).link for id in rooms} == {"unknown"}
    town.find_broker()
    town.run(300)
    assert [one.key for _, one in town.of(Close)] == [CENTRE_KEY]
    assert town.opened == [CENTRE_KEY]


def test_a_broker_that_hangs_is_our_line_and_not_all_schools(town: Town) -> None:
    """Rooms in a lesson are missed after 9 s; that our own connection is dead is known after 35."""
    rooms = [id for school in ("hugo", "zola", "sand") for id in town.build(school, 10)]
    town.run(30)
    town.teach(rooms[:5])
    town.run(20)
    town.is_broker_frozen = True
    town.run(50)
    assert town.opened == [CENTRE_KEY]
    town.lose_broker()
    town.run(100)
    assert town.opened == [CENTRE_KEY]
    town.find_broker()
    town.run(300)
    assert town.opened == [CENTRE_KEY]
    assert [one.key for _, one in town.of(Close)] == [CENTRE_KEY]


def test_a_broker_that_hung_for_a_moment_leaves_nothing_behind(town: Town) -> None:
    """Once a single room is heard we are not deaf, also if no link ever changed its word."""
    rooms = [id for school in ("hugo", "zola", "sand") for id in town.build(school, 10)]
    town.run(30)
    town.teach(rooms[:1])
    town.run(20)
    town.is_broker_frozen = True
    town.run(27)
    town.is_broker_frozen = False
    town.run(300)
    assert town.opened == []
    town.cut(rooms[:1])
    town.run(100)
    assert town.opened == [Key("room", rooms[0], LINK)]


def test_a_dead_room_is_known_though_others_were_silent_for_a_moment(town: Town) -> None:
    hugo = town.build("hugo", 9)
    town.run(30)
    town.teach(hugo[:1])
    town.run(12)
    town.cut(hugo)
    town.run(15)
    town.mend(hugo[1:])
    town.run(100)
    assert town.opened == [Key("room", hugo[0], LINK)]


def test_a_line_that_comes_and_goes_is_told_once(town: Town) -> None:
    hugo = town.build("hugo", 6)
    town.run(30)
    for _ in range(15):
        town.cut(hugo[:1])
        town.run(50)
        town.mend(hugo)
        town.run(30)
    key = Key("room", hugo[0], LINK)
    assert [(one.key, one.is_flapping, one.tell) for _, one in town.of(Open)] == [(key, True, True)]
    assert town.of(Close) == []
    town.run(3600)
    assert [(one.key, one.is_flapping, one.tell) for _, one in town.of(Flapping)] == [(key, False, False)]
    assert [(one.key, one.reason) for _, one in town.of(Close)] == [(key, "recovered")]


def test_a_school_line_that_comes_and_goes_is_one_incident(town: Town) -> None:
    hugo = town.build("hugo", 12)
    town.build("jaures", 40)
    town.run(30)
    for _ in range(15):
        town.cut(hugo)
        town.run(50)
        town.mend(hugo)
        town.run(30)
    assert town.opened == [SCHOOL]
    town.run(4000)
    assert town.opened == [SCHOOL]
    assert [one.key for _, one in town.of(Close)] == [SCHOOL]


@pytest.mark.parametrize(
    ("flapping", "switched_off", "is_one"), [(6, 0, True), (5, 0, False), (4, 4, True), (2, 8, False)]
)
def test_lines_of_half_the_rooms_that_are_there_come_and_go_as_one(
    town: Town, flapping: int, switched_off: int, is_one: bool
) -> None:
    hugo = town.build("hugo", 12)
    town.run(30)
    there = hugo[: 12 - switched_off]
    town.switch_off(hugo[len(there) :])
    town.cut(there[:8])
    town.run(50)
    town.mend(there)  # who fell silent once does not flap
    town.run(30)
    for _ in range(15):
        town.cut(hugo[:flapping])
        town.run(50)
        town.mend(hugo[:flapping])
        town.run(30)
    own = [Key("room", id, LINK) for id in hugo[:flapping]]
    assert sorted(town.opened) == ([SCHOOL] if is_one else own)
    assert {one.is_flapping for _, one in town.of(Open)} == {True}


def test_a_school_line_that_comes_and_goes_at_night_is_told_once_before_the_lesson(town: Town) -> None:
    hugo = town.build("hugo", 6)
    bell_s = town.now_s + 2000
    for id in hugo:
        town.judge.plan(id, LessonCalendar((Planned(bell_s, bell_s + 3000, "l-1"),), ()), town.now_s)
    town.run(30)
    for _ in range(20):
        town.cut(hugo)
        town.run(50)
        town.mend(hugo)
        town.run(30)
    assert town.opened == [SCHOOL]
    told = [(at_s, one) for at_s, one in town.history if getattr(one, "tell", False)]
    assert [(at_s - (bell_s - SOON_S) < LOOK_AGAIN_S, one) for at_s, one in told] == [
        (True, Escalate(SCHOOL, Severity.CRITICAL, Urgency.URGENT, tell=True))
    ]


def test_a_room_that_is_taken_out_leaves_the_outage(town: Town) -> None:
    hugo = town.build("hugo", 10)
    town.build("jaures", 40)
    town.run(30)
    town.cut(hugo)
    town.run(200)
    town.judge.retire(hugo[0], town.now_s)
    town.judge.add(hugo[1], "jaures", "075")
    town.run(100)
    assert {one.room for _, one in town.of(Leave)} == set(hugo[:2])
    assert town.opened == [SCHOOL, Key("room", hugo[1], LINK)]


def test_an_outage_closed_by_hand_is_not_covered_by_one_that_was_over_before_it_came_back(town: Town) -> None:
    hugo, *others = [town.build(school, 10) for school in ("hugo", "zola", "sand")]
    town.build("far", 20)
    town.run(30)
    town.teach([*hugo, *others[0], *others[1]])
    town.run(20)
    town.cut(hugo)
    town.run(30)
    town.judge.dismiss(SCHOOL)
    town.cut([*others[0], *others[1]])
    town.run(60)
    assert town.opened == [SCHOOL, TERRITORY]
    town.mend([*hugo, *others[0], *others[1]])
    town.run(150)
    town.cut(hugo)
    town.run(100)
    assert [(one.key, one.reason) for _, one in town.of(Close)] == [(SCHOOL, "by-hand"), (TERRITORY, "recovered")]
    assert [one.key for _, one in town.of(Reopen)] == [SCHOOL]


def test_closing_an_outage_by_hand_opens_none_for_each_room(town: Town) -> None:
    hugo = town.build("hugo", 10)
    town.build("jaures", 40)
    town.run(30)
    town.cut(hugo)
    town.run(200)
    town.judge.dismiss(SCHOOL)
    town.run(300)
    assert [(one.key, one.reason) for _, one in town.of(Close)] == [(SCHOOL, "by-hand")]
    town.mend(hugo)
    town.run(900)
    town.cut(hugo)
    town.run(200)
    assert town.opened == [SCHOOL, SCHOOL]
