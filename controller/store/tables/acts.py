"""What was done from afar, one by one or to many rooms at once, and looks into a room."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Float, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class Act(Base):
    """One act in one room; those of one press on many rooms have the same ``bulk``."""

    __tablename__ = "acts"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    bulk: Mapped[str | None] = mapped_column(String(64), index=True)
    room: Mapped[str] = mapped_column(String(48))
    act: Mapped[str] = mapped_column(String(64))
    args: Mapped[dict[str, Any]] = mapped_column(JSON)
    who: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    outcome: Mapped[str | None] = mapped_column(String(64))
    took_s: Mapped[float | None] = mapped_column(Float)
    __table_args__ = (Index(None, "room", "at"),)


class Look(Base):
    """A picture or a few seconds of sound that somebody in the room let be taken; ``file`` goes at ``expires_at``."""

    __tablename__ = "looks"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    room: Mapped[str] = mapped_column(String(48), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime]
    answer: Mapped[str | None] = mapped_column(String(16))
    file: Mapped[str | None] = mapped_column(String(200))
    expires_at: Mapped[datetime] = mapped_column(index=True)
