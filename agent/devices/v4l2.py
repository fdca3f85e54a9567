"""A USB camera, or any other that Linux shows as ``/dev/video…``, through OpenCV.

OpenCV says *opened* in every case of loss and *cannot open* in every case of trouble; so what is wrong is found by
asking the kernel directly (linux/videodev2.h).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from agent.devices import v4l2_controls
from agent.devices.base import CaptureDriver
from agent.devices.capture_child import CaptureChild
from agent.devices.v4l2_controls import CameraSettings, Outcome
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from protocol.messages import DeviceRole

if TYPE_CHECKING:
    import cv2

SELECT_TIMEOUT_S = 3
"""OpenCV's own patience with a camera that gives nothing; its default of 10 s is longer than any lesson should wait."""

CAPABILITY = struct.Struct("<16s32s32sIII12x")
"""struct v4l2_capability: driver, card, bus, version, capabilities, device_caps."""
VIDIOC_QUERYCAP = 0x80685600
CAN_CAPTURE = 0x0000_0001
CAN_CAPTURE_PLANES = 0x0000_1000
HAS_DEVICE_CAPS = 0x8000_0000

REQUEST_BUFFERS = struct.Struct("<IIIIBBBB")
"""struct v4l2_requestbuffers: count, type, memory, capabilities, flags."""
VIDIOC_REQBUFS = 0xC0145608
TYPE_VIDEO_CAPTURE, MEMORY_MMAP = 1, 1


class V4l2Config(CameraSettings):
    """``path`` is best one of /dev/v4l/by-id/…, which stays the same whatever else is plugged in."""

    path: Path = Field(description="/dev/v4l/by-id/… or /dev/video…")
    width_px: int = Field(default=1280, ge=160, le=1920, multiple_of=2)
    height_px: int = Field(default=720, ge=90, le=1080, multiple_of=2)
    rate_hz: float = Field(default=30.0, gt=0, le=60)

    def device_node(self) -> Path | None:
        """Return the node behind the path."""
        return Path(os.path.realpath(self.path))


def ask_card(path: Path, label: str, what: str = "camera") -> str:
    """Return what the device calls itself. Raises the DeviceError that says what is wrong with the path.

    ``what`` it is to be, for that sentence.

    The device is opened, not looked up: a camera of PipeWire's user-space V4L2 has no file, and opens all the same.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_open(path, label, error, what) from None
    try:
        answer = bytearray(CAPABILITY.size)
        fcntl.ioctl(fd, VIDIOC_QUERYCAP, answer)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL):  # a plug that moves, rather than another kind of device
            raise _cannot_open(path, label, error, what) from None
        raise DeviceUnsupportedError(f"{label}: {path} is not a {what}; {_devices_there(what)}") from None
    finally:
        os.close(fd)
    _driver, card, _bus, _version, capabilities, device_caps = CAPABILITY.unpack(answer)
    can = device_caps if capabilities & HAS_DEVICE_CAPS else capabilities
    if not can & (CAN_CAPTURE | CAN_CAPTURE_PLANES):
        part = f"a part of one that gives no pictures (many have two nodes); {_devices_there(what)}"
        raise DeviceUnsupportedError(f"{label}: {path} is not a {what} but {part}")
    name: str = card.split(b"\0", 1)[0].decode(errors="replace")
    return name


def _cannot_open(path: Path, label: str, error: OSError, what: str = "camera") -> DeviceError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return DeviceNotFoundError(f"{label}: {path} does not exist; plug the {what} in: {_devices_there(what)}")
    if error.errno in (errno.ENODEV, errno.ENXIO):
        return DeviceNotFoundError(f"{label}: {path} has no {what} behind it any more; plug it in again")
    if error.errno == errno.EBUSY:
        return DeviceBusyError(f"{label}: {path} is used by another program; close that program")
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceError(f"{label}: {path} may not be opened; add the agent's user to the group video")
    if error.errno == errno.EISDIR or (path.exists() and not stat.S_ISCHR(path.stat().st_mode)):
        return DeviceUnsupportedError(f"{label}: {path} is not a {what}; {_devices_there(what)}")
    return DeviceError(f"{label}: {path} cannot be opened: {error.strerror}; unplug it and plug it in again")


def _devices_there(what: str) -> str:
    """Say which paths could be meant."""
    paths = sorted(Path("/dev/v4l/by-id").glob("*")) or sorted(Path("/dev").glob("video*"))
    return f"there are {', '.join(map(str, paths))}" if paths else f"no {what} is connected"


def is_busy(path: Path) -> bool:
    """Return whether another program captures from the camera: asking for no buffers is then refused."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno == errno.EBUSY
    try:
        request = bytearray(REQUEST_BUFFERS.pack(0, TYPE_VIDEO_CAPTURE, MEMORY_MMAP, 0, 0, 0, 0, 0))
        fcntl.ioctl(fd, VIDIOC_REQBUFS, request)
    except OSError as error:
        return error.errno == errno.EBUSY
    finally:
        os.close(fd)
    return False


def set_controls(config: V4l2Config) -> Outcome:
    """Apply the configuration's settings to the camera, as far as it has them."""
    fd = os.open(config.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return v4l2_controls.apply(lambda number, what: fcntl.ioctl(fd, number, what), v4l2_controls.wishes(config))
    finally:
        os.close(fd)


def start(path: Path, width_px: int, height_px: int, rate_hz: float | None = None) -> cv2.VideoCapture:
    """Return OpenCV's side of the device, asked for MJPG of this size; ``isOpened`` says whether it took it."""
    import cv2  # here and below alone: the agent reads this module for its configuration

    wanted = [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),  # raw 720p30 does not fit USB 2
        (cv2.CAP_PROP_FRAME_WIDTH, width_px),
        (cv2.CAP_PROP_FRAME_HEIGHT, height_px),
    ]
    if rate_hz is not None:
        wanted.append((cv2.CAP_PROP_FPS, round(rate_hz)))
    camera = cv2.VideoCapture()
    # One call opens and sets, so that the camera is started once.
    camera.open(str(path), cv2.CAP_V4L2, [number for pair in wanted for number in pair])
    return camera


def capture(child: CaptureChild, config: V4l2Config) -> None:
    """Capture until told to stop."""
    import cv2

    card = ask_card(config.path, child.label)
    camera = start(config.path, config.width_px, config.height_px, config.rate_hz)
    if not camera.isOpened():
        if is_busy(config.path):
            what = "close the program that uses it (fuser -v names it)"
            raise DeviceBusyError(f"{child.label}: {config.path} is used by another program; {what}")
        raise DeviceError(f"{child.label}: {config.path} ({card}) cannot be started; unplug it and plug it in again")
    ok, picture = camera.read()
    if not ok or picture is None:
        if is_busy(config.path):
            raise DeviceBusyError(f"{child.label}: {config.path} is used by another program; close that program")
        what = "unplug it and plug it in again"
        raise DeviceTimeoutError(f"{child.label}: {config.path} ({card}) opens but gives no picture; {what}")
    height_px, width_px = (side // 2 * 2 for side in picture.shape[:2])
    try:
        outcome = set_controls(config)  # once it streams: some cameras begin each stream with their own settings
    except OSError as error:
        raise _cannot_open(config.path, child.label, error) from None
    told_hz = camera.get(cv2.CAP_PROP_FPS)
    rate_hz = told_hz if 0 < told_hz <= 240 else config.rate_hz
    child.opened(
        card,
        width_px=width_px,
        height_px=height_px,
        rate_hz=rate_hz,
        settings=outcome.settings,
        notes=outcome.notes,
    )
    captured_mono_s = time.monotonic()
    while not child.should_stop():
        slot = child.next_slot()
        if slot is not None:
            cv2.cvtColor(picture[:height_px, :width_px], cv2.COLOR_BGR2YUV_I420, dst=slot)
            child.send_slot(captured_mono_s)
        ok, picture = camera.read()
        captured_mono_s = time.monotonic()
        if not ok or picture is None:
            raise DeviceLostError(f"{child.label}: {_lost(config.path, card)}")


def _lost(path: Path, card: str) -> str:
    try:
        ask_card(path, "")
    except DeviceNotFoundError:
        return f"{path} ({card}) was unplugged; plug it in again"
    except DeviceError:
        return f"{path} ({card}) stopped and does not answer; unplug it and plug it in again"
    return f"{path} ({card}) gave no picture for {SELECT_TIMEOUT_S} s; unplug it and plug it in again"


ENVIRONMENT = {"OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": str(SELECT_TIMEOUT_S), "OPENCV_LOG_LEVEL": "ERROR"}

driver = CaptureDriver(
    name="v4l2",
    role=DeviceRole.CAMERA,
    config=V4l2Config,
    child="agent.devices.v4l2:capture",
    imports=("cv2",),
    environment=ENVIRONMENT,
)
