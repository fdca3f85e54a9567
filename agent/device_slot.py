"""One configured device through a lesson: opened, pumped into the publisher, lost, tried again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from agent.devices.base import CaptureDriver, DriverConfig, SoundDevice
from agent.devices.capture import CaptureHost
from agent.devices.captured import Captured, CapturedSound
from agent.media import AudioBlock, Frame
from agent.retries import Retries, RetryPolicy
from agent.supervise import Nudge, keep_device
from protocol.errors import DeviceError, DeviceTimeoutError
from protocol.messages import CheckStatus, DeviceReport, DeviceRole, Problem

log = logging.getLogger(__name__)

RETRY = RetryPolicy(first_s=0.3, most_s=1.0, calm_s=10.0, unfit_s=10.0)
"""A device that is away in a lesson is tried each second: plugged back, it must be back within 2 s (DESIGN §10).

What is not a device of this kind now may be one when everything is plugged in again: names move. After a refused
password the file is looked at each ``unfit_s``, and the device not touched until it has changed: cameras lock accounts.
"""
SPARE_RETRY = replace(RETRY, most_s=5.0)
"""A spare microphone, or the board's sound, is tried less often: each try costs a process, and the lesson goes on."""
SOUND_ROLES = (DeviceRole.MICROPHONE, DeviceRole.BOARD_SOUND)


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """A device as the room's configuration names it. ``label`` is what people in the room call it, if anything."""

    id: str
    role: DeviceRole
    driver: CaptureDriver
    config: DriverConfig
    label: str | None = None
    is_spare: bool = False
    """A microphone that is heard when the room's own is not."""


class Sink(Protocol):
    """Where a slot puts what it captures; the publisher."""

    def push_frame(self, track: Literal["camera", "board"], frame: Frame) -> None: ...

    def push_sound(self, source: str, block: AudioBlock) -> None: ...

    def set_away(self, track: Literal["camera", "board"], is_away: bool) -> None: ...


class DeviceSlot:
    """Owns one device's life and its report; ``on_change`` hears of each change.

    ``lost_mono_s`` is when it was first lost (CLOCK_MONOTONIC), until it has been told as back.
    """

    def __init__(
        self,
        choice: DeviceChoice,
        host: CaptureHost,
        on_change: Callable[[DeviceSlot], None],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.choice = choice
        self._nudge = Nudge(sleep)
        self._device: Captured | None = None
        self._node: Path | None = None
        is_needed = not choice.is_spare and choice.role is not DeviceRole.BOARD_SOUND
        self._retries = Retries(RETRY if is_needed else SPARE_RETRY, clock=clock)
        self._host = host
        self._on_change = on_change
        self._now = now
        self._clock = clock
        self.is_open = False
        self.is_held = False
        """A capture process was asked for and has not ended: what the on-air sign looks at."""
        self.problem: Problem | None = None
        self.lost_mono_s: float | None = None
        self.last_data_mono_s: float | None = None
        self.is_told_lost = False
        self.tap: Callable[[Frame | AudioBlock], None] | None = None
        """Hears everything as the device gave it, before any filter; must be quick."""
        self._name = choice.id
        self._status = CheckStatus.UNKNOWN
        self._since = now()

    @property
    def role(self) -> DeviceRole:
        return self.choice.role

    @property
    def sound(self) -> SoundDevice | None:
        """The open device, if it gives sound."""
        return self._device if isinstance(self._device, CapturedSound) else None

    @property
    def name(self) -> str:
        """What people call it, or what it calls itself."""
        return self.choice.label or self._name

    @property
    def is_well(self) -> bool:
        """It gave pictures or sound and has not failed since, in this lesson or the last."""
        return self._status is CheckStatus.OK

    @property
    def is_working(self) -> bool:
        """Pictures or sound arrived since the device was opened."""
        return self.is_open and self._status is CheckStatus.OK

    @property
    def has_outcome(self) -> bool:
        """It works, or it failed: Start need not wait for it any longer."""
        return self.is_working or self.problem is not None

    def report(self) -> DeviceReport:
        """Return the device as the room sees it now."""
        return DeviceReport(
            id=self.choice.id,
            role=self.choice.role,
            name=self.name,
            driver=self.choice.driver.name,
            is_open=self.is_open,
            status=self._status,
            since=self._since,
            problem=self.problem,
        )

    def give_up_waiting(self, waited_s: float) -> None:
        """Call the device missing because it showed nothing for ``waited_s``; it goes on being tried."""
        message = (
            f'{self.role} "{self.choice.id}" showed nothing within {waited_s:g} s; check that it is on and connected'
        )
        self._failed(DeviceTimeoutError(message), is_open=self.is_open)

    def found(self, error: DeviceError | None, name: str = "") -> None:
        """Take what a look found while no lesson runs: it works, or why it does not."""
        self._name = name or self._name
        if error is None:
            self.problem = None
            self._set(CheckStatus.OK)
        else:
            self.problem = Problem(code=error.code, message=error.message[:500])
            self._set(CheckStatus.CRITICAL)

    def nudge(self) -> None:
        """Try a device that is away at once: something was plugged in, or a sound server changed.

        A nudge that comes during a try is remembered: that try may have looked just before the plug.
        """
        if not self.is_working and self._retries.may_hurry():
            self._nudge.give()

    def unplugged(self, node: Path) -> None:
        """Lose the device at once if it is this device file; its capture process may notice later, or hang."""
        if self._device is not None and node == self._node:
            self._device.lose(f"{node} was unplugged; plug it in again")

    def try_again(self) -> None:
        """Try it at once because a person asked, also a driver that was set aside; it then has all its tries again."""
        self._retries.forget()
        if not self.is_working:
            self._nudge.give()

    async def run(self, sink: Sink) -> None:
        """Open the device and pump it into ``sink``, again after each loss, until cancelled."""
        self.problem, self.lost_mono_s, self.is_told_lost = None, None, False
        self._retries.forget()
        self._nudge.forget()
        self._set(CheckStatus.UNKNOWN)
        pump = self._pump_sound if self.role in SOUND_ROLES else self._pump_pictures
        try:
            await keep_device(
                f"device {self.choice.id}",
                lambda: self._hold(pump, sink),
                self.choice.config.login_stamp,
                self._retries,
                on_failure=lambda error: self._lost(error, sink),
                sleep=self._nudge.wait,
            )
        finally:
            self.is_open = False

    @property
    def _track(self) -> Literal["camera", "board"]:
        return "board" if self.role is DeviceRole.BOARD else "camera"

    async def _hold(self, pump: Callable[[Sink], Awaitable[None]], sink: Sink) -> None:
        self.is_held = True
        self._on_change(self)
        try:
            await pump(sink)
        finally:
            self._device = None
            self.is_held = False

    async def _pump_pictures(self, sink: Sink) -> None:
        track = self._track
        async with self._host.open_picture(self.choice.driver, self.choice.id, self.choice.config) as device:
            self._opened(device)
            try:
                while True:
                    frame = await device.next_frame()
                    sink.push_frame(track, frame)
                    if self.tap is not None:
                        self.tap(frame)
                    self._got_data()
            finally:
                self.is_open = False

    async def _pump_sound(self, sink: Sink) -> None:
        async with self._host.open_sound(self.choice.driver, self.choice.id, self.choice.config) as device:
            self._opened(device)
            try:
                while True:
                    block = await device.next_block()
                    sink.push_sound(self.choice.id, block)
                    if self.tap is not None:
                        self.tap(block)
                    self._got_data()
            finally:
                self.is_open = False

    def _opened(self, device: Captured) -> None:
        self._device, self._node = device, self.choice.config.device_node()
        self._nudge.forget()
        self._name = device.info.name
        self.is_open = True
        self._on_change(self)

    def _got_data(self) -> None:
        self.last_data_mono_s = self._clock()
        if self._status is CheckStatus.OK:
            return
        if self.problem is not None:
            log.info("Device is back", extra={"device": self.choice.id})
        self.problem = None
        self._set(CheckStatus.OK)
        self.lost_mono_s = None

    def _lost(self, error: DeviceError, sink: Sink) -> None:
        if self.role not in SOUND_ROLES:
            sink.set_away(self._track, True)  # a board says nothing while nothing is written: silence proves nothing
        self._failed(error)

    def _failed(self, error: DeviceError, *, is_open: bool = False) -> None:
        self.is_open = is_open
        if self.lost_mono_s is None:
            self.lost_mono_s = self._clock()
        self.problem = Problem(code=error.code, message=error.message[:500])
        self._set(CheckStatus.CRITICAL)

    def _set(self, status: CheckStatus) -> None:
        if status is not self._status:
            self._status, self._since = status, self._now()
        self._on_change(self)
