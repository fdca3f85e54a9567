"""A pupil's packets on lines of all kinds → steady sound: what is lost, late, too fast, or no sound at all."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

from agent.media import BLOCK_S, BLOCK_SAMPLES
from agent.streams.talk_buffer import MOST_DELAY_S, MOST_PACKETS, Samples, TalkBuffer, opus_decoder

BEGAN_S = 5_000.0
BEGAN_RTP = (1 << 32) - 9_000
"""It wraps around within the first packets."""


@dataclass
class Line:
    """A pupil's packets, each with its number as its only content, on the way to a buffer."""

    loss: float = 0.0
    jitter_s: float = 0.0
    faster: float = 0.0
    """Share by which the pupil's clock is faster than the room's."""
    longer_s: float = 0.0
    """From the fifth second on the way takes so much longer."""

    def carry(self, seconds: float, buffer: TalkBuffer) -> list[Samples | None]:
        """Return what was taken each 20 ms."""
        chance = random.Random(7)  # a script, not a secret
        arrivals = []
        for n in range(int(seconds / BLOCK_S)):
            arrives_s = BEGAN_S + (n + 1) * BLOCK_S / (1 + self.faster) + chance.random() * self.jitter_s
            arrives_s += self.longer_s if n * BLOCK_S > 5 else 0.0
            if chance.random() >= self.loss:
                arrivals.append((arrives_s, n))
        arrivals.sort()
        taken: list[Samples | None] = []
        for tick in range(int(seconds / BLOCK_S)):
            now_s = BEGAN_S + (tick + 1) * BLOCK_S + 0.005
            while arrivals and arrivals[0][0] <= now_s:
                arrives_s, n = arrivals.pop(0)
                timestamp = (BEGAN_RTP + n * BLOCK_SAMPLES) % (1 << 32)
                buffer.put(1, timestamp, (n + 1).to_bytes(4, "big"), arrives_s)
            taken.append(buffer.take(now_s))
        return taken


def numbers(payload: bytes) -> Samples:
    return np.full(BLOCK_SAMPLES, int.from_bytes(payload, "big"), np.int16)


def played(taken: list[Samples | None]) -> list[Samples]:
    return [samples for samples in taken if samples is not None]


def test_a_good_line_is_heard_whole_in_order_and_soon() -> None:
    buffer = TalkBuffer(numbers)
    blocks = played(Line().carry(10, buffer))
    assert buffer.delay_s == pytest.approx(0.04)
    assert len(blocks) >= 495
    heard = np.concatenate(blocks)
    assert (np.diff(heard.astype(int)) >= 0).all()
    assert set(heard) == set(range(1, int(heard[-1]) + 1))
    assert (buffer.counts.late, buffer.counts.concealed) == (0, 0)


@pytest.mark.parametrize("jitter_s", [0.03, 0.1])
def test_packets_out_of_order_are_put_in_order_at_the_cost_of_delay(jitter_s: float) -> None:
    buffer = TalkBuffer(numbers)
    heard = np.concatenate(played(Line(jitter_s=jitter_s).carry(20, buffer)[250:]))
    assert (np.diff(heard.astype(int)) >= 0).all()
    assert jitter_s < buffer.delay_s < jitter_s + 0.05


def test_a_lost_packet_is_filled_with_what_was_before_and_costs_no_delay() -> None:
    buffer = TalkBuffer(numbers)
    taken = Line(loss=0.1).carry(20, buffer)
    assert buffer.counts.concealed == pytest.approx(100, abs=40)
    assert buffer.counts.late == 0
    assert all(samples is not None for samples in taken[5:])
    assert buffer.delay_s < 0.06


@pytest.mark.parametrize("faster", [300e-6, -300e-6])
def test_another_clock_neither_fills_nor_empties_the_buffer(faster: float) -> None:
    buffer = TalkBuffer(numbers)
    taken = Line(jitter_s=0.005, faster=faster).carry(120, buffer)
    assert buffer.counts.concealed == buffer.counts.late == 0
    assert all(samples is not None for samples in taken[5:])


def test_a_way_that_becomes_longer_costs_a_moment_and_no_more() -> None:
    buffer = TalkBuffer(numbers)
    heard = np.concatenate(played(Line(longer_s=0.1).carry(15, buffer)))
    assert buffer.counts.late + buffer.counts.concealed <= 12
    assert heard[-1] >= 740


def test_after_a_stall_what_is_too_late_is_left_out() -> None:
    buffer = TalkBuffer(numbers)
    Line().carry(5, buffer)
    at = BEGAN_RTP + 250 * BLOCK_SAMPLES
    now_s = BEGAN_S + 5.0
    for _ in range(60):  # 1.2 s without a packet
        now_s += BLOCK_S
        buffer.take(now_s)
    for n in range(60):  # then all at once
        buffer.put(1, (at + n * BLOCK_SAMPLES) % (1 << 32), (300 + n).to_bytes(4, "big"), now_s)
    heard = []
    for n in range(60, 110):
        now_s += BLOCK_S
        buffer.put(1, (at + n * BLOCK_SAMPLES) % (1 << 32), (300 + n).to_bytes(4, "big"), now_s)
        taken = buffer.take(now_s)
        heard.append(0 if taken is None else int(taken.max()))
    behind = (300 + 109 - heard[-1]) * BLOCK_S
    assert 0 < behind <= MOST_DELAY_S + BLOCK_S


def test_nothing_is_said_before_the_first_packet_and_half_a_second_after_the_last() -> None:
    buffer = TalkBuffer(numbers)
    assert buffer.take(BEGAN_S) is None
    Line().carry(2, buffer)
    quiet = [buffer.take(BEGAN_S + 2 + n * BLOCK_S) for n in range(50)]
    assert quiet[-1] is None
    last = [samples for samples in quiet if samples is not None][-1]
    assert not last.any(), "a lost line hums"


def test_a_flood_and_nonsense_are_bounded_and_counted() -> None:
    buffer = TalkBuffer()
    for n in range(10_000):
        buffer.put(1, n * BLOCK_SAMPLES, b"\xff" * 60, BEGAN_S + n * BLOCK_S / 100)
    buffer.put(1, 0, b"", BEGAN_S)
    buffer.put(1, 0, b"x" * 70_000, BEGAN_S)
    assert len(buffer._packets) <= MOST_PACKETS
    assert buffer.counts.late + buffer.counts.unreadable > 0
    for n in range(10):
        buffer.take(BEGAN_S + 2 + n * BLOCK_S)


def test_a_sender_that_begins_anew_is_heard_at_once() -> None:
    buffer = TalkBuffer(numbers)
    Line().carry(2, buffer)
    heard: list[int] = []
    for n in range(20):
        now_s = BEGAN_S + 2 + n * BLOCK_S
        buffer.put(2, 77 + n * BLOCK_SAMPLES, (900 + n).to_bytes(4, "big"), now_s)
        taken = buffer.take(now_s)
        heard.append(0 if taken is None else int(taken.max()))
    assert heard[-1] >= 912


def test_what_is_no_opus_is_no_sound_and_no_fault() -> None:
    decode = opus_decoder()
    assert decode(b"\x03") is None
