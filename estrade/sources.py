"""What ``--camera``, ``--microphone`` and ``--board`` mean: a driver of the agent and its options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from protocol.errors import DeviceNotFoundError

Options = dict[str, Any]

_DISPLAY = re.compile(r"^[\w.-]*:\d+(\.\d+)?$")


def camera(given: str) -> Options:
    """``simulated``, a device like /dev/video0, or a video file. Raises DeviceNotFoundError."""
    if given == "simulated":
        return {"driver": "simulated"}
    path = Path(given).expanduser().absolute()
    if not path.exists():
        there = ", ".join(sorted(str(device) for device in Path("/dev").glob("video*"))) or "no camera"
        raise DeviceNotFoundError(
            f'camera "{given}": there is no such device or file; here is {there}; "simulated" always works'
        )
    return {"driver": "v4l2" if path.is_char_device() else "file", "path": str(path)}


def microphone(given: str) -> Options:
    """``simulated``, a file with sound, or a sound device by (part of) its name. Raises DeviceNotFoundError."""
    if given == "simulated":
        return {"driver": "simulated"}
    path = Path(given).expanduser().absolute()
    if path.is_file():
        return {"driver": "file", "path": str(path)}
    if "/" in given:
        raise DeviceNotFoundError(
            f'microphone "{given}": there is no such file; give a file, a device\'s name, "default" or "simulated"'
        )
    return {"driver": "portaudio", "input": given}


def board(given: str) -> Options:
    """``simulated`` or an X11 display like ``:0``. Raises DeviceNotFoundError."""
    if given == "simulated":
        return {"driver": "simulated"}
    if not _DISPLAY.match(given):
        raise DeviceNotFoundError(f'board "{given}": give an X11 display like ":0", or "simulated"')
    return {"driver": "x11", "display": given}
