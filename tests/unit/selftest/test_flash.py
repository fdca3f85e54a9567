"""Sound against picture, from pictures and sound that are made for it."""

from __future__ import annotations

import numpy as np
import pytest

from agent.media import SAMPLE_RATE_HZ
from agent.selftest.flash import LIT_S, PERIOD_S, Look, beep, heard_at, offset_s, seen_at

SHOWN = [100.0 + i * PERIOD_S for i in range(3)]


def looks(*, latency_s: float, rate_hz: float = 30.0, phase_s: float = 0.011, bright: float = 180.0) -> list[Look]:
    """Return what a camera sees of the flashes."""
    times = 99.0 + phase_s + np.arange(round(4 * rate_hz)) / rate_hz
    rng = np.random.default_rng(3)
    return [
        Look(
            float(t), (bright if any(s + latency_s <= t < s + latency_s + LIT_S for s in SHOWN) else 40) + rng.normal()
        )
        for t in times
    ]


def sound(
    *, delay_s: float, gain_db: float = -20.0, noise_dbfs: float = -50.0
) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Return what a microphone hears of the beeps, from 99.0 on."""
    heard = np.random.default_rng(4).standard_normal(4 * SAMPLE_RATE_HZ) * 32767 * 10 ** (noise_dbfs / 20)
    for played in SHOWN:
        at = round((played + delay_s - 99.0) * SAMPLE_RATE_HZ)
        heard[at : at + len(beep())] += beep() * 10 ** (gain_db / 20)
    return heard.astype(np.int16)


@pytest.mark.parametrize("rate_hz", [10.0, 15.0, 30.0])
@pytest.mark.parametrize(("latency_s", "delay_s"), [(0.02, 0.08), (0.12, 0.03), (0.05, 0.25)])
def test_the_offset_is_told_within_half_a_picture(rate_hz: float, latency_s: float, delay_s: float) -> None:
    eyes, ears = looks(latency_s=latency_s, rate_hz=rate_hz), sound(delay_s=delay_s)
    told = offset_s([seen_at(eyes, s) for s in SHOWN], [heard_at(ears, 99.0, s) for s in SHOWN], [0, 0, 0], 0.0)
    assert told == pytest.approx(delay_s - latency_s, abs=0.5 / rate_hz + 0.004)


def test_a_beep_that_was_played_later_than_its_flash_is_allowed_for() -> None:
    assert offset_s([1.0, 2.0], [1.08, 2.08], [0.05, 0.05], 0.0) == pytest.approx(0.03)


def test_what_was_not_seen_or_not_heard_is_not_guessed() -> None:
    assert seen_at(looks(latency_s=0.02, bright=44), SHOWN[0]) is None
    assert seen_at([], SHOWN[0]) is None
    assert heard_at(sound(delay_s=0.05, gain_db=-80), 99.0, SHOWN[0]) is None
    assert heard_at(np.zeros(4 * SAMPLE_RATE_HZ, np.int16), 99.0, SHOWN[0]) is None
    assert heard_at(np.zeros(10, np.int16), 99.0, SHOWN[0]) is None
    assert offset_s([1.0, None, None], [1.1, 2.1, 3.1], [0, 0, 0], 0.0) is None


def test_a_beep_is_heard_in_a_noisy_room_to_a_few_milliseconds() -> None:
    at = heard_at(sound(delay_s=0.065, noise_dbfs=-38), 99.0, SHOWN[1])
    assert at == pytest.approx(SHOWN[1] + 0.065, abs=0.004)


def test_the_loudspeakers_usual_delay_is_not_the_pupils() -> None:
    assert offset_s([1.0, 2.0], [1.1, 2.1], [0, 0], 0.09) == pytest.approx(0.01)
    assert offset_s([1.0, 2.0], [1.4, 2.4], [0, 0], 0.39) == pytest.approx(0.28), "what is not usual stays"
