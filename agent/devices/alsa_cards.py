"""Which sound cards the kernel has, and which of them a name means that survives another port and another boot.

Read from /proc/asound and /sys/class/sound alone: no card is opened, so nothing can hang and nobody is disturbed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from protocol.errors import (
    DeviceBusyError,
    DeviceNotFoundError,
    DevicePermissionError,
    DeviceUnsupportedError,
)

Direction = Literal["input", "output"]

IDENTITY = r"^(usb:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.+)?|path:.+|id:[^\s:]+)$"
"""``usb:VID:PID[:SERIAL]`` · ``path:…`` as /dev/snd/by-path names it · ``id:…`` the card's id, as ``arecord -l``."""

_LISTED = re.compile(r"^ *(\d+) \[\S+ *\]: (.*)$", re.MULTILINE)
_PCM = re.compile(r"^pcm(\d+)([cp])$")
_DOES = {"input": "records", "output": "plays"}


@dataclass(frozen=True, slots=True)
class Card:
    """A sound card. ``usb`` is ``vid:pid`` and the serial, perhaps empty; ``inputs`` and ``outputs`` are its PCMs."""

    number: int
    id: str
    name: str
    usb: tuple[str, str] | None = None
    path: str | None = None
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return all names that mean this card, the one that survives most first."""
        usb = () if self.usb is None else (":".join(("usb", *filter(None, self.usb))),)
        path = () if self.path is None else (f"path:{self.path}",)
        return (*usb, f"id:{self.id}", *path)

    def fits(self, identity: str) -> bool:
        """Return whether this is a card that ``identity`` means."""
        kind, _, wanted = identity.partition(":")
        if kind == "usb":
            if self.usb is None:
                return False
            vendor, product, *serial = wanted.split(":", 2)
            return f"{vendor}:{product}".lower() == self.usb[0] and serial in ([], [self.usb[1]])
        return wanted == (self.path if kind == "path" else self.id)

    def pcms(self, direction: Direction) -> tuple[int, ...]:
        """Return the numbers of what records, or of what plays."""
        return self.inputs if direction == "input" else self.outputs


@dataclass(frozen=True, slots=True)
class Pcm:
    """One half of a card's device: the place sound comes from or goes to."""

    card: Card
    device: int
    direction: Direction

    @property
    def label(self) -> str:
        """How it is told to people."""
        return f"{self.card.name} ({self.card.names()[0]})"


def read_cards(root: Path = Path("/")) -> list[Card]:
    """Return the cards there are, by number. A card that goes while it is read is left out."""
    try:
        listed = (root / "proc/asound/cards").read_text()
    except OSError:
        return []  # a kernel without sound
    cards = []
    for number, name in _LISTED.findall(listed):
        folder = root / "proc/asound" / f"card{number}"
        try:
            card_id = (folder / "id").read_text().strip()
            pcms = [found.groups() for entry in sorted(folder.iterdir()) if (found := _PCM.match(entry.name))]
        except OSError:
            continue
        inputs, outputs = (tuple(sorted(int(pcm) for pcm, way in pcms if way == which)) for which in "cp")
        device = (root / f"sys/class/sound/card{number}/device").resolve()
        shown = name.partition(" - ")[2] or name
        cards.append(Card(int(number), card_id, shown, usb_of(device), path_of(device), inputs, outputs))
    return cards


def usb_of(device: Path) -> tuple[str, str] | None:
    """Return ``vid:pid`` and serial of the USB device that a sysfs folder belongs to; None where it is no USB one."""
    for folder in (device, *device.parents):
        if (folder / "idVendor").is_file():
            vendor, product, serial = (_word(folder / name) for name in ("idVendor", "idProduct", "serial"))
            return f"{vendor}:{product}".lower(), serial
    return None


def path_of(device: Path) -> str | None:
    """Return where a sysfs folder is plugged in, as udev writes ID_PATH and names /dev/snd/by-path.

    The number of a USB bus is left out, for it depends on the order in which the kernel found them.
    """
    parts: list[str] = []
    for folder in (device, *device.parents):
        kind = (folder / "subsystem").resolve().name if (folder / "subsystem").exists() else ""
        if kind == "usb" and not any(part.startswith("usb-") for part in parts) and "-" in folder.name:
            parts.insert(0, f"usb-0:{folder.name.partition('-')[2]}")
        elif kind in ("pci", "platform"):
            parts.insert(0, f"{kind}-{folder.name}")
            if kind == "pci":
                break
    return "-".join(parts) or None


def _word(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


def own_name(card: Card, cards: Sequence[Card]) -> str:
    """Return the name that survives most of those that mean this card and no other of these."""
    first = card.names()[0]
    if card.path is None or sum(other.fits(first) for other in cards) == 1:
        return first
    return f"path:{card.path}"  # the ids of cards that are alike go by the order in which they were plugged in


def choose(cards: Sequence[Card], wanted: str | None, direction: Direction, label: str) -> Card:
    """Return the card that ``wanted`` means, or without one the only card there is that records or plays.

    Raises DeviceNotFoundError, naming those there are, when none or several fit.
    """
    able = [card for card in cards if card.pcms(direction)]
    there = "; ".join(f'{card.name}: "{own_name(card, cards)}"' for card in able) or "none"
    fitting = able if wanted is None else [card for card in cards if card.fits(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        which = "no sound card" if wanted is None else f'no sound card is "{wanted}" and'
        raise DeviceNotFoundError(f"{label}: {which} {_DOES[direction]}; there are: {there}")
    several = "; ".join(f"{card.name}: " + " or ".join(f'"{name}"' for name in card.names()) for card in fitting)
    what = "several sound cards" if wanted is None else f'"{wanted}" fits several sound cards'
    raise DeviceNotFoundError(
        f"{label}: {what}: {several}; write one of these names, path:… where the others are alike",
        code="device-ambiguous",
    )


def find(wanted: str | None, device: int | None, direction: Direction, label: str, root: Path = Path("/")) -> Pcm:
    """Return what to open. Raises the DeviceError that says why it cannot be: absent, several, mute, denied, in use."""
    card = choose(read_cards(root), wanted, direction, label)
    pcms = card.pcms(direction)
    if device is None and pcms:
        device = pcms[0]
    if device is None or device not in pcms:
        there = ", ".join(str(pcm) for pcm in pcms)
        what = f"has no device {device}; it has {there}" if there else f"has nothing that {_DOES[direction]}"
        raise DeviceUnsupportedError(f"{label}: {card.name} ({card.names()[0]}) {what}; choose another")
    pcm = Pcm(card, device, direction)
    node = root / f"dev/snd/pcmC{card.number}D{device}{'c' if direction == 'input' else 'p'}"
    if node.exists() and not os.access(node, os.R_OK | os.W_OK):
        raise DevicePermissionError(f"{label}: {pcm.label} may not be opened; add the agent's user to the group audio")
    raise_if_busy(pcm, label, root)
    return pcm


def raise_if_busy(pcm: Pcm, label: str, root: Path = Path("/")) -> None:
    """Raise DeviceBusyError, with the program's name where it may be known, when somebody else has all of it open."""
    way = "c" if pcm.direction == "input" else "p"
    folder = root / f"proc/asound/card{pcm.card.number}/pcm{pcm.device}{way}"
    states = [_word(status) for status in sorted(folder.glob("sub*/status"))]
    if not states or any(state in ("closed", "") for state in states):
        return
    owner = re.search(r"owner_pid\s*: (\d+)", states[0])
    program = _word(root / f"proc/{owner[1]}/comm") if owner else ""
    by = f'"{program}"' if program else "another program"
    raise DeviceBusyError(f"{label}: {pcm.label} is used by {by}; close that program")


def is_there(pcm: Pcm, root: Path = Path("/")) -> bool:
    """Return whether the card is still the one that was opened."""
    return _word(root / f"proc/asound/card{pcm.card.number}/id") == pcm.card.id
