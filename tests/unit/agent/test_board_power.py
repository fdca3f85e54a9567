"""What a lesson does with the board, and what its end undoes: by looks, without a socket and without waiting."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import board_power
from agent.board_memory import BoardMemory
from agent.board_output import BoardOutput, Output, read_outputs
from agent.board_power import BoardPower
from agent.board_words import MESSAGES, REMEDIES
from agent.devices.display import Power
from protocol.errors import (
    CODES,
    DeviceLostError,
    DeviceNotFoundError,
    DevicePasswordError,
    DeviceProtocolError,
    DeviceUnsupportedError,
)
from protocol.messages import CheckStatus
from tests.fakes.scripted_display import ScriptedDisplay

OK, WARNING, CRITICAL, UNKNOWN = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL, CheckStatus.UNKNOWN
MAC = "00:11:22:aa:bb:cc"


class Room:
    """A board with its driver, and a clock that only ``pass_`` moves."""

    def __init__(self, folder: Path, display: ScriptedDisplay, **config: object) -> None:
        self.folder = folder
        self.display = display
        self.config = {"input": "digital-1", **config}
        self.s = 0.0
        self.woken: list[tuple[str, str]] = []
        self.news = 0
        self.outputs: tuple[Output, ...] = ()
        self.desktop: tuple[int, int] | None = (1920, 1080)
        self.began = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
        self.start_agent()

    def _read_outputs(self) -> tuple[Output, ...]:
        assert threading.current_thread() is not threading.main_thread(), "the kernel may take its time"
        return self.outputs

    def _read_desktop(self) -> tuple[int, int] | None:
        assert threading.current_thread() is threading.main_thread(), "what is asked there changes on the loop"
        return self.desktop

    def start_agent(self) -> None:
        """Begin, or begin anew after a fall."""
        memory = BoardMemory(self.folder / "board.json", now=self.now)
        self.power = BoardPower(
            self.display.choice(**self.config),
            memory,
            on_news=self._heard,
            output=BoardOutput(self._read_outputs, self._read_desktop),
            lamp_life_h=4000,
            filter_life_h=1000,
            now=self.now,
            clock=lambda: self.s,
            jitter=lambda low, high: (low + high) / 2,
            send_wake=self._wake,
        )

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.s)

    def _heard(self) -> None:
        self.news += 1

    async def _wake(self, mac: str, address: str) -> None:
        self.woken.append((mac, address))

    async def look(self) -> float:
        """Look once, and let the time until the next look pass."""
        wait_s = await self.power.look()
        self.s += wait_s
        return wait_s

    async def settle(self, most: int = 40) -> None:
        """Look until there is nothing to do but look now and then."""
        for _ in range(most):
            if await self.look() >= board_power.LESSON_S:
                return
        pytest.fail(f"the board does not come to rest; it was told {self.display.acts}")

    async def lesson(self, is_running: bool) -> None:
        self.power.lesson_is(is_running)
        await self.settle()

    @property
    def check(self) -> tuple[CheckStatus, str | None]:
        [check] = self.power.checks()
        assert check.id == "board-power"
        return check.status, self.power.code


async def test_start_wakes_the_board_and_picks_its_input_and_the_end_undoes_both(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    assert (room.display.power_state, room.display.shown) == (Power.ON, "digital-1")
    await room.lesson(False)
    assert room.display.power_state in (Power.COOLING, Power.STANDBY)
    assert room.display.acts == ["on", "digital-1", "rgb-1", "off"]
    assert room.check == (OK, None)


async def test_a_board_that_was_on_stays_on(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON))
    await room.lesson(True)
    await room.lesson(False)
    assert room.display.acts == ["digital-1", "rgb-1"]
    assert room.display.power_state is Power.ON


async def test_a_board_that_was_as_it_should_be_is_not_touched(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, shown="digital-1"))
    await room.lesson(True)
    await room.lesson(False)
    assert room.display.acts == []


async def test_without_an_input_in_the_configuration_the_input_is_not_touched(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(), input=None)
    await room.lesson(True)
    await room.lesson(False)
    assert room.display.acts == ["on", "off"]


async def test_idle_it_is_only_looked_at(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(status={"lamp_hours": 812}))
    assert await room.look() == board_power.IDLE_S
    assert room.display.acts == []
    [check] = room.power.checks()
    assert (check.status, check.value, check.unit) == (OK, 812.0, "h")


async def test_hearing_of_a_lesson_asks_nothing_by_itself(tmp_path: Path) -> None:
    """Start never waits for the board: what is told returns at once, and a look comes after it."""
    room = Room(tmp_path, ScriptedDisplay())
    room.power.lesson_is(True)
    assert room.display.connections == 0


# --- somebody else's hand ---------------------------------------------------------------------------------------------


async def test_whoever_switches_it_off_in_a_lesson_has_it(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    room.display.power_state = Power.STANDBY
    await room.settle()
    assert room.display.acts == ["on", "digital-1"]
    room.display.power_state = Power.ON
    await room.settle()
    await room.lesson(False)
    assert room.display.acts == ["on", "digital-1"]
    assert room.check == (OK, None)


async def test_an_input_chosen_by_hand_stays_and_so_does_the_power(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    room.display.shown = "video-1"
    await room.settle()
    await room.lesson(False)
    assert room.display.acts == ["on", "digital-1"]
    assert (room.display.power_state, room.display.shown) == (Power.ON, "video-1")


async def test_a_lesson_that_begins_again_at_once_finds_the_board_on(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    room.power.lesson_is(False)
    assert await room.look() == 10.0
    await room.lesson(True)
    assert room.display.acts == ["on", "digital-1"]
    await room.lesson(False)
    assert room.display.acts == ["on", "digital-1", "rgb-1", "off"]


async def test_a_lesson_while_it_cools_down_waits_for_it(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(warms=4))
    await room.lesson(True)
    await room.lesson(False)
    cooling = room.display.power_state
    await room.lesson(True)
    assert (cooling, room.display.power_state) == (Power.COOLING, Power.ON)
    await room.lesson(False)
    assert room.display.acts == ["on", "digital-1", "rgb-1", "off"] * 2


# --- falls and restarts -----------------------------------------------------------------------------------------------


async def test_an_agent_that_fell_in_the_lesson_still_puts_the_board_back(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    room.start_agent()
    await room.lesson(True)
    await room.lesson(False)
    assert room.display.acts == ["on", "digital-1", "rgb-1", "off"]


async def test_an_agent_that_comes_back_without_a_lesson_puts_the_board_back(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    room.start_agent()
    await room.settle()
    assert room.display.acts[2:] == ["rgb-1", "off"]


async def test_what_was_noted_long_ago_switches_nothing(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    room.s += 3600
    room.start_agent()
    await room.settle()
    assert room.display.power_state is Power.ON


async def test_a_board_that_is_reached_too_late_is_left(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    room.power.lesson_is(False)
    room.display.fails = [DeviceNotFoundError("the network is away") for _ in range(3)]
    await room.look()
    room.s += 3600
    while room.display.fails:
        await room.look()
    await room.settle()
    assert room.display.acts == ["on", "digital-1"]


@pytest.mark.parametrize("text", ["", "{", '{"before": 3}', '{"refused": "zz$"}', '{"before": {"at": "2026-11-25"}}'])
async def test_a_spoilt_memory_is_dropped(tmp_path: Path, text: str) -> None:
    (tmp_path / "board.json").write_text(text)
    room = Room(tmp_path, ScriptedDisplay())
    await room.lesson(True)
    assert room.display.power_state is Power.ON


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_board_that_is_away_is_tried_again_slower_and_slower_and_told(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    room.display.fails = [DeviceNotFoundError("no route") for _ in range(9)]
    room.power.lesson_is(True)
    waits, seen = [], []
    for _ in range(9):
        waits.append(await room.look())
        seen.append(room.check)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert seen[:3] == [(UNKNOWN, None), (UNKNOWN, None), (CRITICAL, "device-not-found")]
    await room.settle()
    assert room.check == (OK, None)
    assert room.display.power_state is Power.ON
    assert room.news == 2


async def test_what_is_critical_in_a_lesson_is_a_warning_while_nobody_needs_the_board(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    room.display.fails = [DeviceProtocolError("a printer answers"), DeviceProtocolError("a printer answers")]
    await room.look()
    assert room.check == (WARNING, "device-protocol")
    room.power.lesson_is(True)
    await room.look()
    assert room.check == (CRITICAL, "device-protocol")


async def test_a_refused_password_is_sent_once_whatever_begins_or_restarts(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("tableau\n")
    room = Room(tmp_path, ScriptedDisplay(), secret_file=str(secret))
    room.display.fails = [DevicePasswordError("refused") for _ in range(9)]
    await room.look()
    await room.lesson(True)
    await room.lesson(False)
    room.start_agent()
    await room.look()
    await room.lesson(True)
    assert room.display.connections == 1
    assert room.check == (CRITICAL, "device-password")
    assert "tableau" not in (tmp_path / "board.json").read_text()


async def test_a_password_that_changed_is_tried_once_and_may_be_right(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("tableau\n")
    room = Room(tmp_path, ScriptedDisplay(), secret_file=str(secret))
    room.display.fails = [DevicePasswordError("refused"), DevicePasswordError("refused")]
    await room.look()
    secret.write_text("craie\n")
    await room.look()
    await room.look()
    assert room.display.connections == 2
    secret.write_text("ardoise\n")
    await room.look()
    assert room.display.connections == 3
    assert room.check == (OK, None)


async def test_what_a_board_cannot_do_is_told_and_not_tried_again(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    room.display.refuses = {"input": DeviceUnsupportedError("no such input")}
    await room.lesson(True)
    await room.settle()
    assert room.display.acts == ["on", "digital-1"]
    assert room.check == (CRITICAL, "device-unsupported")


async def test_a_board_that_says_ok_and_stays_dark_is_told_again_and_then_told_of(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(is_deaf=True))
    room.power.lesson_is(True)
    while room.s < 170:
        await room.look()
    assert 10 <= len(room.display.acts) <= 18
    assert room.check == (CRITICAL, "board-not-on")


async def test_a_display_that_says_nothing_is_switched_on_and_left_so(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.UNKNOWN, shown=None))
    await room.lesson(True)
    assert room.display.acts == ["on", "digital-1"]
    assert room.s >= board_power.BLIND_WARM_S
    await room.lesson(False)
    assert room.display.acts == ["on", "digital-1"]


async def test_one_that_says_nothing_goes_off_where_the_configuration_wants_it(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.UNKNOWN, shown=None), off_if_unknown=True)
    await room.lesson(True)
    await room.lesson(False)
    await room.settle()
    assert room.display.acts == ["on", "digital-1", "off"]


async def test_a_drivers_own_fault_does_not_leave(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay())
    room.display.fails = [ZeroDivisionError("a third party's")]
    await room.look()
    fallen = room.check
    await room.lesson(True)
    assert (fallen, room.check) == ((WARNING, "internal"), (OK, None))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"faults": ("lamp", "fan")}, (CRITICAL, "device-failed")),
        ({"warnings": ("filter",)}, (WARNING, "device-failed")),
        ({"is_muted": True}, (WARNING, "board-muted")),
        ({"has_signal": False}, (WARNING, "board-no-signal")),
        ({"has_signal": None, "is_muted": False}, (OK, None)),
    ],
)
async def test_what_the_board_says_of_itself_is_told(
    tmp_path: Path, status: dict[str, object], expected: tuple[CheckStatus, str | None]
) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, status=status))
    await room.lesson(True)
    await room.settle()
    await room.settle()
    assert room.check == expected
    [check] = room.power.checks()
    if "faults" in status:
        assert check.message is not None
        assert "lampe, ventilateur" in check.message.fr
        assert "lamp, fan" in check.message.en


ON, AWAY = Output("card0-HDMI-A-1", True, True), Output("card0-DP-1", False, None)
ASLEEP = Output("card0-HDMI-A-1", True, False)


@pytest.mark.parametrize(
    ("outputs", "status", "expected"),
    [
        ((ON, AWAY), {}, (OK, None)),
        ((AWAY,), {}, (WARNING, "board-cable")),
        ((AWAY,), {"has_signal": False}, (WARNING, "board-cable")),  # one cause is told once
        ((ASLEEP, AWAY), {}, (WARNING, "board-asleep")),
        ((ON,), {"resolution": (1024, 768)}, (WARNING, "board-resolution")),
        ((ON,), {"resolution": (1280, 720)}, (WARNING, "board-resolution")),
        ((ON,), {"resolution": (3840, 2160)}, (OK, None)),
        ((ON, ON), {"resolution": (1024, 768)}, (OK, None)),  # a desktop over two screens says nothing of one
        ((), {"resolution": (1024, 768)}, (OK, None)),
        ((AWAY,), {"input": "rgb-1"}, (OK, None)),  # turned to another computer
    ],
)
async def test_the_cable_to_the_board_is_judged_while_it_shows_us(
    tmp_path: Path, outputs: tuple[Output, ...], status: dict[str, object], expected: tuple[CheckStatus, str | None]
) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, shown="digital-1", status=status))
    room.outputs = outputs
    await room.lesson(True)
    first = room.check
    await room.settle()
    assert first == (OK, None)
    assert room.check == expected
    await room.lesson(False)
    assert room.check == (OK, None)


async def test_a_board_switched_off_on_purpose_has_no_cable_to_look_at(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, shown="digital-1"))
    room.outputs = (AWAY,)
    await room.lesson(True)
    room.display.power_state = Power.STANDBY
    for _ in range(3):
        await room.settle()
    assert room.check == (OK, None)


@pytest.mark.parametrize(
    ("part", "hours", "expected"),
    [
        ("lamp", 3199, OK),
        ("lamp", 3200, WARNING),
        ("lamp", 9000, WARNING),
        ("filter", 799, OK),
        ("filter", 800, WARNING),
    ],
)
async def test_a_part_near_its_rated_life_is_told_to_it(
    tmp_path: Path, part: str, hours: int, expected: CheckStatus
) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, status={f"{part}_hours": hours}))
    assert room.power.wear_checks() == ()
    await room.look()
    [check] = room.power.wear_checks()
    assert (check.id, check.status, check.value, check.unit) == (f"board-{part}", expected, hours, "h")
    assert (check.message is None, check.remedy is None) == (expected is OK, expected is OK)
    assert room.news >= (expected is WARNING)


def test_the_kernels_connectors_are_read(tmp_path: Path) -> None:
    assert read_outputs(tmp_path) == ()
    for name, files in {
        "card0": {},
        "card0-HDMI-A-1": {"status": "connected", "dpms": "Off"},
        "card0-DP-1": {"status": "disconnected"},
        "card0-VGA-1": {"status": "unknown", "dpms": "On"},
    }.items():
        folder = tmp_path / "sys/class/drm" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text + "\n")
    assert read_outputs(tmp_path) == (AWAY, ASLEEP)


async def test_a_picture_blanked_outside_a_lesson_is_nobodys_business(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, status={"is_muted": True}))
    await room.look()
    assert room.check == (OK, None)


async def test_since_stands_still_while_nothing_changes(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, shown="digital-1"))
    await room.look()
    since = room.power.checks()[0].since
    await room.look()
    await room.look()
    assert room.power.checks()[0].since == since
    assert room.news == 1


# --- Wake-on-LAN ------------------------------------------------------------------------------------------------------


async def test_a_board_that_sleeps_too_deep_to_answer_is_woken_and_put_back(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, shown="digital-1"), wake_mac=MAC)
    room.display.fails = [DeviceLostError("asleep"), DeviceLostError("asleep"), DeviceLostError("asleep")]
    await room.lesson(True)
    assert room.woken == [(MAC, "255.255.255.255")] * 2
    await room.lesson(False)
    assert room.display.acts == ["off"]


async def test_a_board_seen_on_that_drops_off_the_network_is_not_taken_for_asleep(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(power_state=Power.ON, shown="digital-1"), wake_mac=MAC)
    await room.look()
    room.display.fails = [DeviceLostError("gone"), DeviceLostError("gone"), DeviceLostError("gone")]
    await room.lesson(True)
    await room.lesson(False)
    assert room.display.acts == []


async def test_a_board_whose_network_goes_down_with_it_is_off_and_no_fault(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(), wake_mac=MAC)
    await room.lesson(True)
    room.power.lesson_is(False)
    while "off" not in room.display.acts:
        await room.look()
    room.display.fails = [DeviceNotFoundError("asleep") for _ in range(9)]
    await room.settle()
    for _ in range(4):
        assert await room.look() == board_power.IDLE_S
    assert room.check == (OK, None)
    assert BoardMemory(tmp_path / "board.json", now=room.now).before is None


async def test_a_board_in_standby_gets_both_the_packet_and_the_command(tmp_path: Path) -> None:
    room = Room(tmp_path, ScriptedDisplay(), wake_mac=MAC, wake_address="10.0.0.255")
    await room.lesson(True)
    assert room.woken == [(MAC, "10.0.0.255")]
    assert room.display.acts[0] == "on"


OF_CAPTURE = {"device-moved", "device-no-signal", "device-set-aside"}
"""Codes of cameras, microphones and the board's picture, which no display has."""


def test_every_code_of_a_display_has_its_words() -> None:
    codes = {code for code in CODES if code.startswith("device-")} - OF_CAPTURE
    assert codes - set(MESSAGES) == set()
    assert set(REMEDIES) <= set(MESSAGES)
