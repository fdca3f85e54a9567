"""The on-air sign, from two facts alone: a device is open for a lesson; a media packet left in the last second."""

from __future__ import annotations

from protocol.messages import Sign

PACKET_FRESH_S = 1.0
"""How long after a packet the sign stays (DESIGN §6)."""


def sign(*, devices_open: int, last_packet_mono_s: float | None, mono_s: float) -> Sign:
    """Return what the sign must show at ``mono_s`` (CLOCK_MONOTONIC, seconds)."""
    if last_packet_mono_s is not None and mono_s - last_packet_mono_s <= PACKET_FRESH_S:
        return Sign.LIVE
    return Sign.OPEN if devices_open else Sign.OFF
