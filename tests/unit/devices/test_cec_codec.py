"""What cec-ctl is told, and what it prints."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.devices import cec_codec as codec
from agent.devices.display import Power, UnreadableError

ANSWER = """
Transmit from Playback Device 1 to TV (4 to 0):
GIVE_DEVICE_POWER_STATUS (0x8f)
	Received from TV (0 to 4):
	REPORT_POWER_STATUS (0x90):
		pwr-state: {} (0x0{})
"""


@pytest.mark.parametrize(
    ("word", "code", "power"),
    [("on", 0, Power.ON), ("standby", 1, Power.STANDBY), ("to-on", 2, Power.WARMING), ("to-standby", 3, Power.COOLING)],
)
def test_the_four_power_states_are_read(word: str, code: int, power: Power) -> None:
    assert codec.parse_power(ANSWER.format(word, code)) is power


def test_a_television_that_does_not_answer_is_told_apart_from_one_that_answers_nonsense() -> None:
    assert codec.parse_power("GIVE_DEVICE_POWER_STATUS (0x8f)\n\tRx, Timeout\n") is None
    with pytest.raises(UnreadableError):
        codec.parse_power(ANSWER.format("unknown", 7))


def test_nobody_there_is_told() -> None:
    assert codec.is_refused("\tTx, Not Acknowledged (4), Max Retries\n")
    assert not codec.is_refused(ANSWER.format("on", 0))


def test_our_address_is_where_we_are_plugged_in() -> None:
    assert codec.parse_address("\tPhysical Address           : 1.0.0.0\n") == "1.0.0.0"
    assert codec.parse_address("\tPhysical Address           : f.f.f.f\n") is None
    with pytest.raises(UnreadableError):
        codec.parse_address("cec-ctl: no such thing")
    assert codec.show("2.1.0.0")[-1] == "phys-addr=2.1.0.0"


@given(st.text(max_size=200))
def test_any_text_is_read_or_told(text: str) -> None:
    with suppress(UnreadableError):
        codec.parse_address(text)
    with suppress(UnreadableError):
        codec.parse_power(text)
