"""What a caller may do, and where: permissions, the roles made of them, and scopes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from controller.store.accounts import EVERYWHERE, Grant, Role


class Permission(StrEnum):
    """What a route asks of whoever calls it."""

    PUBLIC = "public"
    TICKET = "ticket"
    """A Bearer ticket."""
    VIEWER = "viewer"
    """A Bearer ticket, or ``?link=`` for a player that knows nothing but an address."""
    UPLOAD = "upload"
    """A room's Bearer token for one upload; what takes the upload holds it against that one."""
    SENDER = "sender"
    """A Bearer ticket for the room of the address: a pupil's, or that of one shared screen."""
    METRICS = "metrics"
    SIGNED_IN = "signed-in"
    """Any account, whatever it may do."""

    READ = "read"
    LESSON = "lesson"
    """Stop, propose, mute, extend."""
    ROOM = "room"
    """Test, restart, turn the camera, read the log, repair, see an alarm."""
    LOOK = "look"
    """Ask for a picture or a few seconds of sound."""
    INCIDENT = "incident"
    SETTINGS = "settings"
    REGISTRY = "registry"
    ENROL = "enrol"
    SCHEDULE = "schedule"
    ACCOUNTS = "accounts"
    AUDIT = "audit"


GRANTED = frozenset(
    {
        Permission.READ, Permission.LESSON, Permission.ROOM, Permission.LOOK, Permission.INCIDENT, Permission.SETTINGS,
        Permission.REGISTRY, Permission.ENROL, Permission.SCHEDULE, Permission.ACCOUNTS, Permission.AUDIT,
    }
)  # fmt: skip
"""What an account has by a role, somewhere; a program's token lists those it has."""

ROLES: Mapping[Role, frozenset[Permission]] = {
    "admin": GRANTED,
    "teacher": frozenset({Permission.READ, Permission.LESSON, Permission.SCHEDULE}),
    "viewer": frozenset({Permission.READ}),
}


@dataclass(frozen=True, slots=True)
class Place:
    """What an act is done to: a room, a school, a territory, with what it lies in; nothing named is everywhere."""

    territory: str | None = None
    school: str | None = None
    room: str | None = None


EVERY_PLACE = Place()


TOKEN_PERMISSIONS = GRANTED - {Permission.ACCOUNTS}
"""What a token can be given: with accounts it could make itself another one, for ever."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who calls: an account, or a program with a token of one, which may do what both may, and no more."""

    name: str
    grants: tuple[Grant, ...]
    permissions: frozenset[Permission] = GRANTED
    scope: str = EVERYWHERE
    kind: Literal["account", "token"] = "account"

    def may(self, permission: Permission, place: Place) -> bool:
        """Say whether it is allowed there."""
        return permission in self.permissions and covers(self.scope, place) and may(self.grants, permission, place)

    def may_somewhere(self, permission: Permission) -> bool:
        """Say whether it is allowed anywhere at all, be it in a place that does not exist."""
        return permission in self.permissions and any(permission in ROLES[grant.role] for grant in self.grants)


def covers(scope: str, place: Place) -> bool:
    """Say whether the place lies in the scope; a scope that is none covers nothing."""
    if scope == EVERYWHERE:
        return True
    kind, _, name = scope.partition(":")
    lies_in = {"territory": place.territory, "school": place.school, "room": place.room}.get(kind)
    return lies_in is not None and lies_in == name


def may(grants: Iterable[Grant], permission: Permission, place: Place) -> bool:
    """Say whether one of the grants allows it there."""
    return any(permission in ROLES[grant.role] and covers(grant.scope, place) for grant in grants)
