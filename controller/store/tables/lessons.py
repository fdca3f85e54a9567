"""Lessons, standing links, and codes for the screen of another computer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class Lesson(Base):
    """A lesson: made ahead, begun and ended by the room. Its code is derived from id, turn and the centre's key."""

    __tablename__ = "lessons"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    code_turn: Mapped[int] = mapped_column(Integer, default=0)
    known_as: Mapped[str | None] = mapped_column(String(64))
    made_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class StandingLink(Base):
    """A standing link of a room; its secret is derived from the id and the centre's key."""

    __tablename__ = "links"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    made_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class ScreenCode(Base):
    """A code with which another computer may show its screen in a room, once; only its SHA-256."""

    __tablename__ = "screen_codes"
    code_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    lesson: Mapped[str] = mapped_column(String(64))
    jti: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
