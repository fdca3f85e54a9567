"""From the loudspeaker to the microphone: the sweep that is played, and how it is found in what was heard. Pure.

A matched filter finds the sweep far below the noise of a class; where it is not there, the largest of its outputs is
some 16 dB above the median all the same, for so is the largest of many thousand random numbers. In a room the path
gives 40 to 55 dB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.media import SAMPLE_RATE_HZ

CHIRP_S = 0.5
FROM_HZ, TO_HZ = 300.0, 6000.0
"""What the smallest loudspeaker plays and the worst microphone hears."""
PEAK_DBFS = -10.0
FADE_S = 0.01
"""Without it the sweep would begin and end with a click that holds all frequencies."""
LATEST_S = 0.7
"""Looked for so long after it was played: longer than `MOST_DELAY_S`, so that a late one is called late, not absent."""

LEAST_RATIO_DB = 25.0
LEAST_DELAY_S, MOST_DELAY_S = 0.010, 0.400
"""A shorter one did not cross the air (a cable, or the server's monitor); pupils would hear a longer one as an echo."""


@dataclass(frozen=True, slots=True)
class Echo:
    """The sweep as it was found: how far above the median, how long after it was played, how loud against it."""

    ratio_db: float
    delay_s: float
    gain_db: float

    @property
    def is_heard(self) -> bool:
        return self.ratio_db >= LEAST_RATIO_DB

    @property
    def is_in_time(self) -> bool:
        return LEAST_DELAY_S <= self.delay_s <= MOST_DELAY_S


def sweep() -> NDArray[np.int16]:
    """Return the sweep, shape ``(24000,)``, 48 kHz mono: whole blocks of 20 ms."""
    at_s = np.arange(round(CHIRP_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * (FROM_HZ * at_s + (TO_HZ - FROM_HZ) * at_s**2 / (2 * CHIRP_S))
    fade = np.clip(np.minimum(at_s, CHIRP_S - at_s) / FADE_S, 0, 1)
    return (np.sin(phase) * fade * 32767 * 10 ** (PEAK_DBFS / 20)).astype(np.int16)


def find(heard: NDArray[np.int16], played_at: int) -> Echo:
    """Find the sweep in what was heard, shape ``(samples,)``; it was played at sample ``played_at`` of it, or later.

    What was heard must reach `LATEST_S` + `CHIRP_S` beyond that; what is missing counts as silence.
    """
    pattern = sweep().astype(np.float64)
    wanted = round(LATEST_S * SAMPLE_RATE_HZ)
    sound = np.zeros(wanted + len(pattern))
    given = heard[max(0, played_at) : max(0, played_at) + len(sound)].astype(np.float64)
    sound[: len(given)] = given
    size = 1 << (len(sound) + len(pattern) - 1).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(pattern, size))
    matched = np.abs(np.fft.irfft(spectrum, size)[:wanted])
    at = int(matched.argmax())
    median = max(float(np.median(matched)), 1e-9 * float(np.sum(pattern**2)), 1e-9)
    gain = matched[at] / float(np.sum(pattern**2))
    return Echo(
        ratio_db=20 * float(np.log10(max(matched[at] / median, 1e-6))),
        delay_s=at / SAMPLE_RATE_HZ,
        gain_db=20 * float(np.log10(max(gain, 1e-6))),
    )
