"""In the virtual machine: the CEC driver on vivid's output, before a television that follows; prints one object."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from agent.devices import cec
from agent.devices.display import Power
from protocol.errors import DeviceError

PACE = cec.Pace(run_s=60.0)
"""Everything takes ten times as long in emulation."""


async def power_becomes(config: cec.CecConfig, wanted: Power) -> list[str]:
    """Return the states that were seen until ``wanted``, each once."""
    seen: list[str] = []
    for _ in range(40):
        async with cec.connect(config, None, pace=PACE) as display:
            state = (await display.status()).power
        if not seen or seen[-1] != state:
            seen.append(state)
        if state is wanted:
            break
        await asyncio.sleep(0.5)
    return seen


async def main() -> None:
    config = cec.CecConfig(device=Path("/dev/cec1"))
    seen: dict[str, object] = {"first": await power_becomes(config, Power.ON)}
    async with cec.connect(config, None, pace=PACE) as display:
        await display.power(False)
    seen["off"] = await power_becomes(config, Power.STANDBY)
    async with cec.connect(config, None, pace=PACE) as display:
        await display.power(True)
    seen["on"] = await power_becomes(config, Power.ON)
    async with cec.connect(config, None, pace=PACE) as display:
        await display.select_input(cec.OWN)
    try:
        async with cec.connect(cec.CecConfig(device=Path("/dev/cec7")), None, pace=PACE):
            pass
    except DeviceError as error:
        seen["absent"] = [type(error).__name__, error.message]
    json.dump(seen, sys.stdout)


asyncio.run(main())
