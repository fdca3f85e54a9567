"""VP8 in RTP packets (RFC 7741), cut once for all viewers."""

from __future__ import annotations

from agent.streams.packetize import MAX_PAYLOAD

_START = 0x10
"""S: the first packet of a picture, and of its one partition as far as a payload descriptor tells (§4.2)."""


def is_key(picture: bytes) -> bool:
    """Say whether a decoder can start here: the inverse key frame bit is 0 (RFC 6386 §9.1)."""
    return bool(picture) and not picture[0] & 0x01


def payloads(picture: bytes) -> tuple[bytes, ...]:
    """Return the RTP payloads of one picture, of equal size, only the last may be shorter.

    The descriptor has no extension: pictures follow each other by sequence number, for there is one layer, and what is
    lost is sent again or ends in a key frame.
    """
    room = MAX_PAYLOAD - 1
    return tuple(
        bytes([_START if at == 0 else 0]) + picture[at : at + room] for at in range(0, max(len(picture), 1), room)
    )
