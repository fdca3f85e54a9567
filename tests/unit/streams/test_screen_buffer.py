"""Pictures of a shared screen out of packets that come late, twice, never, or from nobody's browser."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from agent.streams import vp8
from agent.streams.screen_buffer import (
    ASK_EVERY_S,
    HOLE_S,
    MOST_BEFORE_KEY,
    MOST_PACKETS,
    ScreenBuffer,
)

SSRC = 7


@dataclass(frozen=True)
class Packet:
    sequence: int
    payload: bytes
    ends: bool


def picture(number: int, size: int = 3_000, *, is_key: bool = False) -> bytes:
    """Return what is a picture as far as its first bit goes."""
    return bytes([0x10 if is_key else 0x11]) + bytes((number + at) % 251 for at in range(size - 1))


def packets(pictures: Iterable[bytes], first: int = 65_530) -> list[Packet]:
    """Cut pictures up as a sender does; the numbers run over their end."""

    def cut() -> Iterator[Packet]:
        sequence = first
        for one in pictures:
            payloads = vp8.payloads(one)
            for number, payload in enumerate(payloads, 1):
                yield Packet(sequence & 0xFFFF, payload, number == len(payloads))
                sequence += 1

    return list(cut())


def film(count: int) -> list[bytes]:
    return [picture(number, is_key=number == 0) for number in range(count)]


def put(buffer: ScreenBuffer, came: Iterable[Packet], at_s: float = 100.0, *, ssrc: int = SSRC) -> list[bytes]:
    return [one for p in came for one in buffer.put(ssrc, p.sequence, p.payload, ends=p.ends, now_s=at_s)]


@pytest.mark.parametrize("seed", range(5))
def test_pictures_come_out_in_order_whatever_the_line_does_to_the_order(seed: int) -> None:
    sent = packets(film(12))
    shaken = sorted(range(len(sent)), key=lambda at: at + random.Random(seed * 1_000 + at).uniform(0, 5))
    doubled = [sent[at] for at in shaken for _ in range(2)]
    buffer = ScreenBuffer()
    assert put(buffer, doubled) == film(12)
    assert buffer.counts.given_up == 0
    assert not buffer.is_key_wanted(100.0)


def test_a_picture_is_whole_with_its_last_packet_and_waits_for_no_other() -> None:
    sent, buffer = packets(film(2)), ScreenBuffer()
    assert put(buffer, sent[:2]) == []
    assert put(buffer, sent[2:3]) == film(1)


def test_what_is_lost_is_waited_for_and_then_a_key_picture_is_asked_for_and_nothing_shown_until_it_comes() -> None:
    sent, buffer = packets([*film(4), picture(4, is_key=True), picture(5)]), ScreenBuffer()
    lost = sent[4]
    assert put(buffer, [p for p in sent[:9] if p is not lost], 100.0) == film(1)
    assert not buffer.is_key_wanted(100.0)
    assert put(buffer, [sent[9]], 100.0 + HOLE_S * 0.9) == []
    assert put(ScreenBuffer(), [lost]) == [], "a picture that nothing before it explains"
    assert put(buffer, [sent[10]], 100.0 + HOLE_S * 1.1) == []
    assert buffer.counts.given_up == 1
    assert buffer.is_key_wanted(101.0)
    assert not buffer.is_key_wanted(101.0 + ASK_EVERY_S * 0.9), "one question is enough for a while"
    assert buffer.is_key_wanted(101.0 + ASK_EVERY_S)
    assert put(buffer, sent[11:], 102.0) == [picture(4, is_key=True), picture(5)]
    assert not buffer.is_key_wanted(110.0)


def test_what_is_sent_again_in_time_fills_the_hole() -> None:
    sent, buffer = packets(film(4)), ScreenBuffer()
    lost = sent[4]
    assert put(buffer, [p for p in sent if p is not lost], 100.0) == film(1)
    assert put(buffer, [lost], 100.0 + HOLE_S / 2) == film(4)[1:]


def test_a_packet_that_only_probes_the_line_is_part_of_no_picture() -> None:
    sent = packets(film(2))
    probed = [
        *sent[:3],
        Packet(sent[2].sequence + 1, b"", False),
        *(Packet(p.sequence + 2 & 0xFFFF, p.payload, p.ends) for p in sent[3:]),
    ]
    probed.insert(5, Packet(probed[4].sequence + 1, b"", False))
    probed = [
        *probed[:4],
        *(Packet((probed[3].sequence + n) & 0xFFFF, p.payload, p.ends) for n, p in enumerate(probed[4:], 1)),
    ]
    assert put(ScreenBuffer(), probed) == film(2)


def test_a_sender_that_begins_anew_is_followed_from_its_key_picture() -> None:
    buffer = ScreenBuffer()
    put(buffer, packets(film(3)))
    again = packets([picture(1), picture(7, is_key=True), picture(8)], first=20)
    assert put(buffer, again, ssrc=8) == [picture(7, is_key=True), picture(8)]
    assert put(buffer, packets(film(2), first=40_000), ssrc=8) == film(2), "the same stream, far from where it was"


def test_after_what_cannot_be_decoded_comes_a_key_picture() -> None:
    buffer, sent = ScreenBuffer(), packets([*film(3), picture(3, is_key=True)])
    put(buffer, sent[:6])
    buffer.begin_anew()
    assert buffer.is_key_wanted(100.0)
    assert put(buffer, sent[6:]) == [picture(3, is_key=True)]


def test_pictures_whose_ends_do_not_fit_are_not_put_together() -> None:
    buffer = ScreenBuffer()
    one, two = picture(0, is_key=True), picture(1)
    heads = [vp8.payloads(one)[0], vp8.payloads(two)[0], vp8.payloads(two)[1]]
    assert put(buffer, [Packet(n, payload, n == 2) for n, payload in enumerate(heads)]) == []
    assert buffer.is_key_wanted(100.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_flood_and_nonsense_are_bounded(seed: int) -> None:
    rng, buffer = random.Random(seed), ScreenBuffer()
    for _ in range(4 * MOST_PACKETS):
        payload = rng.randbytes(rng.choice((0, 1, 2, 3, 40)))
        buffer.put(SSRC, rng.randrange(65_536), payload, ends=rng.random() < 0.1, now_s=100.0)
        assert len(buffer._pieces) <= MOST_PACKETS
    assert buffer.counts.unreadable > 0
    endless = picture(0, 2_000_000, is_key=True) + bytes(2_000_000)
    put(buffer, packets([endless])[:-1])
    assert len(buffer._pieces) <= MOST_PACKETS
    waiting = ScreenBuffer()
    put(waiting, packets([picture(1, 500_000)]))
    assert len(waiting._pieces) <= MOST_BEFORE_KEY
