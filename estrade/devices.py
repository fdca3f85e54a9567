"""``estrade devices``: what is plugged in here, and a room's configuration made of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from agent.devices.discovery import Found, on_network, plugged_in
from estrade.words import language, say
from protocol.errors import ConfigError

_HEADS: tuple[tuple[str, str, str], ...] = (
    # kind, French, English
    ("camera", "Caméras", "Cameras"),
    ("capture", "Cartes de capture HDMI", "HDMI capture cards"),
    ("microphone", "Micros", "Microphones"),
    ("loudspeaker", "Haut-parleurs", "Loudspeakers"),
    ("source", "Micros du serveur de son", "The sound server's microphones"),
    ("sink", "Haut-parleurs du serveur de son", "The sound server's loudspeakers"),
    ("screen", "Écrans X11", "X11 displays"),
    ("serial", "Ports série", "Serial ports"),
    ("cec", "Adaptateurs HDMI-CEC", "HDMI-CEC adapters"),
    ("projector", "Projecteurs (PJLink)", "Projectors (PJLink)"),
    ("network-camera", "Caméras réseau (ONVIF)", "Network cameras (ONVIF)"),
)


def run(*, as_json: bool, network: bool, write: Path | None, force: bool, root: Path = Path("/")) -> int:
    """Print what was found, and write a room's file of it; return 0. Raises ConfigError when it cannot be written."""
    found = plugged_in(root)
    if network:
        found += asyncio.run(on_network())
    if write is not None:
        _write(write, room_file(found), force=force)
    if as_json:
        print(json.dumps({"devices": [asdict(one) for one in found]}, ensure_ascii=False))
        return 0
    for kind, french, english in _HEADS:
        of_kind = [one for one in found if one.kind == kind]
        if of_kind:
            print(french if language() == "fr" else english)
        for one in of_kind:
            print("  " + "  ".join(dict.fromkeys(filter(None, (one.address, one.name, one.more)))))
    if not found:
        print(say("devices-none"))
    if write is not None:
        print(say("devices-written", path=write))
    return 0


def _write(path: Path, text: str, *, force: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(path, flags, 0o640)
    except FileExistsError:
        raise ConfigError(f"{path} exists and is left as it is; choose another name, or add --force") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); check its folder and your rights") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def room_file(found: Sequence[Found]) -> str:
    """Return a room's configuration with the best guess for each device; what else there is stands beside as comment.

    Without [display]: which language the board's plug speaks cannot be seen from here.
    """
    by_kind = {kind: [one for one in found if one.kind == kind] for kind, _, _ in _HEADS}
    lines = [
        f"# {say('devices-head')}",
        'state_dir = "/var/lib/estrade-agent"',
        "",
        "[room]",
        f"# {say('devices-room')}",
        'id = "my-room"',
        'territory = "territory"',
        'name = "My room"',
        "",
        "[broker]",
        'host = "mqtt.example.org"',
        'ca_file = "/etc/estrade/ca.pem"',
        'cert_file = "/etc/estrade/room.pem"',
        'key_file = "/run/credentials/estrade-agent.service/room.key"',
        "",
        "[panel]",
        'token_file = "/run/estrade-panel/token"',
    ]
    lines += _table("camera", "v4l2", "path", by_kind["camera"]) or _camera_by_network(by_kind["network-camera"])
    lines += _sound(by_kind)
    if by_kind["capture"]:
        lines += _table("board", "hdmi", "path", by_kind["capture"])
    else:
        lines += _table("board", "x11", "display", by_kind["screen"])
    lines += _display(by_kind)
    return "\n".join(lines) + "\n"


def _table(table: str, driver: str, key: str, found: Sequence[Found]) -> list[str]:
    """Return a device's table: the first of those found, the others as comments."""
    if not found:
        return []
    first, *others = found
    lines = ["", f"[{table}]", f"# {_plain(first.name)}", f'driver = "{driver}"', f"{key} = {_quoted(first.address)}"]
    return lines + [f"# {key} = {_quoted(one.address)}  # {_plain(one.name)}" for one in others]


def _camera_by_network(found: Sequence[Found]) -> list[str]:
    lines = _table("camera", "onvif", "host", found)
    if lines:
        lines += ['# user = "estrade"', '# password_file = "/etc/estrade/camera.password"']
    return lines


def _sound(by_kind: dict[str, list[Found]]) -> list[str]:
    """Return the microphone's table: the card itself, a USB one first, else the sound server's."""
    cards = sorted(by_kind["microphone"], key=lambda one: "usb" not in one.address)
    if cards:
        plays = [one.address for one in by_kind["loudspeaker"]]
        outputs = [*(one for one in plays if one == cards[0].address), *plays]
        lines = _table("microphone", "alsa", "card", cards)
        return lines + [f"output = {_quoted(address)}" for address in outputs[:1]]
    lines = _table("microphone", "pulse", "source", by_kind["source"])
    return lines + [f"sink = {_quoted(one.address)}" for one in by_kind["sink"][:1] if lines]


def _display(by_kind: dict[str, list[Found]]) -> list[str]:
    lines = []
    for kind, driver, key in (("projector", "pjlink", "host"), ("cec", "cec", "device")):
        for one in by_kind[kind]:
            lines += ["", "# [display]", f'# driver = "{driver}"', f"# {key} = {_quoted(one.address)}"]
    for one in by_kind["serial"]:
        lines += ["", f"# [display] {say('devices-serial')}", f"# serial_port = {_quoted(one.address)}"]
    return lines


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(text: str) -> str:
    """Return a name without what ends a comment: a device may call itself anything."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", text)
