"""How long recordings stay: the room's settings for them, and which have to go. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from agent.recordings import Recording

Reason = Literal["age", "size", "disk"]
Gigabytes = Annotated[float, Field(gt=0, le=100_000)]

YOUNG = timedelta(days=1)
"""Somebody may wait for a recording this new: it goes only when half of what is kept for the lesson is lost."""
CLOCK_WAS_WRONG_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
"""A mini-PC without its battery begins in some year past. What was stored then is kept from when the clock is right."""


@dataclass(frozen=True)
class RecordingSettings:
    """``[recording]``: whether somebody in the room may record, and how long the room keeps it."""

    enabled: bool = False
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30
    most_gb: Gigabytes = 20.0
    """All recordings together; past it the oldest go."""
    free_floor_gb: Gigabytes = 2.0
    """What the lesson needs of the disk, for outbox and state; recordings go, and stop, before it is touched."""

    share_bps: Annotated[int, Field(ge=50_000, le=1_000_000_000)] = 1_000_000
    """What a recording that is sent to the centre takes of the line in a lesson; between lessons, all it gets."""

    @property
    def floor_bytes(self) -> float:
        return self.free_floor_gb * 1e9

    def deleted_at(self, recording: Recording) -> datetime:
        """Return when a recording's time is over."""
        return recording.kept_since + timedelta(days=self.keep_days)


def to_remove(
    recordings: Sequence[Recording], settings: RecordingSettings, *, now: datetime, free_bytes: float
) -> list[tuple[Recording, Reason]]:
    """Return what has to go, the oldest first: what is too old, then what is too much, then what the lesson needs."""
    removed: list[tuple[Recording, Reason]] = []
    size_bytes = float(sum(one.size_bytes for one in recordings))
    for one in sorted(recordings, key=lambda recording: recording.kept_since):
        reason: Reason
        if settings.deleted_at(one) <= now:
            reason = "age"
        elif size_bytes > settings.most_gb * 1e9:
            reason = "size"
        elif free_bytes < settings.floor_bytes / (2 if now - one.kept_since < YOUNG else 1):
            reason = "disk"
        else:
            continue
        removed.append((one, reason))
        size_bytes -= one.size_bytes
        free_bytes += one.size_bytes
    return removed
