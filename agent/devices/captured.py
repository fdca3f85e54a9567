"""One open device on the agent's side: reads its capture process's socket on the loop, and knows why it ended."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import mmap
import os
import signal
import socket
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.devices import capture_protocol as wire
from agent.devices.base import CaptureDriver, DeviceInfo
from agent.media import BLOCK_SAMPLES, AudioBlock, Frame
from protocol.errors import (
    DeviceBusyError,
    DeviceCrashedError,
    DeviceError,
    DeviceLostError,
    DeviceMovedError,
    DeviceNoSignalError,
    DeviceNotFoundError,
    DevicePasswordError,
    DevicePermissionError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)

log = logging.getLogger(__name__)

STOP_S = 0.3
"""For a driver to close its device in good order; then it is killed."""

EXIT_S = 0.2
"""From SIGKILL to the spare's report of it; longer only when the kernel itself hangs in the device's driver."""

WAITING_BLOCKS = 50
"""Sound waiting to be taken: one second. Older blocks are dropped and counted."""

FIRST_PICTURE_S = 2.0
"""From *opened* to the first picture or block: a camera in a dark room exposes slowly at first."""

HUNG_PICTURES = 3
"""A slow source is not hung before it has missed this many pictures of its own rate."""

PACKETS_A_TURN = 64
"""Packets read before the loop gets its turn."""

OPEN_ERRORS: dict[str, type[DeviceError]] = {
    error.default_code: error
    for error in (
        DeviceNotFoundError,
        DeviceBusyError,
        DeviceTimeoutError,
        DeviceUnsupportedError,
        DeviceProtocolError,
        DevicePasswordError,
        DevicePermissionError,
        DeviceNoSignalError,
        DeviceError,
    )
}


LOST_ERRORS: dict[str, type[DeviceError]] = {
    error.default_code: error for error in (DeviceNoSignalError, DeviceMovedError)
}
"""What else than simply lost a device can be that was open."""


class Captured:
    """What pictures and sound have in common. Made by `agent.devices.capture.CaptureHost`; single use."""

    info: DeviceInfo
    first_opened_mono_s: float
    """When this device was first opened, by the clock its capture processes go by. Known once it is open."""

    def __init__(self, driver: CaptureDriver, device_id: str, hung_s: float | None) -> None:
        self.driver = driver
        self.device_id = device_id
        self.label = f'{driver.role} "{device_id}"'
        self.pid: int | None = None
        self._hung_s = hung_s
        self._loop = asyncio.get_running_loop()
        self._device: socket.socket | None = None
        self._pidfd: int | None = None
        self._failure: tuple[str, str, bool] | None = None
        self._lost: DeviceError | None = None
        self._opened = False
        self._streams = False
        self._last_mono_s = time.monotonic()
        self._watch: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._news = asyncio.Event()
        self._exit = asyncio.Event()
        self._exit_status: int | None = None

    # What the host calls.

    def attach(self, device: socket.socket, ring_fd: int) -> None:
        """Take the socket of a capture process that is being started, and the memory for its pictures."""
        device.setblocking(False)
        self._device = device
        self._ring_fd = ring_fd
        self._loop.add_reader(device, self._on_readable)

    def started(self, pid: int, pidfd: int) -> None:
        """Note the process; one that nobody wants any more is killed."""
        self.pid, self._pidfd = pid, pidfd
        if self._is_closed:
            self._kill()
            os.close(pidfd)
            self._pidfd = None

    def exited(self, status: int | None) -> None:
        """Note how the process ended: its exit status, minus its signal, or None when nobody can know."""
        self._exit_status = status
        self._exit.set()
        if self._device is not None:
            self._on_readable()  # what it said last comes before that it is gone
            self._end()

    async def wait_opened(self) -> None:
        """Wait until the driver says that the device streams. Raises what kept it from doing so."""
        while not self._opened:
            await self._wait_news()
        self._last_mono_s = time.monotonic()
        if self._hung_s is not None:
            self._watch_for(self._patience_s())

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, perhaps before it opened."""
        return self._is_closed

    async def give_way(self) -> None:
        """End the capture process by force: somebody else needs the device now. Whoever holds it finds it lost."""
        self._is_closed = True  # a process that is only being started is killed when it reports
        self._end("was open for a look, and is needed now")
        self._kill()
        if self._device is not None:
            await self._wait_exit(EXIT_S)

    async def close(self) -> None:
        """End the capture process, by force after `STOP_S`, and give everything back."""
        self._is_closed = True
        if self._watch is not None:
            self._watch.cancel()
        try:
            if self._device is not None and not self._exit.is_set():
                with contextlib.suppress(OSError):
                    self._device.send(wire.STOP)
                await self._wait_exit(STOP_S)
                if not self._exit.is_set():
                    self._kill()
                    await self._wait_exit(EXIT_S)
        finally:
            if not self._exit.is_set():
                self._kill()
            self._release_everything()

    def lose(self, reason: str) -> None:
        """Take the device as gone, because somebody else saw it go; ``reason`` goes on after its name.

        Its capture process is killed: it may hang in the kernel, and the kernel waits for it before it lets go.
        """
        self._end(reason)
        self._kill()

    # What the two kinds do with packets.

    def _on_opened(self, said: dict[str, Any]) -> None:
        raise NotImplementedError

    def _on_packet(self, packet: bytes) -> None:
        raise NotImplementedError

    async def _wait_news(self) -> None:
        if self._lost is not None:
            # A new object each time: a raised exception grows a traceback with every raise.
            raise type(self._lost)(self._lost.message, code=self._lost.code)
        self._news.clear()
        await self._news.wait()

    # The socket.

    def _on_readable(self) -> None:
        device = self._device
        if device is None:
            return
        for _ in range(PACKETS_A_TURN):
            try:
                packet = device.recv(wire.LARGEST_PACKET)
            except BlockingIOError:
                return
            except ConnectionResetError:
                packet = b""
            if not packet:
                self._loop.remove_reader(device)
                if self._lost is None and not self._exit.is_set():
                    # The spare says in a moment how it ended; if it does not, that it ended must do.
                    self._loop.call_later(EXIT_S, self._end)
                return
            self._last_mono_s = time.monotonic()
            kind = packet[:1]
            if kind == wire.FAILED:
                said = json.loads(packet[1:])
                self._failure = (said["code"], said["message"], said["is_fault"])
                self._end()
            elif kind == wire.OPENED:
                said = json.loads(packet[1:])
                self.info = DeviceInfo(
                    id=self.device_id,
                    role=self.driver.role,
                    driver=self.driver.name,
                    name=said["name"],
                    width_px=said["width_px"],
                    height_px=said["height_px"],
                    rate_hz=said["rate_hz"],
                    capabilities=frozenset(said["capabilities"]),
                    settings=said["settings"],
                    notes=tuple(said["notes"]),
                )
                for note in self.info.notes:
                    log.warning("A device goes without a setting", extra={"device": self.device_id, "note": note})
                self.first_opened_mono_s = said["first_opened_mono_s"]
                self._on_opened(said)
                self._opened = True
                self._news.set()
            elif self._lost is None:
                self._start_watch()
                if kind != wire.ALIVE:
                    self._on_packet(packet)
                    self._news.set()

    def _end(self, reason: str | None = None, *, is_hung: bool = False) -> None:
        """Settle, once, why the device is gone, and tell whoever waits."""
        if self._lost is not None:
            return
        if self._failure is not None:
            code, sentence, is_crash = self._failure
        else:
            code, sentence = DeviceError.default_code, f"{self.label}: {reason or died_because(self._exit_status)}"
            is_crash = is_hung or has_crashed(self._exit_status)
        error_type = LOST_ERRORS.get(code, DeviceLostError) if self._opened else OPEN_ERRORS.get(code, DeviceError)
        code = error_type.default_code if self._opened else code
        self._lost = DeviceCrashedError(sentence, code=code) if is_crash else error_type(sentence, code=code)
        if self._watch is not None:
            self._watch.cancel()
        self._news.set()

    # Hung processes.

    def _start_watch(self) -> None:
        """From the first picture on, be no more patient than `_hung_s`."""
        if self._streams:
            return
        self._streams = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch_for(self._patience_s())

    def _watch_for(self, patience_s: float) -> None:
        left_s = self._last_mono_s + patience_s - time.monotonic()
        self._watch = self._loop.call_later(max(left_s, 0.0), self._on_watch)

    def _on_watch(self) -> None:
        self._on_readable()  # a loop that was late itself may find the pictures waiting
        if self._lost is not None:
            return
        patience_s = self._patience_s()
        if time.monotonic() - self._last_mono_s >= patience_s:
            self._end(f"gave nothing for {patience_s:.2g} s and was killed as hung", is_hung=True)
            self._kill()
        else:
            self._watch_for(patience_s)

    def _patience_s(self) -> float:
        assert self._hung_s is not None
        if not self._streams:
            return max(self._hung_s, FIRST_PICTURE_S)
        rate_hz = self.info.rate_hz
        return max(self._hung_s, HUNG_PICTURES / rate_hz if rate_hz > 0 else 0.0)

    # The end.

    def _kill(self) -> None:
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def _wait_exit(self, most_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._exit.wait()

    def _release_everything(self) -> None:
        if self._device is not None:
            self._loop.remove_reader(self._device)
            self._device.close()
            self._device = None
            os.close(self._ring_fd)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        self._end("was closed")


def has_crashed(status: int | None) -> bool:
    """Return whether an end that nobody explained is the driver's own: not when it was shot from outside.

    The kernel does that when memory runs out, and to the children of a spare process that ends.
    """
    return status is not None and status != -signal.SIGKILL


def died_because(status: int | None) -> str:
    """Put a process's end into words; ``status`` as `os.waitstatus_to_exitcode` gives it, None for *not known*."""
    if status is None:
        return "its capture process is gone, with or before the spare process that would know why"
    if status >= 0:
        return f"its capture process ended with status {status}"
    return f"its capture process was killed by {signal.Signals(-status).name}"


class CapturedPicture(Captured):
    """An open camera or board: a `agent.devices.base.PictureDevice`."""

    def __init__(self, driver: CaptureDriver, device_id: str, hung_s: float | None) -> None:
        super().__init__(driver, device_id, hung_s)
        self._slots: list[NDArray[np.uint8]] = []
        self._waiting: tuple[int, int, float] | None = None

    async def next_frame(self) -> Frame:
        """Return the newest picture not yet returned, as a copy of its own; wait for one. One caller at a time.

        Raises DeviceLostError, with the reason, when the device is gone.
        """
        while self._waiting is None or self._lost is not None:
            await self._wait_news()
        slot, sequence, captured_mono_s = self._waiting
        self._waiting = None
        image = self._slots[slot].copy()
        self._hand_back(slot)
        return Frame(image, self.info.width_px, self.info.height_px, captured_mono_s, sequence)

    def _on_opened(self, said: dict[str, Any]) -> None:
        width_px, height_px = said["width_px"], said["height_px"]
        size, rows = wire.slot_bytes(width_px, height_px), height_px * 3 // 2
        # Sealed, because reading a file that somebody made shorter would kill the agent with SIGBUS.
        fcntl.fcntl(self._ring_fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        ring = mmap.mmap(self._ring_fd, size * wire.SLOTS, prot=mmap.PROT_READ)
        for slot in range(wire.SLOTS):
            self._slots.append(np.frombuffer(ring, np.uint8, rows * width_px, slot * size).reshape(rows, width_px))

    def _on_packet(self, packet: bytes) -> None:
        _kind, slot, sequence, captured_mono_s = wire.STAMP.unpack(packet)
        if self._waiting is not None:
            self._hand_back(self._waiting[0])
        self._waiting = (slot, sequence, captured_mono_s)

    def _hand_back(self, slot: int) -> None:
        if self._device is not None:
            with contextlib.suppress(OSError):  # it is gone; its end of file says so
                self._device.send(wire.RELEASE + bytes((slot,)))

    def _release_everything(self) -> None:
        super()._release_everything()
        self._slots.clear()  # the last view of the ring: its memory goes back here
        self._waiting = None


class CapturedSound(Captured):
    """An open microphone: a `agent.devices.base.SoundDevice`, and a `agent.devices.base.Playback` if it can play."""

    def __init__(self, driver: CaptureDriver, device_id: str, hung_s: float | None) -> None:
        super().__init__(driver, device_id, hung_s)
        self.dropped_blocks = 0
        self._blocks: deque[AudioBlock] = deque()

    async def next_block(self) -> AudioBlock:
        """Return the next 20 ms in order; wait for them. One caller at a time.

        Raises DeviceLostError, with the reason, when the device is gone and what it gave before has been returned.
        """
        while not self._blocks:
            await self._wait_news()
        return self._blocks.popleft()

    def play(self, samples: NDArray[np.int16]) -> None:
        """Play 20 ms, shape ``(960,)``, mono, 48 kHz, in the room, after those given before; never waits.

        Raises DeviceUnsupportedError when the configuration names no loudspeaker.
        """
        if "playback" not in self.info.capabilities:
            raise DeviceUnsupportedError(f"{self.label}: has no loudspeaker; name one as output in its configuration")
        assert (samples.shape, samples.dtype) == ((BLOCK_SAMPLES,), np.dtype(np.int16)), (samples.shape, samples.dtype)
        if self._device is not None:
            with contextlib.suppress(OSError):  # full or gone: late sound is worse than none
                self._device.send(wire.PLAY + samples.tobytes())

    def reference(self, samples: NDArray[np.int16], mono_s: float) -> None:
        """Tell the echo canceller of 20 ms that another device plays in the room, and when the first sample sounds.

        Never waits. Told a little before or, at most 20 ms, after it sounds. Without the capability ``echo-reference``
        there is no echo canceller to tell, and nothing happens.
        """
        assert (samples.shape, samples.dtype) == ((BLOCK_SAMPLES,), np.dtype(np.int16)), (samples.shape, samples.dtype)
        if self._device is not None and "echo-reference" in self.info.capabilities:
            with contextlib.suppress(OSError):  # full or gone: the echo of these 20 ms stays
                self._device.send(wire.STAMP.pack(wire.REFERENCE, 0, 0, mono_s) + samples.tobytes())

    def _on_opened(self, said: dict[str, Any]) -> None:
        pass

    def _on_packet(self, packet: bytes) -> None:
        _kind, _slot, sequence, captured_mono_s = wire.STAMP.unpack_from(packet)
        samples = np.frombuffer(packet, np.int16, BLOCK_SAMPLES, wire.STAMP.size)
        if len(self._blocks) == WAITING_BLOCKS:
            self._blocks.popleft()
            self.dropped_blocks += 1
        self._blocks.append(AudioBlock(samples, captured_mono_s, sequence))
