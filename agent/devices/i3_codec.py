"""i3TOUCH's frames: ``FE 08 58 42 48 43 4D 44 01 F0 CF`` and an answer of one byte more. Pure.

After i3-Technologies' *RS232 Command Sheet* of the X3. The table names no code for inputs, and among the codes beside
these are a restart (43), a factory restore (44) and an upgrade (45): nothing but what is named here is ever built.
"""

from __future__ import annotations

from agent.devices.display import Power, UnreadableError

PORT = 6688
ANSWER_SIZE = 12
_HEAD, _ANSWER_HEAD, _TAIL = bytes.fromhex("FE 08 58 42 48 43 4D 44"), bytes.fromhex("FE 09 58 42 48 43 4D 44"), b"\xcf"

ON, SHUT_DOWN, HIBERNATE, WAKE = (1, 0xF0), (1, 0xF1), (1, 0xF2), (1, 0xF3)
ASK_POWER = (2, 0x08)
_KNOWN = frozenset({ON, SHUT_DOWN, HIBERNATE, WAKE, ASK_POWER})

STANDBY, IS_ON, HIBERNATES = 0, 1, 2
POWER = {STANDBY: Power.STANDBY, IS_ON: Power.ON, HIBERNATES: Power.STANDBY}


def command(code: tuple[int, int]) -> bytes:
    """Return a frame; ValueError for any code that is not named here."""
    if code not in _KNOWN:
        raise ValueError(f"code {code!r} is not sent from here")
    return _HEAD + bytes(code) + _TAIL


def parse(answer: bytes, code: tuple[int, int]) -> int:
    """Return the value in the answer to ``code``: 1 for an order that was taken."""
    if len(answer) != ANSWER_SIZE or answer[:10] != _ANSWER_HEAD + bytes(code) or answer[-1:] != _TAIL:
        raise UnreadableError("it is no answer of i3TOUCH")
    return answer[10]
