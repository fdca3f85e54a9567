"""A capture host that runs, and media files made on the spot."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from agent.devices.base import CaptureDriver
from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedPicture
from agent.devices.registry import find_driver
from protocol.errors import DeviceLostError
from protocol.messages import DeviceRole

ROOT = Path(__file__).parents[3]
PATIENT_S = 20.0
"""For an open whose speed is not what a test is about: the machine may be busy with other tests."""

RunHost = Callable[..., AbstractAsyncContextManager[CaptureHost]]


@pytest.fixture
def run_host(monkeypatch: pytest.MonkeyPatch) -> RunHost:
    """Return ``async with run_host(*drivers) as host``. Capture processes find the drivers of these tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))

    @asynccontextmanager
    async def running(*drivers: CaptureDriver) -> AsyncIterator[CaptureHost]:
        host = CaptureHost(drivers, open_timeout_s=PATIENT_S)
        run = asyncio.create_task(host.run(), name="capture host")
        try:
            yield host
        finally:
            run.cancel()
            with pytest.raises(asyncio.CancelledError):  # anything else is a fault of the host's own
                await run

    return running


@pytest.fixture
async def host(run_host: RunHost) -> AsyncIterator[CaptureHost]:
    """A host with OpenCV ready, as in a room with a camera."""
    async with run_host(find_driver(DeviceRole.CAMERA, "simulated")) as host:
        yield host


def is_running(pid: int) -> bool:
    """Return whether there is such a process, zombies not counted."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def lost(device: CapturedPicture) -> tuple[str, float]:
    """Take pictures until the device is gone; return why, and how long that took."""
    error, took_s = await loss(device)
    return error.message, took_s


async def loss(device: CapturedPicture) -> tuple[DeviceLostError, float]:
    """As `lost`, with the whole error."""
    started_s = time.monotonic()
    try:
        async with asyncio.timeout(10):
            while True:
                await device.next_frame()
    except DeviceLostError as error:
        return error, time.monotonic() - started_s


@pytest.fixture(scope="session")
def lesson_mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of 1920 × 1080 at 25 Hz with 44.1 kHz stereo: each second begins with a white flash and a beep."""
    path = tmp_path_factory.mktemp("media") / "lesson.mp4"
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 1920, 1080, "yuv420p"
        video.options = {"preset": "ultrafast", "tune": "zerolatency"}
        audio = file.add_stream("aac", rate=44_100, layout="stereo")
        dark = np.empty((1080, 1920, 3), np.uint8)
        dark[:] = (120, 40, 30)
        for number in range(75):
            image = dark if number % 25 >= 3 else np.full_like(dark, 255)
            file.mux(video.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        file.mux(video.encode())
        at_s = np.arange(3 * 44_100) / 44_100
        tone = (np.sin(2 * np.pi * 1000 * at_s) * (at_s % 1 < 0.12) * 0.5).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(np.stack((tone, tone)), format="fltp", layout="stereo")
        sound.sample_rate = 44_100
        file.mux(audio.encode(sound))
        file.mux(audio.encode())
    return path
