"""The capture process's side: the object a driver's child function works with, and what runs around that function."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from agent.devices import capture_protocol as wire
from agent.media import BLOCK_SAMPLES
from protocol.errors import DeviceError, EstradeError

ALIVE_EVERY_S = 0.1
"""A third of the shortest time after which the agent calls a silent process hung."""

PLAYBACK_BLOCKS = 10
"""Sound to play that may wait, 200 ms; older blocks are dropped, because late speech is worse than a gap."""


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """What the agent asks the spare to start."""

    child: str
    config_type: str
    config: str
    device_id: str
    label: str
    first_opened_mono_s: float | None
    """None: this is the first time."""


class CaptureChild:
    """A driver's only connection to the agent. One thread unless said otherwise.

    ``label`` begins every sentence the driver says (``camera "front"``); ``first_opened_mono_s`` is when the agent
    first opened this device, the zero of scripted faults.
    """

    def __init__(self, request: ChildRequest, device: socket.socket, ring_fd: int) -> None:
        self.label = request.label
        self.device_id = request.device_id
        first_mono_s = request.first_opened_mono_s
        self.was_open = first_mono_s is not None
        """An earlier process of this agent had the device."""
        self.first_opened_mono_s = time.monotonic() if first_mono_s is None else first_mono_s
        self.dropped_blocks = 0
        self._device = device
        self._poll = select.poll()
        self._poll.register(device, select.POLLIN)
        self._ring_fd = ring_fd
        self._slots: list[NDArray[np.uint8]] = []
        self._free: list[int] = []
        self._drawing: int | None = None
        self._sequence = 0
        self._is_stopping = False
        self._alive_mono_s = 0.0
        self._to_play: deque[NDArray[np.int16]] = deque(maxlen=PLAYBACK_BLOCKS)
        self.on_reference: Callable[[NDArray[np.int16], float], None] = lambda samples, mono_s: None
        """Hears of 20 ms that others play in the room, and when they sound; whenever `should_stop` or a wait runs."""

    def opened(
        self,
        name: str,
        *,
        width_px: int = 0,
        height_px: int = 0,
        rate_hz: float = 0.0,
        capabilities: Sequence[str] = (),
        settings: Mapping[str, int] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Say that the device streams, and of what size (0 × 0 for sound). Once, before the first picture or block.

        ``settings`` and ``notes`` as in `agent.devices.base.DeviceInfo`.
        """
        assert (width_px % 2, height_px % 2) == (0, 0), (width_px, height_px)
        if width_px:
            size = wire.slot_bytes(width_px, height_px)
            os.ftruncate(self._ring_fd, size * wire.SLOTS)
            ring = mmap.mmap(self._ring_fd, size * wire.SLOTS)
            rows = height_px * 3 // 2
            for slot in range(wire.SLOTS):
                flat = np.frombuffer(ring, np.uint8, rows * width_px, slot * size)
                self._slots.append(flat.reshape(rows, width_px))
            self._free = list(range(wire.SLOTS))
        said = {
            "name": name[:120],
            "width_px": width_px,
            "height_px": height_px,
            "rate_hz": rate_hz,
            "capabilities": list(capabilities),
            "settings": dict(settings or {}),
            "notes": [note[:300] for note in notes[:20]],
            "first_opened_mono_s": self.first_opened_mono_s,
        }
        self._send(wire.OPENED + json.dumps(said).encode())

    def next_slot(self) -> NDArray[np.uint8] | None:
        """Return an I420 picture to draw in, to be sent by `send_slot`; None when the agent is behind: skip this one.

        What the slot holds before is an older picture of the same device, or zeros.
        """
        if self._drawing is None:
            self._read()
            if not self._free:
                self._sequence += 1
                return None
            self._drawing = self._free.pop()  # last come, first served: it is still in the processor's cache
        return self._slots[self._drawing]

    def send_slot(self, captured_mono_s: float) -> None:
        """Hand the picture drawn in `next_slot` over."""
        assert self._drawing is not None, "next_slot comes first"
        slot, self._drawing = self._drawing, None
        if not self._send(wire.STAMP.pack(wire.FRAME, slot, self._sequence, captured_mono_s)):
            self._free.append(slot)
        self._sequence += 1
        self._alive_mono_s = time.monotonic()

    def send_frame(self, image: NDArray[np.uint8], captured_mono_s: float) -> bool:
        """Copy one I420 picture over; return whether the agent could take it (False counts as a drop)."""
        slot = self.next_slot()
        if slot is None:
            return False
        np.copyto(slot, image)
        self.send_slot(captured_mono_s)
        return True

    def send_block(self, samples: NDArray[np.int16], captured_mono_s: float) -> None:
        """Send 20 ms of sound, the time being that of its first sample. Any one thread may call it.

        Never waits: when the agent is more than a socket buffer (about a second) behind, the block is dropped.
        """
        assert (samples.shape, samples.dtype) == ((BLOCK_SAMPLES,), np.dtype(np.int16)), (samples.shape, samples.dtype)
        packet = wire.STAMP.pack(wire.BLOCK, 0, self._sequence, captured_mono_s) + samples.tobytes()
        self._sequence += 1
        if not self._send(packet):
            self.dropped_blocks += 1

    def alive(self) -> None:
        """Say that the driver's loop turns though nothing is sent (a still board). Cheap to call often."""
        now = time.monotonic()
        if now - self._alive_mono_s >= ALIVE_EVERY_S:
            self._alive_mono_s = now
            self._send(wire.ALIVE)

    def should_stop(self) -> bool:
        """Return whether the agent wants the device closed, or is gone. Does not wait."""
        self._read()
        return self._is_stopping

    def wait_until(self, mono_s: float) -> bool:
        """Wait until CLOCK_MONOTONIC reaches ``mono_s`` or the agent wants the device closed; return the latter."""
        while not self.should_stop():
            left_s = mono_s - time.monotonic()
            if left_s <= 0:
                return False
            if left_s < 0.002:
                time.sleep(left_s)  # poll counts in whole milliseconds
            else:
                self._poll.poll(int(left_s * 1000))
        return True

    def take_playback(self) -> NDArray[np.int16] | None:
        """Return the next 20 ms to play, or None. Any thread; blocks arrive whenever `should_stop` or a wait runs."""
        try:
            return self._to_play.popleft()
        except IndexError:
            return None

    def _send(self, packet: bytes) -> bool:
        """Send without waiting; return whether it went."""
        try:
            self._device.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            self._is_stopping = True
            return False
        return True

    def _read(self) -> None:
        while not self._is_stopping:
            try:
                packet = self._device.recv(wire.LARGEST_PACKET, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionResetError:
                packet = b""
            kind = packet[:1]
            if kind == wire.RELEASE:
                self._free.append(packet[1])
            elif kind == wire.PLAY:
                self._to_play.append(np.frombuffer(packet, np.int16, BLOCK_SAMPLES, 1))
            elif kind == wire.REFERENCE:
                _kind, _slot, _sequence, mono_s = wire.STAMP.unpack_from(packet)
                self.on_reference(np.frombuffer(packet, np.int16, BLOCK_SAMPLES, wire.STAMP.size), mono_s)
            else:
                self._is_stopping = True

    def fail(self, code: str, message: str, *, is_fault: bool = False) -> None:
        """Tell the agent why this process ends; ``is_fault``: the driver itself is wrong, not the device."""
        self._send(wire.FAILED + json.dumps({"code": code, "message": message, "is_fault": is_fault}).encode())


def run_child(request: ChildRequest, device: socket.socket, ring_fd: int) -> NoReturn:
    """Run a driver's child function to its end, and with it the process."""
    child = CaptureChild(request, device, ring_fd)
    try:
        function = wire.resolve(request.child)
        config: Any = wire.resolve(request.config_type).model_validate_json(request.config)
        function(child, config)
    except EstradeError as error:
        child.fail(error.code, error.message)
        _leave(1)
    except ImportError as error:
        what = f"{request.label}: the driver {request.child} cannot be loaded ({error}); install the extra [agent]"
        child.fail(DeviceError.default_code, what)
        _leave(1)
    except Exception as error:  # the driver's own fault: the traceback is for the journal, the sentence for people
        traceback.print_exc()
        what = f"{request.label}: the driver failed: {type(error).__name__}: {error}"
        child.fail(DeviceError.default_code, what, is_fault=True)
        _leave(1)
    _leave(0)


def _leave(status: int) -> NoReturn:
    """End the process at once: closing a native object of a device that is gone can hang for ever."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(status)
