"""A frame's packets, written once for all viewers whose headers and tags are equally long, and finished for each.

A `Burst` is an image of at most `BURST_PACKETS` packets with room for the header in front of each payload and for the
SRTP tag behind it. What the headers of all viewers have in common is written once more for all of them; for a viewer
the image is copied to the workbench, ten bytes of each header are written, each packet is protected where it lies, and
the kernel is handed the whole run (UDP_SEGMENT wants equal sizes, of which the last may be shorter). The loop over the
viewers is in `agent.streams.lanes`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import accumulate, repeat
from typing import Any, NamedTuple

from agent.streams import wire_path
from agent.streams.packetize import MAX_PAYLOAD

BURST_PACKETS = 10
"""What leaves in one go: a router of a thin line has place for as many behind each other. The kernel takes 64."""
_UDP, _UDP_SEGMENT = 17, 103
_MARKER = 0x80
_FIXED = 12
"""Bytes of a header without extensions."""
_OWN_AT, _OWN = 2, struct.Struct("!HLL")
"""Where in a header a viewer's own stands: sequence number, RTP time, SSRC."""
write_own = _OWN.pack_into


class Shape(NamedTuple):
    """How many bytes stand before and behind each payload."""

    header: int
    tag: int


class Run(NamedTuple):
    """Packets that the kernel takes in one call: on the workbench, in its words, and how long all but the last are."""

    packets: int
    buffers: tuple[memoryview]
    ancillary: tuple[tuple[int, int, bytes], ...]
    segment: int

    def singles(self) -> list[memoryview]:
        """Return the packets one by one, for where the kernel takes no runs."""
        (whole,) = self.buffers
        return [whole[at : at + self.segment] for at in range(0, len(whole), self.segment)]


class Layout(NamedTuple):
    """Where packets of certain sizes lie on the workbench; frames of the same sizes share it."""

    packets: int
    payload_bytes: int
    place: memoryview
    """Of all of them."""
    offsets: tuple[int, ...]
    own_at: tuple[int, ...]
    """Where a viewer's own stands in each header, for `write_own`."""
    pointers: tuple[Any, ...]
    """Of each packet, for libsrtp."""
    lengths: bytes
    """Of each packet without its tag, as libsrtp reads them."""
    lengths_place: memoryview
    """Where it reads and changes them."""
    runs: tuple[Run, ...]


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
WORKBENCH = wire_path.Workbench(BURST_PACKETS * (_MOST_HEADER + MOST_PAYLOAD + _MOST_TAG), BURST_PACKETS)
"""One for all: a burst leaves before the next one is begun. For the loop's thread alone."""

_pointer = lru_cache(1024)(WORKBENCH.pointer)


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
    ends = tuple(accumulate(shape.header + size + shape.tag for size in sizes))
    offsets = (0, *ends[:-1])
    lengths = struct.pack(f"={len(sizes)}i", *(shape.header + size for size in sizes))
    return Layout(
        len(sizes),
        sum(sizes),
        WORKBENCH.view[: ends[-1]],
        offsets,
        tuple(offset + _OWN_AT for offset in offsets),
        tuple(map(_pointer, offsets)),
        lengths,
        WORKBENCH.lengths[: len(lengths)],
        _runs(offsets, ends),
    )


def _runs(offsets: Sequence[int], ends: Sequence[int]) -> tuple[Run, ...]:
    """Cut packets that lie behind each other into as few runs as UDP_SEGMENT allows."""
    view = WORKBENCH.view
    runs: list[Run] = []
    begun = 0
    for number in range(len(ends)):
        size, following = ends[number] - offsets[number], number + 1
        segment = ends[begun] - offsets[begun]
        if following < len(ends) and size == segment and ends[following] - offsets[following] <= segment:
            continue
        runs.append(
            Run(
                following - begun,
                (view[offsets[begun] : ends[number]],),
                _segments(segment) if following - begun > 1 else (),
                segment,
            )
        )
        begun = following
    return tuple(runs)


@cache
def _segments(size: int) -> tuple[tuple[int, int, bytes], ...]:
    return ((_UDP, _UDP_SEGMENT, struct.pack("=H", size)),)


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
        """Return the image of a burst with its headers but for what is a viewer's own (`write_own`)."""
        image = bytearray(burst.image)
        block = self._block(send_time)
        offsets = burst.layout.offsets
        any(map(self._pack_common, repeat(image), offsets, repeat(self._word), repeat(block)))
        if burst.is_last:
            image[offsets[-1] + 1] |= _MARKER
        return image

    def single(self, payload_type: int, ssrc: int, *, marker: bool, sequence: int, rtp: int, send_time: int) -> bytes:
        """Return the header of a packet that leaves by itself, with the extensions of this track."""
        word = 0x8000 | self._has_extensions | (_MARKER if marker else 0) | payload_type
        return self._pack(word, sequence, rtp, ssrc, self._block(send_time))


@lru_cache(64)
def headers(payload_type: int, block: bytes, time_at: int | None, tag_bytes: int) -> Headers:
    """Return the `Headers` of what was agreed: one object for all who have agreed to the same."""
    return Headers(payload_type, block, time_at, tag_bytes)
