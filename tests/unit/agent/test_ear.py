"""What one microphone hears, in numbers, of real speech."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.devices.speech import speech
from agent.ear import QUIET_S, WINDOW_S, Ear
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float64]:
    """35 s of French."""
    return np.asarray(speech(Path(tmp_path_factory.mktemp("speech"))), np.float64)[: 35 * SAMPLE_RATE_HZ]


def heard(sound: NDArray[np.float64], noise_dbfs: float = -62.0) -> Ear:
    ear = Ear()
    rng = np.random.default_rng(7)
    noisy = sound + rng.standard_normal(len(sound)) * 32_768 * 10 ** (noise_dbfs / 20)
    for n, samples in enumerate(noisy.reshape(-1, BLOCK_SAMPLES)):
        ear.take(AudioBlock(samples.astype(np.int16), n * BLOCK_S, n), n * BLOCK_S)
    return ear


def test_speech_stands_out_of_the_noise_by_what_it_is_louder(spoken: NDArray[np.float64]) -> None:
    near, far = heard(spoken).hearing(), heard(spoken * 0.1).hearing()
    assert near is not None
    assert far is not None
    assert near.level_dbfs - far.level_dbfs == pytest.approx(20, abs=1)
    assert near.floor_dbfs == pytest.approx(-62, abs=3)
    assert near.clarity_db - far.clarity_db > 15


def test_nothing_is_said_of_a_microphone_before_half_a_minute(spoken: NDArray[np.float64]) -> None:
    assert heard(spoken[: (WINDOW_S - 1) * SAMPLE_RATE_HZ]).hearing() is None


def test_a_slammed_door_is_no_better_microphone() -> None:
    still = np.zeros(35 * SAMPLE_RATE_HZ)
    slammed = still.copy()
    slammed[10 * SAMPLE_RATE_HZ : 11 * SAMPLE_RATE_HZ] = 20_000
    before, after = heard(still).hearing(), heard(slammed).hearing()
    assert before is not None
    assert after is not None
    assert after.level_dbfs == pytest.approx(before.level_dbfs, abs=1)


def test_a_pause_between_sentences_is_quiet_and_one_inside_of_a_word_is_not(spoken: NDArray[np.float64]) -> None:
    ear = Ear()
    quiet = []
    for n, samples in enumerate(spoken.reshape(-1, BLOCK_SAMPLES)):
        ear.take(AudioBlock(samples.astype(np.int16), n * BLOCK_S, n), n * BLOCK_S)
        quiet.append(ear.is_quiet(n * BLOCK_S))
    loud = np.sqrt((spoken.reshape(-1, BLOCK_SAMPLES) ** 2).mean(axis=1)) > 32_768 * 10 ** (-35 / 20)
    pause = round(QUIET_S / BLOCK_S)
    assert any(quiet)
    for n in map(int, np.flatnonzero(quiet)):
        assert not loud[n - pause + 1 : n - 5].any()


def test_listening_costs_next_to_nothing(spoken: NDArray[np.float64]) -> None:
    began_s = time.process_time()
    ear = heard(spoken)
    per_block_s = (time.process_time() - began_s) / (len(spoken) / BLOCK_SAMPLES)
    assert ear.last_s > 0
    assert per_block_s < 100e-6, "half a percent of a core, with the noise that this test makes"
