"""The packet that wakes a network card."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.devices.wake_on_lan import WakeOnLanConfig, magic_packet


def test_the_packet_is_six_times_ff_and_sixteen_times_the_address() -> None:
    assert magic_packet("00:1a:2B:3c:4d:5e").hex() == "ff" * 6 + "001a2b3c4d5e" * 16


@given(st.binary(min_size=6, max_size=6), st.sampled_from(":-"))
def test_every_address_is_in_its_packet(address: bytes, sign: str) -> None:
    packet = magic_packet(address.hex(sign))
    assert (len(packet), packet[6:12], packet[-6:]) == (102, address, address)


@pytest.mark.parametrize("mac", ["", "00:11:22:33:44", "00:11:22:33:44:5g", "0011223344556"])
def test_what_is_no_address_is_refused(mac: str) -> None:
    with pytest.raises(ValueError, match="aa:bb:cc"):
        magic_packet(mac)
    with pytest.raises(ValidationError, match="wake_mac"):
        WakeOnLanConfig(wake_mac=mac)


def test_an_input_cannot_be_asked_of_it() -> None:
    with pytest.raises(ValidationError, match="leave it out"):
        WakeOnLanConfig(wake_mac="00:11:22:33:44:55", input="hdmi1")
