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
