"""What is plugged into this machine, by names that stay; and what answers on its network, if that is asked for.

Read from /dev, /sys and /proc alone, and from small programs that open nothing: no device is disturbed. ``root`` is
another place for these folders, for tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.devices import alsa_cards, pjlink
from protocol.errors import DeviceError

Kind = Literal[
    "camera",
    "capture",
    "microphone",
    "loudspeaker",
    "source",
    "sink",
    "screen",
    "serial",
    "cec",
    "projector",
    "network-camera",
]

Ask = Callable[[Sequence[str]], str]
"""Run a program and return what it says; nothing where it is not there or fails."""

_CAPTURE = re.compile(r"hdmi|capture|cam link|magewell|decklink|grabber", re.IGNORECASE)
_FORMAT = re.compile(r"^\s*\[\d+\]: '(\w+)'", re.MULTILINE)
_ADDRESS = re.compile(r"<(?:\w+:)?XAddrs>\s*([^<\s]+)")
ASK_MOST_S = 5.0
ONVIF_MOST_S = 3.0
_ONVIF_GROUP = ("239.255.255.250", 3702)
_PROBE = """<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" \
xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" \
xmlns:n="http://www.onvif.org/ver10/network/wsdl"><e:Header><a:MessageID>uuid:{id}</a:MessageID>\
<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>\
<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></e:Header>\
<e:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"""


@dataclass(frozen=True, slots=True)
class Found:
    """One device. ``address`` is what goes into a room's configuration, ``more`` what else helps to tell it apart."""

    kind: Kind
    address: str
    name: str
    more: str = ""


def ask(command: Sequence[str]) -> str:
    """Run a program of this machine; see `Ask`."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_MOST_S, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def plugged_in(root: Path = Path("/"), run: Ask = ask) -> list[Found]:
    """Return what is plugged in, kind by kind."""
    return [*_video(root, run), *_sound_cards(root), *_server(run), *screens(root), *_serial(root), *_cec(root)]


def _video(root: Path, run: Ask) -> list[Found]:
    found = []
    for folder in sorted((root / "sys/class/video4linux").glob("video*"), key=lambda one: (len(one.name), one.name)):
        if _word(folder / "index") not in ("", "0"):  # the others carry the camera's own notes, no picture
            continue
        node = root / "dev" / folder.name
        links = [link for link in sorted((root / "dev/v4l/by-id").glob("*")) if link.resolve() == node.resolve()]
        address = "/" + str((links[0] if links else node).relative_to(root))
        name = _word(folder / "name") or folder.name
        formats = ", ".join(dict.fromkeys(_FORMAT.findall(run(["v4l2-ctl", "-d", str(node), "--list-formats"]))))
        found.append(Found("capture" if _CAPTURE.search(name) else "camera", address, name, formats))
    return found


def _sound_cards(root: Path) -> list[Found]:
    cards = alsa_cards.read_cards(root)
    found = []
    for card in cards:
        address = alsa_cards.own_name(card, cards)
        more = " ".join(name for name in card.names() if name != address)
        kinds: tuple[tuple[tuple[int, ...], Kind], ...] = ((card.inputs, "microphone"), (card.outputs, "loudspeaker"))
        found += [Found(kind, address, card.name, more) for pcms, kind in kinds if pcms]
    return found


def _server(run: Ask) -> list[Found]:
    found = []
    kinds: tuple[tuple[str, Kind], ...] = (("sources", "source"), ("sinks", "sink"))
    for what, kind in kinds:
        for line in run(["pactl", "list", "short", what]).splitlines():
            columns = line.split("\t")
            if len(columns) > 1 and not columns[1].endswith(".monitor"):
                form = columns[3] if len(columns) > 3 else ""
                found.append(Found(kind, columns[1], columns[1], form))
    return found


def screens(root: Path = Path("/")) -> list[Found]:
    """Return the X11 displays of this machine's own X servers."""
    sockets = sorted((root / "tmp/.X11-unix").glob("X*"))
    return [Found("screen", f":{one.name[1:]}", "X11") for one in sockets if one.name[1:].isdigit()]


def _serial(root: Path) -> list[Found]:
    named = sorted((root / "dev/serial/by-id").glob("*"))
    known = {link.resolve() for link in named}
    plain = [node for kind in ("ttyUSB*", "ttyACM*") for node in sorted((root / "dev").glob(kind))]
    nodes = [*named, *(node for node in plain if node.resolve() not in known)]
    return [Found("serial", "/" + str(node.relative_to(root)), node.name) for node in nodes]


def _cec(root: Path) -> list[Found]:
    return [Found("cec", f"/dev/{node.name}", "HDMI-CEC") for node in sorted((root / "dev").glob("cec[0-9]*"))]


def _word(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


async def on_network() -> list[Found]:
    """Ask the subnet for projectors (PJLink class 2) and network cameras (ONVIF); others do not answer."""
    cameras = asyncio.create_task(_onvif(), name="search cameras")
    found = []
    with contextlib.suppress(DeviceError):  # another program has the port, or there is no network
        found = [Found("projector", one.address, "PJLink", one.mac) for one in await pjlink.search()]
    return [*found, *await cameras]


async def _onvif() -> list[Found]:
    loop = asyncio.get_running_loop()
    answers: set[str] = set()

    class Heard(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            address = _ADDRESS.search(data.decode(errors="replace"))
            if address is not None:
                answers.add(address[1])

    try:
        transport, _ = await loop.create_datagram_endpoint(Heard, local_addr=("0.0.0.0", 0), family=socket.AF_INET)  # noqa: S104 -- answers come from any camera of the subnet
    except OSError:
        return []
    try:
        for _ in range(2):  # datagrams are lost
            with contextlib.suppress(OSError):
                transport.sendto(_PROBE.format(id=uuid.uuid4()).encode(), _ONVIF_GROUP)
            await asyncio.sleep(ONVIF_MOST_S / 2)
    finally:
        transport.close()
    return [Found("network-camera", _host(address), address) for address in sorted(answers)]


def _host(address: str) -> str:
    return re.sub(r"^\w+://([^/:]+).*$", r"\1", address)
