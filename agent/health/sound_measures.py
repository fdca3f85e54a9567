"""Numbers of a microphone's sound: levels, spectra, hum, howl, and whether somebody speaks. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.health.reading import Reading
from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ
from protocol.messages import CheckStatus

Floats = NDArray[np.float32]
Samples = NDArray[np.int16]
LEAST_DBFS = -120.0
SEGMENT_BLOCKS = 25
"""Half a second, so a spectrum has 2 Hz from line to line."""
SEGMENT_SAMPLES = SEGMENT_BLOCKS * BLOCK_SAMPLES
LINE_HZ = SAMPLE_RATE_HZ / SEGMENT_SAMPLES
CLIPPED_FROM = round(0.985 * 32768)
_WINDOW = np.hanning(SEGMENT_SAMPLES).astype(np.float32)
_WINDOW_POWER = float((_WINDOW**2).sum())
_TOP_HZ = 8000
_FRAMES = 10
_FRAME_WINDOW = np.hanning(SEGMENT_SAMPLES // _FRAMES).astype(np.float32)
_OCTAVE_LINES = np.array((35, 70, 140, 280, 400))
"""Of 20 Hz: 700, 1400, 2800, 5600 and 8000 Hz."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Half a second of sound, measured."""

    level: float
    """dBFS of a root mean square, without the offset."""
    mean: float
    """Offset, as a share of full scale."""
    clipped: float
    """Share of samples at the end of the scale."""
    power: Floats
    """Mean square by line of 2 Hz, up to 8 kHz; full scale is 1."""
    octaves: Floats
    """Of `octaves_of`."""
    dip: float
    """How far its quietest 20 ms are below its level, dB."""


def of_blocks(sound: Samples) -> tuple[Floats, Floats, float]:
    """Return level (dBFS) and offset of each block, and the share of samples that all but stand still.

    ``sound`` is ``(blocks, 960)`` int16. A stuck converter stands still beside zero.
    """
    whole = sound.astype(np.float32)
    means = whole.mean(axis=1)
    power = np.einsum("ij,ij->i", whole, whole) / sound.shape[1] - means**2
    levels = 10 * np.log10(np.maximum(power / 2.0**30, 10 ** (LEAST_DBFS / 10)))
    stillness = 0.0
    if float(levels.min()) < -80:
        stillness = float((np.abs(whole - np.rint(means)[:, None]) <= 1).mean())
    return levels.astype(np.float32), (means / 32768).astype(np.float32), stillness


def segment(samples: Samples) -> Segment:
    """Measure half a second."""
    whole = samples.astype(np.float32) / np.float32(32768)
    mean = float(whole.mean())
    whole -= np.float32(mean)
    square = float(whole @ whole) / len(whole)
    clipped = 0.0
    if int(samples.max()) >= CLIPPED_FROM or int(samples.min()) <= -CLIPPED_FROM:
        clipped = float((np.abs(samples.astype(np.int32)) >= CLIPPED_FROM).mean())
    spectrum = np.fft.rfft(whole * _WINDOW)[: int(_TOP_HZ / LINE_HZ)]
    power = (2 / (_WINDOW_POWER * len(whole))) * (spectrum.real**2 + spectrum.imag**2)
    quietest = float((whole.reshape(SEGMENT_BLOCKS, -1) ** 2).mean(axis=1).min())
    return Segment(
        level=10 * float(np.log10(max(square, 1e-12))),
        mean=mean,
        clipped=clipped,
        power=power.astype(np.float32),
        octaves=octaves_of(whole),
        dip=10 * float(np.log10(max(square, 1e-12) / max(quietest, 1e-12))),
    )


def voiced_share(samples: Samples) -> float:
    """Return the share of half a second in which there is a voice's pitch, 75 to 400 Hz."""
    rate_hz = SAMPLE_RATE_HZ // 6
    slow = samples.astype(np.float32).reshape(-1, 6).mean(axis=1)
    width, step = 400, 200  # 50 ms each 25 ms
    frames = np.lib.stride_tricks.sliding_window_view(slow, width)[::step]
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames, 1024, axis=1)
    alike = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, axis=1)
    lags = slice(rate_hz // 400, rate_hz // 75)
    shorter = 1 - np.arange(lags.start, lags.stop) / width  # fewer samples overlap
    best = (alike[:, lags] / shorter).max(axis=1) / np.maximum(alike[:, 0], 1e-6)
    return float((best > 0.6).mean())


def octaves_of(whole: Floats) -> Floats:
    """Return the level of each octave from 700 Hz on in each 50 ms, dB: ``(10, octaves)``."""
    spectrum = np.fft.rfft(whole.reshape(_FRAMES, -1) * _FRAME_WINDOW, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    sums = np.add.reduceat(power[:, : _OCTAVE_LINES[-1]], _OCTAVE_LINES[:-1], axis=1)
    return (10 * np.log10(sums + 1e-12)).astype(np.float32)


def unsteadiness(segments: Sequence[Segment]) -> float:
    """Return how much the quiet moments differ from one another, dB: the middle octave's.

    Steady noise has about 1 dB, also between words; many voices at once, or music, 4 and more.
    """
    low, high = np.quantile(np.concatenate([one.octaves for one in segments]), (0.02, 0.15), axis=0)
    return float(np.median(high - low))


def tonality(segments: Sequence[Segment]) -> float:
    """Return the share of single tones in the quietest moments: next to none in noise, nearly all of a chord."""
    quietest = sorted(segments, key=lambda one: one.level)[:4]
    power = np.mean([one.power[50:2000] for one in quietest], axis=0).reshape(-1, 30)
    around = np.median(power, axis=1, keepdims=True)
    return float(power[power > 6 * around].sum() / max(float(power.sum()), 1e-15))


class Hum:
    """Mains hum: lines at multiples of 50 Hz that are there in every quiet moment of 10 s."""

    PROMINENCE_DB = 15.0
    LEAST_DBFS = -62.0
    """Together; below, nobody hears it."""
    LINES_HZ = (50, 100, 150, 200, 250, 300)
    _SEGMENTS = 20
    _TOP = round(1000 / LINE_HZ)

    def __init__(self) -> None:
        self._powers: deque[Floats] = deque(maxlen=self._SEGMENTS)

    def take(self, segment: Segment) -> None:
        self._powers.append(segment.power[: self._TOP])

    def forget(self) -> None:
        self._powers.clear()

    def reading(self) -> Reading:
        """Return how far the strongest line stands out, dB."""
        if len(self._powers) < self._SEGMENTS // 2:
            return Reading("sound-hum", CheckStatus.UNKNOWN)
        at_quiet = round(0.15 * len(self._powers))
        quiet = np.partition(np.stack(self._powers), at_quiet, axis=0)[at_quiet]
        prominent, total, strongest = [], 0.0, 0.0
        for hz in self.LINES_HZ:
            at = round(hz / LINE_HZ)
            line = float(quiet[at - 1 : at + 2].sum())
            around = np.concatenate((quiet[max(3, at - 12) : at - 3], quiet[at + 4 : at + 13]))
            prominence = 10 * float(np.log10(line / 3 / max(float(np.median(around)), 1e-15) + 1e-12))
            is_peak = quiet[at] >= quiet[at - 1] and quiet[at] >= quiet[at + 1]
            if is_peak and prominence > self.PROMINENCE_DB:
                prominent.append(hz)
                total += line
            strongest = max(strongest, prominence if is_peak else 0.0)
        # A motor's or a transformer's own sound is 100 Hz and its multiples; what is induced has 50 or 150 too.
        is_induced = len(prominent) >= 2 and any(hz // 50 % 2 for hz in prominent)
        is_heard = 10 * float(np.log10(total + 1e-12)) > self.LEAST_DBFS
        status = CheckStatus.WARNING if is_induced and is_heard else CheckStatus.OK
        return Reading("sound-hum", status, round(strongest, 1), "dB")


class Howl:
    """Feedback: one pitch that outshouts all else and neither moves nor dips, for longer than anybody holds a note.

    Between two notes that happen to be the same it dips.
    """

    DOMINANCE_DB = 10.0
    LEAST_DBFS = -40.0
    FROM_HZ = 200
    DIP_DB = 6.0
    _SEGMENTS, _ALIKE = 20, 19
    """Of 10 s."""

    def __init__(self) -> None:
        self._pitches: deque[int] = deque(maxlen=self._SEGMENTS)
        """Line of the pitch; -1 where none dominates."""

    def take(self, segment: Segment) -> None:
        start = round(self.FROM_HZ / LINE_HZ)
        power = segment.power[start:]
        at = int(np.argmax(power))
        pitch = float(power[max(0, at - 2) : at + 3].sum())
        rest = float(power.sum()) - pitch
        is_pitch = pitch > 10 ** (self.DOMINANCE_DB / 10) * rest and pitch > 10 ** (self.LEAST_DBFS / 10)
        self._pitches.append(start + at if is_pitch and segment.dip < self.DIP_DB else -1)

    def forget(self) -> None:
        self._pitches.clear()

    def reading(self) -> Reading:
        """Return the pitch."""
        heard = [pitch for pitch in self._pitches if pitch >= 0]
        if len(heard) < self._ALIKE:
            return Reading("sound-howl", CheckStatus.OK)
        usual = float(np.median(heard))
        alike = sum(abs(pitch - usual) <= 1 for pitch in heard)
        status = CheckStatus.WARNING if alike >= self._ALIKE else CheckStatus.OK
        return Reading("sound-howl", status, round(usual * LINE_HZ), "Hz")
