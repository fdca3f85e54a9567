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
