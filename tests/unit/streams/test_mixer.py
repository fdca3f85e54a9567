"""The mixer's histories: what goes in when, and what comes out when."""

from __future__ import annotations

import numpy as np
import pytest

from agent.media import BLOCK_S, BLOCK_SAMPLES, AudioBlock
from agent.streams.clock import RoomClock
from agent.streams.limiter import CEILING
from agent.streams.mixer import Mixer

SILENCE_AFTER_S = 0.3


class Studio:
    """A mixer on a scripted clock. ``out`` holds (time, block) of all that left."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.mixer = Mixer(RoomClock(1_000.0, 0.0), 1_000.0, SILENCE_AFTER_S)
        self.out: list[tuple[float, AudioBlock]] = []

    def until(self, now_s: float) -> None:
        """Let time pass; blocks leave at their deadlines."""
        while self.mixer.deadline_s() <= now_s:
            self.now_s = max(self.now_s, self.mixer.deadline_s())
            self._take()
        self.now_s = max(self.now_s, now_s)

    def give(self, captured_s: float, arrived_s: float, value: int = 1_000, source: str = "room") -> None:
        self.until(arrived_s)
        samples = np.full(BLOCK_SAMPLES, value, np.int16)
        self.mixer.push(source, AudioBlock(samples, captured_s, 0), self.now_s)
        self._take()

    def _take(self) -> None:
        self.out += [(self.now_s, block) for block in self.mixer.take(self.now_s)]

    def steady(self, first: int, last: int, value: int = 1_000, late_s: float = 0.0) -> None:
        """Blocks ``first`` to ``last`` (not included), each arriving when it is over and ``late_s`` more."""
        for n in range(first, last):
            self.give(1_000.0 + n * BLOCK_S, 1_000.0 + (n + 1) * BLOCK_S + late_s, value)


def values(studio: Studio) -> list[int]:
    return [int(block.samples[480]) for _, block in studio.out]


def test_sound_that_comes_steadily_leaves_at_once() -> None:
    studio = Studio()
    studio.steady(0, 50)
    assert values(studio) == [1_000] * 50
    assert [left - block.captured_mono_s for left, block in studio.out] == pytest.approx([BLOCK_S] * 50, abs=1e-6)
    assert studio.mixer.counts.silent_blocks == studio.mixer.counts.gaps == 0


def test_the_timeline_never_skips_or_repeats() -> None:
    studio = Studio()
    studio.steady(0, 10)
    studio.steady(40, 60)
    studio.until(1_002.0)
    assert [block.sequence for _, block in studio.out] == list(range(len(studio.out)))
    gaps = np.diff([block.captured_mono_s for _, block in studio.out])
    assert gaps == pytest.approx(np.full(len(gaps), BLOCK_S), abs=1e-6)


def test_a_microphone_that_stops_is_silence_within_three_tenths_and_one_gap() -> None:
    studio = Studio()
    studio.steady(0, 10)
    studio.until(1_001.0)
    silent = [(left, block) for left, block in studio.out if not block.samples.any()]
    assert silent[0][1].sequence == 10
    assert silent[0][0] - (1_000.0 + 10 * BLOCK_S) <= SILENCE_AFTER_S
    assert studio.mixer.counts.gaps == 1
    assert len(studio.out) >= 45


def test_a_microphone_that_comes_back_is_heard_at_once() -> None:
    studio = Studio()
    studio.steady(0, 10)
    studio.steady(40, 50)
    heard = [(left, block) for left, block in studio.out if block.samples.any()]
    assert [block.sequence for _, block in heard] == [*range(10), *range(40, 50)]
    assert heard[10][0] == pytest.approx(1_000.0 + 41 * BLOCK_S, abs=1e-6)


def test_silence_flows_before_any_source_is_there() -> None:
    studio = Studio()
    studio.until(1_001.0)
    assert 45 <= len(studio.out) <= 50
    assert studio.mixer.counts.silent_blocks == len(studio.out)
    assert studio.mixer.counts.gaps == 0


def test_blocks_that_come_five_at_a_time_lose_nothing() -> None:
    """PulseAudio hands over 100 ms at once: after the first hand-over the mixer waits that long."""
    studio = Studio()
    for group in range(20):
        for n in range(group * 5, group * 5 + 5):
            studio.give(1_000.0 + n * BLOCK_S, 1_000.0 + (group + 1) * 5 * BLOCK_S)
    late = studio.mixer.source_counts("room").late
    assert late <= 4
    assert values(studio)[5:] == [1_000] * 95
    assert values(studio).count(1_000) == 100 - late


@pytest.mark.parametrize("first", [0, 3])
def test_a_lateness_that_comes_again_and_again_is_never_forgotten(first: int) -> None:
    """A machine whose loop is late each two seconds, less and less: nothing is cut out of a minute's speech."""
    studio = Studio()
    for n in range(3_000):
        late_s = 0.045 - n * 2e-6 if n % 100 == first else 0.004
        studio.give(1_000.0 + n * BLOCK_S, 1_000.0 + (n + 1) * BLOCK_S + late_s)
    assert studio.mixer.source_counts("room").late == 0
    assert values(studio) == [1_000] * len(studio.out)


def test_a_lateness_that_never_comes_again_is_forgotten() -> None:
    studio = Studio()
    studio.steady(0, 5, late_s=0.2)
    studio.steady(5, 1_600)
    studio.until(1_032.0 + BLOCK_S)
    assert studio.mixer.deadline_s() - 1_032.0 < 0.1


@pytest.mark.parametrize("phase_s", [0.0031, 0.0071, 0.0133, 0.0171])
def test_sound_that_stops_and_begins_again_does_not_click(phase_s: float) -> None:
    """A plug pulled in the middle of a block, one that comes back, blocks that came too late, half or all."""
    studio, most = Studio(), 8_000
    step = most * 2 * np.pi * 200 / 48_000
    for n in range(150):
        if 50 <= n < 90:
            continue
        captured_s = 1_000.0 + phase_s + n * BLOCK_S
        at = (captured_s - 1_000.0) + np.arange(BLOCK_SAMPLES) / 48_000
        studio.until(captured_s + BLOCK_S + {30: 0.075, 120: 0.25}.get(n, 0.0))
        samples = (most * np.sin(2 * np.pi * 200 * at + 1)).astype(np.int16)
        studio.mixer.push("room", AudioBlock(samples, captured_s, 0), studio.now_s)
        studio._take()
    whole = np.concatenate([block.samples for _, block in studio.out]).astype(float)
    assert studio.mixer.source_counts("room").late >= 1
    assert np.abs(whole).max() > most * 0.99
    assert np.abs(np.diff(whole)).max() < 1.5 * step


def test_a_source_that_is_too_late_is_dropped_and_counted() -> None:
    studio = Studio()
    studio.until(1_001.0)
    studio.give(1_000.1, 1_001.0)
    assert studio.mixer.source_counts("room").late == 1
    assert not any(values(studio))


def test_a_clock_in_the_far_future_is_not_kept() -> None:
    studio = Studio()
    studio.give(1_060.0, 1_000.02)
    studio.until(1_000.5)
    assert studio.mixer.source_counts("room").late == 1
    assert not any(values(studio))


def test_two_sources_are_added_and_limited() -> None:
    studio = Studio()
    for n in range(10):
        begun, over = 1_000.0 + n * BLOCK_S, 1_000.0 + (n + 1) * BLOCK_S
        studio.give(begun, over, 20_000, "room")
        studio.give(begun, over, 20_000 if n >= 5 else 1, "pupil")
    assert values(studio)[:5] == [20_000] + [20_001] * 4
    assert max(values(studio)) <= CEILING


def test_a_source_that_dies_does_not_hold_up_the_other() -> None:
    studio = Studio()
    for n in range(60):
        studio.give(1_000.0 + n * BLOCK_S, 1_000.0 + (n + 1) * BLOCK_S, 500, "room")
        if n < 5:
            studio.give(1_000.0 + n * BLOCK_S, 1_000.0 + (n + 1) * BLOCK_S, 500, "board")
    lateness = [left - block.captured_mono_s - BLOCK_S for left, block in studio.out]
    assert max(lateness) <= 0.1
    assert lateness[-1] == pytest.approx(0.0, abs=1e-6)
    assert studio.mixer.counts.gaps == 1


@pytest.mark.parametrize("drift", [200e-6, -200e-6])
def test_drift_is_drawn_back_without_a_jump(drift: float) -> None:
    """A sound card 200 ppm off for 100 s is 20 ms away at the end; it must stay within a few."""
    studio = Studio()
    for n in range(5_000):
        captured = 1_000.0 + n * BLOCK_S * (1 + drift)
        studio.give(captured, captured + BLOCK_S * (1 + abs(drift)))
    counts = studio.mixer.source_counts("room")
    assert counts.jumps == counts.late == 0
    assert counts.stretched == pytest.approx(100 * 48_000 * abs(drift), rel=0.3)
    assert all(500 < value <= 1_000 for value in values(studio)[:4_900])


def test_jitter_of_capture_times_is_not_followed() -> None:
    studio = Studio()
    noise = np.random.default_rng(1).uniform(-0.004, 0.004, 500)
    for n in range(500):
        studio.give(1_000.1 + n * BLOCK_S + float(noise[n]), 1_000.1 + (n + 1) * BLOCK_S + 0.005)
    counts = studio.mixer.source_counts("room")
    assert counts.jumps == counts.late == 0
    assert counts.stretched < 60
