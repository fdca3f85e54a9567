"""Territories, schools, rooms, what each last said, and which controller decides for a territory."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class Territory(Base):
    """A group of schools; the first level of its rooms' topics."""

    __tablename__ = "territories"
    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    settings_rev: Mapped[int] = mapped_column(Integer, default=0)


class School(Base):
    """A school. ``zone`` is an IANA name, ``start`` how a planned lesson begins: press or countdown."""

    __tablename__ = "schools"
    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    territory: Mapped[str] = mapped_column(ForeignKey("territories.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    zone: Mapped[str] = mapped_column(String(64))
    start: Mapped[str] = mapped_column(String(16), default="press")
    ring: Mapped[int] = mapped_column(Integer, default=1)
    contact: Mapped[str] = mapped_column(String(200), default="")
    settings_rev: Mapped[int] = mapped_column(Integer, default=0)
    maintenance_until: Mapped[datetime | None]
    maintenance_why: Mapped[str | None] = mapped_column(String(200))
    added_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class Room(Base):
    """A classroom this centre answers for; ``ring`` None is its school's."""

    __tablename__ = "rooms"
    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    territory: Mapped[str] = mapped_column(String(48))
    school: Mapped[str] = mapped_column(ForeignKey("schools.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    ring: Mapped[int | None] = mapped_column(Integer)
    added_at: Mapped[datetime]
    config_rev: Mapped[int] = mapped_column(Integer, default=0)
    config_sha256: Mapped[str] = mapped_column(String(64), default="")
    settings_rev: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    maintenance_until: Mapped[datetime | None]
    maintenance_why: Mapped[str | None] = mapped_column(String(200))
    retired_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class RoomNumber(Base):
    """A short name of a room for what is stored of it by the million; never given again, so no room is named by key."""

    __tablename__ = "room_numbers"
    no: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    room: Mapped[str] = mapped_column(String(48), unique=True)
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy reads it from the class


class RoomLast(Base):
    """What a room last said, for the time after a restart."""

    __tablename__ = "room_last"
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True)
    heard_at: Mapped[datetime]
    state: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    health: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    agent: Mapped[str | None] = mapped_column(String(32))


class Lease(Base):
    """Which controller decides for a territory, and until when; ``epoch`` grows with each holder."""

    __tablename__ = "leases"
    territory: Mapped[str] = mapped_column(String(48), primary_key=True)
    holder: Mapped[str] = mapped_column(String(48))
    epoch: Mapped[int] = mapped_column(Integer)
    until: Mapped[datetime]
    url: Mapped[str] = mapped_column(String(200))
