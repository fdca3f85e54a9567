"""Planned lessons, as the room is told of them and what it says of them. No class list and no names."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from protocol.wire import Token, Wire

LessonBeginning = Literal["press", "countdown"]
"""How a planned lesson begins: somebody in the room presses, or it counts down and somebody may refuse."""


class PlannedLesson(Wire):
    """A lesson of the timetable in this room."""

    id: Token
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    title: str = Field(default="", max_length=80)
    start: LessonBeginning = "press"

    @model_validator(mode="after")
    def _has_a_length(self) -> PlannedLesson:
        if self.ends_at <= self.starts_at:
            msg = "a planned lesson ends after it begins"
            raise ValueError(msg)
        return self


class TimetableReport(Wire):
    """What the room makes of its timetable now."""

    next: Token | None = Field(default=None, description="the planned lesson that is next, or runs")
    is_preparing: bool = Field(default=False, description="devices are warmed up and tested for it")
    selftest: Literal["none", "running", "ok", "warning", "failed", "skipped"] = "none"
