"""Interactive panels as talkers: each answers from its own state after its maker's table, sharing no code of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass
class SmartBoard:
    """A SMART Board: ASCII commands, an answer, the prompt. The V5 knows standby, the older ready."""

    power: str = "standby"
    input: str = "android"
    inputs: tuple[str, ...] = ("hdmi1", "hdmi2", "ops1", "usbc1", "android")
    states: tuple[str, ...] = ("on", "standby", "off")
    wants_spaces: bool = False
    says_by_itself: bytes = b""
    """Before each answer, as newer ones tell their changes."""
    echoes: bool = False
    too_early: int = 0
    """Commands that came before the prompt had gone out: it must stay zero."""
    _buffer: bytes = b""

    def hear(self, data: bytes) -> bytes:
        self._buffer += data
        said = b""
        while b"\r" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\r")
            if self._buffer:
                self.too_early += 1
            echo = line + b"\r\n" if self.echoes else b""
            said += echo + self.says_by_itself + self._answer(line.decode()).encode() + b"\r\n>"
        return said

    def _answer(self, line: str) -> str:
        if not line:
            return ""
        match = re.fullmatch(r"(get|set) (\w+)( ?)(?:=\3(\w+))?", line)
        if match is None or (match[1] == "set" and bool(match[3]) != self.wants_spaces):
            return f"invalid cmd={line}"
        act, name, value = match[1], match[2], match[4]
        if name == "powerstate" and (act == "get" or value in self.states):
            self.power = self.power if act == "get" else value
            return f"powerstate={self.power}"
        if name in ("modelnum", "serialnum") and act == "get":
            return {"modelnum": "modelnum=SBID-MX265-V5", "serialnum": "serialnum=C0FFEE42"}[name]
        if name == "input" and self.power == "on" and (act == "get" or value in self.inputs):
            self.input = self.input if act == "get" else value
            return f"input={self.input}"
        return f"invalid command={line}"


@dataclass
class NineBytePanel:
    """A ViewSonic IFP, or with ``is_benq`` a BenQ that says neither its power nor its input."""

    is_benq: bool = False
    power: str = "000"
    input: str = "00A"
    has_signal: bool = True
    defaults: int = 0
    """How often it was told to forget everything (7E)."""
    _buffer: bytes = b""

    def hear(self, data: bytes) -> bytes:
        self._buffer += data
        said = b""
        while b"\r" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\r")
            said += self._answer(line) + b"\r"
        return said

    def _answer(self, line: bytes) -> bytes:
        refused = b"-" if self.is_benq else b"401-"
        if len(line) != 8 or line[:1] != b"8":
            return refused
        kind, code, value = chr(line[3]), chr(line[4]), line[5:].decode()
        if kind == "g":
            told = self._get(code)
            return refused if told is None else b"801r" + code.encode() + told.encode()
        if code == "!" and value in ("000", "001"):
            self.power = value
        elif code == '"' and self.power == "001" and value in self._inputs():
            self.input = value
        elif code == "~":
            self.defaults += 1
        else:
            return refused
        return b"+" if self.is_benq else b"401+"

    def _inputs(self) -> tuple[str, ...]:
        return ("000", "001", "002") if self.is_benq else ("004", "014", "00A")

    def _get(self, code: str) -> str | None:
        if self.is_benq:
            return ("001" if self.has_signal else "000") if code == '"' else None
        if code == "l":
            return self.power
        if code == "j" and self.power == "001":
            return ("1" if self.has_signal else "0") + self.input[1:]
        return None


@dataclass
class MdcPanel:
    """A Samsung display: MDC frames with their sum; NAK for what it does not know."""

    power: int = 0
    input: int = 0x21
    hours: int = 812
    has_errors: bool = True
    has_signal: bool = True
    fan_fails: bool = False
    _buffer: bytes = b""

    def hear(self, data: bytes) -> bytes:
        self._buffer += data
        said = b""
        while len(self._buffer) >= 5 and len(self._buffer) >= 5 + self._buffer[3]:
            size = 5 + self._buffer[3]
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            if frame[0] != 0xAA or sum(frame[1:-1]) % 256 != frame[-1]:
                continue  # as the manual has it: nothing is answered
            ack, value = self._answer(frame[1], frame[4:-1])
            body = bytes([0xFF, frame[2], 2 + len(value), ord("A" if ack else "N"), frame[1]]) + value
            said += b"\xaa" + body + bytes([sum(body) % 256])
        return said

    def _answer(self, command: int, data: bytes) -> tuple[bool, bytes]:
        told = {
            0x00: bytes([self.power, 30, 0, self.input, 1, 0, 0]),
            0x0B: b"0MDCSERIAL42",
            0x83: (self.hours * 6).to_bytes(2, "big"),
            0x8A: b"QM65B",
        }
        if self.has_errors:
            told[0x0D] = bytes([0, 0, 0, 0 if self.has_signal else 1, 40, 1 if self.fan_fails else 0])
        if command == 0x11 and data in (b"\x00", b"\x01"):
            self.power = data[0]
            return True, data
        if command == 0x14 and len(data) == 1 and data[0] in (0x21, 0x23) and self.power:
            self.input = data[0]
            return True, data
        return (True, told[command]) if command in told and not data else (False, b"\x01")


@dataclass
class I3Panel:
    """An i3TOUCH X3: 0 standby, 1 on, 2 hibernates. Over the network it cannot be switched on from standby."""

    state: int = 0
    is_on_network: bool = False
    restored: int = 0
    """How often it was told to restore, upgrade or restart."""
    _buffer: bytes = b""

    def hear(self, data: bytes) -> bytes:
        self._buffer += data
        said = b""
        while len(self._buffer) >= 11:
            frame, self._buffer = self._buffer[:11], self._buffer[11:]
            if frame[:8] == b"\xfe\x08XBHCMD" and frame[-1] == 0xCF:
                said += b"\xfe\x09XBHCMD" + frame[8:10] + bytes([self._answer(frame[8:10])]) + b"\xcf"
        return said

    def _answer(self, code: bytes) -> int:
        if code == b"\x02\x08":
            return self.state
        if (code == b"\x01\xf0" and not (self.is_on_network and self.state == 0)) or (
            code == b"\x01\xf3" and self.state == 2
        ):
            self.state = 1
        elif code in (b"\x01\xf1", b"\x01\xf2"):
            self.state = {0xF1: 0, 0xF2: 2}[code[1]]
        elif code in (b"\x01\x43", b"\x01\x44", b"\x01\x45"):
            self.restored += 1
        else:
            return 0
        return 1


@dataclass
class ClevertouchPanel:
    """A Clevertouch Impact: takes whole frames with the right sum, and says nothing."""

    power: int = 0
    input: int = 1
    _buffer: bytes = b""

    def hear(self, data: bytes) -> bytes:
        self._buffer += data
        while len(self._buffer) >= 10:
            frame, self._buffer = self._buffer[:10], self._buffer[10:]
            if frame[:3] != b"\xaa\xbb\xcc" or frame[7:] != b"\xdd\xee\xff" or sum(frame[3:6]) % 256 != frame[6]:
                continue
            if frame[3] == 1:
                self.power = 1 if frame[4] == 0 else 0
            elif frame[3] == 2 and self.power:
                self.input = frame[4]
        return b""


@dataclass
class NewlinePanel:
    """A Newline panel: acknowledges on and off, refuses the rest."""

    power: int = 0
    refuses: bool = False
    _buffer: bytes = b""

    def hear(self, data: bytes) -> bytes:
        self._buffer += data
        said = b""
        while len(self._buffer) >= 11:
            frame, self._buffer = self._buffer[:11], self._buffer[11:]
            if frame[:9] != b"\x7f\x08\x99\xa2\xb3\xc4\x02\xff\x01" or frame[10] != 0xCF:
                continue
            is_taken = frame[9] in (0, 1) and not self.refuses
            if is_taken:
                self.power = 1 - frame[9]
            said += b"\x7f\x09" + frame[2:10] + bytes([is_taken]) + b"\xcf"
        return said
