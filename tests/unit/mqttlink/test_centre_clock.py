"""The centre's time in a room whose own clock is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mqttlink.centre_clock import ASK_ANEW_S, DOUBT_EVERY_S, FAR_AHEAD, CentreClock
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


def test_the_centre_counts_on_from_its_own_date_and_follows_no_wall_clock_that_is_set() -> None:
    clocks = Clocks()
    clocks.wall_s = CENTRE
    clock = CentreClock.own(mono=lambda: clocks.mono_s, wall=lambda: clocks.wall_s)
    assert clock.is_known
    assert clock.now() == CENTRE
    assert clock.is_late(CENTRE - 1)
    clocks.pass_s(60)
    clocks.wall_s -= 3600
    assert clock.now() == CENTRE + 60
    assert clock.deadline(5) == CENTRE + 65
    assert not clock.has_jumped()
    clocks.pass_s(3600)
    assert not clock.is_old(), "the centre asks nobody"


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


class Followed:
    """A room's clock that is followed, and how often the centre was asked."""

    def __init__(self, look_every_s: float = 5.0) -> None:
        self.clocks = Clocks()
        self.clock = CentreClock(
            mono=lambda: self.clocks.mono_s, wall=lambda: self.clocks.wall_s, look_every_s=look_every_s
        )
        self.told = CENTRE
        self.times = 0
        self.answered = asyncio.Event()

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            following = group.create_task(self.clock.follow(self._ask, asyncio.Event()))
            await self.answered.wait()
            yield
            following.cancel()

    async def _ask(self) -> float:
        self.times += 1
        await asyncio.sleep(0)
        self.answered.set()
        return self.told


async def test_the_centre_is_asked_again_every_few_minutes() -> None:
    room = Followed(look_every_s=0.001)
    async with room.followed():
        room.answered.clear()
        room.clocks.pass_s(ASK_ANEW_S - 1)
        assert not room.clock.is_old()
        room.told = CENTRE + 1000
        room.clocks.pass_s(1)
        await room.answered.wait()
        assert room.clock.now() == CENTRE + 1000


async def test_what_seems_late_is_judged_by_the_time_asked_anew() -> None:
    room = Followed()
    async with room.followed():
        room.told = CENTRE - 3600
        assert not await room.clock.has_passed(room.told + 5)
        assert room.times == 2
        assert await room.clock.has_passed(room.told - 5)


async def test_many_late_commands_ask_once_in_a_while() -> None:
    room = Followed()
    async with room.followed():
        assert all(await asyncio.gather(*(room.clock.has_passed(CENTRE - n) for n in range(1, 9))))
        assert await room.clock.has_passed(CENTRE - 1)
        assert room.times == 2
        room.clocks.pass_s(DOUBT_EVERY_S)
        assert await room.clock.has_passed(CENTRE - 1)
        assert room.times == 3


async def test_without_anybody_to_ask_late_is_late_at_once() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clock.learn(CENTRE, asked_mono_s=clocks.mono_s, answered_mono_s=clocks.mono_s)
    assert await clock.has_passed(CENTRE - 1)
