"""What ``--camera``, ``--microphone`` and ``--board`` mean: a driver of the agent and its options."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from agent.devices import alsa_cards, pulse
from agent.devices.discovery import screens
from protocol.errors import ConfigError, DeviceNotFoundError

Options = dict[str, Any]

_CARD = re.compile(r"^(usb|path|id):")
_DISPLAY = re.compile(r"^(?P<host>[\w.-]*)(?P<display>:\d+)(\.\d+)?$")


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


def microphone(given: str, root: Path = Path("/")) -> Options:
    """``simulated``, a file with sound, a sound card by its identity, or (a part of) a sound server's name.

    ``default`` is the sound server's, or the only sound card where no server runs. Raises DeviceError for what is not
    there, and ConfigError for what no card can be called.
    """
    if given == "simulated":
        return {"driver": "simulated"}
    path = Path(given).expanduser().absolute()
    if path.is_file():
        return {"driver": "file", "path": str(path)}
    label = f'microphone "{given}"'
    if _CARD.match(given):
        if not re.match(alsa_cards.IDENTITY, given):
            raise ConfigError(f'{label}: a sound card is "usb:VID:PID", "usb:VID:PID:SERIAL", "id:…" or "path:…"')
        alsa_cards.choose(alsa_cards.read_cards(root), given, "input", label)
        return {"driver": "alsa", "card": given}
    if "/" in given:
        raise DeviceNotFoundError(
            f'{label}: there is no such file; give a file, a device\'s name, "default" or "simulated"'
        )
    if given == "default" and not _has_sound_server():
        alsa_cards.choose(alsa_cards.read_cards(root), None, "input", label)
        return {"driver": "alsa"}
    pulse.Server(label).source(given)
    return {"driver": "pulse", "source": given}


def _has_sound_server() -> bool:
    """Return whether a PulseAudio or PipeWire is where its clients look for it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return "PULSE_SERVER" in os.environ or (runtime is not None and (Path(runtime) / "pulse/native").exists())


def board(given: str, root: Path = Path("/")) -> Options:
    """``simulated`` or an X11 display like ``:0``. Raises DeviceNotFoundError."""
    if given == "simulated":
        return {"driver": "simulated"}
    display = _DISPLAY.match(given)
    if display is None:
        raise DeviceNotFoundError(f'board "{given}": give an X11 display like ":0", or "simulated"')
    here = [screen.address for screen in screens(root)]
    if not display["host"] and display["display"] not in here:
        there = ", ".join(here) or "no display"
        raise DeviceNotFoundError(
            f'board "{given}": no X server shows that display; here is {there}; "simulated" always works'
        )
    return {"driver": "x11", "display": given}
