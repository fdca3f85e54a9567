"""One configured device through a lesson: opened, pumped into the publisher, lost, tried again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture import CaptureHost
from agent.media import AudioBlock, Frame
from agent.supervise import keep_device
from protocol.errors import DeviceError, DeviceTimeoutError
from protocol.messages import CheckStatus, DeviceReport, DeviceRole, Problem

log = logging.getLogger(__name__)

RETRY_MOST_S = 1.0
"""A device that is away in a lesson is tried each second: plugged back, it must be back within 2 s (DESIGN §10)."""
UNFIT_RETRY_S = 10.0
"""What is not a device of this kind now may be one when everything is plugged in again: names move. After a refused
password the file is looked at so often, and the device not touched until it has changed: cameras lock accounts."""


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """A device as the room's configuration names it."""

    id: str
    role: DeviceRole
    driver: CaptureDriver
    config: DriverConfig


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
        self._sleep = sleep
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
        self._name = choice.id
        self._status = CheckStatus.UNKNOWN
        self._since = now()

    @property
    def role(self) -> DeviceRole:
        return self.choice.role

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
            name=self._name,
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

    async def run(self, sink: Sink) -> None:
        """Open the device and pump it into ``sink``, again after each loss, until cancelled."""
        self.problem, self.lost_mono_s, self.is_told_lost = None, None, False
        self._set(CheckStatus.UNKNOWN)
        pump = self._pump_sound if self.role is DeviceRole.MICROPHONE else self._pump_pictures
        try:
            await keep_device(
                f"device {self.choice.id}",
                lambda: self._hold(pump, sink),
                self.choice.config.login_stamp,
                on_failure=lambda error: self._lost(error, sink),
                first_s=0.3,
                most_s=RETRY_MOST_S,
                unfit_s=UNFIT_RETRY_S,
                sleep=self._sleep,
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
            self.is_held = False

    async def _pump_pictures(self, sink: Sink) -> None:
        track = self._track
        async with self._host.open_picture(self.choice.driver, self.choice.id, self.choice.config) as device:
            self._opened(device.info.name)
            try:
                while True:
                    frame = await device.next_frame()
                    sink.push_frame(track, frame)
                    self._got_data()
            finally:
                self.is_open = False

    async def _pump_sound(self, sink: Sink) -> None:
        async with self._host.open_sound(self.choice.driver, self.choice.id, self.choice.config) as device:
            self._opened(device.info.name)
            try:
                while True:
                    block = await device.next_block()
                    sink.push_sound(self.choice.id, block)
                    self._got_data()
            finally:
                self.is_open = False

    def _opened(self, name: str) -> None:
        self._name = name
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
        if self.role is not DeviceRole.MICROPHONE:
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
