"""Accounts of IT, signed-in browsers, and the audit of what they did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.database import Database
from controller.store.tables.accounts import AuditRow, SignedIn, User

Role = Literal["admin", "viewer"]


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    role: Role
    password_hash: str


@dataclass(frozen=True, slots=True)
class SignedInRecord:
    """A browser that signed in."""

    name: str
    role: Role
    created_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act of a person: ``outcome`` is ok or an error's code."""

    at: datetime
    actor: str
    act: str
    subject: str
    outcome: str


class Accounts:
    """Accounts, signed-in browsers, audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Account]:
        async with self._database.read() as db_session:
            rows = await db_session.scalars(select(User).order_by(User.name))
            return [Account(row.name, cast(Role, row.role), row.password_hash) for row in rows]

    async def get(self, name: str) -> Account | None:
        async with self._database.read() as db_session:
            row = await db_session.get(User, name)
            return Account(row.name, cast(Role, row.role), row.password_hash) if row is not None else None

    async def put(self, account: Account, *, now: datetime) -> None:
        """Make or change an account; every browser signed in with it is signed out."""

        async def work(db_session: AsyncSession) -> None:
            row = await db_session.get(User, account.name)
            if row is None:
                db_session.add(
                    User(name=account.name, role=account.role, password_hash=account.password_hash, added_at=now)
                )
            else:
                row.role, row.password_hash = account.role, account.password_hash
                await db_session.execute(delete(SignedIn).where(SignedIn.user == account.name))

        await self._database.write(work)

    async def sign_in(self, name: str, token_sha256: str, *, now: datetime) -> None:
        async def work(db_session: AsyncSession) -> None:
            db_session.add(SignedIn(token_sha256=token_sha256, user=name, created_at=now, seen_at=now))

        await self._database.write(work)

    async def signed_in(self, token_sha256: str) -> SignedInRecord | None:
        """Return who holds the token, whatever its age."""
        query = select(SignedIn, User.role).join(User, User.name == SignedIn.user)
        async with self._database.read() as db_session:
            found = (await db_session.execute(query.where(SignedIn.token_sha256 == token_sha256))).first()
            if found is None:
                return None
            row, role = found
            return SignedInRecord(row.user, cast(Role, role), row.created_at, row.seen_at)

    async def seen(self, token_sha256: str, *, now: datetime) -> None:
        async def work(db_session: AsyncSession) -> None:
            await db_session.execute(update(SignedIn).where(SignedIn.token_sha256 == token_sha256).values(seen_at=now))

        await self._database.write(work)

    async def sign_out(self, token_sha256: str) -> None:
        async def work(db_session: AsyncSession) -> None:
            await db_session.execute(delete(SignedIn).where(SignedIn.token_sha256 == token_sha256))

        await self._database.write(work)

    async def forget_old(self, *, created_before: datetime, seen_before: datetime) -> None:
        """Drop the tokens that have run out."""

        async def work(db_session: AsyncSession) -> None:
            await db_session.execute(
                delete(SignedIn).where(or_(SignedIn.created_at < created_before, SignedIn.seen_at < seen_before))
            )

        await self._database.write(work)

    async def note(self, *records: AuditRecord) -> None:
        """Write lines of the audit, all or none."""

        async def work(db_session: AsyncSession) -> None:
            db_session.add_all(AuditRow(**asdict(record)) for record in records)

        if records:
            await self._database.write(work)

    async def audit(self, *, most: int = 200) -> list[AuditRecord]:
        """Return the newest lines of the audit, newest first."""
        async with self._database.read() as db_session:
            rows = await db_session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(most))
            return [AuditRecord(row.at, row.actor, row.act, row.subject, row.outcome) for row in rows]

    async def forget_audit(self, before: datetime, most: int) -> int:
        """Delete at most ``most`` old lines of the audit; return how many."""
        return await self._database.forget(AuditRow.seq, AuditRow.at < before, most)
