"""An HDMI capture card as a board: changed pictures only, and *no signal* told apart from a black one.

OpenCV waits for pictures on a thread of its own, so that a card which stops with its signal is asked why at once.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agent.devices import v4l2, v4l2_signal
from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.devices.v4l2_signal import Found, Signal
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNoSignalError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from protocol.messages import DeviceRole

if TYPE_CHECKING:
    import cv2

WHAT = "capture card"
KEEP_ALIVE_S = 5.0
"""A still board is sent again so often, for viewers whose decoder lost something."""

LOOK_S = 0.2
"""How often the card is asked for its signal: before a card that stops with it would be called silent."""

SILENT_S = 0.5
"""A card that gives nothing for so long has stopped; the agent would call its process hung at 0.6 s."""

TURN_S = 0.1
"""The loop turns at least so often, and tells the agent that it does."""

LEAST_STEP, LEAST_SAMPLES = 12, 12
"""A picture has changed when so many of its samples differ by more than so much (of 255): a dot of chalk is more, the
noise of a card's own compression less."""


class HdmiConfig(DriverConfig):
    """``path`` is best one of /dev/v4l/by-id/… or /dev/estrade/board. Larger pictures are scaled down to this size.

    ``rate_hz`` is how often at most a changing picture is taken, whatever the card gives.
    """

    path: Path = Field(description="/dev/v4l/by-id/…, /dev/estrade/… or /dev/video…")
    width_px: int = Field(default=1920, ge=160, le=1920, multiple_of=2)
    height_px: int = Field(default=1080, ge=90, le=1080, multiple_of=2)
    rate_hz: float = Field(default=10.0, gt=0, le=30)

    def device_node(self) -> Path | None:
        """Return the node behind the path."""
        return Path(os.path.realpath(self.path))


def is_changed(picture: NDArray[np.uint8], before: NDArray[np.uint8]) -> bool:
    """Return whether a picture differs from another of the same shape by more than the card's noise."""
    import cv2

    if cv2.norm(picture, before, cv2.NORM_INF) <= LEAST_STEP:  # most often, at a third of the price
        return False
    steps = cv2.absdiff(picture, before)
    cv2.threshold(steps, LEAST_STEP, 255, cv2.THRESH_BINARY, dst=steps)
    return cv2.countNonZero(steps) >= LEAST_SAMPLES


class Pictures:
    """The newest picture of a card that streams. ``run`` is a thread's; everything else the capture loop's."""

    def __init__(self, camera: cv2.VideoCapture, rate_hz: float) -> None:
        self.grabbed_mono_s = time.monotonic()
        """When the card last gave one."""
        self.has_ended = False
        self._camera = camera
        self._pause_s = 1 / rate_hz
        self._newest: tuple[NDArray[np.uint8], float] | None = None
        self._news = threading.Event()

    def run(self) -> None:
        """Take every picture from the card, decode those that are due, until it gives no more."""
        due_mono_s = 0.0
        while self._camera.grab():
            self.grabbed_mono_s = mono_s = time.monotonic()
            if mono_s < due_mono_s:
                continue
            ok, picture = self._camera.retrieve()
            if not ok or picture is None:
                break
            due_mono_s = mono_s + self._pause_s
            self._newest = (np.asarray(picture, np.uint8), mono_s)
            self._news.set()
        self.has_ended = True
        self._news.set()

    def wait(self, most_s: float) -> tuple[NDArray[np.uint8], float] | None:
        """Return the newest picture not yet returned, BGR, and when it was taken; None when there is none in time."""
        if not self._news.wait(most_s):
            return None
        self._news.clear()
        newest, self._newest = self._newest, None
        return newest


class Card:
    """The card's own file, beside OpenCV's: what it says of its signal."""

    def __init__(self, config: HdmiConfig, label: str) -> None:
        """Open it. Raises the DeviceError that says what is wrong with the path."""
        self.name = v4l2.ask_card(config.path, label, WHAT)
        self.label = f"{label}: {config.path} ({self.name})"
        self._path, self._whose = config.path, label
        self._fd = os.open(config.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def signal(self) -> Signal:
        """Return what arrives. Raises DeviceNoSignalError when there is nothing to take, DeviceLostError."""
        try:
            signal = v4l2_signal.look(self._ioctl)
        except OSError:
            raise DeviceLostError(f"{self.label} was unplugged; plug it in again") from None
        if signal.found in v4l2_signal.WORDS:
            raise DeviceNoSignalError(f"{self.label}: {v4l2_signal.WORDS[signal.found]}")
        return signal

    def take(self, signal: Signal) -> None:
        """Set the card to the signal. Raises DeviceBusyError, DeviceError."""
        try:
            v4l2_signal.take_timings(self._ioctl, signal)
        except OSError as error:
            if v4l2.is_busy(self._path):
                raise DeviceBusyError(f"{self.label} is used by another program; close that program") from None
            what = f"does not take the signal of {signal.width_px} × {signal.height_px} ({error.strerror})"
            raise DeviceError(f"{self.label}: {what}; set its source to 1920 × 1080") from None

    def lost(self) -> DeviceError:
        """Return why the card gives no more pictures."""
        try:
            v4l2.ask_card(self._path, self._whose, WHAT)
            self.signal()
        except DeviceNotFoundError:
            return DeviceLostError(f"{self.label} was unplugged; plug it in again")
        except DeviceError as error:
            return error
        return DeviceLostError(f"{self.label} gives no more pictures; unplug it and plug it in again")

    def _ioctl(self, number: int, what: bytearray) -> object:
        return fcntl.ioctl(self._fd, number, what)


def capture(child: CaptureChild, config: HdmiConfig) -> None:
    """Send the card's picture when it changes, until told to stop."""
    import cv2  # here alone: the agent reads this module for its configuration

    from agent.devices.file_camera import fit

    card = Card(config, child.label)
    signal = card.signal()
    card.take(signal)
    camera = v4l2.start(config.path, signal.width_px or config.width_px, signal.height_px or config.height_px)
    if not camera.isOpened():
        if v4l2.is_busy(config.path):
            raise DeviceBusyError(f"{card.label} is used by another program; close that program (fuser -v names it)")
        raise DeviceError(f"{card.label} cannot be started; unplug it and plug it in again")
    pictures = Pictures(camera, config.rate_hz)
    threading.Thread(target=pictures.run, name="hdmi pictures", daemon=True).start()
    first = pictures.wait(v4l2.SELECT_TIMEOUT_S)
    if first is None:
        if v4l2.is_busy(config.path):
            raise DeviceBusyError(f"{card.label} is used by another program; close that program")
        card.signal()
        raise DeviceTimeoutError(f"{card.label} opens but gives no picture; unplug it and plug it in again")
    picture, taken_mono_s = first
    width_px, height_px = fit(picture.shape[1], picture.shape[0], config.width_px, config.height_px)
    capabilities = () if signal.found is Found.UNKNOWN else ("signal",)
    child.opened(card.name, width_px=width_px, height_px=height_px, rate_hz=config.rate_hz, capabilities=capabilities)
    now, sent = (np.zeros((height_px * 3 // 2, width_px), np.uint8) for _ in range(2))
    scaled = np.empty((height_px, width_px, 3), np.uint8)
    sent_mono_s = -KEEP_ALIVE_S
    looked_mono_s = time.monotonic()
    newest: tuple[NDArray[np.uint8], float] | None = first
    while not child.should_stop():
        if newest is not None:
            picture, taken_mono_s = newest
            if (picture.shape[1], picture.shape[0]) != (width_px, height_px):
                cv2.resize(picture, (width_px, height_px), dst=scaled, interpolation=cv2.INTER_AREA)
                picture = scaled
            cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420, dst=now)
            if (taken_mono_s - sent_mono_s >= KEEP_ALIVE_S or is_changed(now, sent)) and child.send_frame(
                now, taken_mono_s
            ):
                sent_mono_s = taken_mono_s
                now, sent = sent, now
        mono_s = time.monotonic()
        if mono_s - looked_mono_s >= LOOK_S:
            looked_mono_s = mono_s
            there = card.signal()
            if there.is_other_than(signal):
                size = f"{there.width_px} × {there.height_px}"
                raise DeviceLostError(f"{card.label}: the source changed its picture to {size}; it is opened anew")
        if pictures.has_ended or mono_s - pictures.grabbed_mono_s > SILENT_S:
            raise card.lost()
        child.alive()
        newest = pictures.wait(TURN_S)


driver = CaptureDriver(
    name="hdmi",
    role=DeviceRole.BOARD,
    config=HdmiConfig,
    child="agent.devices.hdmi:capture",
    imports=("cv2",),
    environment=v4l2.ENVIRONMENT,
)
