"""Frames that stand in a room's configuration, as hex or as text, and those that are never sent whatever it says. Pure.

The list of refused frames is what public manuals name as wiping, upgrading or restarting a display, or as addressing
all of a building's. It cannot be whole: who writes frames reads the panel's own manual.
"""

from __future__ import annotations

import re
from typing import Literal

Encoding = Literal["hex", "ascii"]
FRAME_MOST = 256

_WORDS = re.compile(rb"factory|reset|restore|default|erase|format|wipe|upgrade|firmware|reboot|restart", re.IGNORECASE)
_REFUSED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\xfe\x08XBHCMD\x01\x44", re.DOTALL), "the factory restore of i3TOUCH"),
    (re.compile(rb"\xfe\x08XBHCMD\x01[\x43\x45]", re.DOTALL), "a restart or an upgrade of i3TOUCH"),
    (re.compile(rb"\d\d\ds~"), "the factory defaults of ViewSonic's and BenQ's panels"),
    (re.compile(rb"\d\d\ds!003"), "a restart of BenQ's panels"),
    (re.compile(rb"\d99s"), "addressed to all ViewSonic and BenQ panels on the line"),
    (re.compile(rb"\xaa.\xfe", re.DOTALL), "addressed to all Samsung displays on the line"),
    (re.compile(rb"\xaa\x11.\x01\x02", re.DOTALL), "a restart of Samsung's displays"),
    (re.compile(rb"\xaa\x9f", re.DOTALL), "a reset of Samsung's displays"),
)


def read_frame(text: str, encoding: Encoding) -> bytes:
    r"""Return the bytes of a frame: ``FE 08 58`` in hex, or text with ``\r``, ``\n``, ``\t`` and ``\x1b``.

    ValueError, with a sentence, for what is none and for what is never sent.
    """
    if encoding == "hex":
        try:
            frame = bytes.fromhex(text.replace(":", " ").replace("0x", ""))
        except ValueError:
            raise ValueError("is not hex; write pairs of digits, as AA BB 0D") from None
    else:
        try:
            frame = re.sub(r"\\(r|n|t|x[0-9a-fA-F]{2}|\\)", _unescaped, text).encode("ascii")
        except UnicodeEncodeError:
            raise ValueError(r"is not ASCII; write other bytes as \x1b, or use hex") from None
    if not 1 <= len(frame) <= FRAME_MOST:
        raise ValueError(f"has {len(frame)} bytes; a frame has 1 to {FRAME_MOST}")
    reason = refusal(frame)
    if reason is not None:
        raise ValueError(f"is {reason}, which is never sent from here; take it out")
    return frame


def refusal(frame: bytes) -> str | None:
    """Return why a frame is never sent; None for one that may be."""
    for pattern, reason in _REFUSED:
        if pattern.search(frame):
            return reason
    word = _WORDS.search(frame)
    return None if word is None else f'a command with "{word[0].decode().lower()}" in it'


def shown(answer: bytes, encoding: Encoding) -> str:
    """Return an answer as the patterns of a configuration see it: ``FE 09 01`` in hex, or its text."""
    return answer.hex(" ").upper() if encoding == "hex" else answer.decode("latin-1")


def _unescaped(match: re.Match[str]) -> str:
    sign = match[1]
    return chr(int(sign[1:], 16)) if sign[0] == "x" else {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}[sign]
