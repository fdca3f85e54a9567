"""The alarm that something was sent without a lesson: on the room's disk until somebody at the centre has seen it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from protocol.messages import Check, CheckStatus, Text

log = logging.getLogger(__name__)

CHECK = "on-air"
_WORDS = Text(
    fr="Des images ou du son partaient sans classe en cours ; l’envoi a été arrêté net.",
    en="Pictures or sound went out while no class was running; the sending was stopped at once.",
)
_REMEDY = Text(
    fr="Prévenez l’équipe qui tient Estrade, avec l’heure et la salle, puis marquez cette alerte comme vue.",
    en="Tell the people who run Estrade, with time and room, then mark this alarm as seen.",
)


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    at: AwareDatetime


class SendingAlarm:
    """Owns the file. Calls are on the loop; the file is written when the alarm is sounded, which is never."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._at = self._load()

    def sound(self) -> None:
        """Note the alarm, and have it on the disk when this returns if the disk takes anything at all."""
        self._at = self._now()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("w", encoding="utf-8") as file:
                file.write(_Kept(at=self._at).model_dump_json())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log.error("The alarm cannot be kept on disk", extra={"path": str(self._path), "reason": str(error)})

    def seen(self) -> None:
        """Somebody at the centre has seen it."""
        self._at = None
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.error("The alarm cannot be removed from disk", extra={"path": str(self._path), "reason": str(error)})

    def check(self) -> Check | None:
        """Return the alarm as a check of the room's health while it stands."""
        if self._at is None:
            return None
        return Check(id=CHECK, status=CheckStatus.CRITICAL, since=self._at, message=_WORDS, remedy=_REMEDY)

    def _load(self) -> datetime | None:
        try:
            return _Kept.model_validate_json(self._path.read_bytes()).at
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):  # an alarm that cannot be read is still one
            log.warning("The kept alarm cannot be read", extra={"path": str(self._path)})
            return self._now()
