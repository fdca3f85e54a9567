"""What is i3's and Clevertouch's own: hibernation over the network, and a panel that says nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from agent.devices import clevertouch, i3
from agent.devices.display import Power
from protocol.errors import DeviceUnsupportedError
from tests.fakes.line_device import LineDevice, serve_pty, serve_tcp
from tests.fakes.panels import ClevertouchPanel, I3Panel
from tests.waiting import until


@pytest.mark.parametrize(
    ("keys", "ends"), [({}, 2), ({"wake_mac": "00:11:22:aa:bb:cc"}, 0)], ids=["hibernates", "is woken by its card"]
)
async def test_a_panel_on_the_network_is_left_so_that_it_can_come_back(keys: dict[str, Any], ends: int) -> None:
    panel = I3Panel(state=2, is_on_network=True)
    async with serve_tcp(LineDevice(panel)) as port:
        config = i3.I3Config.model_validate({"host": "127.0.0.1", "port": port, **keys})
        async with i3.connect(config, None) as display:
            await display.power(True)
            assert panel.state == 1
            await display.power(False)
            assert (await display.status()).power is Power.STANDBY
    assert (panel.state, panel.restored) == (ends, 0)


async def test_a_clevertouch_does_what_it_is_told_and_says_nothing() -> None:
    panel = ClevertouchPanel()
    async with serve_pty(LineDevice(panel)) as path:
        config = clevertouch.ClevertouchConfig(serial_port=path, input="HDMI1")
        assert config.input == "hdmi1"
        async with clevertouch.connect(config, None) as display:
            assert (await display.status()).power is Power.UNKNOWN
            began_s = time.monotonic()
            await display.power(True)
            await display.select_input("hdmi1")
            assert time.monotonic() - began_s >= clevertouch.GAP_S
            await until(lambda: (panel.power, panel.input) == (1, 6))
            with pytest.raises(DeviceUnsupportedError, match="hdmi1"):
                await display.select_input("no-such-input")
            await display.power(False)
            await until(lambda: panel.power == 0)
