"""A frame's packets, written once for all viewers whose headers and tags are equally long, and finished for each.

A `Burst` is an image of at most `BURST_PACKETS` packets with room for the header in front of each payload and for the
SRTP tag behind it. What the headers of all viewers have in common is written once more for all of them. The rest is
done for each viewer in ``fan_loop.c``: the image is copied, ten bytes of each header are written, each packet is
protected where it lies, and the kernel is handed whole runs of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, repeat
from typing import NamedTuple

from agent.streams.fan_loop import MOST_BYTES, MOST_PACKETS
from agent.streams.packetize import MAX_PAYLOAD

BURST_PACKETS = 10
"""What leaves in one go: a router of a thin line has place for as many behind each other."""
_MARKER = 0x80
_FIXED = 12
"""Bytes of a header without extensions."""
_OWN_AT, _OWN = 2, struct.Struct("!HLL")
"""Where in a header a viewer's own stands: sequence number, RTP time, SSRC."""


class Shape(NamedTuple):
    """How many bytes stand before and behind each payload."""

    header: int
    tag: int


class Layout(NamedTuple):
    """Where in an image packets of certain sizes lie; frames of the same sizes share it."""

    packets: int
    payload_bytes: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    """Of each packet without its tag."""
    packed_sizes: bytes
    """As `fan_loop.Rows.send` takes them."""


class Burst(NamedTuple):
    """Consecutive packets of one frame."""

    first: int
    """Number of its first packet in the frame."""
    is_last: bool
    """The frame ends with it."""
    image: bytes
    layout: Layout


_MOST_HEADER, _MOST_TAG = 128, 16
MOST_PAYLOAD = 1_500
"""A packet of sound is as long as its encoder made it (RFC 7587 §4.2 has at most 1275 bytes)."""
assert MAX_PAYLOAD <= MOST_PAYLOAD
assert BURST_PACKETS <= MOST_PACKETS
assert BURST_PACKETS * (_MOST_HEADER + MOST_PAYLOAD + _MOST_TAG) <= MOST_BYTES


def bursts(payloads: Sequence[bytes], shape: Shape) -> tuple[Burst, ...]:
    """Return the images of a frame's packets. Raises ValueError for a payload or header that no datagram carries."""
    longest = max(map(len, payloads))
    if longest > MOST_PAYLOAD or shape.header > _MOST_HEADER or shape.tag > _MOST_TAG:
        raise ValueError(f"{shape.header} + {longest} + {shape.tag} bytes are more than a packet may have")
    return tuple(
        _burst(payloads[first : first + BURST_PACKETS], first, shape, is_last=first + BURST_PACKETS >= len(payloads))
        for first in range(0, len(payloads), BURST_PACKETS)
    )


def _burst(payloads: Sequence[bytes], first: int, shape: Shape, *, is_last: bool) -> Burst:
    header, tag = bytes(shape.header), bytes(shape.tag)
    image = b"".join([part for payload in payloads for part in (header, payload, tag)])
    return Burst(first, is_last, image, _layout(tuple(map(len, payloads)), shape))


@lru_cache(512)
def _layout(sizes: tuple[int, ...], shape: Shape) -> Layout:
    packets = [shape.header + size for size in sizes]
    offsets = tuple(accumulate((size + shape.tag for size in packets[:-1]), initial=0))
    return Layout(len(sizes), sum(sizes), offsets, tuple(packets), struct.pack(f"={len(sizes)}H", *packets))


class Headers:
    """The headers of one track as aiortc's sender would write them (RFC 3550 §5.1, RFC 8285): what is the same for all
    viewers that have agreed to the same. Made by `headers`, so that those viewers are known by having one object.
    """

    def __init__(self, payload_type: int, block: bytes, time_at: int | None, tag_bytes: int) -> None:
        self._has_extensions = 0x1000 if block else 0
        self._word = 0x8000 | self._has_extensions | payload_type
        # Without a time of sending nothing is read of its 24 bits.
        self._before, self._after, time = (
            (block, b"", "0B0H") if time_at is None else (block[:time_at], block[time_at + 3 :], "BH")
        )
        self._has_time = time_at is not None
        self._pack_block = struct.Struct(f"!{len(self._before)}s{time}{len(self._after)}s").pack
        self._pack_common = struct.Struct(f"!H{_OWN.size}x{len(block)}s").pack_into
        self._pack = struct.Struct(f"!HHLL{len(block)}s").pack
        self.shape = Shape(_FIXED + len(block), tag_bytes)

    def _block(self, send_time: int) -> bytes:
        if self._has_time:
            return self._pack_block(self._before, send_time >> 16, send_time & 0xFFFF, self._after)
        return self._before

    def image(self, burst: Burst, send_time: int) -> bytearray:
        """Return the image of a burst with its headers but for what is a viewer's own."""
        image = bytearray(burst.image)
        block = self._block(send_time)
        offsets = burst.layout.offsets
        any(map(self._pack_common, repeat(image), offsets, repeat(self._word), repeat(block)))
        if burst.is_last:
            image[offsets[-1] + 1] |= _MARKER
        return image

    @staticmethod
    def own(image: bytearray, layout: Layout, first: int, rtp: int, ssrc: int) -> Iterator[bytes]:
        """Return the packets of an image one by one, without place for tags: for where no socket is ours."""
        for sequence, (offset, size) in enumerate(zip(layout.offsets, layout.sizes, strict=True), first):
            _OWN.pack_into(image, offset + _OWN_AT, sequence & 0xFFFF, rtp, ssrc)
            yield bytes(image[offset : offset + size])

    def single(self, payload_type: int, ssrc: int, *, marker: bool, sequence: int, rtp: int, send_time: int) -> bytes:
        """Return the header of a packet that leaves by itself, with the extensions of this track."""
        word = 0x8000 | self._has_extensions | (_MARKER if marker else 0) | payload_type
        return self._pack(word, sequence, rtp, ssrc, self._block(send_time))


@lru_cache(64)
def headers(payload_type: int, block: bytes, time_at: int | None, tag_bytes: int) -> Headers:
    """Return the `Headers` of what was agreed: one object for all who have agreed to the same."""
    return Headers(payload_type, block, time_at, tag_bytes)
