"""The sign shows what is, not what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.devices.capture import CaptureHost
from agent.kept_lesson import LessonKeeper
from agent.lesson import Lesson
from agent.on_air import STRAY_AFTER_S, Departures, Stray, sign
from agent.outbox import Outbox
from agent.streams.publisher import StreamSettings
from protocol.messages import Sign


@pytest.mark.parametrize(
    ("devices_open", "last_packet_mono_s", "expected"),
    [
        (0, None, Sign.OFF),
        (0, 98.9, Sign.OFF),
        (1, None, Sign.OPEN),
        (3, 98.9, Sign.OPEN),
        (3, 99.5, Sign.LIVE),
        (0, 99.0, Sign.LIVE),
    ],
)
def test_sign_follows_open_devices_and_packets_of_the_last_second(
    devices_open: int, last_packet_mono_s: float | None, expected: Sign
) -> None:
    assert sign(devices_open=devices_open, last_packet_mono_s=last_packet_mono_s, mono_s=100.0) is expected


class Clock:
    def __init__(self) -> None:
        self.mono_s = 100.0

    def __call__(self) -> float:
        return self.mono_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def strays() -> list[Stray]:
    return []


@pytest.fixture
def departures(clock: Clock, strays: list[Stray]) -> Departures:
    made = Departures(clock=clock)
    made.on_stray(strays.append)
    return made


def test_packets_of_the_running_lesson_are_no_alarm(departures: Departures, clock: Clock, strays: list[Stray]) -> None:
    departures.lesson_is("l-1")
    clock.mono_s += 3_600
    departures.packet_left("l-1")
    assert (departures.last_packet_mono_s, strays) == (clock.mono_s, [])


@pytest.mark.parametrize("after", [None, "l-2"], ids=["idle", "another lesson"])
def test_a_packet_of_a_lesson_that_is_over_lights_the_sign_and_is_an_alarm(
    departures: Departures, clock: Clock, strays: list[Stray], after: str | None
) -> None:
    departures.lesson_is("l-1")
    departures.lesson_is(after)
    clock.mono_s += STRAY_AFTER_S
    departures.packet_left("l-1")
    assert strays == [], "what was on its way"
    clock.mono_s += 0.1
    departures.packet_left("l-1")
    assert [stray.lesson for stray in strays] == ["l-1"]
    assert strays[0].after_s == pytest.approx(1.1)
    shown = sign(devices_open=0, last_packet_mono_s=departures.last_packet_mono_s, mono_s=clock.mono_s)
    assert shown is Sign.LIVE


def test_a_sender_that_is_left_over_lights_the_sign_of_an_idle_room(
    departures: Departures, clock: Clock, tmp_path: Path
) -> None:
    keeper = LessonKeeper(tmp_path / "lesson.json", "boot-1")
    outbox = Outbox(tmp_path / "outbox.sqlite")
    lesson = Lesson(lambda: "B12", (), CaptureHost(()), StreamSettings(), outbox, keeper, departures, clock=clock)
    assert lesson.sign() is Sign.OFF
    departures.packet_left("l-1")
    assert lesson.sign() is Sign.LIVE
