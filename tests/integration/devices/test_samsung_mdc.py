"""What only Samsung's displays have: their errors, their hours, their PIN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.devices import samsung_mdc
from agent.devices.display import DisplayInfo, DisplayStatus, Power
from agent.devices.samsung_mdc import MdcConfig
from protocol.errors import DeviceBusyError, DeviceNotFoundError, DevicePasswordError
from tests.fakes.line_device import LineDevice, LineFaults, serve_tcp
from tests.fakes.panels import MdcPanel

PACE = samsung_mdc.Pace(connect_s=1.0, answer_s=0.4)


async def look(panel: MdcPanel, faults: LineFaults | None = None, **keys: Any) -> tuple[DisplayInfo, DisplayStatus]:
    async with serve_tcp(LineDevice(panel, faults or LineFaults())) as port:
        config = MdcConfig.model_validate({"host": "127.0.0.1", "port": port, **keys})
        async with samsung_mdc.connect(config, None, pace=PACE) as display:
            return display.info, await display.status()


async def test_a_display_says_who_it_is_and_how_it_stands() -> None:
    info, status = await look(MdcPanel(power=1, input=0x24, fan_fails=True, has_signal=False))
    assert (info.model, info.serial) == ("QM65B", "0MDCSERIAL42")
    assert info.capabilities == {"power", "input", "errors", "signal", "lamp-hours"}
    assert status == DisplayStatus(
        power=Power.ON, input="hdmi2", lamp_hours=812, faults=("fan",), is_muted=None, has_signal=False
    )


async def test_what_is_answered_with_nak_is_not_claimed() -> None:
    info, status = await look(MdcPanel(has_errors=False))
    assert info.capabilities == {"power", "input", "lamp-hours"}
    assert (status.power, status.has_signal) == (Power.STANDBY, None)


async def test_a_display_that_wants_a_pin_is_told_without_trying_any(tmp_path: Path) -> None:
    with pytest.raises(DevicePasswordError, match="pin_file"):
        await look(MdcPanel(), LineFaults(garbage=b"MDCSTART<<TLS>>"))
    with pytest.raises(DevicePasswordError, match="cannot be read"):
        await look(MdcPanel(), pin_file=tmp_path / "none")


async def test_nobody_there_is_told_apart(unused_tcp_port: int) -> None:
    for host, error in (("127.0.0.1", DeviceBusyError), ("panneau..invalid", DeviceNotFoundError)):
        with pytest.raises(error) as caught:
            async with samsung_mdc.connect(MdcConfig(host=host, port=unused_tcp_port), None, pace=PACE):
                pass
        assert f'"{host}"' in caught.value.message


def test_an_input_that_mdc_has_not_is_refused_with_those_it_has() -> None:
    assert MdcConfig(host="a", input="HDMI1").input == "hdmi1"
    with pytest.raises(ValidationError, match="display-port-1"):
        MdcConfig(host="a", input="hdmi1-pc")
