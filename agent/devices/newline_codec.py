"""Newline's frames: ``7F 08 99 A2 B3 C4 02 FF 01 XX CF`` and an answer of one byte more. Pure.

After the serial command lists of TruTouch, RS and TT. What we have of them names no way to ask for the power, and no
code for inputs.
"""

from __future__ import annotations

from agent.devices.display import UnreadableError

ON, OFF = 0x00, 0x01
ANSWER_SIZE = 12
_HEAD, _ANSWER_HEAD = bytes.fromhex("7F 08 99 A2 B3 C4 02 FF 01"), bytes.fromhex("7F 09 99 A2 B3 C4 02 FF 01")
_TAIL = b"\xcf"


def command(code: int) -> bytes:
    """Return a frame; ValueError for any code but `ON` and `OFF`."""
    if code not in (ON, OFF):
        raise ValueError(f"code {code!r} is not sent from here")
    return _HEAD + bytes([code]) + _TAIL


def parse(answer: bytes, code: int) -> bool:
    """Read the answer to ``code``: whether it was taken."""
    if len(answer) != ANSWER_SIZE or answer[:10] != _ANSWER_HEAD + bytes([code]) or answer[-1:] != _TAIL:
        raise UnreadableError("it is no answer of Newline")
    return answer[10] == 1
