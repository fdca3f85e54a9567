"""VP8 on its way: what is cut into payloads is put together again by another's reader, and keys are known."""

from __future__ import annotations

import pytest
from aiortc.codecs.vpx import vp8_depayload

from agent.streams import vp8
from agent.streams.packetize import MAX_PAYLOAD


@pytest.mark.parametrize("size", [1, 1178, 1179, 1180, 5000, 40_000])
def test_a_picture_is_the_same_after_its_way_through_packets(size: int) -> None:
    picture = bytes(n * 7 % 251 for n in range(size))
    made = vp8.payloads(picture)
    assert b"".join(vp8_depayload(payload) for payload in made) == picture
    assert {len(payload) for payload in made[:-1]} <= {MAX_PAYLOAD}, "a kernel can be handed a run of them"
    assert len(made[-1]) <= MAX_PAYLOAD
    assert [payload[0] for payload in made] == [0x10] + [0x00] * (len(made) - 1), "only the first begins a partition"


def test_a_key_frame_is_known_by_its_first_bit() -> None:
    assert vp8.is_key(b"\x50rest")
    assert not vp8.is_key(b"\x51rest")
    assert not vp8.is_key(b"")
