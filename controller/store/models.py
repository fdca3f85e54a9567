"""The tables. No code, no link and no token of a session stands in them in clear (docs/adr/0004)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, Integer, MetaData, String, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            msg = f"{value} has no time zone"
            raise ValueError(msg)
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every constraint has a name, or a migration on SQLite could not change it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy reads it from the class


class Room(Base):
    """A classroom this centre answers for."""

    __tablename__ = "rooms"
    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    territory: Mapped[str] = mapped_column(String(48))
    name: Mapped[str] = mapped_column(String(120))
    added_at: Mapped[datetime]
    config_rev: Mapped[int] = mapped_column(Integer, default=0)
    config_sha256: Mapped[str] = mapped_column(String(64), default="")


class User(Base):
    """An account of IT."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(String(200))
    added_at: Mapped[datetime]


class SignedIn(Base):
    """One signed-in browser; only the SHA-256 of its token."""

    __tablename__ = "sessions"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]


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


class RoomLast(Base):
    """What a room last said, for the time after a restart."""

    __tablename__ = "room_last"
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True)
    heard_at: Mapped[datetime]
    state: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    health: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    agent: Mapped[str | None] = mapped_column(String(32))


class AuditRow(Base):
    """Who did what from IT's page or the command line, and what came of it."""

    __tablename__ = "audit"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(80))
    act: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(80))
    outcome: Mapped[str] = mapped_column(String(64))
