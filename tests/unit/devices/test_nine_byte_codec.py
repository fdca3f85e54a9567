"""ViewSonic's and BenQ's nine bytes, after the examples of their manuals."""

from __future__ import annotations

from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.devices import nine_byte_codec as codec
from agent.devices.display import Power, UnreadableError

FAMILIES = get_args(codec.Family)


@pytest.mark.parametrize(
    ("made", "wire"),
    [
        (codec.command("s", codec.SET_POWER, codec.ON), "38 30 31 73 21 30 30 31 0D"),
        (codec.command("s", codec.SET_INPUT, "014"), "38 30 31 73 22 30 31 34 0D"),
        (codec.command("g", codec.GET_POWER), "38 30 31 67 6C 30 30 30 0D"),
        (codec.command("g", codec.GET_SIGNAL), "38 30 31 67 22 30 30 30 0D"),
        (codec.command("s", codec.SET_POWER, codec.OFF, number=17), "38 31 37 73 21 30 30 30 0D"),
    ],
)
def test_commands_are_the_bytes_of_the_manuals(made: bytes, wire: str) -> None:
    assert made == bytes.fromhex(wire)


@pytest.mark.parametrize("code", ["~", "4", "8", ">", "B", "5"])
def test_defaults_locks_and_the_rest_are_never_set(code: str) -> None:
    with pytest.raises(ValueError, match="not set from here"):
        codec.command("s", code)


@pytest.mark.parametrize(
    ("code", "value", "number"), [("l", "00", 1), ("l", "0\r1", 1), ("ll", "000", 1), ("é", "000", 1), ("l", "000", 99)]
)
def test_what_is_no_frame_is_not_sent(code: str, value: str, number: int) -> None:
    with pytest.raises(ValueError, match="no frame"):
        codec.command("g", code, value, number=number)


@pytest.mark.parametrize(
    ("wire", "answer"),
    [
        ("34 30 31 2B", codec.Ack(True)),
        ("34 30 31 2D", codec.Ack(False)),
        ("2B", codec.Ack(True)),
        ("2D", codec.Ack(False)),
        ("38 30 31 72 6C 30 30 31", codec.Value("l", "001")),
        ("38 30 31 72 22 30 30 30", codec.Value('"', "000")),
        ("38 30 31 72 6A 31 30 61", codec.Value("j", "10A")),
    ],
)
def test_answers_of_both_makers_are_read(wire: str, answer: codec.Ack | codec.Value) -> None:
    assert codec.parse(bytes.fromhex(wire)) == answer


@pytest.mark.parametrize("line", [b"", b"401*", b"501+", b"801s!001", b"801rl01", b"%1POWR=1", b"powerstate=on\n>"])
def test_what_is_no_answer_is_told(line: bytes) -> None:
    with pytest.raises(UnreadableError):
        codec.parse(line)


@given(st.binary(max_size=20))
def test_any_line_is_read_or_told(line: bytes) -> None:
    with suppress(UnreadableError):
        codec.parse(line)


@given(st.sampled_from(FAMILIES), st.from_regex(r"0[0-9A-Z]{2}", fullmatch=True))
def test_inputs_have_one_name_each_and_back(family: codec.Family, code: str) -> None:
    name = codec.input_name(code, family)
    assert codec.input_code(name, family) == code
    assert codec.input_name(name, family) == name


def test_the_inputs_first_digit_is_the_signal() -> None:
    assert codec.parse_input("104", "viewsonic") == ("hdmi1", True)
    assert codec.parse_input("014", "viewsonic") == ("hdmi2", False)
    with pytest.raises(UnreadableError):
        codec.parse_input("404", "viewsonic")


def test_power_is_on_or_standby() -> None:
    assert [codec.parse_power(value) for value in ("001", "000")] == [Power.ON, Power.STANDBY]
    with pytest.raises(UnreadableError):
        codec.parse_power("007")


@pytest.mark.parametrize("name", ["hdmi9", "", "1", "104"])
def test_what_is_no_input_says_which_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="hdmi1, hdmi2"):
        codec.input_name(name, "viewsonic")
