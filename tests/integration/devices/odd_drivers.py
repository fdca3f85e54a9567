"""Drivers that misbehave, for the capture processes of these tests: they run there, so a module must hold them."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.media import BLOCK_SAMPLES
from protocol.errors import DeviceBusyError
from protocol.messages import DeviceRole


class OddConfig(DriverConfig):
    """``path``: where `tell_modules` writes."""

    path: Path = Path("/dev/null")


def paint(child: CaptureChild, _config: OddConfig) -> None:
    """Send pictures of one value each as fast as they go; a torn one would hold two values."""
    child.opened("painter", width_px=1280, height_px=720, rate_hz=500)
    value = 0
    while not child.should_stop():
        image = child.next_slot()
        if image is None:
            child.wait_until(time.monotonic() + 0.001)
            continue
        value = (value + 1) % 256
        image[:] = value
        child.send_slot(time.monotonic())


def tell_modules(child: CaptureChild, config: OddConfig) -> None:
    """Write down what is imported in a capture process."""
    config.path.write_text("\n".join(sorted(sys.modules)))
    child.opened("teller", width_px=16, height_px=16, rate_hz=1)
    child.wait_until(time.monotonic() + 10)


def never_open(child: CaptureChild, _config: OddConfig) -> None:
    """Hang while opening, deaf to all but SIGKILL."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    while True:
        signal.pause()


def be_busy(child: CaptureChild, _config: OddConfig) -> None:
    """Refuse to open."""
    raise DeviceBusyError(f"{child.label}: somebody else has it; ask them")


def fall(child: CaptureChild, _config: OddConfig) -> None:
    """Open, send one picture, then raise what nobody expects."""
    child.opened("faller", width_px=16, height_px=16, rate_hz=30)
    child.send_frame(np.zeros((24, 16), np.uint8), time.monotonic())
    child.wait_until(time.monotonic() + 0.1)
    raise ValueError("seven is not a picture")


def leave(child: CaptureChild, _config: OddConfig) -> None:
    """Open, then end the process with a status of its own."""
    child.opened("leaver", width_px=16, height_px=16, rate_hz=30)
    os._exit(42)


def count_blocks(child: CaptureChild, _config: OddConfig) -> None:
    """Send 400 blocks of sound at once, each full of its own number, then wait."""
    child.opened("counter", capabilities=("playback",))
    for number in range(400):
        while True:
            before = child.dropped_blocks
            child.send_block(np.full(BLOCK_SAMPLES, number, np.int16), float(number))
            if child.dropped_blocks == before or child.wait_until(time.monotonic() + 0.005):
                break
    while not child.wait_until(time.monotonic() + 0.05):
        child.alive()


def echo(child: CaptureChild, _config: OddConfig) -> None:
    """Send back every block that is to be played."""
    child.opened("echo", capabilities=("playback",))
    while not child.wait_until(time.monotonic() + 0.02):
        child.alive()
        while (samples := child.take_playback()) is not None:
            child.send_block(samples, time.monotonic())


def odd(name: str, role: DeviceRole = DeviceRole.CAMERA) -> CaptureDriver:
    """Return the driver whose child is the function of this name."""
    return CaptureDriver(name=name, role=role, config=OddConfig, child=f"{__name__}:{name}")
