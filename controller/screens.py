"""One-time codes with which a teacher's own computer may share its screen with a room.

In memory alone: a code lives for minutes and is worthless after its first use, and a centre that was restarted gives
the room another one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from controller.keys import ALPHABET, CODE_LENGTH, Keys, read_code, shown
from controller.lessons import LessonBook
from protocol.errors import AccessError, LessonError
from protocol.messages import ScreenTold

CODE_LIFE_S = 600.0
"""The way from the panel to one's own computer, its start and a login."""


@dataclass(slots=True)
class ScreenGrant:
    """What a code stands for: one share in one lesson; ``jti`` is the id of the one ticket that it becomes."""

    room: str
    lesson: str
    jti: str
    runs_out_mono_s: float
    is_used: bool = False


class ScreenCodes:
    """The codes of every room, one of each at most."""

    def __init__(self, keys: Keys, book: LessonBook, *, public_url: str, mono: Callable[[], float]) -> None:
        self._keys = keys
        self._book = book
        self._public_url = public_url
        self._mono = mono
        self._grants: dict[str, ScreenGrant] = {}

    def offer(self, room: str) -> ScreenTold:
        """Make a code for a registered room's present lesson; the one before is void."""
        now_s = self._mono()
        self._grants = {
            code: grant for code, grant in self._grants.items() if grant.room != room and grant.runs_out_mono_s > now_s
        }
        code = self._new_code()
        lesson = self._book.access(room).lesson
        grant = ScreenGrant(room, lesson, secrets.token_urlsafe(9), now_s + CODE_LIFE_S)
        self._grants[code] = grant
        return ScreenTold(
            code=code,
            page=f"{self._public_url}/screen",
            holder=self._keys.holder(room, grant.jti),
            life_s=CODE_LIFE_S,
        )

    def trade(self, typed: str) -> ScreenGrant:
        """Use a code up, and return what it stands for.

        Raises AccessError ``screen-code-wrong`` or ``screen-code-used``, LessonError ``lesson-ended``.
        """
        code = read_code(typed)
        grant = self._grants.get(code) if code is not None else None
        if grant is None or grant.runs_out_mono_s <= self._mono():
            raise AccessError(
                "no screen can be shared with this code; ask for a new one on the panel", code="screen-code-wrong"
            )
        if grant.is_used:
            raise AccessError("this code was used already; ask for a new one on the panel", code="screen-code-used")
        if self._book.view(grant.lesson, grant.room).phase == "ended":
            raise LessonError("the lesson of this code is over", code="lesson-ended")
        grant.is_used = True
        return grant

    def _new_code(self) -> str:
        while True:
            code = shown("".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)))
            if code not in self._grants:
                return code
