"""A recorded video as a camera, looped at its own speed; with `agent.devices.file_microphone` a whole lesson."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from protocol.messages import DeviceRole

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

T = TypeVar("T")

BT709, UNSPECIFIED = 1, 2
"""H.264's and FFmpeg's numbers for matrix coefficients (ITU-T H.273 §8.3)."""

LATE_S = 0.1
"""A picture later than this is left out: the machine was busy, and the loop's place is given by the clock."""

AHEAD = 3
"""Pictures decoded before they are due, because the first of a lap takes as long as several."""

PATIENT_S = 0.2
"""While a lap's end has no pictures (its sound is longer), the last one is repeated so often: no camera goes quiet."""


class FileCameraConfig(DriverConfig):
    """The picture is made smaller, never larger, to fit ``width_px`` × ``height_px``, and keeps its shape."""

    path: Path = Field(description="any file ffmpeg reads: mp4, mkv, webm, …")
    width_px: int = Field(default=1280, ge=160, le=1920, multiple_of=2)
    height_px: int = Field(default=720, ge=90, le=1080, multiple_of=2)


def fit(width_px: int, height_px: int, most_width_px: int, most_height_px: int) -> tuple[int, int]:
    """Return the largest even size of the same shape that is no larger than either."""
    scale = min(1.0, most_width_px / width_px, most_height_px / height_px)
    return max(2, round(width_px * scale / 2) * 2), max(2, round(height_px * scale / 2) * 2)


def ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """Yield the items in order, having fetched ``count`` more than were asked for."""
    fetched: deque[T] = deque()
    for item in items:
        fetched.append(item)
        if len(fetched) > count:
            yield fetched.popleft()
    yield from fetched


def capture(child: CaptureChild, config: FileCameraConfig) -> None:
    """Play the video until told to stop."""
    from agent.devices.recording import Recording  # it imports av, which belongs in the capture process only

    recording = Recording(config.path, child.label)
    video = recording.video
    width_px, height_px = fit(video.width, video.height, config.width_px, config.height_px)
    rate_hz = float(video.average_rate or 25)
    child.opened(config.path.name, width_px=width_px, height_px=height_px, rate_hz=rate_hz)
    last: NDArray[np.uint8] | None = None
    for due_mono_s, frame in ahead(recording.pictures(), AHEAD):
        while last is not None and due_mono_s - time.monotonic() > 2 * PATIENT_S:
            if child.wait_until(time.monotonic() + PATIENT_S):
                return
            child.send_frame(last, time.monotonic())
        if child.wait_until(due_mono_s):
            return
        mono_s = time.monotonic()
        if mono_s - due_mono_s > LATE_S and last is not None:  # the very first is shown at once, late or not
            child.alive()
            continue
        last = to_i420(frame, width_px, height_px)
        child.send_frame(last, mono_s)


def to_i420(frame: VideoFrame, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return the picture at this size in I420, BT.601, studio range."""
    from av.video.reformatter import ColorRange, Interpolation

    from agent.devices.i420 import bt709_to_bt601

    fitted = frame
    if (frame.width, frame.height, frame.format.name) != (width_px, height_px, "yuv420p"):
        fitted = frame.reformat(
            width=width_px,
            height=height_px,
            format="yuv420p",
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BILINEAR,
        )
    image = np.asarray(fitted.to_ndarray(), np.uint8)
    is_hd_unsaid = frame.colorspace == UNSPECIFIED and frame.height >= 720
    if frame.colorspace == BT709 or is_hd_unsaid:
        bt709_to_bt601(image)
    return image


driver = CaptureDriver(
    name="file",
    role=DeviceRole.CAMERA,
    config=FileCameraConfig,
    child="agent.devices.file_camera:capture",
    imports=("av", "agent.devices.i420", "agent.devices.recording"),
)
