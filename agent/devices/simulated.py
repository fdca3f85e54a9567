"""What the simulated devices share: scripted faults, a pace on the wall clock, and a strip of blocks a page can read.

**The time strip** is 48 blocks, each `strip_block_px` square, from the left of the picture's top edge; white is 1 and
black 0 (read the brightness in the middle of a block: above one half is 1). Block 0 is white and block 1 black, so that
a picture without a strip is told. Blocks 2-42 are 41 bits, most significant first: the wall clock in whole
milliseconds since 1970-01-01T00:00Z at the picture's capture. Blocks 43-47 are that number modulo 31, 5 bits, most
significant first. In a picture scaled by *k* the blocks are *k* times as large.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agent.devices.base import DriverConfig
from agent.devices.capture_child import CaptureChild
from protocol.errors import DeviceLostError, DeviceNotFoundError

FaultKind = Literal["unplug", "freeze", "black", "hang", "crash", "slow"]

FLASH_S = 0.1
"""How long a flash and its beep last."""

STRIP_BLOCKS = 48
STRIP_BITS = 41
STRIP_CHECK = 31


class Fault(DriverConfig):
    """Something that goes wrong at a given time, so that demos and tests see it whenever they like.

    ``unplug`` loses the device, and it is not there to be opened again before ``for_s`` is over; ``freeze`` repeats the
    last picture or block; ``black`` gives black pictures, or digital silence; ``hang`` stops the process from answering
    at all; ``crash`` ends it with SIGSEGV; ``slow`` gives a fifth of the pictures, or late blocks.
    """

    at_s: float = Field(ge=0, description="seconds after the device was first opened since the agent started")
    kind: FaultKind
    for_s: float = Field(default=3.0, gt=0, description="how long; a crash and a hang end with their process")


@dataclass(slots=True)
class Faults:
    """The faults of one device, by the clock of its first opening."""

    faults: Sequence[Fault]
    child: CaptureChild
    _born_s: float = 0.0

    def at_open(self) -> None:
        """Refuse to open while the device is unplugged. Raises DeviceNotFoundError."""
        self._born_s = self._now_s()
        if self._current("unplug"):
            raise DeviceNotFoundError(f"{self.child.label}: the simulated device is unplugged; wait or plug it in")

    def now(self) -> FaultKind | None:
        """Return the fault of this instant that is about the picture or sound; carry out those about the process."""
        if self._current("unplug"):
            raise DeviceLostError(f"{self.child.label}: the simulated device was unplugged")
        if self._current("crash", since_birth=True):
            self._crash()
        if self._current("hang", since_birth=True):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            while True:  # as a read from a stalled device: only SIGKILL ends it
                signal.pause()
        for kind in ("freeze", "black", "slow"):
            if self._current(kind):
                return kind
        return None

    def _now_s(self) -> float:
        return time.monotonic() - self.child.first_opened_mono_s

    def _current(self, kind: FaultKind, *, since_birth: bool = False) -> bool:
        now_s = self._now_s()
        return any(
            fault.kind == kind
            and fault.at_s <= now_s < fault.at_s + fault.for_s
            and not (since_birth and fault.at_s < self._born_s)  # the process after a crash does not crash again
            for fault in self.faults
        )

    def _crash(self) -> NoReturn:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
        raise AssertionError


def next_tick(rate_hz: float) -> float:
    """Return CLOCK_MONOTONIC of the wall clock's next multiple of ``1 / rate_hz``: flashes then fall on a picture."""
    wall_s = time.time()
    return time.monotonic() + (int(wall_s * rate_hz) + 1) / rate_hz - wall_s


def is_flashing(wall_s: float, every_s: float | None) -> bool:
    """Return whether a flash, or its beep, is on at this instant of CLOCK_REALTIME."""
    return every_s is not None and (wall_s + 0.001) % every_s < FLASH_S


def strip_block_px(width_px: int) -> int:
    """Return the side of one block of the time strip; an even number."""
    return width_px // STRIP_BLOCKS // 2 * 2


def draw_time_strip(image: NDArray[np.uint8], wall_ms: int) -> None:
    """Draw the time strip into an I420 picture."""
    rows, width_px = image.shape
    side, height_px = strip_block_px(width_px), rows * 2 // 3
    bits = f"10{wall_ms:0{STRIP_BITS}b}{wall_ms % STRIP_CHECK:05b}"
    row = np.repeat(np.array([235 if bit == "1" else 16 for bit in bits], np.uint8), side)
    image[:side, : len(row)] = row
    for plane in range(2):
        first = height_px * width_px + plane * height_px * width_px // 4
        chroma = image.reshape(-1)[first : first + height_px * width_px // 4].reshape(height_px // 2, width_px // 2)
        chroma[: side // 2, : len(row) // 2] = 128


def read_time_strip(image: NDArray[np.uint8]) -> int | None:
    """Return the milliseconds in a picture's time strip (its Y rows are looked at), or None if it is not readable."""
    side = strip_block_px(image.shape[1])
    middle = side // 4
    blocks = image[middle : side - middle, : STRIP_BLOCKS * side].reshape(-1, STRIP_BLOCKS, side)
    light = blocks[:, :, middle : side - middle].mean(axis=(0, 2)) > 125
    bits = "".join("1" if bit else "0" for bit in light)
    wall_ms, check = int(bits[2 : 2 + STRIP_BITS], 2), int(bits[2 + STRIP_BITS :], 2)
    return wall_ms if bits[:2] == "10" and wall_ms % STRIP_CHECK == check else None
