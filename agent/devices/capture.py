"""Cameras, boards and microphones as the agent sees them: each in a process of its own that can be killed.

`CaptureHost` keeps the spare process (`agent.devices.spare`) and asks it for a capture process for each device opened.
Why so, with figures: docs/adr/0002-capture-processes.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agent.devices import capture_protocol as wire
from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.captured import Captured, CapturedPicture, CapturedSound
from protocol.errors import DeviceError, DevicePasswordError, DeviceTimeoutError

log = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 5.0
"""USB cameras take 1-2 s to their first picture, 3 s with a dark auto-exposure; a network camera up to 4 s."""

CAMERA_HUNG_S = 0.6
"""Eighteen pictures at 30 Hz: no healthy camera pauses so long, and the stand-in shows at the same instant."""

SPARE_EXIT_S = 0.5
"""From the closed control socket to the spare's end; it only has to leave its poll."""

RESTART_S = (0.1, 5.0)
"""First and longest wait before a dead spare is started again."""


class CaptureHost:
    """One per agent: opens devices in capture processes, and ends them all on its way out.

    ``preload`` are the drivers of the room's configuration; their imports wait ready in the spare process. Other
    drivers work too, but import at open. ``open_timeout_s`` is for openings that do not say their own.
    """

    def __init__(self, preload: Sequence[CaptureDriver], *, open_timeout_s: float = OPEN_TIMEOUT_S) -> None:
        self._open_timeout_s = open_timeout_s
        modules = [module for driver in preload for module in (*driver.imports, driver.child.partition(":")[0])]
        self._modules = list(dict.fromkeys(modules))
        # One native thread each: a capture process has one thing to do, and the machine has other work for its cores.
        self._environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        for driver in preload:
            self._environment.update(driver.environment)
        self._spare: socket.socket | None = None
        self._spare_up = asyncio.Event()
        self._spare_warm = asyncio.Event()
        self._children: dict[int, Captured] = {}
        self._looks: dict[str, Captured] = {}
        """By device: what is open for a look only."""
        self._refused: dict[str, tuple[object, str]] = {}
        """By device: the password that it refused, as `DriverConfig.login_stamp`, and what it said."""
        self._number = 0
        self._first_opened_mono_s: dict[str, float] = {}
        self.spare_pid: int | None = None

    async def run(self) -> None:
        """Keep a spare process alive until cancelled. Opening waits for this to run."""
        wait_s = RESTART_S[0]
        while True:
            started_mono_s = time.monotonic()
            status = await self._run_spare()
            log.warning("capture spare process ended and is started again", extra={"exit_status": status})
            calm = time.monotonic() - started_mono_s > 10 * RESTART_S[1]
            wait_s = RESTART_S[0] if calm else min(2 * wait_s, RESTART_S[1])
            await asyncio.sleep(wait_s)

    async def wait_warm(self) -> None:
        """Wait until the drivers' imports are done: an opening before that takes seconds longer."""
        await self._spare_warm.wait()

    @asynccontextmanager
    async def open_picture(
        self,
        driver: CaptureDriver,
        device_id: str,
        config: DriverConfig,
        *,
        open_timeout_s: float | None = None,
        hung_s: float | None = CAMERA_HUNG_S,
        gives_way: bool = False,
    ) -> AsyncIterator[CapturedPicture]:
        """Open a camera or board; close it, within half a second, at the end of the ``async with`` block.

        ``hung_s`` is how long the driver may say nothing (boards say *alive* in between) before it is killed as hung;
        None: never. ``gives_way``: only a look; the next opening of the same device ends it at once and does not find
        the device in use. Raises DeviceError and its kinds;
        DevicePasswordError, for a password that the device refused once, without asking it again.
        """
        device = CapturedPicture(driver, device_id, hung_s)
        async with self._opened(device, config, open_timeout_s, gives_way=gives_way):
            yield device

    @asynccontextmanager
    async def open_sound(
        self,
        driver: CaptureDriver,
        device_id: str,
        config: DriverConfig,
        *,
        open_timeout_s: float | None = None,
        hung_s: float | None = CAMERA_HUNG_S,
        gives_way: bool = False,
    ) -> AsyncIterator[CapturedSound]:
        """Open a microphone (and its loudspeaker, if the configuration names one); as `open_picture`."""
        device = CapturedSound(driver, device_id, hung_s)
        async with self._opened(device, config, open_timeout_s, gives_way=gives_way):
            yield device

    @asynccontextmanager
    async def _opened(
        self, device: Captured, config: DriverConfig, open_timeout_s: float | None, *, gives_way: bool
    ) -> AsyncIterator[None]:
        most_s = self._open_timeout_s if open_timeout_s is None else open_timeout_s
        look = self._looks.pop(device.device_id, None)
        if look is not None:
            await look.give_way()
        if gives_way:
            self._looks[device.device_id] = device
        stamp = config.login_stamp()
        try:
            self._raise_if_refused(device.device_id, stamp)
            try:
                async with asyncio.timeout(most_s):
                    await self._spare_up.wait()
                    self._request(device, config)
                    await device.wait_opened()
                    self._first_opened_mono_s.setdefault(device.device_id, device.first_opened_mono_s)
            except TimeoutError:
                what = "check that it is connected, and its driver's log lines"
                raise DeviceTimeoutError(f"{device.label}: did not open within {most_s:g} s; {what}") from None
            except DevicePasswordError as error:
                if stamp is not None:
                    self._refused[device.device_id] = stamp, error.message
                raise
            yield
        finally:
            await device.close()
            if self._looks.get(device.device_id) is device:
                del self._looks[device.device_id]

    def _raise_if_refused(self, device_id: str, stamp: object) -> None:
        """Raise DevicePasswordError, and leave the device alone, if it refused this very password before.

        Cameras lock an account after a few: a lesson, a look and a self-test would each send it again.
        """
        refused = self._refused.get(device_id)
        if refused is not None and refused[0] == stamp:
            raise DevicePasswordError(refused[1])

    def _request(self, device: Captured, config: DriverConfig) -> None:
        assert self._spare is not None
        if device.is_closed:
            raise DeviceError(f"{device.label}: gave way to another opening; try again when that is over")
        self._number += 1
        number = self._number
        request = {
            "number": number,
            "child": device.driver.child,
            "config_type": wire.address_of(type(config)),
            "config": config.model_dump_json(),
            "device_id": device.device_id,
            "label": device.label,
            "first_opened_mono_s": self._first_opened_mono_s.get(device.device_id),
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ring_fd = os.memfd_create(f"estrade-{device.device_id}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._children[number] = device
        device.attach(ours, ring_fd)
        try:
            socket.send_fds(self._spare, [json.dumps(request).encode()], [theirs.fileno(), ring_fd])
        except OSError as error:
            self._children.pop(number).exited(None)
            raise DeviceError(f"{device.label}: capture is starting again ({error}); try again") from None
        finally:
            theirs.close()

    async def _run_spare(self) -> int | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        environment = os.environ | self._environment
        command = [sys.executable, "-m", "agent.devices.spare", str(theirs.fileno()), str(os.getpid()), *self._modules]
        loop = asyncio.get_running_loop()
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=environment
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._spare, self.spare_pid = ours, process.pid
        loop.add_reader(ours, self._on_spare, ours)
        self._spare_up.set()
        try:
            return await process.wait()
        finally:
            self._spare_up.clear()
            self._spare_warm.clear()
            self._spare = self.spare_pid = None
            loop.remove_reader(ours)
            self._on_spare(ours)  # what it said last
            ours.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SPARE_EXIT_S):
                    await process.wait()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            for device in self._children.values():
                device.exited(None)  # the kernel killed them with the spare
            self._children.clear()

    def _on_spare(self, spare: socket.socket) -> None:
        while True:
            try:
                packet, fds, _flags, _address = socket.recv_fds(spare, wire.LARGEST_PACKET, 1)
            except (BlockingIOError, ConnectionResetError):
                return
            if not packet:
                asyncio.get_running_loop().remove_reader(spare)  # process.wait() tells the rest
                return
            self._take(json.loads(packet), fds)

    def _take(self, message: dict[str, Any], fds: list[int]) -> None:
        if "ready" in message:
            self._spare_warm.set()
            for problem in message["problems"]:
                log.warning("a module of a capture driver cannot be imported", extra={"problem": problem})
        elif "started" in message:
            device = self._children.get(message["started"])
            if device is None:
                os.close(fds[0])
            else:
                device.started(message["pid"], fds[0])
        elif device := self._children.pop(message["exited"], None):
            device.exited(message["status"])
