"""SMART's commands as bytes, after the examples of its manuals."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.devices import smart_codec as codec
from agent.devices.display import Power, UnreadableError


def test_commands_are_these_bytes() -> None:
    assert codec.get("powerstate") == b"get powerstate\r"
    assert codec.set_("powerstate", "on") == b"set powerstate=on\r"
    assert codec.set_("input", "hdmi1", spaced=True) == b"set input = hdmi1\r"


@pytest.mark.parametrize("value", ["", "on\rset powerstate=off", "HDMI 1", "é", "x" * 33])
def test_what_is_no_word_is_not_sent(value: str) -> None:
    with pytest.raises(ValueError, match="no word"):
        codec.set_("input", value)


@pytest.mark.parametrize(
    ("block", "values", "is_invalid"),
    [
        (b"powerstate=on\r\n", {"powerstate": "on"}, False),
        (b"\r\nvolume=55\r\n", {"volume": "55"}, False),
        (b"get volume\r\nvolume=55\r\n", {"volume": "55"}, False),
        (b"#powerstate=off\r\npowerstate=on\r\n", {"powerstate": "on"}, False),
        (b"input = HDMI1\n", {"input": "HDMI1"}, False),
        (b"invalid cmd=set vol ume=65\r\n", {}, True),
        (b"invalid command=\r\n", {}, True),
        (b"U-Boot 2016.05\r\n\x00\x9f\r\nmodelnum=SBID-MX265-V5\r\n", {"modelnum": "SBID-MX265-V5"}, False),
    ],
)
def test_what_comes_before_the_prompt_is_read(block: bytes, values: dict[str, str], is_invalid: bool) -> None:
    said = codec.parse(block)
    assert (said.values, said.is_invalid) == (values, is_invalid)


@pytest.mark.parametrize("block", [b"", b"#powerstate=on\r\n", b"\xff\xfe\x00", b"HTTP/1.1 400"])
def test_what_holds_no_answer_is_told(block: bytes) -> None:
    with pytest.raises(UnreadableError):
        codec.parse(block)


@given(st.binary(max_size=200))
def test_any_block_is_read_or_told(block: bytes) -> None:
    with suppress(UnreadableError):
        codec.parse(block)


@given(st.from_regex(r"[a-z]{2,12}", fullmatch=True), st.from_regex(r"[a-z][a-z0-9]{0,12}", fullmatch=True))
def test_what_is_set_can_be_read_back(name: str, value: str) -> None:
    for spaced in (False, True):
        line = codec.set_(name, value, spaced=spaced).removeprefix(b"set ")
        if not line.startswith((b"get ", b"set ")):
            assert codec.parse(line).values == {name: value}


def test_power_states_of_all_series_are_known() -> None:
    assert [codec.parse_power(word) for word in ("on", "ON", "ready", "standby", "off", "updateready")] == [
        Power.ON,
        Power.ON,
        Power.STANDBY,
        Power.STANDBY,
        Power.OFF,
        Power.STANDBY,
    ]
    with pytest.raises(UnreadableError):
        codec.parse_power("dancing")


def test_inputs_are_written_as_the_manual_has_them() -> None:
    assert codec.input_name(" HDMI1 ") == "hdmi1"
    with pytest.raises(ValueError, match="hdmi1"):
        codec.input_name("hdmi 1")
