"""PJLink as bytes: commands, answers, both logins, search and notifications. Pure.

After the PJLink Specifications, class 1 (v1.04, 2013) and class 2 (v2.10, 2024); paragraphs (§) are of class 2.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.devices.display import DisplayStatus, Power, UnreadableError

PORT = 4352
"""TCP for commands, UDP on both ends for search and notifications."""
END = b"\r"
PACKET_MOST = 136
"""Header to CR, with a parameter of up to 128 bytes."""

POWER: dict[str, Power] = {"0": Power.STANDBY, "1": Power.ON, "2": Power.COOLING, "3": Power.WARMING}
_INPUT_TYPES = {"1": "rgb", "2": "video", "3": "digital", "4": "storage", "5": "network", "6": "internal"}
_TYPE_DIGITS = {name: digit for digit, name in _INPUT_TYPES.items()}
_PLACES = ("fan", "lamp", "temperature", "cover", "filter", "other")
"""The six digits of ERST, in order (§4.7)."""

_GREETING = re.compile(r"PJLINK (?:0|1 ([0-9A-F]{8})|2 ([0-9A-F]{32})|(ERRA))", re.IGNORECASE)
_ANSWER = re.compile(r"%([1-9])([0-9A-Z]{4})=(.{0,128})", re.IGNORECASE | re.DOTALL)
_SEARCH_ANSWER = re.compile(rb"%2ACKN=((?:[0-9A-F]{2}:){5}[0-9A-F]{2})\r", re.IGNORECASE)
_NOTIFICATION = re.compile(rb"%2(LKUP|ERST|POWR|INPT)=([0-9A-Z:]{1,17})\r", re.IGNORECASE)

SEARCH = b"%2SRCH\r"
"""Sent to UDP 4352 as a broadcast; each projector answers with its MAC to UDP 4352 of who asks."""
ASK_SHA256 = b"PJLINK 2\r"
"""What a controller answers to an MD5 greeting when it would rather log in with SHA-256 (§5)."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The line a projector begins with, or answers `ASK_SHA256` with. ``random`` is for the digest."""

    login: Literal["open", "md5", "sha256", "refused"]
    random: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is the four letters in capitals; ``error`` is ``ERR1`` … ``ERR4`` when the parameter is one."""

    body: str
    param: str

    @property
    def error(self) -> str | None:
        said = self.param.upper()
        return said if re.fullmatch(r"ERR[1-4]", said) else None


@dataclass(frozen=True, slots=True)
class Notification:
    """What a projector tells by itself: ``LKUP`` with its MAC, ``ERST``, ``POWR``, ``INPT`` with their values."""

    kind: str
    value: str


def _text(line: bytes) -> str:
    """Return a line as text; some devices pad with NUL or LF after the CR, so these are found before the next line."""
    try:
        return line.strip(b"\0\n").decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError("it is not text") from None


def command(body: str, param: str = "?", *, class_: int = 1) -> bytes:
    """Return a command; ValueError for one that no projector could take."""
    packet = f"%{class_}{body} {param}\r".encode()
    if not re.fullmatch(r"[0-9A-Z]{4}", body) or class_ not in (1, 2) or "\r" in param or len(packet) > PACKET_MOST:
        raise ValueError(f"{body} {param!r} of class {class_} is no PJLink command")
    return packet


def parse_greeting(line: bytes) -> Greeting:
    """Read the greeting, without its CR (§5); UnreadableError for any other line."""
    match = _GREETING.fullmatch(_text(line))
    if match is None:
        raise UnreadableError("it is no PJLink greeting")
    if match[1]:
        return Greeting("md5", match[1])
    if match[2]:
        return Greeting("sha256", match[2])
    return Greeting("refused" if match[3] else "open")


def is_refusal(line: bytes) -> bool:
    """Whether a line says that the digest was wrong: ``PJLINK ERRA`` (§5)."""
    return line.strip(b"\0\n").upper() == b"PJLINK ERRA"


def parse_answer(line: bytes) -> Answer:
    """Read an answer, without its CR (§2.2); UnreadableError for what is none."""
    match = _ANSWER.fullmatch(_text(line))
    if match is None:
        raise UnreadableError("it is no PJLink answer")
    return Answer(match[2].upper(), match[3])


def md5_prefix(random: str, password: str) -> bytes:
    """Return what stands before the first command of a connection: 32 hex digits (§5)."""
    return hashlib.md5((random + password).encode(), usedforsecurity=False).hexdigest().encode()


def sha256_prefix(theirs: str, ours: str, password: str) -> bytes:
    """Return our random (32 hex digits) and the digest of both, mixed, with the password: 96 hex digits (§5)."""
    mixed = bytes(a ^ b for a, b in zip(bytes.fromhex(theirs), bytes.fromhex(ours), strict=True)).hex()
    return ours.encode() + hashlib.sha256((mixed + password).encode()).hexdigest().encode()


def input_name(code: str) -> str:
    """Return ``digital-1`` for ``31`` (§4.3); UnreadableError for what is no input."""
    code = code.upper()
    if not re.fullmatch(r"[1-6][1-9A-Z]", code):
        raise UnreadableError(f'"{code[:8]}" is no input')
    return f"{_INPUT_TYPES[code[0]]}-{code[1].lower()}"


def input_code(name: str) -> str:
    """Return ``31`` for ``digital-1`` or ``31``; ValueError, which says what is meant, for anything else."""
    kind, _, number = name.strip().lower().partition("-")
    code = f"{_TYPE_DIGITS.get(kind, '')}{number}".upper() if number else name.strip().upper()
    if not re.fullmatch(r"[1-6][1-9A-Z]", code):
        kinds = ", ".join(f"{kind}-1" for kind in _TYPE_DIGITS)
        raise ValueError(f"is no PJLink input; write {kinds}, or another number, or the code, as 31")
    return code


def input_class(code: str) -> int:
    """Return the class of INPT that can name this input: letters and type 6 are of class 2 (§4.3)."""
    return 2 if code[0] == "6" or code[1].isalpha() else 1


def parse_inputs(param: str) -> tuple[str, ...]:
    """Read INST's list of codes (§4.9), in its order and without what is no input."""
    return tuple(code.upper() for code in param.split() if re.fullmatch(r"[1-6][1-9A-Za-z]", code))


def parse_power(param: str) -> Power:
    """Read POWR (§4.2)."""
    if param not in POWER:
        raise UnreadableError(f'"{param[:8]}" is no power state')
    return POWER[param]


def parse_faults(param: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read ERST (§4.7): the places that are in error, and those with a warning."""
    if not re.fullmatch(r"[0-2]{6}", param):
        raise UnreadableError(f'"{param[:8]}" is no error status')
    errors, warnings = (
        tuple(place for place, digit in zip(_PLACES, param, strict=True) if digit == sign) for sign in "21"
    )
    return errors, warnings


def parse_lamp_hours(param: str) -> int:
    """Read LAMP (§4.8): pairs of hours and whether it burns. Several lamps: the oldest one's hours."""
    pairs = re.fullmatch(r"\d{1,5} [01](?: \d{1,5} [01]){0,7}", param)
    if pairs is None:
        raise UnreadableError(f'"{param[:20]}" are no lamp hours')
    return max(int(hours) for hours in param.split()[::2])


def parse_filter_hours(param: str) -> int:
    """Read FILT (class 2): how many hours the filter has been in use."""
    if not re.fullmatch(r"\d{1,5}", param):
        raise UnreadableError(f'"{param[:20]}" are no filter hours')
    return int(param)


def parse_mute(param: str) -> bool:
    """Read AVMT (§4.6): whether the picture is blanked, with or without the sound."""
    if not re.fullmatch(r"[123][01]", param):
        raise UnreadableError(f'"{param[:8]}" is no mute state')
    return param in ("11", "31")


def parse_signal(param: str) -> bool | None:
    """Read IRES (§4.18): whether something arrives; None when the projector does not know its size."""
    if param == "*":
        return None
    if param != "-" and not re.fullmatch(r"\d{1,5}x\d{1,5}", param, re.IGNORECASE):
        raise UnreadableError(f'"{param[:20]}" is no resolution')
    return param != "-"


def parse_resolution(param: str) -> tuple[int, int] | None:
    """Read IRES (§4.18): width and height of what arrives; None when nothing does, or it is not known."""
    if not parse_signal(param):
        return None
    width, height = param.lower().split("x")
    return int(width), int(height)


def parse_search_answer(datagram: bytes) -> str | None:
    """Return the MAC of a projector that answers a search; None for any other datagram."""
    match = _SEARCH_ANSWER.fullmatch(datagram)
    return match[1].decode().lower() if match else None


def parse_notification(datagram: bytes) -> Notification | None:
    """Return what a projector tells by itself; None for any other datagram."""
    match = _NOTIFICATION.fullmatch(datagram)
    return Notification(match[1].decode().upper(), match[2].decode()) if match else None


def status_of(power: Power, said: dict[str, str], names: Sequence[str] = ()) -> DisplayStatus:
    """Return the status from the parameters of the answers by their four letters; what was not said is None."""
    faults, warnings = parse_faults(said["ERST"]) if "ERST" in said else ((), ())
    return DisplayStatus(
        power=power,
        input=input_name(said["INPT"]) if "INPT" in said else None,
        lamp_hours=parse_lamp_hours(said["LAMP"]) if "LAMP" in said else None,
        filter_hours=parse_filter_hours(said["FILT"]) if "FILT" in said else None,
        faults=faults,
        warnings=warnings,
        is_muted=parse_mute(said["AVMT"]) if "AVMT" in said else None,
        has_signal=parse_signal(said["IRES"]) if "IRES" in said else None,
        resolution=parse_resolution(said["IRES"]) if "IRES" in said else None,
    )
