"""H.264 in RTP packets (RFC 6184), cut once for all viewers."""

from __future__ import annotations

from collections.abc import Sequence

MAX_PAYLOAD = 1_180
"""Bytes of one payload. With RTP header, extensions, SRTP, UDP, IPv6 and a TURN channel it stays below 1280, the least
that every IPv6 path carries (RFC 8200 §5)."""

_SEI = 6
_STAP_A = 24
_FU_A = 28
_START, _END = 0x80, 0x40


def nal_units(stream: bytes) -> tuple[bytes, ...]:
    """Split an Annex B byte stream (H.264 annex B) into its NAL units, without start codes.

    Supplemental information is left out: x264's only says which x264 it is, 0.7 kB with each key frame.
    """
    units: list[bytes] = []
    start = stream.find(b"\x00\x00\x01")
    while start != -1:
        start += 3
        following = stream.find(b"\x00\x00\x01", start)
        end = len(stream) if following == -1 else following
        unit = stream[start:end].rstrip(b"\x00") if following != -1 else stream[start:end]
        if unit and unit[0] & 0x1F != _SEI:
            units.append(unit)
        start = following
    return tuple(units)


def is_key(units: Sequence[bytes]) -> bool:
    """Say whether a decoder can start here: the picture is an IDR (NAL type 5)."""
    return any(unit[0] & 0x1F == 5 for unit in units)


def payloads(units: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the RTP payloads of one picture.

    Small neighbours share a STAP-A (§5.7.1); a large unit is cut into FU-A of equal size, only the last may be
    shorter (§5.8), so that a kernel can be handed a run of them in one call.
    """
    out: list[bytes] = []
    small: list[bytes] = []
    room = MAX_PAYLOAD - 1

    def flush() -> None:
        nonlocal room
        if len(small) == 1:
            out.append(small[0])
        elif small:
            header = max(unit[0] & 0x60 for unit in small) | _STAP_A
            out.append(bytes([header]) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in small))
        small.clear()
        room = MAX_PAYLOAD - 1

    for unit in units:
        if len(unit) > MAX_PAYLOAD:
            flush()
            out.extend(_fragments(unit))
            continue
        if len(unit) + 2 > room:
            flush()
        small.append(unit)
        room -= len(unit) + 2
    flush()
    return tuple(out)


def _fragments(unit: bytes) -> list[bytes]:
    indicator, kind = (unit[0] & 0xE0) | _FU_A, unit[0] & 0x1F
    step = MAX_PAYLOAD - 2
    parts = [unit[at : at + step] for at in range(1, len(unit), step)]
    last = len(parts) - 1
    return [
        bytes([indicator, kind | (_START if i == 0 else 0) | (_END if i == last else 0)]) + part
        for i, part in enumerate(parts)
    ]
