"""H.264 in RTP: what is cut can be put together again."""

from __future__ import annotations

import pytest
from aiortc.codecs.h264 import h264_depayload

from agent.streams.packetize import MAX_PAYLOAD, is_key, nal_units, payloads

SPS, PPS, IDR, SLICE = b"\x67\x42\xc0\x1f", b"\x68\xce\x3c", b"\x65\x88", b"\x41\x9a"


def test_units_are_found_behind_short_and_long_start_codes() -> None:
    assert nal_units(b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS + b"\0\0\1" + IDR) == (SPS, PPS, IDR)


def test_the_last_unit_keeps_its_bytes() -> None:
    assert nal_units(b"\0\0\1" + SLICE + b"\x80\0") == (SLICE + b"\x80\0",)


def test_supplemental_information_is_left_out() -> None:
    assert nal_units(b"\0\0\1\x06x264\0\0\1" + IDR) == (IDR,)


@pytest.mark.parametrize("stream", [b"", b"\0\0", b"no start code", b"\0\0\1"])
def test_what_is_no_stream_has_no_units(stream: bytes) -> None:
    assert nal_units(stream) == ()


def test_a_picture_with_an_idr_is_a_key_frame() -> None:
    assert is_key((SPS, PPS, IDR))
    assert not is_key((SLICE,))


def test_small_units_share_a_packet_and_large_ones_are_cut() -> None:
    units = (SPS, PPS, IDR + bytes(range(256)) * 20)
    cut = payloads(units)
    assert [p[0] & 0x1F for p in cut] == [24, 28, 28, 28, 28, 28]
    assert all(len(p) <= MAX_PAYLOAD for p in cut)
    assert b"".join(h264_depayload(p) for p in cut) == b"".join(b"\0\0\0\1" + u for u in units)


def test_fragments_have_one_size_and_only_the_last_is_shorter() -> None:
    sizes = [len(p) for p in payloads((IDR + bytes(9_999),))]
    assert set(sizes[:-1]) == {MAX_PAYLOAD}
    assert 0 < sizes[-1] <= MAX_PAYLOAD


def test_many_middling_units_never_exceed_a_packet() -> None:
    units = tuple(SLICE + bytes([n]) * 500 for n in range(7))
    cut = payloads(units)
    assert all(len(p) <= MAX_PAYLOAD for p in cut)
    assert b"".join(h264_depayload(p) for p in cut) == b"".join(b"\0\0\0\1" + u for u in units)


def test_a_unit_that_just_fits_goes_alone() -> None:
    unit = SLICE + bytes(MAX_PAYLOAD - 2)
    assert payloads((unit,)) == (unit,)
    assert len(payloads((unit + b"\0",))) == 2
