"""The line that tests put between a room and a viewer: its rate, its queue, its losses."""

from __future__ import annotations

import pytest

from tests.networks.shaper import IP_UDP_BYTES, Line, Shape

SIZE = 1000 - IP_UDP_BYTES


def test_packets_leave_one_after_another_at_the_lines_rate() -> None:
    shape = Shape(Line(rate_bps=8_000_000, delay_s=0.1))
    assert [shape.arrival_s(5.0, SIZE) for _ in range(3)] == pytest.approx([5.101, 5.102, 5.103])
    assert shape.arrival_s(6.0, SIZE) == pytest.approx(6.101)


def test_what_would_wait_too_long_is_dropped() -> None:
    shape = Shape(Line(rate_bps=80_000, queue_s=0.25))
    arrivals = [shape.arrival_s(0.0, SIZE) for _ in range(5)]
    assert arrivals[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert arrivals[3:] == [None, None]
    assert (shape.carried, shape.dropped, shape.lost) == (3, 2, 0)


def test_the_same_seed_loses_the_same_packets_in_bursts_of_the_length_asked_for() -> None:
    def pattern(seed: int) -> list[bool]:
        shape = Shape(Line(loss=0.2, burst_packets=3, seed=seed))
        return [shape.arrival_s(float(n), SIZE) is None for n in range(20_000)]

    lost = pattern(1)
    assert lost == pattern(1)
    assert lost != pattern(2)
    assert sum(lost) / len(lost) == pytest.approx(0.2, abs=0.02)
    bursts = sum(one and not before for before, one in zip([False, *lost], lost, strict=False))
    assert sum(lost) / bursts == pytest.approx(3, abs=0.3)


def test_some_come_late_and_a_cut_line_carries_nothing() -> None:
    shape = Shape(Line(reordered=0.5, reordered_s=0.03))
    assert {shape.arrival_s(1.0, SIZE) for _ in range(50)} == {1.0, 1.03}
    shape.is_cut = True
    assert shape.arrival_s(0.0, SIZE) is None


def test_jitter_delays_and_lets_none_overtake() -> None:
    shape = Shape(Line(delay_s=0.1, jitter_s=0.05))
    sent = [n * 0.002 for n in range(500)]
    arrived = [shape.arrival_s(at_s, SIZE) or 0.0 for at_s in sent]
    assert arrived == sorted(arrived)
    late = [came - at_s - 0.1 for came, at_s in zip(arrived, sent, strict=True)]
    assert min(late) >= 0
    assert 0.03 < max(late) <= 0.05
