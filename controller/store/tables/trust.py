"""How mini-PCs became rooms: codes of enrolment, and the certificates that were issued."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class EnrolCode(Base):
    """A code with which a mini-PC becomes a room, once; only its SHA-256. ``used_from`` is a kind of network."""

    __tablename__ = "enrol_codes"
    code_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"), index=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_from: Mapped[str | None] = mapped_column(String(16))
    author: Mapped[str] = mapped_column(String(80))


class CertificateRow(Base):
    """A certificate by its serial number, in hex. ``why`` is enrol, renew, late or evict."""

    __tablename__ = "certificates"
    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    room: Mapped[str] = mapped_column(String(48), index=True)
    not_before: Mapped[datetime]
    not_after: Mapped[datetime] = mapped_column(index=True)
    issued_at: Mapped[datetime]
    why: Mapped[str] = mapped_column(String(16))
    revoked_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(80))
