"""Newline's frames, after its serial lists."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.devices import newline_codec as codec
from agent.devices.display import UnreadableError


def test_commands_are_the_bytes_of_the_lists() -> None:
    assert codec.command(codec.ON) == bytes.fromhex("7F 08 99 A2 B3 C4 02 FF 01 00 CF")
    assert codec.command(codec.OFF) == bytes.fromhex("7F 08 99 A2 B3 C4 02 FF 01 01 CF")


def test_no_other_code_can_be_built() -> None:
    for code in range(2, 256):
        with pytest.raises(ValueError, match="not sent from here"):
            codec.command(code)


def test_answers_are_read() -> None:
    assert codec.parse(bytes.fromhex("7F 09 99 A2 B3 C4 02 FF 01 01 01 CF"), codec.OFF)
    assert not codec.parse(bytes.fromhex("7F 09 99 A2 B3 C4 02 FF 01 00 00 CF"), codec.ON)
    with pytest.raises(UnreadableError):
        codec.parse(bytes.fromhex("7F 09 99 A2 B3 C4 02 FF 01 01 01 CF"), codec.ON)


@given(st.binary(max_size=16))
def test_any_bytes_are_newlines_or_told(raw: bytes) -> None:
    with suppress(UnreadableError):
        codec.parse(raw, codec.ON)
