"""What a driver is: a small contract per role, no base class to inherit.

A driver module has ``driver``, a `CaptureDriver`, named by an entry point (``estrade.cameras``, ``…microphones``,
``…boards``) and chosen by ``driver = "…"`` in the room's configuration. Its ``child`` runs in a capture process
(`agent.devices.capture`) and touches the hardware; nothing of the hardware's library is imported in the agent itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from agent.media import AudioBlock, Frame
from protocol.messages import DeviceRole


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What a device said of itself at open. ``capabilities`` names what *this* unit can do (``playback``, …).

    ``settings``: its own settings that were asked for, with the value it has now. ``notes``: those that it did not
    take, a sentence each.
    """

    id: str
    role: DeviceRole
    driver: str
    name: str
    width_px: int = 0
    height_px: int = 0
    rate_hz: float = 0.0
    capabilities: frozenset[str] = field(default_factory=frozenset)
    settings: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class DriverConfig(BaseModel):
    """Base of a driver's own configuration: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def login_stamp(self) -> object:
        """Return a value that changes when the device's password may have; None where there is nothing to change."""
        return None

    def device_node(self) -> Path | None:
        """Return the device file, without links, that the configuration names now; None where there is none.

        When udev says that it went away, the device is lost at once.
        """
        return None


class PictureDevice(Protocol):
    """An open camera or board."""

    info: DeviceInfo

    async def next_frame(self) -> Frame:
        """Return the newest picture not yet returned; wait for one.

        A camera gives every picture (older ones not taken are dropped); a board gives *changed* pictures only.
        Raises DeviceLostError when the device is gone; never returns after that.
        """
        ...


class SoundDevice(Protocol):
    """An open microphone."""

    info: DeviceInfo

    async def next_block(self) -> AudioBlock:
        """Return the next 20 ms in order; wait for them. Raises DeviceLostError when the device is gone."""
        ...


class Playback(Protocol):
    """A microphone whose process plays too: ``"playback" in info.capabilities``. Both are on one clock."""

    def play(self, samples: NDArray[np.int16]) -> None:
        """Play 20 ms of 48 kHz mono in the room; never waits, drops the oldest of what is late."""
        ...


class EchoReference(Protocol):
    """A microphone that takes out of its sound what the room's loudspeakers play: ``"echo-reference" in
    info.capabilities``."""

    def reference(self, samples: NDArray[np.int16], mono_s: float) -> None:
        """Tell it 20 ms of 48 kHz mono that sound in the room from ``mono_s`` on; never waits."""
        ...


Camera = PictureDevice
Board = PictureDevice
Microphone = SoundDevice


Complaint = Literal["no-picture", "too-dark", "too-bright", "blurred", "moved", "hardware"]
"""What a camera may say of itself, beside its pictures."""

Listen = Callable[[Any, str, Callable[[frozenset[Complaint]], None]], Awaitable[None]]
"""``listen(config, label, on_change)``: tell all that the device complains of, at first and at each change, until
cancelled. Raises DeviceError and its kinds."""


@dataclass(frozen=True, slots=True)
class CaptureDriver:
    """A driver whose capture runs in a child process.

    ``child`` is ``"package.module:function"``; the function gets a `agent.devices.capture_child.CaptureChild` and the
    configuration as its own model, and runs until told to stop. ``imports`` are modules worth importing beforehand
    in the spare process.
    """

    name: str
    role: DeviceRole
    config: type[DriverConfig]
    child: str
    imports: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Set in the spare process before its imports: some native libraries read their settings when they are loaded."""
    listen: str = ""
    """``"package.module:function"``, a `Listen`, for a device that tells news of itself; it runs on the agent's
    loop, and is imported only in a room that has such a device."""


class OpenPicture(Protocol):
    """How `lesson` opens a camera or board: ``async with open_picture(...) as device``."""

    def __call__(
        self, driver: CaptureDriver, device_id: str, config: DriverConfig
    ) -> AbstractAsyncContextManager[PictureDevice]: ...


class OpenSound(Protocol):
    """How `lesson` opens a microphone."""

    def __call__(
        self, driver: CaptureDriver, device_id: str, config: DriverConfig
    ) -> AbstractAsyncContextManager[SoundDevice]: ...
