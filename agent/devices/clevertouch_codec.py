"""Clevertouch's frames: ``AA BB CC main sub 00 sum DD EE FF``, the sum of the three before it. Pure.

After the published command list of the Impact (Plus) series. No answer is in it that we could read.
"""

from __future__ import annotations

ON, OFF = (0x01, 0x00), (0x01, 0x01)
INPUTS = {"tv": 0x01, "cvbs": 0x02, "vga1": 0x03, "vga2": 0x04, "hdmi3": 0x05, "hdmi1": 0x06}
_ALLOWED = frozenset({ON, OFF, *((0x02, code) for code in INPUTS.values())})


def command(code: tuple[int, int]) -> bytes:
    """Return a frame; ValueError for any code but power and the inputs named here."""
    if code not in _ALLOWED:
        raise ValueError(f"code {code!r} is not sent from here")
    return bytes([0xAA, 0xBB, 0xCC, *code, 0x00, sum(code) % 256, 0xDD, 0xEE, 0xFF])
