"""Incidents, what was done about them, what is muted, and who is told how."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base

_IS_OPEN = text("closed_at IS NULL")


class Incident(Base):
    """Something that is not well; of each scope, subject and cause at most one is open, whoever opens it."""

    __tablename__ = "incidents"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    territory: Mapped[str] = mapped_column(String(48))
    scope: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(48))
    cause: Mapped[str] = mapped_column(String(80))
    severity: Mapped[str] = mapped_column(String(16))
    urgency: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime]
    known_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None] = mapped_column(String(16))
    covered_by: Mapped[str | None] = mapped_column(String(64))
    acked_by: Mapped[str | None] = mapped_column(String(80))
    acked_at: Mapped[datetime | None]
    muted_until: Mapped[datetime | None]
    is_flapping: Mapped[bool] = mapped_column(default=False)
    title: Mapped[dict[str, Any]] = mapped_column(JSON)
    rooms: Mapped[int] = mapped_column(Integer, default=0)
    __table_args__ = (
        Index(None, "territory", "closed_at"),
        Index(
            "uq_incidents_open", "scope", "subject", "cause",
            unique=True, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN,
        ),
    )  # fmt: skip


class IncidentRoom(Base):
    """A room that an incident touches, or touched until ``until``."""

    __tablename__ = "incident_rooms"
    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    room: Mapped[str] = mapped_column(String(48), primary_key=True, index=True)
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class IncidentEntry(Base):
    """One line of an incident: what it did, what was tried, who was told, what somebody wrote."""

    __tablename__ = "incident_entries"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str | None] = mapped_column(String(80))
    text: Mapped[dict[str, Any]] = mapped_column(JSON)


class Mute(Base):
    """A cause of which nobody is told until then, whether an incident of it is open or not."""

    __tablename__ = "mutes"
    scope: Mapped[str] = mapped_column(String(16), primary_key=True)
    subject: Mapped[str] = mapped_column(String(48), primary_key=True)
    cause: Mapped[str] = mapped_column(String(80), primary_key=True)
    until: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]


class NoticeChannel(Base):
    """A way to people: mail, webhook or chat; its address is sealed, for it may be what opens a chat."""

    __tablename__ = "notice_channels"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    address_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    scope: Mapped[str] = mapped_column(String(64))
    severities: Mapped[list[str]] = mapped_column(JSON)
    hours: Mapped[dict[str, Any]] = mapped_column(JSON)
    language: Mapped[str] = mapped_column(String(8))
    is_off: Mapped[bool] = mapped_column(default=False)


class Notice(Base):
    """What is to be sent, or was; ``incident`` None is a digest of several."""

    __tablename__ = "notices"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    incident: Mapped[str | None] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), index=True)
    channel: Mapped[str] = mapped_column(ForeignKey("notice_channels.id", ondelete="CASCADE"), index=True)
    to_hash: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
    due_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(Integer, default=0)
    sent_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(64))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    __table_args__ = (Index(None, "sent_at", "due_at"),)
