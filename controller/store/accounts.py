"""Accounts of IT, signed-in browsers, and the audit of what they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import delete, false, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.database import Database
from controller.store.tables.accounts import AuditRow, GrantRow, SignedIn, User

Role = Literal["admin", "teacher", "viewer"]
EVERYWHERE = "all"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and where it holds: everywhere, or ``territory:``, ``school:``, ``room:`` with an id."""

    role: Role
    scope: str = EVERYWHERE


_BY_WIDTH: tuple[Role, ...] = ("admin", "teacher", "viewer")


def widest(grants: tuple[Grant, ...]) -> Role:
    """Return the role of these that may do most, wherever it holds."""
    held = {grant.role for grant in grants}
    return next((role for role in _BY_WIDTH if role in held), "viewer")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody of IT, or a teacher; ``password_hash`` None: signs in elsewhere."""

    name: str
    grants: tuple[Grant, ...]
    password_hash: str | None
    has_second_step: bool = False


@dataclass(frozen=True, slots=True)
class SignedInRecord:
    """A browser that signed in. ``is_local``: with a password of this centre."""

    name: str
    grants: tuple[Grant, ...]
    created_at: datetime
    seen_at: datetime
    is_local: bool = True
    has_second_step: bool = False


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act of a person: ``outcome`` is ok or an error's code, ``room`` the one it was done to, if to one."""

    at: datetime
    actor: str
    act: str
    subject: str
    outcome: str
    room: str | None = None
    kind: Literal["account", "token", "command-line"] = "account"


class Accounts:
    """Accounts, signed-in browsers, audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Account]:
        async with self._database.read() as db_session:
            rows = list(await db_session.scalars(select(User).order_by(User.name)))
            grants = await grants_of(db_session)
            return [_account(row, grants) for row in rows]

    async def get(self, name: str) -> Account | None:
        async with self._database.read() as db_session:
            row = await db_session.get(User, name)
            if row is None:
                return None
            grants = await grants_of(db_session, name)
            return _account(row, grants)

    async def put(self, account: Account, *, now: datetime) -> None:
        """Make or change an account of this centre; every browser signed in with it is signed out.

        One of a provider becomes one of this centre, and opens to nobody of the provider any more.
        """

        async def work(db_session: AsyncSession) -> None:
            row = await db_session.get(User, account.name)
            if row is None:
                db_session.add(User(name=account.name, password_hash=account.password_hash, added_at=now))
                await db_session.flush()
            else:
                row.password_hash, row.kind, row.subject = account.password_hash, "local", None
                await db_session.execute(delete(SignedIn).where(SignedIn.user == account.name))
                await db_session.execute(delete(GrantRow).where(GrantRow.user == account.name))
            db_session.add_all(GrantRow(user=account.name, **asdict(grant)) for grant in account.grants)

        await self._database.write(work)

    async def put_of_provider(self, name: str, subject: str, grants: tuple[Grant, ...], *, now: datetime) -> str | None:
        """Give the account of a provider's ``subject`` these grants, and make it where there is none; return its name.

        None where another account has ``name``, or where there is none yet and no grant to make one for.
        """

        async def work(db_session: AsyncSession) -> str | None:
            row = await db_session.scalar(select(User).where(User.subject == subject))
            if row is None:
                if not grants or await db_session.get(User, name) is not None:
                    return None
                row = User(name=name, kind="oidc", subject=subject, added_at=now)
                db_session.add(row)
                await db_session.flush()
            await db_session.execute(delete(GrantRow).where(GrantRow.user == row.name))
            db_session.add_all(GrantRow(user=row.name, **asdict(grant)) for grant in grants)
            return row.name

        return await self._database.write(work)

    async def sign_in(self, name: str, token_sha256: str, *, now: datetime) -> None:
        async def work(db_session: AsyncSession) -> None:
            db_session.add(SignedIn(token_sha256=token_sha256, user=name, created_at=now, seen_at=now))

        await self._database.write(work)

    async def signed_in(self, token_sha256: str) -> SignedInRecord | None:
        """Return who holds the token, whatever its age; nobody when the account is switched off."""
        query = select(SignedIn, User).join(User, User.name == SignedIn.user).where(User.is_off == false())
        async with self._database.read() as db_session:
            found = (await db_session.execute(query.where(SignedIn.token_sha256 == token_sha256))).first()
            if found is None:
                return None
            row, user = found
            grants = await grants_of(db_session, row.user)
            return SignedInRecord(
                row.user,
                grants.get(row.user, ()),
                row.created_at,
                row.seen_at,
                user.kind == "local",
                user.totp_sealed is not None,
            )

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
            return [
                AuditRecord(row.at, row.actor, row.act, row.subject, row.outcome, row.room, cast(Any, row.kind))
                for row in rows
            ]

    async def forget_audit(self, before: datetime, most: int) -> int:
        """Delete at most ``most`` old lines of the audit; return how many."""
        return await self._database.forget(AuditRow.seq, AuditRow.at < before, most)


def _account(row: User, grants: Mapping[str, tuple[Grant, ...]]) -> Account:
    return Account(row.name, grants.get(row.name, ()), row.password_hash, row.totp_sealed is not None)


async def grants_of(db_session: AsyncSession, user: str | None = None) -> dict[str, tuple[Grant, ...]]:
    """Return what each account may do, or one, in a steady order."""
    query = select(GrantRow).order_by(GrantRow.user, GrantRow.role, GrantRow.scope)
    if user is not None:
        query = query.where(GrantRow.user == user)
    found: dict[str, tuple[Grant, ...]] = {}
    for row in await db_session.scalars(query):
        found[row.user] = (*found.get(row.user, ()), Grant(cast(Role, row.role), row.scope))
    return found
