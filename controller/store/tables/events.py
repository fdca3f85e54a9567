"""Facts that rooms told, what changed of them, and their numbers over time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Integer, LargeBinary, String, UniqueConstraint
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


class RoomChange(Base):
    """One thing of a room that became another, as its page shows it: its link, its status."""

    __tablename__ = "room_changes"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    room: Mapped[str] = mapped_column(String(48))
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(String(64))
    before: Mapped[str | None] = mapped_column(String(64))
    after: Mapped[str | None] = mapped_column(String(64))
    __table_args__ = (Index(None, "room", "at"),)


class Rollup(Base):
    """A room's numbers over ``width_s`` seconds, the ``slot``-th since 1970: mean and most of eight float32."""

    __tablename__ = "rollups"
    room_no: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    width_s: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    slot: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary(64))
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy reads it from the class
