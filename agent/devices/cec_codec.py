"""HDMI-CEC through the program ``cec-ctl`` (v4l-utils): its arguments, and what it prints. Pure.

The messages are of HDMI 1.4, supplement CEC: Give Device Power Status 8F → Report Power Status 90, Image View On 04,
Standby 36, Active Source 82. Their coding on the wire is the kernel's.
"""

from __future__ import annotations

import re

from agent.devices.display import Power, UnreadableError

TV = "0"
"""The display's logical address."""
CONFIGURE = ("--playback", "--osd-name", "Estrade")
ASK_POWER = ("-s", "--to", TV, "--give-device-power-status")
WAKE = ("-s", "--to", TV, "--image-view-on")
SLEEP = ("-s", "--to", TV, "--standby")

_POWER = {0: Power.ON, 1: Power.STANDBY, 2: Power.WARMING, 3: Power.COOLING}
_NO_ADDRESS = "f.f.f.f"


def show(address: str) -> tuple[str, ...]:
    """Return what has the display show the input that we are plugged into, at our physical address."""
    return ("-s", "--active-source", f"phys-addr={address}")


def parse_address(printed: str) -> str | None:
    """Return our physical address, as ``1.0.0.0``, from what `CONFIGURE` prints; None while nothing is plugged in."""
    match = re.search(r"Physical Address\s*: ((?:[0-9a-f]\.){3}[0-9a-f])\b", printed, re.IGNORECASE)
    if match is None:
        raise UnreadableError("it names no physical address")
    return None if match[1].lower() == _NO_ADDRESS else match[1].lower()


def is_refused(printed: str) -> bool:
    """Whether nobody took the message: no display there, or one that does not speak CEC."""
    return "Not Acknowledged" in printed


def parse_power(printed: str) -> Power | None:
    """Return the power from what `ASK_POWER` prints; None when the display did not answer in time."""
    match = re.search(r"pwr-state:\s*[\w-]+\s*\(0x0?([0-9a-f])\)", printed)
    if match is None:
        return None
    power = _POWER.get(int(match[1], 16))
    if power is None:
        raise UnreadableError(f"it reports the power state {match[1]}")
    return power
