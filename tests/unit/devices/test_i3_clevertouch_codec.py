"""i3TOUCH's and Clevertouch's frames, after their published lists."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.devices import clevertouch_codec, i3_codec
from agent.devices.display import UnreadableError


@pytest.mark.parametrize(
    ("made", "wire"),
    [
        (i3_codec.command(i3_codec.ON), "FE 08 58 42 48 43 4D 44 01 F0 CF"),
        (i3_codec.command(i3_codec.HIBERNATE), "FE 08 58 42 48 43 4D 44 01 F2 CF"),
        (i3_codec.command(i3_codec.ASK_POWER), "FE 08 58 42 48 43 4D 44 02 08 CF"),
        (clevertouch_codec.command(clevertouch_codec.ON), "AA BB CC 01 00 00 01 DD EE FF"),
        (clevertouch_codec.command(clevertouch_codec.OFF), "AA BB CC 01 01 00 02 DD EE FF"),
        (clevertouch_codec.command((2, clevertouch_codec.INPUTS["hdmi3"])), "AA BB CC 02 05 00 07 DD EE FF"),
        (clevertouch_codec.command((2, clevertouch_codec.INPUTS["vga2"])), "AA BB CC 02 04 00 06 DD EE FF"),
    ],
)
def test_commands_are_the_bytes_of_the_lists(made: bytes, wire: str) -> None:
    assert made == bytes.fromhex(wire)


def test_no_other_code_can_be_built() -> None:
    """Beside these are a factory restore and an upgrade."""
    built = {"i3": 0, "clevertouch": 0}
    for code in itertools.product(range(3), range(256)):
        for name, command in (("i3", i3_codec.command), ("clevertouch", clevertouch_codec.command)):
            with suppress(ValueError):
                command(code)
                built[name] += 1
    assert built == {"i3": 5, "clevertouch": 2 + len(clevertouch_codec.INPUTS)}
    for harmful in (0x43, 0x44, 0x45):
        with pytest.raises(ValueError, match="not sent from here"):
            i3_codec.command((1, harmful))


def test_i3s_answers_are_read() -> None:
    assert i3_codec.parse(bytes.fromhex("FE 09 58 42 48 43 4D 44 01 F0 01 CF"), i3_codec.ON) == 1
    assert i3_codec.parse(bytes.fromhex("FE 09 58 42 48 43 4D 44 02 08 02 CF"), i3_codec.ASK_POWER) == 2
    with pytest.raises(UnreadableError):
        i3_codec.parse(bytes.fromhex("FE 09 58 42 48 43 4D 44 01 F1 01 CF"), i3_codec.ON)


@given(st.binary(max_size=16))
def test_any_bytes_are_i3s_or_told(raw: bytes) -> None:
    with suppress(UnreadableError):
        i3_codec.parse(raw, i3_codec.ASK_POWER)
