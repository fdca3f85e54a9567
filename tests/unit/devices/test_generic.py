"""Frames of a configuration: read, refused, and matched with answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.config import parse
from agent.devices import generic_codec as codec
from agent.devices.generic import GenericConfig
from protocol.errors import ConfigError

BASE: dict[str, Any] = {"host": "192.0.2.7", "port": 4001, "encoding": "hex", "on": "AA 01"}


def test_frames_are_read_as_hex_and_as_text() -> None:
    assert codec.read_frame("FE 08 58", "hex") == codec.read_frame("0xFE 0x08 0x58", "hex") == b"\xfe\x08X"
    assert codec.read_frame("aa:bb:0d", "hex") == b"\xaa\xbb\r"
    assert codec.read_frame(r"PWR ON\r\n", "ascii") == b"PWR ON\r\n"
    assert codec.read_frame(r"\x1bq\\r", "ascii") == b"\x1bq\\r"


@given(st.binary(min_size=1, max_size=codec.FRAME_MOST))
def test_every_frame_has_its_hex_and_back_unless_it_is_refused(frame: bytes) -> None:
    if codec.refusal(frame) is None:
        assert codec.read_frame(codec.shown(frame, "hex"), "hex") == frame
    else:
        with pytest.raises(ValueError, match="never sent"):
            codec.read_frame(frame.hex(), "hex")


@pytest.mark.parametrize(
    ("text", "encoding", "why"),
    [
        ("FE 08 58 42 48 43 4D 44 01 44 CF", "hex", "factory restore of i3TOUCH"),
        ("FE 08 58 42 48 43 4D 44 01 45 CF", "hex", "upgrade of i3TOUCH"),
        ("38 30 31 73 7E 30 30 30 0D", "hex", "factory defaults"),
        (r"801s~000\r", "ascii", "factory defaults"),
        (r"801s!003\r", "ascii", "a restart of BenQ"),
        (r"899s!000\r", "ascii", "addressed to all"),
        ("AA 11 FE 01 00 10", "hex", "addressed to all Samsung"),
        ("AA 11 01 01 02 15", "hex", "restart of Samsung"),
        ("AA 9F 01 01 03 A4", "hex", "reset of Samsung"),
        (r"*FACTORY=1#\r", "ascii", '"factory"'),
        (r"set reset=all\r", "ascii", '"reset"'),
        ("72 65 73 65 74 0D", "hex", '"reset"'),
    ],
)
def test_what_destroys_is_refused_in_either_writing(text: str, encoding: codec.Encoding, why: str) -> None:
    with pytest.raises(ValueError, match="never sent") as caught:
        codec.read_frame(text, encoding)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "frame",
    [
        "FE 08 58 42 48 43 4D 44 01 F0 CF",
        "38 30 31 73 21 30 30 31 0D",
        "AA BB CC 01 00 00 01 DD EE FF",
        "AA 11 01 01 01 14",
    ],
)
def test_what_only_switches_is_not_refused(frame: str) -> None:
    assert codec.read_frame(frame, "hex") == bytes.fromhex(frame)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"on": "ZZ"}, "on = .ZZ. is not hex"),
        ({"on": ""}, "has 0 bytes"),
        ({"encoding": "ascii", "on": "é"}, "is not ASCII"),
        ({"off": "FE 08 58 42 48 43 4D 44 01 44 CF"}, "off = .* never sent"),
        ({"inputs": {"hdmi1": "38 30 31 73 7E 30 30 30 0D"}}, "inputs.hdmi1 = .* never sent"),
        ({"status": "02", "is_on": "("}, "is_on = .* no regular expression"),
        ({"status": "02"}, "belong together"),
        ({"is_off": "02"}, "belong together"),
        ({"input": "hdmi1"}, "has no frame under inputs"),
        ({"shown": {"hdmi1": "1"}, "inputs": {"hdmi1": "03"}}, "needs input_status"),
        ({"serial_port": "/dev/ttyUSB0"}, "one of the two"),
        ({"host": None}, "one of the two"),
    ],
)
def test_a_mistake_in_the_frames_says_which(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        GenericConfig.model_validate({**BASE, **keys})


def test_a_destructive_code_in_a_rooms_configuration_is_one_sentence_with_its_code(tmp_path: Any) -> None:
    raw = {"display": {"driver": "generic", **BASE, "off": "FE 08 58 42 48 43 4D 44 01 44 CF"}}
    with pytest.raises(ConfigError) as caught:
        parse(raw, where="agent.toml", base=tmp_path)
    assert caught.value.code == "config-invalid"
    [problem] = [problem for problem in caught.value.problems if problem.startswith("display")]
    assert problem == (
        'display: off = "FE 08 58 42 48 43 4D 44 01 44 CF" is the factory restore of i3TOUCH, '
        "which is never sent from here; take it out"
    )
