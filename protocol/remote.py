"""What a room says of acts from afar: looks, updates, its log."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from protocol.wire import Sentence, Token, Wire


class LookReport(Wire):
    """A look that was asked for from afar and waits for somebody in the room, or is being taken."""

    request: Token
    what: Literal["snapshot", "sound"]
    actor: str = Field(max_length=80)
    expires_at: AwareDatetime
    is_accepted: bool = False


class UpdateState(StrEnum):
    """How far a room is with the version that the centre wishes."""

    WAITING = "waiting"
    """For the room to be idle."""
    INSTALLING = "installing"
    TRYING = "trying"
    """It runs, and is watched until it is known to be well."""
    DONE = "done"
    TURNED_BACK = "turned-back"
    FAILED = "failed"


class UpdateReport(Wire):
    """The version that is wished and the one that runs."""

    wanted: str | None = Field(default=None, max_length=32)
    version: str = Field(max_length=32)
    state: UpdateState
    problem: Sentence | None = None


class LogLine(Wire):
    """One line of a room's log, asked for by somebody; its fields are scrubbed as the log itself is."""

    at: AwareDatetime
    level: Literal["INFO", "WARNING", "ERROR", "CRITICAL"]
    logger: str = Field(max_length=80)
    text: Sentence
    fields: dict[str, str] = Field(default_factory=dict, max_length=32)
