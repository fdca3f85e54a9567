"""Plugs: what udev says was plugged in or unplugged, told to those who wait for it.

A device that is away is tried each second anyway; a plug that is heard saves that second, and lets a driver that was
set aside try again. Without udev (a container) nothing is heard and everything works as slowly as that.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.device_slot import DeviceSlot
from protocol.messages import DeviceRole

log = logging.getLogger(__name__)

SUBSYSTEMS = ("video4linux", "sound", "tty", "hidraw", "usb")
OF_ROLE: Mapping[DeviceRole, frozenset[str]] = {
    DeviceRole.CAMERA: frozenset({"video4linux"}),
    DeviceRole.BOARD: frozenset({"video4linux"}),
    DeviceRole.MICROPHONE: frozenset({"sound"}),
    DeviceRole.BOARD_SOUND: frozenset({"sound"}),
}
"""What a plug must be of to concern a device. Not ``usb``: its event comes before there is anything to open."""

GATHER_S = 0.1
"""One plug is several events within some milliseconds (a camera has two nodes, a card five)."""

UDEV = Path("/run/udev/control")
"""Is there while udev runs."""


@dataclass(frozen=True, slots=True)
class PlugEvent:
    """``action`` as udev has it (``add``, ``remove``, ``change``, ``bind``, …); ``node``: its device file."""

    action: str
    subsystem: str
    node: Path | None = None


@dataclass(slots=True)
class _Listener:
    subsystems: Collection[str]
    came: Callable[[], None]
    gone: Callable[[Path], None]


@dataclass(slots=True)
class HotPlug:
    """``listen`` first; ``run`` hears until cancelled, and returns at once where nothing is to be heard."""

    udev: Path = UDEV
    gather_s: float = GATHER_S
    _listeners: list[_Listener] = field(default_factory=list)
    _came: set[str] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None

    def listen(
        self, subsystems: Collection[str], came: Callable[[], None], gone: Callable[[Path], None] = lambda node: None
    ) -> None:
        """Call ``came``, on the loop, after something of these subsystems was plugged in or changed.

        ``gone`` hears of each device file that went away, as its real path.
        """
        self._listeners.append(_Listener(subsystems, came, gone))

    def serve(self, slot: DeviceSlot) -> None:
        """Let a device of a lesson hear of its own kind of plugs."""
        if slot.role in OF_ROLE:
            self.listen(OF_ROLE[slot.role], slot.nudge, slot.unplugged)

    async def run(self) -> None:
        """Hear until cancelled."""
        monitor = self._monitor()
        if monitor is None:
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(monitor.fileno(), self._read, monitor)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(monitor.fileno())
            if self._timer is not None:
                self._timer.cancel()

    def heard(self, event: PlugEvent) -> None:
        """Take one event: what went is told at once, what came when its other events have come too."""
        if event.action == "remove":
            if event.node is not None and not event.node.exists():  # a late event: something else has the name now
                for listener in self._of(event.subsystem):
                    listener.gone(event.node)
            return
        self._came.add(event.subsystem)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.gather_s, self._tell_came)

    def _tell_came(self) -> None:
        self._timer = None
        came, self._came = self._came, set()
        for listener in self._listeners:
            if not came.isdisjoint(listener.subsystems):
                listener.came()

    def _of(self, subsystem: str) -> list[_Listener]:
        return [listener for listener in self._listeners if subsystem in listener.subsystems]

    def _monitor(self) -> Any:
        """Return pyudev's monitor, listening; None, with a line in the log, where there is no udev."""
        if not self.udev.exists():
            log.info("udev does not run here: plugs are not heard, and devices that are away are tried each second")
            return None
        try:
            import pyudev  # here alone: it loads libudev

            monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="udev")
            for subsystem in SUBSYSTEMS:
                monitor.filter_by(subsystem)
            monitor.start()
        except (ImportError, OSError) as error:
            log.warning("Plugs are not heard: udev cannot be listened to", extra={"reason": str(error)})
            return None
        return monitor

    def _read(self, monitor: Any) -> None:
        while True:
            try:
                device = monitor.poll(timeout=0)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._came.update(SUBSYSTEMS)  # more came than the kernel kept: look at everything
                self._tell_came()
                continue
            if device is None:
                return
            node = device.device_node
            self.heard(PlugEvent(device.action or "", device.subsystem or "", Path(node) if node else None))
