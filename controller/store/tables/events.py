"""Facts that rooms told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class EventRow(Base):
    """A fact that a room told; ``id`` is the room's, so that a repeated one is known."""

    __tablename__ = "events"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64))
    room: Mapped[str] = mapped_column(String(48))
    kind: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    stored_at: Mapped[datetime]
    fact: Mapped[dict[str, Any]] = mapped_column(JSON)
    __table_args__ = (UniqueConstraint("room", "id"), Index(None, "room", "at"))
