"""The nine-byte frames of ViewSonic's and BenQ's panels: ``8 01 s ! 001 CR``. Pure.

After ViewSonic's *IFP6552-2 RS-232 Protocols* and the IFP8650's and IFP33's manuals, and BenQ's *RS232 & LAN Protocol*
of RP6504, RP552H and ST4301K. A frame begins with its length without the CR, then the panel's number, the kind
(``s`` set, ``g`` get), one byte that says what, and three characters of value. Answers: ``4 01 +`` or a bare ``+`` for
a set that was taken, ``-`` for one that was not, ``8 01 r …`` for a get.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent.devices.display import Power, UnreadableError

END = b"\r"
ANSWER_MOST = 9

Family = Literal["viewsonic", "benq"]
PORTS: Mapping[Family, int] = {"viewsonic": 5000, "benq": 4660}

SET_POWER, SET_INPUT = "!", '"'
GET_POWER, GET_INPUT, GET_SIGNAL = "l", "j", '"'
"""What a get asks for. ViewSonic has a letter of its own for each; BenQ tells the signal under the input's code."""
_SETS = frozenset({SET_POWER, SET_INPUT})
"""Nothing else is ever set: among the other codes are factory defaults (7E) and locks."""
ON, OFF = "001", "000"

INPUTS: Mapping[Family, Mapping[str, str]] = {
    "viewsonic": {
        "av": "001", "ypbpr": "003", "hdmi1": "004", "hdmi2": "014", "hdmi3": "024", "hdmi4": "034", "dvi": "005",
        "vga1": "006", "vga2": "016", "ops": "007", "dp1": "009", "usbc1": "019", "usbc2": "039", "android": "00A",
    },
    "benq": {"vga": "000", "hdmi1": "001", "hdmi2": "002"},
}  # fmt: skip
_NAMES: Mapping[Family, Mapping[str, str]] = {
    family: {code: name for name, code in table.items()} for family, table in INPUTS.items()
}


@dataclass(frozen=True, slots=True)
class Ack:
    """A set that was taken, or a command that was not."""

    is_taken: bool


@dataclass(frozen=True, slots=True)
class Value:
    """What a get was answered with: the code that was asked for, and its three characters."""

    code: str
    value: str


def command(kind: Literal["s", "g"], code: str, value: str = "000", *, number: int = 1) -> bytes:
    """Return the nine bytes; ValueError for a set that is not ours to send, or what is no frame.

    ``number`` is the panel's, 1…98; 99 would be all of a building's.
    """
    if kind == "s" and code not in _SETS:
        raise ValueError(f"code {code!r} is not set from here")
    if len(code) != 1 or not code.isascii() or not re.fullmatch(r"[0-9A-Z]{3}", value) or not 1 <= number <= 98:
        raise ValueError(f"{kind}{code}{value} for panel {number} is no frame")
    return f"8{number:02d}{kind}{code}{value}\r".encode("ascii")


def parse(line: bytes) -> Ack | Value:
    """Read an answer, without its CR; UnreadableError for what is none."""
    text = line.decode("latin-1")
    if match := re.fullmatch(r"(?:4\d\d)?([+-])", text):
        return Ack(match[1] == "+")
    if match := re.fullmatch(r"8\d\dr(.)([0-9A-Za-z]{3})", text):
        return Value(match[1], match[2].upper())
    raise UnreadableError("it is no answer of nine bytes")


def parse_power(value: str) -> Power:
    """Read the value of `GET_POWER`."""
    if value not in (ON, OFF):
        raise UnreadableError(f'"{value}" is no power state')
    return Power.ON if value == ON else Power.STANDBY


def parse_input(value: str, family: Family) -> tuple[str, bool]:
    """Read the value of `GET_INPUT`: the input's name, and whether a signal arrives there (the first digit)."""
    if value[0] not in "01":
        raise UnreadableError(f'"{value}" is no input')
    return input_name("0" + value[1:], family), value[0] == "1"


def input_name(name: str, family: Family) -> str:
    """Return the one form of an input: its name, or the three characters of its code where it has none here."""
    word = name.strip()
    if word.lower() in INPUTS[family]:
        return word.lower()
    code = word.upper()
    if not re.fullmatch(r"0[0-9A-Z]{2}", code):
        raise ValueError(
            f"is no input of {family}; write {', '.join(INPUTS[family])}, or the three characters of its manual"
        )
    return _NAMES[family].get(code, code)


def input_code(name: str, family: Family) -> str:
    """Return the three characters for an input in the form of `input_name`."""
    name = input_name(name, family)
    return INPUTS[family].get(name, name)
