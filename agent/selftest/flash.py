"""Sound against picture: flashes on the board and beeps in the room that begin together, as they were seen and heard.

Pure. A flash is seen in whole pictures only, so each of several tells a little, and their median is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ

FLASHES = 3
PERIOD_S = 0.7
"""Fewer than two flashes a second harm nobody (WCAG 2.3.1 allows three)."""
LIT_S = 0.2
"""Long enough for a camera of 10 Hz, and for a projector that needs 50 ms to become white."""
BEEP_HZ = 1000
BEEP_DBFS = -14.0
BEEP_SAMPLES = round(LIT_S * SAMPLE_RATE_HZ) // BLOCK_SAMPLES * BLOCK_SAMPLES

EARLY_S, LATE_S = -0.060, 0.100
"""Sound before the picture disturbs sooner than after it (ITU-R BT.1359)."""
LOUDSPEAKER_MOST_S = 0.120
"""Of what the sweep took from loudspeaker to microphone, so much is put down to playing and air, which pupils do not
get; what is beyond may as well be the microphone's, and stays in the figure."""
_LEAST_LIGHT = 10.0
"""Levels of 255 between dark and flash; a face that moves before the board makes less over a whole board."""
_LEAST_BEEP_DB = 12.0
_LATEST_S = 0.5
_QUIET_S = 0.1
"""Before a beep; the one before it is over by then, `MOST_DELAY_S` of the chirp late."""
_WINDOW = SAMPLE_RATE_HZ // 200
"""5 ms: five periods of the beep."""
_STEP = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Look:
    """The mean brightness, 0 to 255, of the board in one picture, and the time of its capture."""

    mono_s: float
    light: float


def beep() -> NDArray[np.int16]:
    """Return one beep, shape ``(n * 960,)``; it fades in within 2 ms."""
    at_s = np.arange(BEEP_SAMPLES) / SAMPLE_RATE_HZ
    fade = np.clip(np.minimum(at_s, at_s[-1] - at_s) / 0.002, 0, 1)
    tone: NDArray[np.float64] = np.sin(2 * np.pi * BEEP_HZ * at_s) * fade * 32767 * 10 ** (BEEP_DBFS / 20)
    return tone.astype(np.int16)


def seen_at(looks: Sequence[Look], shown_mono_s: float) -> float | None:
    """Return when a flash that was shown at this instant was seen; None when it was not."""
    before = [look.light for look in looks if shown_mono_s - 0.3 <= look.mono_s <= shown_mono_s]
    after = [look for look in looks if shown_mono_s < look.mono_s <= shown_mono_s + _LATEST_S]
    if not before or not after:
        return None
    dark, bright = median(before), max(look.light for look in after)
    if bright - dark < _LEAST_LIGHT:
        return None
    first = next(look for look in after if look.light >= (dark + bright) / 2)
    earlier = [look.mono_s for look in looks if look.mono_s < first.mono_s]
    step_s = min(first.mono_s - earlier[-1], LIT_S) if earlier else 0.0
    return first.mono_s - step_s / 2  # it began somewhere between the two pictures


def heard_at(sound: NDArray[np.int16], first_mono_s: float, played_mono_s: float) -> float | None:
    """Return when a beep that was played at this instant began to be heard; None when it was not.

    ``first_mono_s`` is the time of the first sample of ``sound``.
    """
    start = round((played_mono_s - _QUIET_S - first_mono_s) * SAMPLE_RATE_HZ)
    end = round((played_mono_s + _LATEST_S - first_mono_s) * SAMPLE_RATE_HZ)
    piece = sound[max(0, start) : max(0, end)].astype(np.float64)
    if len(piece) < 2 * _WINDOW:
        return None
    tone = piece * np.exp(-2j * np.pi * BEEP_HZ / SAMPLE_RATE_HZ * np.arange(len(piece)))
    sums = np.concatenate(([0], np.cumsum(tone)))
    power = np.abs(sums[_WINDOW:] - sums[:-_WINDOW])[::_STEP] / _WINDOW + 1e-3
    played = round((played_mono_s - first_mono_s) * SAMPLE_RATE_HZ) - max(0, start)
    quiet = power[: max(1, (played - _WINDOW) // _STEP)]
    if 20 * np.log10(power.max() / np.median(quiet)) < _LEAST_BEEP_DB:
        return None
    at = int(np.argmax(power >= power.max() / 2))  # half of a window lies within the beep
    return first_mono_s + (max(0, start) + at * _STEP + _WINDOW / 2) / SAMPLE_RATE_HZ


def offset_s(
    seen: Sequence[float | None], heard: Sequence[float | None], lead_s: Sequence[float], loop_s: float
) -> float | None:
    """Return how much later than the picture the sound is; None when fewer than two pairs were seen and heard.

    ``lead_s`` is how much later than its flash each beep was played, ``loop_s`` what the sweep took.
    """
    pairs = [
        ear - eye - lead
        for eye, ear, lead in zip(seen, heard, lead_s, strict=True)
        if eye is not None and ear is not None
    ]
    return median(pairs) - min(loop_s, LOUDSPEAKER_MOST_S) if len(pairs) >= 2 else None
