"""The sound of a file as a microphone, looped; of the same file as `agent.devices.file_camera`, in step with it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ
from protocol.messages import DeviceRole

LATE_S = 0.5
"""After a pause of the whole machine, go on at the present instead of catching up."""


class FileMicrophoneConfig(DriverConfig):
    """Any rate and number of channels; what comes out is 48 kHz mono."""

    path: Path = Field(description="any file with sound that ffmpeg reads, a video too")


class Blocks:
    """Cuts timed pieces of sound of any length into blocks of 20 ms on one grid; gaps become silence."""

    def __init__(self, first_mono_s: float) -> None:
        self._start_mono_s = first_mono_s
        self._waiting = np.empty(0, np.int16)

    def add(self, mono_s: float, samples: NDArray[np.int16]) -> list[tuple[float, NDArray[np.int16]]]:
        """Take a piece; return the blocks it completes, each with the time of its first sample.

        What overlaps what came before is cut off.
        """
        end_mono_s = self._start_mono_s + len(self._waiting) / SAMPLE_RATE_HZ
        gap = round((mono_s - end_mono_s) * SAMPLE_RATE_HZ)
        if gap > BLOCK_SAMPLES // 20:  # below a millisecond it is the rounding of time stamps, not a gap
            samples = np.concatenate((np.zeros(gap, np.int16), samples))
        elif gap < -BLOCK_SAMPLES // 20:
            samples = samples[-gap:]
        waiting = np.concatenate((self._waiting, samples))
        whole = len(waiting) // BLOCK_SAMPLES
        blocks = [
            (self._start_mono_s + index * BLOCK_S, waiting[index * BLOCK_SAMPLES : (index + 1) * BLOCK_SAMPLES])
            for index in range(whole)
        ]
        self._start_mono_s += whole * BLOCK_S
        self._waiting = waiting[whole * BLOCK_SAMPLES :]
        return blocks


def capture(child: CaptureChild, config: FileMicrophoneConfig) -> None:
    """Play the sound until told to stop."""
    from agent.devices.recording import Recording  # it imports av, which belongs in the capture process only

    recording = Recording(config.path, child.label)
    name = f"{config.path.name}, {recording.audio.codec_context.name}, {recording.length_s:.0f} s"
    child.opened(name)
    blocks = Blocks(time.monotonic())
    for at_mono_s, piece in recording.sound():
        for captured_mono_s, samples in blocks.add(at_mono_s, np.frombuffer(piece, np.int16)):
            if child.wait_until(captured_mono_s + BLOCK_S):
                return
            if time.monotonic() - captured_mono_s < LATE_S:
                child.send_block(samples, captured_mono_s)
            else:
                child.alive()


driver = CaptureDriver(
    name="file",
    role=DeviceRole.MICROPHONE,
    config=FileMicrophoneConfig,
    child="agent.devices.file_microphone:capture",
    imports=("av", "agent.devices.recording"),
)
