"""A busy or hot mini-PC in a lesson: what the watch tells the publisher and the room's checks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from agent import load_watch
from agent.load_watch import CHECK, LoadWatch
from agent.streams import load
from agent.streams.load import STEPS, STRAINED_S, Limits
from protocol.messages import CheckStatus
from tests.waiting import until

BEGAN = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


@dataclass
class Encoders:
    """What a publisher's encoders say, and what they were told."""

    share: float = 0.3
    dropped: float = 0.0
    told: list[Limits] = field(default_factory=list)

    def encoding_load(self) -> tuple[float, float]:
        return self.share, self.dropped

    def limit(self, limits: Limits) -> None:
        self.told.append(limits)


@dataclass
class Lesson:
    publisher: Encoders | None = None


class Machine:
    """A watch that a test lets look, second by second."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.lesson = Lesson()
        self.news = 0
        self.seconds = 0
        self.watch = LoadWatch(cast(Any, self.lesson), on_news=self._hear, root=root, now=self._now)

    def begin(self) -> Encoders:
        self.lesson.publisher = Encoders()
        return self.lesson.publisher

    def pass_s(self, seconds: float, busy: float = 0.3) -> None:
        for _ in range(int(seconds)):
            self.seconds += 1
            self.watch.look(busy, float(self.seconds))

    def _hear(self) -> None:
        self.news += 1

    def _now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)


def test_encoders_that_cannot_keep_up_lower_the_layers_and_a_check_says_since_when() -> None:
    machine = Machine()
    encoders = machine.begin()
    machine.pass_s(5)
    assert machine.watch.checks() == ()
    assert machine.news == 0
    encoders.share = 1.2
    machine.pass_s(STRAINED_S + 1)
    assert encoders.told[-1] == STEPS[1]
    (check,) = machine.watch.checks()
    assert (check.id, check.status) == (CHECK, CheckStatus.WARNING)
    assert check.since == BEGAN + timedelta(seconds=machine.seconds)
    assert machine.news == 1
    machine.pass_s(STRAINED_S)
    assert encoders.told[-1] == STEPS[2]
    assert machine.watch.checks() == (check,), "it has been so since the first step"
    assert machine.news == 2


def test_a_busy_machine_whose_encoders_drop_pictures_lowers_its_layers_and_a_calm_one_does_not() -> None:
    calm, busy = Machine(), Machine()
    for machine in (calm, busy):
        machine.begin().dropped = 0.2
    calm.pass_s(STRAINED_S + 1, busy=0.5)
    busy.pass_s(STRAINED_S + 1, busy=0.97)
    assert calm.watch.checks() == ()
    assert busy.watch.checks() != ()


def test_the_end_of_a_lesson_leaves_nothing_and_the_next_begins_with_everything() -> None:
    machine = Machine()
    machine.begin().share = 1.2
    machine.pass_s(STRAINED_S + 1)
    machine.lesson.publisher = None
    machine.pass_s(1)
    assert machine.watch.checks() == ()
    assert machine.news == 2
    following = machine.begin()
    machine.pass_s(1)
    assert following.told == [Limits()]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_watch, "LOOK_S", 0.01)
    monkeypatch.setattr(load, "STRAINED_S", 0.0)


@pytest.mark.usefixtures("hurried")
async def test_a_hot_machine_lowers_its_layers_by_what_its_own_sensors_say(tmp_path: Path) -> None:
    sensor = tmp_path / "sys/class/thermal/thermal_zone0"
    sensor.mkdir(parents=True)
    (sensor / "type").write_text("x86_pkg_temp\n")
    (sensor / "temp").write_text("60000\n")
    machine = Machine(tmp_path)
    encoders = machine.begin()
    run = asyncio.create_task(machine.watch.run())
    try:
        await until(lambda: len(encoders.told) > 2 * load_watch.HEAT_EACH)
        assert encoders.told[-1] == Limits()
        (sensor / "temp").write_text("95000\n")
        await until(machine.watch.checks, "the layers to be lowered")
    finally:
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
    assert encoders.told[-1] != Limits()
