"""The sweep is found through any room, and never where it did not sound."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ
from agent.selftest.chirp import Echo, find, sweep

SECOND = SAMPLE_RATE_HZ


def room(
    *, delay_s: float | None, gain_db: float = -20.0, noise_dbfs: float = -50.0, seed: int = 1, echoes: bool = True
) -> NDArray[np.int16]:
    """Return two seconds as a microphone hears them, the sweep played at 0.2 s; None: the path is cut."""
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal(2 * SECOND) * 32767 * 10 ** (noise_dbfs / 20)
    if delay_s is not None:
        start = round((0.2 + delay_s) * SECOND)
        direct = sweep() * 10 ** (gain_db / 20)
        sound[start : start + len(direct)] += direct
        for after_s, less in ((0.011, 0.5), (0.023, 0.35), (0.05, 0.2)) if echoes else ():  # walls
            at = start + round(after_s * SECOND)
            sound[at : at + len(direct)] += direct * less
    return np.clip(sound, -32768, 32767).astype(np.int16)


def heard(**how: object) -> Echo:
    return find(room(**how), round(0.2 * SECOND))  # type: ignore[arg-type]  # the keywords of `room`


def test_the_sweep_is_whole_blocks_at_its_level() -> None:
    assert len(sweep()) % BLOCK_SAMPLES == 0
    assert 20 * np.log10(np.abs(sweep()).max() / 32767) == pytest.approx(-10, abs=0.1)
    assert sweep()[0] == 0
    assert abs(int(sweep()[-1])) < 50


@pytest.mark.parametrize("delay_s", [0.011, 0.065, 0.25, 0.39])
def test_the_delay_is_told_to_the_millisecond(delay_s: float) -> None:
    echo = heard(delay_s=delay_s)
    assert echo.is_heard
    assert echo.is_in_time
    assert echo.delay_s == pytest.approx(delay_s, abs=0.001)
    assert echo.gain_db == pytest.approx(-20, abs=1.5)


@pytest.mark.parametrize("noise_dbfs", [-60.0, -35.0, -25.0])
def test_noise_far_louder_than_the_sweep_does_not_hide_it(noise_dbfs: float) -> None:
    echo = heard(delay_s=0.065, gain_db=-25, noise_dbfs=noise_dbfs)
    assert echo.is_heard
    assert echo.delay_s == pytest.approx(0.065, abs=0.001)


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_path_stays_well_below_the_bar(seed: int) -> None:
    echo = heard(delay_s=None, seed=seed)
    assert 12 < echo.ratio_db < 20
    assert not echo.is_heard


def test_a_class_that_talks_is_no_sweep() -> None:
    """Sound of all speech frequencies with its pauses, and no path."""
    rng = np.random.default_rng(5)
    spectrum = np.fft.rfft(rng.standard_normal(2 * SECOND))
    hz = np.fft.rfftfreq(2 * SECOND, 1 / SECOND)
    spectrum *= ((hz > 100) & (hz < 4000)) / np.maximum(hz, 100)
    voices = np.fft.irfft(spectrum)
    voices *= np.repeat(rng.uniform(0.1, 1, 20), 2 * SECOND // 20)
    talk = (voices / np.abs(voices).max() * 12_000).astype(np.int16)
    assert not find(talk, round(0.2 * SECOND)).is_heard


def test_digital_silence_is_no_sweep() -> None:
    assert not find(np.zeros(2 * SECOND, np.int16), 9600).is_heard


def test_a_path_that_is_too_short_or_too_long_is_told_from_none() -> None:
    for delay_s in (0.002, 0.55):
        echo = heard(delay_s=delay_s, echoes=False)
        assert echo.is_heard
        assert not echo.is_in_time


def test_what_was_not_heard_to_the_end_counts_as_silence() -> None:
    assert find(room(delay_s=0.065)[: round(0.9 * SECOND)], round(0.2 * SECOND)).is_heard
    assert not find(np.zeros(0, np.int16), 0).is_heard
