"""What a room does all day, in one small program: capture in a process of its own, encode, and nothing forbidden.

Run by test_under_unit.py under the limits of the agent's unit. Ends with 0 when what must work works and what the unit
forbids is refused.
"""

from __future__ import annotations

import asyncio
import importlib
import mmap
import os
import sys
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from agent.devices.capture import CaptureHost
from agent.devices.registry import find_driver
from agent.framing.detector import PersonDetector
from agent.framing.people import Tile
from agent.media import Frame
from protocol.messages import DeviceRole


def refused() -> None:
    """Check that the limits are in force, or everything below would prove nothing."""
    for name, attempt in (
        ("a page that is writable and executable", lambda: mmap.mmap(-1, 4096, prot=7)),
        ("tying a process to a core", lambda: os.sched_setaffinity(0, {0})),
        ("another root folder", lambda: os.chroot("/")),
    ):
        try:
            attempt()
        except PermissionError:
            continue
        sys.exit(f"{name} was allowed")


def encode(image: NDArray[np.uint8], width_px: int, height_px: int) -> int:
    """Return the size of one picture in H.264, encoded as the agent does."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width_px, height_px, "yuv420p"
    encoder.time_base = Fraction(1, 30)
    encoder.options = {"preset": "superfast", "tune": "zerolatency"}
    frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
    frame.pts = 0
    return sum(packet.size for packet in [*encoder.encode(frame), *encoder.encode(None)])


async def capture() -> int:
    """Return the size of an encoded picture of the simulated camera."""
    driver = find_driver(DeviceRole.CAMERA, "simulated")
    host = CaptureHost([driver])
    async with asyncio.TaskGroup() as group:
        running = group.create_task(host.run(), name="capture-host")
        config = driver.config.model_validate({"width_px": 640, "height_px": 360})
        async with host.open_picture(driver, "front", config, open_timeout_s=20) as camera:
            frame = await camera.next_frame()
            size = encode(frame.image.copy(), frame.width_px, frame.height_px)
        running.cancel()
    return size


def look_for_people() -> None:
    """Find nobody in a grey picture: LiteRT's kernels are made ready, or say that they cannot be."""
    grey = Frame(np.full((540, 640), 128, np.uint8), 640, 360, 0.0, 0)
    if PersonDetector().find(grey, Tile(0.0, 0.0, 0.5625, 1.0)):
        sys.exit("somebody was found in a grey picture")


if __name__ == "__main__":
    refused()
    look_for_people()
    for module in ("uvloop", "aiortc", "pyaudio", "Xlib.display", "cryptography.x509", "uvicorn", "psutil"):
        importlib.import_module(module)
    if asyncio.run(capture()) < 1000:
        sys.exit("the encoded picture is too small to be one")
