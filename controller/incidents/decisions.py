"""What the judge decides, for whoever stores it and tells people. Times are seconds of the judge's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from controller.incidents.causes import Severity
from controller.incidents.lesson_calendar import Urgency

Scope = Literal["room", "school", "territory", "centre"]
CloseReason = Literal["recovered", "covered", "gone", "unseen", "retired", "by-hand"]
"""``recovered``: seen well for its hold-up time. ``covered``: a larger incident explains it. ``gone``: its device is
not configured any more. ``unseen``: no look could tell for a week."""
MissedReason = Literal["offline", "off", "unknown", "failed", "device", "refused", "nobody", "maintenance"]


class Key(NamedTuple):
    """What an incident is of; at most one with the same key is open."""

    scope: Scope
    subject: str
    cause: str


@dataclass(frozen=True, slots=True)
class Open:
    """A new incident; ``since_s`` is when its evidence began, ``rooms`` those it touches already."""

    key: Key
    severity: Severity
    urgency: Urgency
    since_s: float
    rooms: tuple[str, ...]
    tell: bool
    """Here and below: whether people are told: not while muted, in maintenance, at night, nor twice while it flaps."""
    is_flapping: bool = False


@dataclass(frozen=True, slots=True)
class Reopen:
    """The last one of this key, closed a moment ago, goes on."""

    key: Key
    severity: Severity
    urgency: Urgency
    rooms: tuple[str, ...]
    tell: bool
    is_flapping: bool = False


@dataclass(frozen=True, slots=True)
class Escalate:
    """It is worse, or more urgent, than it ever was."""

    key: Key
    severity: Severity
    urgency: Urgency
    tell: bool


@dataclass(frozen=True, slots=True)
class Join:
    """It touches one room more."""

    key: Key
    room: str


@dataclass(frozen=True, slots=True)
class Leave:
    """It touches this room no longer."""

    key: Key
    room: str


@dataclass(frozen=True, slots=True)
class Flapping:
    """It comes and goes: people are told once, and nothing more until that is over."""

    key: Key
    is_flapping: bool
    tell: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """What kept it, or its growing worse, from people is over, and it is not well yet."""

    key: Key


@dataclass(frozen=True, slots=True)
class Close:
    """It is over; ``by`` is the incident that covers it."""

    key: Key
    reason: CloseReason
    tell: bool
    by: Key | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """A planned lesson did not begin: counted, whoever is the cause. ``by`` is the incident that explains it."""

    room: str
    lesson: str
    reason: MissedReason
    by: Key | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A lesson that was counted as missed was held: the room says so now that it is heard again."""

    room: str
    lesson: str


Decision = Open | Reopen | Escalate | Join | Leave | Flapping | Tell | Close | Missed | Held


@dataclass(frozen=True, slots=True)
class Stored:
    """An incident as it was stored, open or closed a moment ago: all that the judge needs to go on with it."""

    key: Key
    severity: Severity
    urgency: Urgency
    was_told: bool
    closed_s: float | None = None
    is_flapping: bool = False
    is_dismissed: bool = False
    """Closed by hand; it was not seen well since."""
    muted_until_s: float = 0.0
    rooms: tuple[str, ...] = ()
