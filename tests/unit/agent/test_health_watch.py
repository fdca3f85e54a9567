"""When the signal is looked at, what counts of it, and that a lesson that starts waits for none of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from agent.baselines import Baselines
from agent.device_slot import DeviceChoice
from agent.devices import simulated_board, simulated_camera, simulated_microphone
from agent.devices.base import DeviceInfo
from agent.devices.capture import CaptureHost
from agent.health.reading import Reading
from agent.health_settings import HealthSettings
from agent.health_watch import HealthWatch
from agent.idle_look import HELD_LOOKS, IdleLook, held, proven
from agent.lesson import Lesson
from agent.media import BLOCK_SAMPLES, AudioBlock, Frame
from agent.watched import Watched
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceNotFoundError,
    LessonTransitionError,
)
from protocol.lesson import LessonState
from protocol.messages import CheckStatus, DeviceRole, OnAir, Problem
from tests.waiting import until

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
OK, WARNING, CRITICAL, UNKNOWN = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL, CheckStatus.UNKNOWN
CAMERA = DeviceChoice("front", DeviceRole.CAMERA, simulated_camera.driver, simulated_camera.SimulatedCameraConfig())
MICROPHONE = DeviceChoice(
    "ceiling", DeviceRole.MICROPHONE, simulated_microphone.driver, simulated_microphone.SimulatedMicrophoneConfig()
)
BOARD = DeviceChoice("board", DeviceRole.BOARD, simulated_board.driver, simulated_board.SimulatedBoardConfig())
SHORT_S = 0.6
PLUG_PAUSE_S = 0.4
DICE = np.random.default_rng(7)


def picture(light: float, mono_s: float, *, noise: float = 2.0, detail: float = 0.0) -> Frame:
    """Return 320 × 180 of a light, with a sensor's noise and boxes of detail."""
    bright = np.full((180, 320), light) + DICE.normal(0, noise, (180, 320))
    bright[20:160:20] += detail
    bright[:, 10:310:23] -= detail
    image = np.full((270, 320), 128, np.uint8)
    image[:180] = np.clip(bright, 16, 235).astype(np.uint8)
    return Frame(image, 320, 180, mono_s, round(mono_s * 100))


def sound(level: float, mono_s: float) -> AudioBlock:
    samples = DICE.normal(0, level, BLOCK_SAMPLES).astype(np.int16) if level else np.zeros(BLOCK_SAMPLES, np.int16)
    return AudioBlock(samples, mono_s, round(mono_s * 50))


def test_every_picture_of_a_camera_counts_for_its_flicker() -> None:
    camera, told = Watched(CAMERA), []
    for number in range(200):
        at_s = number / 30
        camera.take(picture(120 * (1 + 0.04 * np.sin(2 * np.pi * 4 * at_s)), at_s, detail=30))
        if number % 7 == 6:
            told += [one.status for one in camera.look(at_s, is_turning=False) if one.check == "picture-flicker"]
    assert told[-1] is WARNING


class Slot:
    """A device's slot as the watch sees it."""

    def __init__(self, choice: DeviceChoice) -> None:
        self.choice = choice
        self.is_working = True
        self.problem: Problem | None = None
        self.tap: Callable[[Frame | AudioBlock], None] | None = None
        self.told: list[DeviceError | None] = []

    def found(self, error: DeviceError | None, name: str = "") -> None:
        self.told.append(error)


class Host:
    """Opens devices that give what a test wants; ``fails`` are raised by the next openings of an id."""

    def __init__(self) -> None:
        self.fails: dict[str, DeviceError] = {}
        self.light, self.noise, self.level = 0.0, 2.0, 300.0
        self.opened: list[str] = []
        self.open: set[str] = set()
        self.gave_way: list[bool] = []

    def open_picture(self, driver: Any, id: str, config: Any, *, gives_way: bool) -> Any:
        return self._open(id, "next_frame", gives_way)

    def open_sound(self, driver: Any, id: str, config: Any, *, gives_way: bool) -> Any:
        return self._open(id, "next_block", gives_way)

    @asynccontextmanager
    async def _open(self, id: str, next_: str, gives_way: bool) -> AsyncIterator[Any]:
        self.opened.append(id)
        self.gave_way.append(gives_way)
        if id in self.fails:
            raise self.fails[id]
        self.open.add(id)
        is_picture = next_ == "next_frame"
        times = itertools.count(100.0, 0.25 if is_picture else 0.02)

        async def give() -> Frame | AudioBlock:  # some ten times as fast as a device
            at_s = next(times)
            await asyncio.sleep(0.02 if is_picture else 0.004 if round(50 * at_s) % 8 == 0 else 0)
            return picture(self.light, at_s, noise=self.noise, detail=40) if is_picture else sound(self.level, at_s)

        try:
            yield SimpleNamespace(info=DeviceInfo(id, DeviceRole.CAMERA, "simulated", f"a {id}"), **{next_: give})
        finally:
            self.open.discard(id)


class Room:
    """A lesson, its slots, and a clock that only looks move."""

    def __init__(self, folder: Path, *choices: DeviceChoice, look_s: float = SHORT_S, **settings: Any) -> None:
        self.slots = tuple(Slot(choice) for choice in choices)
        self.state = LessonState.LIVE
        self.microphone_choice: Any = None
        self.paused = False
        self.on_air = OnAir()
        self.shown = 0
        self.turning = False
        self.tested = False
        self.preset: str | None = ""
        self.loop_gain_db: float | None = None
        self.played_to: list[str] = []
        self.mono_s = 100.0
        self.listeners: list[Callable[[], None]] = []
        self.host = Host()
        self.baselines = Baselines(folder / "baseline.json")
        self.watch = HealthWatch(
            HealthSettings(**settings),
            cast(Lesson, self),
            IdleLook(cast(CaptureHost, self.host), most_s=look_s, now=self.now),
            self.baselines,
            is_turning=lambda: self.turning,
            is_tested=lambda: self.tested,
            preset=lambda: self.preset,
            loop_gain_db=self._play_to,
            record_s=SHORT_S,
            plug_s=(0.02, PLUG_PAUSE_S),
            clock=lambda: self.mono_s,
            now=self.now,
        )

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.mono_s)

    async def _play_to(self, microphone: DeviceChoice) -> float | None:
        self.played_to.append(microphone.id)
        return self.loop_gain_db

    def on_change(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def looked_different(self) -> None:
        self.shown += 1

    def becomes(self, state: LessonState) -> None:
        self.state = state
        for listener in self.listeners:
            listener()

    def give(self, id: str, *data: Frame | AudioBlock) -> None:
        [slot] = [slot for slot in self.slots if slot.choice.id == id]
        assert slot.tap is not None
        for one in data:
            slot.tap(one)

    async def looks(self, seconds: float, give: Callable[[float], Iterator[tuple[str, Any]]]) -> None:
        for _ in range(round(4 * seconds)):
            self.mono_s += 0.25
            for id, data in give(self.mono_s):
                self.give(id, data)
            await self.watch.look()

    @property
    def wrong(self) -> dict[str, CheckStatus]:
        return {check.id: check.status for check in self.watch.checks() if check.status in (WARNING, CRITICAL)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def black(mono_s: float) -> Iterator[tuple[str, Any]]:
    yield "front", picture(16, mono_s, noise=0.3)


def lively(mono_s: float) -> Iterator[tuple[str, Any]]:
    yield "front", picture(120, mono_s, detail=50)


def silent(mono_s: float) -> Iterator[tuple[str, Any]]:
    for block in range(12):
        yield "ceiling", sound(0, mono_s - 0.25 + 0.02 * block)


async def test_a_black_picture_is_told_within_three_seconds_whatever_is_paused(folder: Path) -> None:
    room = Room(folder, CAMERA)
    await room.looks(4, lively)
    assert room.wrong == {}
    room.paused, room.on_air = True, OnAir(camera=False)
    await room.looks(3, black)
    assert room.wrong == {"picture-black": CRITICAL}
    await room.looks(3, lively)
    assert room.wrong == {}


async def test_digital_silence_is_told_and_a_microphone_with_a_switch_says_so(folder: Path) -> None:
    for settings, expected in (
        ({}, {"sound-dead": CRITICAL}),
        ({"microphone_has_switch": True}, {"sound-muted": WARNING}),
    ):
        room = Room(folder, MICROPHONE, **settings)
        await room.looks(3, silent)
        assert room.wrong == expected


async def test_a_lost_device_has_no_checks_beside_its_loss(folder: Path) -> None:
    room = Room(folder, CAMERA, BOARD)
    await room.looks(3, black)
    assert "picture-black" in room.wrong
    room.slots[0].is_working = False
    await room.looks(0.25, lambda mono_s: iter(()))
    assert not any(check.id.startswith("picture-") for check in room.watch.checks())
    room.slots[0].is_working = True
    await room.looks(1, black)
    assert room.wrong == {}  # its evidence begins anew


async def test_another_source_in_the_microphones_place_is_a_check_until_it_works_again(folder: Path) -> None:
    room = Room(folder, MICROPHONE)
    slot = room.slots[0]
    slot.is_working, slot.problem = False, Problem(code="device-moved", message="records from clip.monitor")
    await room.looks(0.25, lambda mono_s: iter(()))
    assert room.wrong == {"sound-wrong-source": CRITICAL}
    slot.problem = Problem(code="device-not-found", message="no such source")
    await room.looks(5, lambda mono_s: iter(()))
    assert room.wrong == {"sound-wrong-source": CRITICAL}  # it has not come back
    slot.is_working, slot.problem = True, None
    await room.looks(3, lambda mono_s: ((id, sound(300, at.captured_mono_s)) for id, at in silent(mono_s)))
    assert room.wrong == {}


async def test_nothing_is_said_of_devices_after_the_lesson(folder: Path) -> None:
    room = Room(folder, CAMERA)
    await room.looks(3, black)
    watching = asyncio.create_task(room.watch.run())
    await asyncio.sleep(0)
    room.becomes(LessonState.IDLE)
    await until(lambda: not room.watch.checks(), most_s=5.0)
    watching.cancel()
    await asyncio.wait({watching})


async def test_how_a_voice_sounds_is_nobodys_business_while_it_is_held_back(folder: Path) -> None:
    def loud(mono_s: float) -> Iterator[tuple[str, Any]]:
        for block in range(12):
            yield "ceiling", sound(60_000, mono_s - 0.25 + 0.02 * block)

    held_back = Room(folder, MICROPHONE)
    held_back.on_air = OnAir(sound=False)
    await held_back.looks(14, loud)
    assert held_back.wrong == {}
    let_out = Room(folder, MICROPHONE)
    await let_out.looks(14, loud)
    assert "sound-clipping" in let_out.wrong


async def test_a_look_that_falls_ends_itself_and_not_the_lesson(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(mono_s: float) -> Iterator[tuple[str, Any]]:
        yield "ceiling", sound(300, mono_s)
        yield "ceiling", replace(sound(300, mono_s), samples=np.zeros(3, np.int16))

    room = Room(folder, MICROPHONE, CAMERA)
    await room.looks(1, broken)
    await room.looks(3, black)
    assert room.wrong == {"picture-black": CRITICAL}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def silent_and_loud(mono_s: float) -> Iterator[tuple[str, Any]]:
    yield from silent(mono_s)
    for block in range(12):
        yield "desk", sound(300, mono_s - 0.25 + 0.02 * block)


@pytest.mark.parametrize("settings", [{}, {"microphone_has_switch": True}])
async def test_who_may_have_switched_the_microphone_off_is_not_heard_by_another(
    folder: Path, settings: dict[str, bool]
) -> None:
    room = Room(folder, MICROPHONE, replace(MICROPHONE, id="desk", is_spare=True), **settings)
    room.microphone_choice = SimpleNamespace(in_use="ceiling")
    await room.looks(5, silent_and_loud)
    assert room.wrong
    assert not room.watch.is_dead("ceiling")


async def test_the_checks_of_sound_are_of_the_microphone_that_is_heard(folder: Path) -> None:
    both = silent_and_loud
    room = Room(folder, MICROPHONE, replace(MICROPHONE, id="desk", is_spare=True), microphone_has_switch=False)
    room.microphone_choice = SimpleNamespace(in_use="ceiling")
    await room.looks(3, both)
    assert room.wrong == {"sound-dead": CRITICAL}
    assert (room.watch.is_dead("ceiling"), room.watch.is_dead("desk")) == (True, False)
    room.microphone_choice = SimpleNamespace(in_use="desk")
    await room.looks(1, both)
    assert room.wrong == {}
    assert room.watch.is_dead("ceiling")  # so that it is not taken back


async def test_boards_that_are_silent_have_no_fault(folder: Path) -> None:
    room = Room(folder, MICROPHONE, replace(MICROPHONE, id="hdmi", role=DeviceRole.BOARD_SOUND))
    await room.looks(3, lambda mono_s: iter([("hdmi", sound(0, mono_s)), ("ceiling", sound(300, mono_s))]))
    assert "sound-dead" not in room.wrong


async def test_another_preset_is_another_picture(folder: Path) -> None:
    room = Room(folder, CAMERA)
    await room.looks(3, black)
    assert "picture-black" in room.wrong
    room.preset = "board"
    await room.looks(0.5, black)
    assert room.wrong == {}
    room.preset = None
    room.becomes(LessonState.IDLE)
    room.host.light = 120
    error = await recorded(room)
    assert isinstance(error, DeviceError)
    assert "none of its presets" in error.message


# --- while idle -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readings", "told"),
    [
        ([("picture-black", CRITICAL), ("picture-frozen", CRITICAL)], []),
        ([("picture-covered", CRITICAL), ("picture-blurred", WARNING)], []),
        ([("picture-black", OK), ("picture-frozen", CRITICAL)], ["picture-frozen"]),
        ([("picture-no-frames", CRITICAL), ("sound-dead", CRITICAL)], ["picture-no-frames", "sound-dead"]),
        ([("sound-muted", WARNING), ("sound-noise", WARNING), ("sound-dead", UNKNOWN)], []),
    ],
)
def test_an_empty_room_proves_only_so_much(readings: list[tuple[str, CheckStatus]], told: list[str]) -> None:
    found = [Reading(id, status) for id, status in readings]
    assert [one.check for one in proven(found, is_recorded=True)] == told
    assert "sound-dead" not in [one.check for one in proven(found, is_recorded=False)]


def test_a_short_look_tells_what_all_of_it_saw() -> None:
    bad, fine = Reading("sound-dead", CRITICAL), Reading("sound-dead", OK)
    assert held([bad] * HELD_LOOKS) is bad
    assert held([bad] * (HELD_LOOKS - 1) + [fine]) is fine
    assert held([bad]).status is UNKNOWN


async def test_a_look_while_idle_says_what_works_and_is_short(folder: Path) -> None:
    room = Room(folder, CAMERA, MICROPHONE, BOARD)
    room.becomes(LessonState.IDLE)
    room.host.fails = {"front": DeviceNotFoundError("no such camera")}
    began_s = asyncio.get_running_loop().time()
    await room.watch.look_while_idle()
    assert asyncio.get_running_loop().time() - began_s < 3 * SHORT_S
    camera, microphone, board = room.slots
    assert [type(error) for error in camera.told] == [DeviceNotFoundError]
    assert (microphone.told, board.told) == ([None], [])
    assert room.host.gave_way == [True, True]
    assert (room.host.open, room.shown) == (set(), 1)


async def test_a_picture_that_stands_still_in_the_dark_is_no_fault_while_idle(folder: Path) -> None:
    """Cameras smooth the dark, and what does not move is not sent again."""
    room = Room(folder, CAMERA, look_s=4.0)
    room.becomes(LessonState.IDLE)
    room.host.light = 120
    assert await recorded(room) is None
    room.host.noise = 0
    for light, told in ((120, CRITICAL), (35, None)):
        room.host.light = light
        await room.watch.look_while_idle()
        assert room.wrong.get("picture-frozen") is told, light


async def test_a_device_that_another_program_holds_is_no_fault_while_idle(folder: Path) -> None:
    room = Room(folder, CAMERA)
    room.becomes(LessonState.IDLE)
    room.host.fails = {"front": DeviceBusyError("in a video call")}
    await room.watch.look_while_idle()
    assert room.slots[0].told == []


async def test_a_lesson_that_starts_ends_a_look_at_once(folder: Path) -> None:
    room = Room(folder, CAMERA, MICROPHONE, idle_look_min=0.0005)
    room.becomes(LessonState.IDLE)
    watching = asyncio.create_task(room.watch.run())
    await until(lambda: len(room.host.open) == 2, most_s=5.0)
    for slot in room.slots:
        slot.is_working = False
    room.becomes(LessonState.PREPARING)
    await until(lambda: not room.host.open, most_s=0.2)
    opened = len(room.host.opened)
    await asyncio.sleep(0.2)  # several times as long as between two looks
    assert len(room.host.opened) == opened
    assert all(slot.told == [] for slot in room.slots)
    watching.cancel()
    await asyncio.wait({watching})


async def test_a_test_of_the_room_ends_a_look_and_no_other_begins_meanwhile(folder: Path) -> None:
    room = Room(folder, CAMERA, MICROPHONE, idle_look_min=0.0005)
    room.becomes(LessonState.IDLE)
    watching = asyncio.create_task(room.watch.run())
    await until(lambda: len(room.host.open) == 2, most_s=5.0)
    room.tested = True
    room.watch.give_way()
    await until(lambda: not room.host.open, most_s=0.2)
    opened = len(room.host.opened)
    await asyncio.sleep(0.2)
    assert len(room.host.opened) == opened
    assert all(slot.told == [] for slot in room.slots), "that it gave way is no fault of the device"
    room.tested = False
    await until(lambda: len(room.host.open) == 2, most_s=5.0)
    watching.cancel()
    await asyncio.wait({watching})


async def test_what_is_plugged_while_idle_is_looked_at_soon_and_a_bad_contact_not_without_end(folder: Path) -> None:
    room = Room(folder, CAMERA, MICROPHONE)
    room.becomes(LessonState.IDLE)
    watching = asyncio.create_task(room.watch.run())
    await asyncio.sleep(0.1)
    assert room.host.opened == []
    room.host.fails = {"front": DeviceNotFoundError("no such camera")}
    room.watch.plugged()
    camera, microphone = room.slots
    await until(lambda: microphone.told, "the look")
    assert [type(error) for error in camera.told] == [DeviceNotFoundError]
    told_s = asyncio.get_running_loop().time()
    room.host.fails = {}
    for _ in range(5):
        room.watch.plugged()
    await until(lambda: len(camera.told) == 2, "the second look")
    assert camera.told[1] is None
    assert asyncio.get_running_loop().time() - told_s >= PLUG_PAUSE_S + SHORT_S
    await asyncio.sleep(2 * PLUG_PAUSE_S)
    assert len(room.host.opened) == 4, "one plug, one look"
    watching.cancel()
    await asyncio.wait({watching})


async def test_what_is_plugged_while_the_room_is_tested_is_looked_at_after_it(folder: Path) -> None:
    room = Room(folder, CAMERA)
    room.becomes(LessonState.IDLE)
    watching = asyncio.create_task(room.watch.run())
    room.tested = True
    room.watch.plugged()
    await asyncio.sleep(0.2)
    assert room.host.opened == []
    room.tested = False
    await until(lambda: room.slots[0].told == [None], "the look after the test")
    watching.cancel()
    await asyncio.wait({watching})


async def test_what_is_plugged_in_a_lesson_causes_no_look_after_it(folder: Path) -> None:
    room = Room(folder, CAMERA)
    watching = asyncio.create_task(room.watch.run())
    room.watch.plugged()
    await asyncio.sleep(0)
    room.becomes(LessonState.IDLE)
    await asyncio.sleep(0.2)
    assert room.host.opened == []
    watching.cancel()
    await asyncio.wait({watching})


# --- how the room is normally -----------------------------------------------------------------------------------------


async def recorded(room: Room, during: Awaitable[None] | None = None) -> BaseException | None:
    """Record the normal state; return what it raised."""
    recording = asyncio.create_task(room.watch.calibrate())
    if during is not None:
        await during
    await asyncio.wait({recording})
    return recording.exception()


async def test_what_is_recorded_while_idle_is_kept_as_numbers_and_outlives_the_agent(folder: Path) -> None:
    room = Room(folder, CAMERA, MICROPHONE)
    room.becomes(LessonState.IDLE)
    room.host.light = 120
    assert await recorded(room) is None
    assert room.watch.normal_at == room.now()
    kept = Baselines(folder / "baseline.json")
    assert kept.camera("front", "") is not None
    assert kept.microphone("ceiling") is not None
    assert (folder / "baseline.json").stat().st_size < 40_000  # one edge map and numbers, and no picture
    assert (folder / "baseline.json").stat().st_mode & 0o077 == 0


async def test_how_loud_the_loudspeaker_is_heard_is_recorded_while_idle_and_kept_by_a_lesson(folder: Path) -> None:
    room = Room(folder, MICROPHONE, replace(MICROPHONE, id="desk", is_spare=True))
    room.becomes(LessonState.IDLE)
    room.loop_gain_db = -21.5
    assert await recorded(room) is None
    assert room.played_to == ["ceiling"], "a spare's loudspeaker is not the room's"

    def gain_db() -> float | None:
        known = Baselines(folder / "baseline.json").microphone("ceiling")
        assert known is not None
        return known.loop_gain_db

    assert gain_db() == -21.5

    async def run() -> None:
        for block in range(200):
            room.give("ceiling", sound(300, block / 50))

    room.state = LessonState.LIVE
    assert await recorded(room, run()) is not None, "of the spare came nothing"
    assert (room.played_to, gain_db()) == (["ceiling"], -21.5)
    room.state, room.loop_gain_db = LessonState.IDLE, None
    assert await recorded(room) is None
    assert gain_db() is None, "it is not heard any more, and that is normal now"


async def test_a_dark_room_is_refused_in_a_sentence_and_the_microphone_is_kept(folder: Path) -> None:
    room = Room(folder, CAMERA, MICROPHONE)
    room.becomes(LessonState.IDLE)
    error = await recorded(room)
    assert isinstance(error, DeviceError)
    assert (error.code, "dark" in error.message) == ("device-not-now", True)
    assert room.baselines.microphone("ceiling") is not None
    assert room.baselines.camera("front", "") is None


async def test_a_device_that_is_away_keeps_no_other_from_being_recorded(folder: Path) -> None:
    room = Room(folder, CAMERA, MICROPHONE)
    room.becomes(LessonState.IDLE)
    room.host.fails = {"front": DeviceNotFoundError("no such camera")}
    assert isinstance(await recorded(room), DeviceNotFoundError)
    assert room.baselines.microphone("ceiling") is not None
    room.host.fails |= {"ceiling": DeviceBusyError("in a call")}
    assert isinstance(await recorded(room), DeviceNotFoundError)


async def test_a_view_that_changes_meanwhile_is_not_recorded_as_the_one_it_changes_to(folder: Path) -> None:
    async def turn() -> None:
        await asyncio.sleep(SHORT_S / 2)
        room.preset = "board"

    room = Room(folder, CAMERA, MICROPHONE)
    room.becomes(LessonState.IDLE)
    room.host.light, room.preset = 120, "teacher"
    error = await recorded(room, turn())
    assert isinstance(error, DeviceError)
    assert "presets" in error.message
    assert (room.baselines.camera("front", "board"), room.baselines.camera("front", "teacher")) == (None, None)
    assert room.baselines.microphone("ceiling") is not None


async def test_a_start_meanwhile_is_told_and_nothing_is_kept(folder: Path) -> None:
    async def start() -> None:
        await asyncio.sleep(SHORT_S / 4)
        room.becomes(LessonState.PREPARING)

    room = Room(folder, CAMERA)
    room.becomes(LessonState.IDLE)
    room.host.light = 120
    assert isinstance(await recorded(room, start()), LessonTransitionError)
    assert room.watch.normal_at is None
    room.becomes(LessonState.ENDING)
    assert isinstance(await recorded(room), LessonTransitionError)


async def test_what_is_normal_is_not_recorded_while_the_room_is_tested(folder: Path) -> None:
    room = Room(folder, CAMERA, MICROPHONE)
    room.becomes(LessonState.IDLE)
    room.tested = True
    with pytest.raises(LessonTransitionError, match="tested"):
        await room.watch.calibrate()
    assert room.host.opened == []


async def test_in_a_lesson_the_running_devices_are_recorded_and_none_is_opened(folder: Path) -> None:
    async def run() -> None:
        for look in range(12):
            await asyncio.sleep(0.01)
            room.give("front", picture(120, look / 4, detail=50))

    room = Room(folder, CAMERA, MICROPHONE)
    room.slots[1].is_working = False
    assert await recorded(room, run()) is None
    assert room.host.opened == []
    assert room.baselines.camera("front", "") is not None
    room.slots[0].is_working = False
    assert isinstance(await recorded(room), DeviceNotFoundError)


def test_a_file_that_cannot_be_read_is_no_baseline(folder: Path) -> None:
    (folder / "baseline.json").write_text('{"cameras": {"front": {"": {"sharpness": -1}}}}')
    kept = Baselines(folder / "baseline.json")
    assert (kept.camera("front", ""), kept.made_at) == (None, None)
