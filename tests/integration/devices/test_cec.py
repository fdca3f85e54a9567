"""The CEC driver with a program in cec-ctl's place; with the kernel's own adapters: tests/vm."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.devices import cec
from agent.devices.cec import CecConfig
from agent.devices.display import DisplayStatus, Power
from protocol.errors import (
    DeviceError,
    DeviceNotFoundError,
    DevicePermissionError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)

ROOT = Path(__file__).resolve().parents[3]
CONFIG = CecConfig(device=Path("/dev/cec3"))


class Television:
    """A television behind a program."""

    def __init__(self, folder: Path, **state: Any) -> None:
        self._file = folder / "tv.json"
        self._file.write_text(json.dumps({"power": 1, "address": "2.0.0.0", "shown": None, **state}))
        program = folder / "cec-ctl"
        fake = ROOT / "tests/fakes/cec_ctl.py"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "{self._file}" "$@"\n')
        program.chmod(0o755)
        self.pace = cec.Pace(program=str(program), run_s=5.0)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._file.read_text())
        return found


async def test_a_television_is_woken_shown_and_sent_to_sleep(tmp_path: Path) -> None:
    tv = Television(tmp_path)
    async with cec.connect(CONFIG, None, pace=tv.pace) as display:
        assert await display.status() == DisplayStatus(power=Power.STANDBY)
        await display.power(True)
        assert (await display.status()).power is Power.ON
        await display.select_input("own")
        assert tv.state["shown"] == "phys-addr=2.0.0.0"
        await display.power(False)
        assert (await display.status()).power is Power.STANDBY
        with pytest.raises(DeviceUnsupportedError, match="/dev/cec3"):
            await display.select_input("hdmi1")


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"complains": "Failed to open /dev/cec3: No such file or directory"}, DeviceNotFoundError),
        ({"complains": "Failed to open /dev/cec3: Permission denied"}, DevicePermissionError),
        ({"complains": "Adapter is unconfigured, please configure it first."}, DeviceNotFoundError),
        ({"complains": "Inappropriate ioctl for device"}, DeviceProtocolError),
        ({"address": "f.f.f.f"}, DeviceNotFoundError),
        ({"is_deaf": True}, DeviceNotFoundError),
        ({"garbage": "Physical Address : 1.0.0.0\npwr-state: odd (0x09)"}, DeviceProtocolError),
        ({"garbage": "Physical Address : 1.0.0.0\nRx, Timeout"}, DeviceTimeoutError),
        ({"garbage": ""}, DeviceProtocolError),
    ],
)
async def test_each_fault_is_one_sentence_that_names_the_adapter(
    tmp_path: Path, state: dict[str, Any], error: type[DeviceError]
) -> None:
    tv = Television(tmp_path, **state)
    with pytest.raises(error) as caught:
        async with cec.connect(CONFIG, None, pace=tv.pace) as display:
            await display.status()
    assert type(caught.value) is error
    assert "/dev/cec3" in caught.value.message


async def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    tv = Television(tmp_path, hangs=True)
    began_s = time.monotonic()
    with pytest.raises(DeviceTimeoutError, match="was ended"):
        async with cec.connect(CONFIG, None, pace=cec.Pace(program=tv.pace.program, run_s=0.3)):
            pass
    assert time.monotonic() - began_s < 3.0


async def test_a_missing_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match="v4l-utils") as caught:
        async with cec.connect(CONFIG, None, pace=cec.Pace(program=str(tmp_path / "none"))):
            pass
    assert caught.value.code == "program-missing"


def test_cec_chooses_our_own_input_alone() -> None:
    assert CecConfig(input="own").input == "own"
    with pytest.raises(ValidationError, match='write "own"'):
        CecConfig(input="hdmi1")
