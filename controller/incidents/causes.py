"""What each cause is worth: how long it must hold, and what it hides. Tables; no state.

A cause is a word: ``link``, ``device:{id}``, ``check:{id}``, ``settings``, ``selftest``, ``lesson-missed``; of several
rooms ``school-offline`` and ``territory-offline``; of the centre ``broker-unreachable``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple

from protocol.messages import CheckStatus, DeviceRole

LINK, MISSED, BROKER = "link", "lesson-missed", "broker-unreachable"
SCHOOL_OFFLINE, TERRITORY_OFFLINE = "school-offline", "territory-offline"
DEVICE, CHECK = "device:", "check:"

Wish = Literal["camera", "board", "sound", "display"]
"""What somebody in the room has put off on purpose: not on air, held back, muted, switched off."""


class Severity(IntEnum):
    """How bad an incident is, or has been at its worst."""

    WARNING = 1
    CRITICAL = 2


class Finding(NamedTuple):
    """One cause as the room tells it now. ``role`` is a device's: it says which checks a lost one explains."""

    cause: str
    status: CheckStatus
    role: DeviceRole | None = None


@dataclass(frozen=True, slots=True)
class Holds:
    """How long a cause must be seen before people hear of it, idle and in a lesson, and be away before it is over."""

    idle_s: float
    lesson_s: float
    clear_s: float

    def opening_s(self, *, in_lesson: bool) -> float:
        return self.lesson_s if in_lesson else self.idle_s


_LINK = Holds(60, 15, 60)
_SIGNAL = Holds(20, 10, 60)
_OTHER = Holds(60, 60, 60)
_WARNING = Holds(300, 300, 300)
_AT_ONCE = Holds(0, 0, 60)
_BROKER = Holds(10, 10, 60)
_OUTAGE = Holds(0, 0, 90)
"""It opens when a room's own would have; and rooms come back within their longest back-off of 60 s and its jitter."""

_SIGNALS = frozenset(
    CHECK + id
    for id in (
        "picture-no-frames",
        "picture-black",
        "picture-frozen",
        "picture-covered",
        "sound-dead",
        "sound-wrong-source",
    )
)
_SPECIAL: Mapping[str, Holds] = {
    LINK: _LINK,
    MISSED: _AT_ONCE,
    "settings": _AT_ONCE,
    "selftest": _AT_ONCE,
    BROKER: _BROKER,
    SCHOOL_OFFLINE: _OUTAGE,
    TERRITORY_OFFLINE: _OUTAGE,
}

_NO_FAULT = frozenset({CHECK + "sound-muted"})
"""Told in the room in words: somebody used the microphone's own switch."""
_LOAD = (CHECK + "picture-rate", CHECK + "layers-lowered")
_HIDES: Mapping[str, tuple[str, ...]] = {
    CHECK + "host-throttled": (CHECK + "host-load", *_LOAD),
    CHECK + "host-load": _LOAD,
    CHECK + "layers-lowered": (CHECK + "picture-rate",),
    CHECK + "host-link": (CHECK + "line-",),
    CHECK + "board-power": (CHECK + "board-picture-",),
    CHECK + "sound-muted": (CHECK + "sound-",),
}
_DEVICE_HIDES: Mapping[DeviceRole, tuple[str, ...]] = {
    DeviceRole.CAMERA: (CHECK + "picture-", CHECK + "camera-"),
    DeviceRole.MICROPHONE: (CHECK + "sound-",),
    DeviceRole.BOARD: (CHECK + "board-picture-",),
}
_WISH_HIDES: Mapping[Wish, tuple[str, ...]] = {
    "camera": (CHECK + "picture-", CHECK + "camera-"),
    "board": (CHECK + "board-picture-",),
    "display": (CHECK + "board-",),
    # A microphone that is dead is so for the next lesson too, whether it is muted now or not.
    "sound": tuple(CHECK + "sound-" + what for what in ("quiet", "clipping", "dc", "hum", "noise", "howl", "muted")),
}


def holds(cause: str, severity: Severity) -> Holds:
    """Return the hold-down of a cause that is as bad as ``severity``."""
    special = _SPECIAL.get(cause)
    if special is not None:
        return special
    if severity is Severity.WARNING:
        return _WARNING
    return _SIGNAL if cause in _SIGNALS or cause.startswith(DEVICE) else _OTHER


def is_fault(cause: str) -> bool:
    """Return whether the cause can be an incident at all."""
    return cause not in _NO_FAULT


def hides(cause: str, role: DeviceRole | None, rank: int) -> tuple[str, ...]:
    """Return the beginnings of the causes that ``cause`` explains while it is as bad as ``rank`` (0 is well).

    A device explains when it is lost: one that is merely not used, a spare, is a warning.
    """
    if role is not None:
        return _DEVICE_HIDES.get(role, ()) if rank == Severity.CRITICAL else ()
    return _HIDES.get(cause, ()) if rank else ()


def is_wished(cause: str, wishes: frozenset[Wish]) -> bool:
    """Return whether what is seen is what somebody in the room asked for."""
    return any(cause.startswith(_WISH_HIDES[wish]) for wish in wishes)
