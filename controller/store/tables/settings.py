"""Settings of territories, schools and rooms, each revision of them, and how far a new one has been rolled out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class SettingsRevision(Base):
    """The settings of one subject (of the ``layer`` territory, school or room) at a revision; the newest ones hold."""

    __tablename__ = "settings_history"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    layer: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(48))
    rev: Mapped[int] = mapped_column(Integer)
    tables: Mapped[dict[str, Any]] = mapped_column(JSON)
    diff: Mapped[list[Any]] = mapped_column(JSON)
    author: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    note: Mapped[str] = mapped_column(String(500), default="")
    reverts: Mapped[int | None] = mapped_column(Integer)
    __table_args__ = (UniqueConstraint("layer", "subject", "rev"),)


class Rollout(Base):
    """Settings or an update on their way to rooms, ring by ring."""

    __tablename__ = "rollouts"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(64))
    target: Mapped[dict[str, Any]] = mapped_column(JSON)
    ring: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), index=True)
    started_at: Mapped[datetime]
    stage_at: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(80))
    problem: Mapped[str | None] = mapped_column(String(500))


class RolloutRoom(Base):
    """How far one room is with it."""

    __tablename__ = "rollout_rooms"
    rollout: Mapped[str] = mapped_column(ForeignKey("rollouts.id", ondelete="CASCADE"), primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    problem: Mapped[str | None] = mapped_column(String(500))
