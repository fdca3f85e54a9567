"""Newline on a pseudo-terminal: it acknowledges being switched, and says nothing of its state."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from agent.devices import newline
from agent.devices.display import Power
from protocol.errors import DeviceError, DeviceProtocolError, DeviceTimeoutError, DeviceUnsupportedError
from tests.fakes.line_device import LineDevice, LineFaults, serve_pty
from tests.fakes.panels import NewlinePanel

PACE = newline.Pace(answer_s=0.2)


@pytest.mark.parametrize("faults", [LineFaults(), LineFaults(drip=True), LineFaults(lose=2)], ids=["", "drip", "lost"])
async def test_a_panel_is_switched_and_acknowledges(faults: LineFaults) -> None:
    panel = NewlinePanel()
    async with AsyncExitStack() as stack:
        path = await stack.enter_async_context(serve_pty(LineDevice(panel, faults)))
        config = newline.NewlineConfig(serial_port=path)
        display = await stack.enter_async_context(newline.connect(config, None, pace=PACE))
        await display.power(True)
        assert panel.power == 1
        assert (await display.status()).power is Power.UNKNOWN
        await display.power(False)
        assert panel.power == 0
        with pytest.raises(DeviceUnsupportedError, match="generic"):
            await display.select_input("hdmi1")


@pytest.mark.parametrize(
    ("panel", "faults", "error"),
    [
        (NewlinePanel(), LineFaults(silent=True), DeviceTimeoutError),
        (NewlinePanel(), LineFaults(garbage=b"powerstate=on\r\n>"), DeviceProtocolError),
        (NewlinePanel(), LineFaults(garbage=b"401+\r"), DeviceProtocolError),
        (NewlinePanel(refuses=True), LineFaults(), DeviceUnsupportedError),
    ],
    ids=["silent", "a SMART Board", "a ViewSonic", "refuses"],
)
async def test_each_fault_is_one_sentence_that_names_the_port(
    panel: NewlinePanel, faults: LineFaults, error: type[DeviceError]
) -> None:
    async with serve_pty(LineDevice(panel, faults)) as path:
        config = newline.NewlineConfig(serial_port=path)
        async with newline.connect(config, None, pace=PACE) as display:
            with pytest.raises(error) as caught:
                await display.power(True)
    assert type(caught.value) is error
    assert str(path) in caught.value.message
