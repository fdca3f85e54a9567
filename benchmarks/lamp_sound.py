"""What a classroom's microphone hears, and what a page plays of it behind a codec and a line that loses: as levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ
from benchmarks.ordinary_sound import RoomSound, Voices

Floats = NDArray[np.float64]
Samples = NDArray[np.int16]
LEVEL_SAMPLES = 1920
ENERGY_SAMPLES = 4800
"""Chromium counts loudness as the peak of 100 ms (webrtc: audio_level.cc)."""
ACTIVITIES = ("lecture", "questions", "groups", "lecture")
CLIP_S = 60


@dataclass(frozen=True, slots=True)
class Line:
    """How sound goes to a pupil."""

    name: str
    bitrate_bps: int
    frame_ms: int
    loss: float


LINES = (Line("good", 32_000, 20, 0.0), Line("thin", 14_000, 60, 0.0), Line("bad", 32_000, 20, 0.06))
"""``bad`` is what 20 % of loss leaves: the voice's own error correction mends a packet that is lost alone."""


@dataclass(frozen=True, slots=True)
class Played:
    """What arrives at a page: RMS power of 40 ms each, and the loudness that a browser counts by itself, of 100 ms."""

    levels: Floats
    energies: Floats


@dataclass(frozen=True, slots=True)
class Clip:
    """A minute of a room: power of each 20 ms at the microphone, and what is played of it by line."""

    room: int
    heard: Floats
    played: dict[str, Played]


def clips(rng: np.random.Generator, rooms: int) -> Iterator[Clip]:
    """Make some minutes of several rooms, each with its own noise, people and microphone."""
    voices = Voices(rng)
    for room in range(rooms):
        sound = RoomSound(rng, voices)
        for activity in ACTIVITIES:
            samples = sound.chunk(CLIP_S, activity)
            played = {line.name: _levels(sent(samples, line, rng)) for line in LINES}
            yield Clip(room, power(samples, BLOCK_SAMPLES), played)


def sent(samples: Samples, line: Line, rng: np.random.Generator) -> Samples:
    """Return a sound behind libopus and a line; what is lost is the packet before, fading, as a browser conceals it."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE_HZ, "mono", "s16"
    encoder.bit_rate, encoder.time_base = line.bitrate_bps, Fraction(1, SAMPLE_RATE_HZ)
    encoder.options = {"application": "voip", "frame_duration": str(line.frame_ms)}
    encoder.open()
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = SAMPLE_RATE_HZ, "mono"  # two channels when it is not told
    size = line.frame_ms * SAMPLE_RATE_HZ // 1000
    out: list[Samples] = []
    for at in range(0, len(samples) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + size], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, at
        for packet in encoder.encode(frame):
            for decoded in decoder.decode(packet):
                got = decoded.to_ndarray()[0]
                got = got if got.dtype == np.int16 else np.clip(got * 32767, -32768, 32767).astype(np.int16)
                if rng.random() < line.loss:
                    got = out[-1] // 2 if out and len(out[-1]) == len(got) else np.zeros_like(got)
                out.append(got)
    return np.concatenate(out)


def power(samples: Samples, length: int) -> Floats:
    """Return the mean square of each so many samples; 1 is full scale."""
    parts = samples[: len(samples) // length * length].reshape(-1, length).astype(np.float64) / 32_768
    mean: Floats = (parts * parts).mean(axis=1)
    return mean


def _levels(samples: Samples) -> Played:
    peaks = np.abs(samples[: len(samples) // ENERGY_SAMPLES * ENERGY_SAMPLES].astype(np.float64) / 32_768)
    counted, fading = [], 0.0
    for peak in peaks.reshape(-1, ENERGY_SAMPLES).max(axis=1):
        fading = max(fading, float(peak))
        counted.append(fading**2)
        fading /= 4
    # what is counted stands for the 100 ms after it
    return Played(power(samples, LEVEL_SAMPLES), np.array([0.0, *counted[:-1]]))
