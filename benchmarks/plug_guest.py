"""In the virtual machine: measure one kernel device for `benchmarks.hotplug`; prints the times as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial

from benchmarks.plug_devices import IN_THE_MACHINE, SMALL
from benchmarks.plugging import plugged


async def main(name: str, times: int) -> None:
    device = IN_THE_MACHINE[name]
    unplug, plug = partial(device.set_plugged, False), partial(device.set_plugged, True)
    # An opening that takes long here is counted, and not begun again.
    async with plugged(device.role, *device.config, SMALL, most_s=60.0, open_timeout_s=30.0) as held:
        await held.is_sent()
        found = [(await held.unplugged_and_back(unplug, plug)).as_json() for _ in range(times)]
    json.dump(found, sys.stdout)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
