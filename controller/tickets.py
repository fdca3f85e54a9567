"""The ticket of a pupil, or of one shared screen: signed, for one room and one lesson, with no name in it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeSerializer

from controller.keys import Keys
from protocol.errors import AccessError

TICKET_LIFE_S = 12 * 3600.0
"""A pupil may wait at the door all morning; when the lesson ends the ticket is worth nothing anyway."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """``jti`` is the ticket's own id: viewers made with it belong to it."""

    room: str
    lesson: str
    jti: str
    expires: float


class Tickets:
    """Issue and check tickets of one kind. ``now`` gives seconds since 1970."""

    def __init__(self, keys: Keys, now: Callable[[], float], *, kind: str = "ticket") -> None:
        self._serializer = URLSafeSerializer(keys.ticket_key(), salt=f"estrade-{kind}")
        self._now = now

    def issue(
        self, room: str, lesson: str, *, in_place_of: str | None = None, jti: str | None = None
    ) -> tuple[str, Ticket]:
        """Return a new token and what it says. ``jti`` is the ticket's id where that was promised before.

        ``in_place_of`` is a token for the same lesson that its pupil still holds: the new one has the same ``jti``, so
        that the pupil keeps the place in the room's list. One that is not, or no longer, valid is passed over.
        """
        jti = jti or secrets.token_urlsafe(9)
        if in_place_of is not None:
            with suppress(AccessError):
                old = self.check(in_place_of)
                jti = old.jti if (old.room, old.lesson) == (room, lesson) else jti
        ticket = Ticket(room, lesson, jti, self._now() + TICKET_LIFE_S)
        token = self._serializer.dumps({"r": ticket.room, "l": ticket.lesson, "j": ticket.jti, "e": ticket.expires})
        return (token if isinstance(token, str) else token.decode()), ticket

    def check(self, token: str) -> Ticket:
        """Return what a token says; raise AccessError ``token-invalid`` for one that is changed or out of date."""
        try:
            said = self._serializer.loads(token)
            ticket = Ticket(str(said["r"]), str(said["l"]), str(said["j"]), float(said["e"]))
        except (BadSignature, KeyError, TypeError, ValueError) as error:
            raise AccessError("the ticket is not one of ours; join again", code="token-invalid") from error
        if ticket.expires <= self._now():
            raise AccessError("the ticket is out of date; join again", code="token-invalid")
        return ticket
