"""SMART Board's commands on RS-232, as bytes: ``get powerstate``, ``set input=hdmi1``, answers, the prompt. Pure.

After SMART's pages *Managing the display using RS-232* for MX, MX V5, 6000S, 7000R, QX and RX. Not for GX, which speaks
another protocol. Small and capital letters are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.devices.display import Power, UnreadableError

PROMPT = b">"
"""Nothing may be sent before it came."""
WAKE = b"\r"
"""Has a display that is in control mode say its prompt; an empty command does nothing."""

POWER = {
    "on": Power.ON,
    "ready": Power.STANDBY,
    "standby": Power.STANDBY,
    "off": Power.OFF,
    "updateon": Power.ON,
    "updateready": Power.STANDBY,
}
OFF_STATES = ("standby", "ready")
"""What switches off, by series: the V5 and later know ``standby``, the older ``ready``."""
_WORD = re.compile(r"[a-z][a-z0-9]{0,31}")
_VALUE = re.compile(r"([a-z]{2,32}) ?= ?([^\r\n]{0,64})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Block:
    """What came up to a prompt: values by their name, in small letters, and whether a command was not known."""

    values: dict[str, str] = field(default_factory=dict)
    is_invalid: bool = False


def get(name: str) -> bytes:
    """Return ``get name``."""
    return f"get {_word(name)}\r".encode("ascii")


def set_(name: str, value: str, *, spaced: bool = False) -> bytes:
    """Return ``set name=value``; ``spaced`` as some of the MX series want it."""
    sign = " = " if spaced else "="
    return f"set {_word(name)}{sign}{_word(value)}\r".encode("ascii")


def input_name(name: str) -> str:
    """Return the one form of an input's name, ``hdmi1``; ValueError for what cannot be one."""
    word = name.strip().lower()
    if not _WORD.fullmatch(word):
        raise ValueError(
            "is no SMART input; write hdmi1, ops1, usbc1, vga1, android, as the manual of the series has it"
        )
    return word


def parse(block: bytes) -> Block:
    """Read what came before a prompt.

    Lines with ``#`` in front are told by the display itself, and what a display says while it comes on is diagnostic:
    both are no answer. UnreadableError when there is nothing but such.
    """
    values: dict[str, str] = {}
    is_invalid = False
    lines = [line.strip() for line in re.split(r"[\r\n]+", block.decode("ascii", "replace")) if line.strip()]
    for line in lines:
        if line.lower().startswith(("get ", "set ", "#")):  # our own, echoed; or told by itself
            continue
        if re.match(r"invalid (command|cmd)", line, re.IGNORECASE):
            is_invalid = True
        elif (match := _VALUE.fullmatch(line)) is not None:
            values[match[1].lower()] = match[2].strip()
    if not values and not is_invalid:
        raise UnreadableError(f'"{block[:20].decode("ascii", "replace")!s}" is no answer')
    return Block(values, is_invalid)


def parse_power(value: str) -> Power:
    """Read ``powerstate``."""
    power = POWER.get(value.lower())
    if power is None:
        raise UnreadableError(f'"{value[:20]}" is no power state')
    return power


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} is no word of SMART's commands")
    return text
