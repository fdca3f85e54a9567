"""The centre's time in a room whose own clock is wrong."""

from __future__ import annotations

import asyncio

import pytest

from mqttlink.centre_clock import FAR_AHEAD, CentreClock
from protocol.errors import CommandError

CENTRE = 1_800_000_000.0


class Clocks:
    def __init__(self) -> None:
        self.mono_s = 100.0
        self.wall_s = 946_684_800.0  # 2000: the mini-PC's battery is empty

    def clock(self) -> CentreClock:
        return CentreClock(mono=lambda: self.mono_s, wall=lambda: self.wall_s)

    def pass_s(self, seconds: float) -> None:
        self.mono_s += seconds
        self.wall_s += seconds


def test_nothing_is_late_before_the_first_answer() -> None:
    clock = Clocks().clock()
    assert not clock.is_known
    assert not clock.is_late(0.0)
    assert clock.deadline(5) == FAR_AHEAD


def test_the_offset_is_taken_at_the_middle_of_the_question() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clock.learn(CENTRE, asked_mono_s=100.0, answered_mono_s=100.4)
    clocks.mono_s = 100.4
    assert clock.now() == pytest.approx(CENTRE + 0.2)
    assert clock.deadline(5) == pytest.approx(CENTRE + 5.2)
    assert clock.is_late(CENTRE + 0.1)
    assert not clock.is_late(CENTRE + 0.3)


def test_setting_the_own_date_changes_no_deadline_but_asks_again() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clock.learn(CENTRE, asked_mono_s=100.0, answered_mono_s=100.0)
    clocks.pass_s(60)
    assert not clock.has_jumped()
    clocks.wall_s = CENTRE
    assert clock.now() == CENTRE + 60
    assert clock.has_jumped()
    clock.learn(CENTRE + 60, asked_mono_s=160.0, answered_mono_s=160.0)
    assert not clock.has_jumped()


def test_the_centre_uses_its_own_time_and_never_asks() -> None:
    wall_s = CENTRE
    clock = CentreClock.own(wall=lambda: wall_s)
    assert clock.is_known
    assert clock.now() == CENTRE
    assert clock.is_late(CENTRE - 1)
    wall_s += 3600
    assert not clock.has_jumped()


async def test_the_centre_is_asked_at_each_connection() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    asked = asyncio.Queue[int]()
    connected = asyncio.Event()

    async def ask() -> float:
        asked.put_nowait(asked.qsize())
        return CENTRE

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        following = group.create_task(clock.follow(ask, connected))
        await asked.get()
        assert asked.empty()
        connected.set()
        await asked.get()
        following.cancel()
    assert clock.is_known


async def test_an_unanswered_question_is_asked_again_at_the_next_connection() -> None:
    clock = Clocks().clock()
    answers = [CommandError("nobody", code="room-timeout"), None]
    asked = asyncio.Event()
    connected = asyncio.Event()

    async def ask() -> float:
        asked.set()
        if error := answers.pop(0):
            raise error
        return CENTRE

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        following = group.create_task(clock.follow(ask, connected))
        await asked.wait()
        asked.clear()
        assert not clock.is_known
        connected.set()
        await asked.wait()
        await asyncio.sleep(0)
        assert clock.is_known
        following.cancel()
