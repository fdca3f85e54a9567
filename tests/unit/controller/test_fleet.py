"""Who is there, by a clock of the test's own: births and deaths, ages, and our own blindness."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.fleet import Fleet
from protocol.lesson import LessonState
from protocol.messages import (
    Check,
    CheckStatus,
    DeathReason,
    DeviceReport,
    DeviceRole,
    Health,
    LessonReport,
    RoomState,
    RoomStatus,
)

AT = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
ROOM = "0750001a-b12"


class World:
    """A fleet of one room and its clock."""

    def __init__(self) -> None:
        self.mono = 1_000.0
        self.changes: list[str] = []
        self.fleet = Fleet(lambda: self.mono, self.now, self.changes.append)
        self.fleet.add(ROOM, "075", "Salle B12")

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.mono - 1_000)

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.mono += 1
            self.fleet.tick()
        self.mono += seconds % 1
        self.fleet.tick()

    @property
    def link(self) -> str:
        return self.fleet.link(ROOM)

    def born(self, sid: str = "s1", *, retained: bool = False) -> None:
        self.fleet.status(ROOM, RoomStatus(online=True, sid=sid, agent="0.1.0", at=self.now()), retained=retained)

    def dies(self, reason: DeathReason, sid: str = "s1") -> None:
        self.fleet.status(ROOM, RoomStatus(online=False, sid=sid, reason=reason, at=self.now()))

    def reports(self, state: LessonState = LessonState.IDLE, *, retained: bool = False, **more: Any) -> None:
        self.fleet.report(ROOM, RoomState(sid="s1", state=state, at=self.now(), **more), retained=retained)

    def measures(self, sid: str = "s1", cpu: float = 10) -> None:
        self.fleet.measure(ROOM, Health(sid=sid, seq=0, uptime_s=1, cpu_percent=cpu, memory_mb=100, viewers=0))


@pytest.fixture
def world() -> World:
    world = World()
    world.fleet.broker_connected()
    return world


@pytest.fixture
def online(world: World) -> World:
    world.born()
    world.reports()
    return world


def lesson(world: World) -> LessonReport:
    return LessonReport(id="l-1", started_at=world.now())


def test_a_room_never_heard_of_is_unknown_for_ever(world: World) -> None:
    world.wait(500)
    assert world.link == "unknown"
    view = world.fleet.view(ROOM)
    assert (view.reported_age_s, view.is_stale, view.state) == (None, False, None)


def test_idle_a_room_is_late_after_25_s_and_offline_after_35(online: World) -> None:
    online.wait(25)
    assert online.link == "online"
    online.wait(1)
    assert online.link == "late"
    online.wait(9)
    assert online.link == "late"
    online.wait(1)
    assert online.link == "offline"
    online.measures()
    assert online.link == "online"


def test_in_a_lesson_a_room_is_late_after_6_s_and_offline_after_9(online: World) -> None:
    online.reports(LessonState.LIVE, lesson=lesson(online))
    online.wait(6)
    assert online.link == "online"
    online.wait(1)
    assert online.link == "late"
    online.wait(2)
    assert online.link == "late"
    online.wait(1)
    assert online.link == "offline"
    view = online.fleet.view(ROOM)
    assert (view.is_stale, view.state, view.status) == (True, LessonState.LIVE, CheckStatus.CRITICAL)
    assert view.reported_age_s == 10
    assert view.link_since == online.now()


def test_a_wanted_stop_is_off_and_a_lost_line_offline(online: World) -> None:
    online.dies(DeathReason.SHUTDOWN)
    assert online.link == "off"
    assert online.fleet.view(ROOM).is_stale
    online.born("s2")
    assert online.link == "online"
    online.dies(DeathReason.LOST, "s2")
    assert online.link == "offline"


def test_the_death_of_an_older_connection_is_ignored(online: World) -> None:
    online.born("s2")
    online.dies(DeathReason.LOST, "s1")
    assert online.link == "online"


def test_numbers_of_a_dead_connection_do_not_raise_the_dead(online: World) -> None:
    online.dies(DeathReason.SHUTDOWN)
    online.measures("s1")
    assert online.link == "off"
    online.measures("s2")
    assert online.link == "online"


def test_while_our_line_is_down_every_room_is_unknown_and_none_offline(online: World) -> None:
    online.fleet.broker_lost()
    assert online.link == "unknown"
    assert online.fleet.view(ROOM).is_stale
    online.wait(600)
    assert online.link == "unknown"
    assert not online.fleet.is_reachable(ROOM)


def test_after_our_line_is_back_a_silent_room_is_unknown_for_90_s(online: World) -> None:
    online.fleet.broker_lost()
    online.wait(100)
    online.fleet.broker_connected()
    online.wait(89)
    assert online.link == "unknown"
    assert online.fleet.is_reachable(ROOM)
    online.wait(2)
    assert online.link == "offline"


def test_a_retained_birth_is_no_sign_of_life(world: World) -> None:
    world.born(retained=True)
    world.reports(retained=True)
    assert world.link == "unknown"
    world.wait(91)
    assert world.link == "offline"


def test_a_retained_death_is_believed_at_once(world: World) -> None:
    world.dies(DeathReason.SHUTDOWN)
    assert world.link == "off"


def test_the_view_has_the_worst_of_the_devices_while_the_room_is_there(online: World) -> None:
    def device(status: CheckStatus) -> DeviceReport:
        return DeviceReport(
            id="front", role=DeviceRole.CAMERA, name="c", driver="v4l2", is_open=True, status=status, since=AT
        )

    online.reports(devices=(device(CheckStatus.OK), device(CheckStatus.WARNING), device(CheckStatus.UNKNOWN)))
    assert online.fleet.view(ROOM).status is CheckStatus.WARNING
    online.dies(DeathReason.SHUTDOWN)
    assert online.fleet.view(ROOM).status is CheckStatus.UNKNOWN


def test_only_what_a_page_would_show_differently_is_told(online: World) -> None:
    online.measures(cpu=10)
    online.changes.clear()
    online.measures(cpu=12)
    online.reports()
    online.wait(3)
    assert online.changes == []
    online.measures(cpu=40)
    assert online.changes == [ROOM]
    online.reports(LessonState.LIVE, lesson=lesson(online))
    assert online.changes == [ROOM, ROOM]


def test_a_value_that_moves_is_no_other_view_and_what_cannot_be_told_is_no_fault(online: World) -> None:
    def measured(status: CheckStatus, value: float) -> None:
        check = Check(id="sound-quiet", status=status, since=AT, value=value, unit="dBFS")
        health = Health(sid="s1", seq=0, uptime_s=1, cpu_percent=10, memory_mb=100, viewers=0, checks=(check,))
        online.fleet.measure(ROOM, health)

    measured(CheckStatus.UNKNOWN, -30)
    assert online.fleet.view(ROOM).status is CheckStatus.OK
    online.changes.clear()
    measured(CheckStatus.UNKNOWN, -31)
    assert online.changes == []
    measured(CheckStatus.WARNING, -31)
    assert online.changes == [ROOM]
    assert online.fleet.view(ROOM).status is CheckStatus.WARNING


def test_what_changed_since_a_revision_is_known(online: World) -> None:
    online.fleet.add("0750001a-b13", "075", "Salle B13")
    rev = online.fleet.rev
    assert online.fleet.changed_since(rev) == []
    online.measures(cpu=90)
    assert online.fleet.changed_since(rev) == [ROOM]
    assert set(online.fleet.changed_since(0)) == {ROOM, "0750001a-b13"}


def test_what_was_stored_before_a_restart_has_its_age(world: World) -> None:
    state = RoomState(sid="s0", state=LessonState.IDLE, at=AT - timedelta(hours=1))
    world.fleet.restore(ROOM, state, None, "0.1.0", AT - timedelta(minutes=30))
    view = world.fleet.view(ROOM)
    assert (view.is_stale, view.reported_age_s, view.agent) == (True, 1800, "0.1.0")


def test_a_health_without_checks_leaves_them_as_they_were(online: World) -> None:
    ill = Check(id="sound", status=CheckStatus.CRITICAL, since=AT)
    said = Health(sid="s1", seq=1, uptime_s=1, cpu_percent=10, memory_mb=100, viewers=0, checks=(ill,))
    short = said.model_copy(update={"seq": 2, "cpu_percent": 50.0, "checks": None})
    online.fleet.measure(ROOM, short)
    assert online.fleet.view(ROOM).checks == ()
    online.fleet.measure(ROOM, said)
    online.fleet.measure(ROOM, short)
    view = online.fleet.view(ROOM)
    assert (view.checks, view.status, view.cpu_percent) == ((ill,), CheckStatus.CRITICAL, 50.0)


def test_before_the_first_whole_health_what_is_wrong_is_known_from_the_state(online: World) -> None:
    ill = Check(id="sound", status=CheckStatus.CRITICAL, since=AT)
    online.reports(checks=(ill,))
    short = Health(sid="s1", seq=1, uptime_s=1, cpu_percent=10, memory_mb=100, viewers=0, checks=None)
    online.fleet.measure(ROOM, short)
    view = online.fleet.view(ROOM)
    assert (view.checks, view.status) == ((ill,), CheckStatus.CRITICAL)
    online.changes.clear()
    online.fleet.measure(ROOM, short.model_copy(update={"checks": ()}))
    assert online.fleet.view(ROOM).checks == ()
    assert online.changes == [ROOM]
