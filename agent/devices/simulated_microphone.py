"""A microphone in the drawn classroom: a teacher speaks French in a room's faint noise; beeps and faults on demand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.devices.simulated import FLASH_S, Fault, Faults
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ
from protocol.messages import DeviceRole

BEEP_HZ = 1000
BEEP_PEAK = 0.5
BEEP_FADE = 48
"""Samples, 1 ms: without a fade the click would be louder than the beep."""

NOISE_SAMPLES = 5 * SAMPLE_RATE_HZ
LATE_S = 0.5
"""After a pause of the whole machine, go on at the present instead of catching up."""

SLOW_S = 0.3


class SimulatedMicrophoneConfig(DriverConfig):
    """``flash_and_beep_s``: a beep begins, to the sample, at each multiple of so many seconds of CLOCK_REALTIME."""

    voice: Literal["speech", "melody", "tone", "none"] = "speech"
    tone_hz: int = Field(default=440, ge=50, le=8_000, description="of the voice tone: microphones are told apart")
    gain_db: float = Field(default=0.0, ge=-40, le=0, description="how much softer the voice is: one that is far away")
    noise_dbfs: float | None = Field(default=-62.0, ge=-96, le=0, description="RMS of the room's noise; null is none")
    flash_and_beep_s: float | None = Field(default=None, ge=0.5)
    cache_dir: Path | None = Field(default=None, description="where speech is kept; null: estrade in XDG_CACHE_HOME")
    faults: tuple[Fault, ...] = ()


class Room:
    """The sound of the room at any instant."""

    def __init__(self, config: SimulatedMicrophoneConfig) -> None:
        from agent.devices.speech import melody, speech, tone  # only the capture process makes speech

        voices: dict[str, Callable[[], NDArray[np.int16]]] = {
            "speech": lambda: speech(config.cache_dir),
            "melody": melody,
            "tone": lambda: tone(config.tone_hz),
        }
        make = voices.get(config.voice)
        self._voice: NDArray[np.int16] = np.zeros(BLOCK_SAMPLES, np.int16) if make is None else make()
        if config.gain_db:
            self._voice = (self._voice * 10 ** (config.gain_db / 20)).astype(np.int16)
        self._noise: NDArray[np.int16] | None = None
        if config.noise_dbfs is not None:
            loud = 32767 * 10 ** (config.noise_dbfs / 20)
            white = np.random.default_rng(12).standard_normal(NOISE_SAMPLES)
            self._noise = (white * loud).astype(np.int16)
        self._beep_every_s = config.flash_and_beep_s

    def block(self, position: int, wall_s: float) -> NDArray[np.int16]:
        """Return 960 samples from ``position`` in the voice on; the first sounds at ``wall_s`` of CLOCK_REALTIME."""
        samples = np.take(self._voice, np.arange(position, position + BLOCK_SAMPLES), mode="wrap")
        if self._noise is not None:
            start = position % (NOISE_SAMPLES - BLOCK_SAMPLES)
            samples = samples + self._noise[start : start + BLOCK_SAMPLES]
        if self._beep_every_s is not None:
            beep(samples, wall_s, self._beep_every_s)
        return samples


def beep(samples: NDArray[np.int16], wall_s: float, every_s: float) -> None:
    """Put the part of a beep that falls into this block in the place of what is there."""
    into = round((wall_s % every_s) * SAMPLE_RATE_HZ)
    period, length = round(every_s * SAMPLE_RATE_HZ), round(FLASH_S * SAMPLE_RATE_HZ)
    at = (into + np.arange(len(samples))) % period
    sounding = at < length
    if sounding.any():
        now = at[sounding]
        fade = np.minimum(np.minimum(now + 1, length - now) / BEEP_FADE, 1.0)
        tone = np.sin(2 * math.pi * BEEP_HZ / SAMPLE_RATE_HZ * now)
        samples[sounding] = (tone * fade * BEEP_PEAK * 32767).astype(np.int16)


def capture(child: CaptureChild, config: SimulatedMicrophoneConfig) -> None:
    """Speak until told to stop."""
    faults = Faults(config.faults, child)
    faults.at_open()
    room = Room(config)
    child.opened("Simulated microphone")
    first_mono_s = time.monotonic()
    frozen: NDArray[np.int16] | None = None
    block = 0
    while True:
        captured_mono_s = first_mono_s + block * BLOCK_S
        fault = faults.now()
        # A block is there when its last sample has sounded.
        if child.wait_until(captured_mono_s + BLOCK_S + (SLOW_S if fault == "slow" else 0.0)):
            return
        now = time.monotonic()
        wall_s = captured_mono_s + time.time() - now
        position = round((captured_mono_s - child.first_opened_mono_s) * SAMPLE_RATE_HZ)
        samples = room.block(position, wall_s)
        if fault == "black":
            samples[:] = 0
        elif fault == "freeze":
            frozen = samples = samples if frozen is None else frozen
        else:
            frozen = None
        child.send_block(samples, captured_mono_s)
        block += 1
        if now - captured_mono_s > LATE_S + SLOW_S:
            block += int((now - captured_mono_s) / BLOCK_S)


driver = CaptureDriver(
    name="simulated",
    role=DeviceRole.MICROPHONE,
    config=SimulatedMicrophoneConfig,
    child="agent.devices.simulated_microphone:capture",
    imports=("agent.devices.speech",),
)
