"""What everything on the wire is made of: the base of the models, ids, sentences, the words of state."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from protocol.topics import ID_PATTERN

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""A room, territory, instance or device id."""
Token = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
"""An id made by a program: lesson, viewer, command, event, connection."""
Sentence = Annotated[str, StringConstraints(max_length=500)]


class Wire(BaseModel):
    """Base of everything on the wire: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Text(Wire):
    """One sentence in both languages."""

    fr: Sentence
    en: Sentence


class Problem(Wire):
    """An error as data: ``code`` is one of `protocol.errors.CODES`."""

    code: str = Field(max_length=64)
    message: Sentence
    retry_after_s: float | None = Field(default=None, ge=0)


class Args(Wire):
    """Base of the arguments of a command."""


class CheckStatus(StrEnum):
    """The four words for the health of anything."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class DeviceRole(StrEnum):
    """What a device is for."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    BOARD = "board"
    LOUDSPEAKER = "loudspeaker"
    BOARD_SOUND = "board-sound"
