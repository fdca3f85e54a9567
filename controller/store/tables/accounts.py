"""Accounts of IT, what each may do and where, signed-in browsers, tokens of programs, and the audit.

``…_sealed`` columns are encrypted under a key made of the centre's `secret.key`: a stolen database opens nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class User(Base):
    """An account. ``kind`` is local or oidc; ``subject`` is the provider's name of it, and it has no password then."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), default="local", server_default="local")
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_step: Mapped[int | None] = mapped_column(Integer)
    is_off: Mapped[bool] = mapped_column(default=False, server_default=false())
    added_at: Mapped[datetime]


class GrantRow(Base):
    """A role of an account, and where it holds: all, or ``territory:``, ``school:``, ``room:`` with an id."""

    __tablename__ = "grants"
    user: Mapped[str] = mapped_column(ForeignKey("users.name", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    scope: Mapped[str] = mapped_column(String(64), primary_key=True)


class RecoveryCode(Base):
    """A code that stands in for a lost authenticator, once."""

    __tablename__ = "recovery_codes"
    user: Mapped[str] = mapped_column(ForeignKey("users.name", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime | None]


class SignedIn(Base):
    """One signed-in browser; only the SHA-256 of its token."""

    __tablename__ = "sessions"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class ApiToken(Base):
    """A token of a program, made by ``user``; only its SHA-256."""

    __tablename__ = "api_tokens"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    user: Mapped[str] = mapped_column(ForeignKey("users.name", ondelete="CASCADE"), index=True)
    permissions: Mapped[list[str]] = mapped_column(JSON)
    scope: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditRow(Base):
    """Who did what, and what came of it.

    ``kind`` says what the actor is (account, token, command-line), ``address_kind`` from what kind of network: the
    address itself is never kept. ``room`` and ``scope`` say what it was done to, where it was that.
    """

    __tablename__ = "audit"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(80), index=True)
    kind: Mapped[str] = mapped_column(String(16), default="account", server_default="account")
    act: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(80))
    room: Mapped[str | None] = mapped_column(String(48))
    scope: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(64))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    address_kind: Mapped[str | None] = mapped_column(String(16))
    __table_args__ = (Index(None, "room", "at"),)
