"""The sign shows what is, not what was meant."""

from __future__ import annotations

import pytest

from agent.on_air import sign
from protocol.messages import Sign


@pytest.mark.parametrize(
    ("devices_open", "last_packet_mono_s", "expected"),
    [
        (0, None, Sign.OFF),
        (0, 98.9, Sign.OFF),
        (1, None, Sign.OPEN),
        (3, 98.9, Sign.OPEN),
        (3, 99.5, Sign.LIVE),
        (0, 99.0, Sign.LIVE),
    ],
)
def test_sign_follows_open_devices_and_packets_of_the_last_second(
    devices_open: int, last_packet_mono_s: float | None, expected: Sign
) -> None:
    assert sign(devices_open=devices_open, last_packet_mono_s=last_packet_mono_s, mono_s=100.0) is expected
