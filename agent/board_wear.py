"""Whether a projector's lamp or filter nears the end of its life, by the hours that it says itself; for IT."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from agent.board_words import FILTER, LAMP
from agent.devices.display import DisplayStatus
from protocol.messages import Check, CheckStatus, Text

LIFE_SHARE = 0.8
"""Of its rated life: from here on a part is worth ordering."""


class BoardWear:
    """Judges a display's hours against the life that the room's configuration knows; without one nothing is said."""

    def __init__(self, lamp_life_h: int | None, filter_life_h: int | None, now: Callable[[], datetime]) -> None:
        self._lamp_life_h, self._filter_life_h = lamp_life_h, filter_life_h
        self._now = now
        self._checks: dict[str, Check] = {}

    def checks(self) -> tuple[Check, ...]:
        """Return ``board-lamp`` and ``board-filter``, each once its hours were said."""
        return tuple(self._checks.values())

    def take(self, status: DisplayStatus) -> bool:
        """Judge what a display said; return whether that is news."""
        before = {id: check.status for id, check in self._checks.items()}
        self._judge("board-lamp", status.lamp_hours, self._lamp_life_h, LAMP)
        self._judge("board-filter", status.filter_hours, self._filter_life_h, FILTER)
        return before != {id: check.status for id, check in self._checks.items()}

    def _judge(self, id: str, hours: int | None, life_h: int | None, words: tuple[Text, Text]) -> None:
        if life_h is None or hours is None:
            return
        is_old = hours >= LIFE_SHARE * life_h
        status = CheckStatus.WARNING if is_old else CheckStatus.OK
        before = self._checks.get(id)
        message, remedy = words if is_old else (None, None)
        self._checks[id] = Check(
            id=id,
            status=status,
            since=before.since if before is not None and before.status is status else self._now(),
            value=float(hours),
            unit="h",
            message=message,
            remedy=remedy,
        )
