"""``cec-ctl`` before a television that is a file: prints what the program of Debian 12 prints. Run as a program."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

_INFO = """Driver Info:
	Driver Name                : vivid
	Adapter Name               : vivid-001-vid-out0
	Physical Address           : {address}
	Logical Address Mask       : 0x0010
	OSD Name                   : 'Estrade'
"""


def main(state_file: Path, arguments: list[str]) -> int:
    """Carry one call out on the state in ``state_file``; return the exit status."""
    state: dict[str, Any] = json.loads(state_file.read_text())
    if complaint := state.get("complains"):
        sys.stderr.write(complaint + "\n")
        return 1
    if state.get("hangs"):
        time.sleep(600)
    if state.get("garbage") is not None:
        sys.stdout.write(state["garbage"])
        return 0
    if "--playback" in arguments:
        sys.stdout.write(_INFO.format(address=state["address"]))
        return 0
    sys.stdout.write("\nTransmit from Playback Device 1 to TV (4 to 0):\n")
    if state.get("is_deaf"):
        sys.stdout.write("GIVE_DEVICE_POWER_STATUS (0x8f)\n\tTx, Not Acknowledged (4), Max Retries\n")
        return 0
    if "--give-device-power-status" in arguments:
        names = {0: "on", 1: "standby", 2: "to-on", 3: "to-standby"}
        sys.stdout.write(
            "GIVE_DEVICE_POWER_STATUS (0x8f)\n\tReceived from TV (0 to 4):\n\tREPORT_POWER_STATUS (0x90):\n"
            f"\t\tpwr-state: {names[state['power']]} (0x{state['power']:02x})\n"
        )
    elif "--image-view-on" in arguments:
        state["power"] = 0
    elif "--standby" in arguments:
        state["power"] = 1
    elif "--active-source" in arguments:
        state["shown"] = arguments[-1]
    state_file.write_text(json.dumps(state))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
