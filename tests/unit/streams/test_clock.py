"""Capture time, RTP time and NTP time are one straight line."""

from __future__ import annotations

from itertools import pairwise

import pytest

from agent.streams.clock import SOUND_RATE_HZ, VIDEO_RATE_HZ, RoomClock

CLOCK = RoomClock(epoch_mono_s=1_000.0, epoch_unix_s=1_700_000_000.0)


def test_one_second_is_one_clock_rate() -> None:
    assert CLOCK.rtp(1_001.0, VIDEO_RATE_HZ) == 90_000
    assert CLOCK.rtp(1_000.02, SOUND_RATE_HZ) == 960


def test_rtp_time_wraps_both_ways() -> None:
    assert CLOCK.rtp(999.0, VIDEO_RATE_HZ) == 2**32 - 90_000
    assert CLOCK.rtp(1_000.0 + 2**32 / 90_000, VIDEO_RATE_HZ) == 0


def test_blocks_of_sound_advance_by_960_after_a_day() -> None:
    day = 86_400 * 50
    times = [CLOCK.rtp(CLOCK.mono_of_sample(960 * (day + n)), SOUND_RATE_HZ) for n in range(100)]
    assert {(b - a) & 0xFFFFFFFF for a, b in pairwise(times)} == {960}


def test_ntp_counts_from_1900() -> None:
    assert CLOCK.ntp(1_000.5) == (1_700_000_000 + 2_208_988_800 << 32) + (1 << 31)


@pytest.mark.parametrize("mono_s", [1_000.0, 1_000.25, 5_432.125])
def test_ntp_leads_back_to_the_instant(mono_s: float) -> None:
    assert CLOCK.mono_from_ntp(CLOCK.ntp(mono_s)) == pytest.approx(mono_s, abs=1e-6)


def test_one_instant_has_one_ntp_time_on_every_track() -> None:
    """What puts lips and voice in step: equal capture gives equal NTP, whatever the track's rate."""
    captured_s = 1_234.5
    lines = [(CLOCK.ntp(1_100.0), CLOCK.rtp(1_100.0, rate), rate) for rate in (VIDEO_RATE_HZ, SOUND_RATE_HZ)]
    heard = [
        CLOCK.mono_from_ntp(ntp) + ((CLOCK.rtp(captured_s, rate) - rtp) & 0xFFFFFFFF) / rate for ntp, rtp, rate in lines
    ]
    assert heard == pytest.approx([captured_s, captured_s], abs=1e-4)


def test_samples_and_instants_lead_to_each_other() -> None:
    assert CLOCK.sample(CLOCK.mono_of_sample(48_123)) == 48_123
    assert CLOCK.sample(999.0) == -48_000
