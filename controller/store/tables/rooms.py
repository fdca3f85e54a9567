"""Rooms, and what each last said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class Room(Base):
    """A classroom this centre answers for."""

    __tablename__ = "rooms"
    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    territory: Mapped[str] = mapped_column(String(48))
    name: Mapped[str] = mapped_column(String(120))
    added_at: Mapped[datetime]
    config_rev: Mapped[int] = mapped_column(Integer, default=0)
    config_sha256: Mapped[str] = mapped_column(String(64), default="")


class RoomLast(Base):
    """What a room last said, for the time after a restart."""

    __tablename__ = "room_last"
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True)
    heard_at: Mapped[datetime]
    state: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    health: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    agent: Mapped[str | None] = mapped_column(String(32))
