"""Tokens of programs; only their hashes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import false, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.accounts import Grant, grants_of
from controller.store.database import Database
from controller.store.tables.accounts import ApiToken, User

ID_LENGTH = 16
"""Signs of the hash by which people name a token."""


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token of the account ``user``."""

    sha256: str
    name: str
    user: str
    permissions: tuple[str, ...]
    scope: str
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def id(self) -> str:
        """What names it, and opens nothing."""
        return self.sha256[:ID_LENGTH]


class Tokens:
    """What `controller.accounts.tokens` keeps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, record: TokenRecord) -> None:
        async def work(db_session: AsyncSession) -> None:
            db_session.add(ApiToken(**{**asdict(record), "permissions": list(record.permissions)}))

        await self._database.write(work)

    async def get(self, sha256: str) -> tuple[TokenRecord, tuple[Grant, ...]] | None:
        """Return a token, whatever its age, and what its account may do; None where the account is switched off."""
        query = select(ApiToken).join(User, User.name == ApiToken.user).where(User.is_off == false())
        async with self._database.read() as db_session:
            row = await db_session.scalar(query.where(ApiToken.sha256 == sha256))
            if row is None:
                return None
            return _record(row), (await grants_of(db_session, row.user)).get(row.user, ())

    async def all(self) -> list[TokenRecord]:
        """Return every token, newest first."""
        async with self._database.read() as db_session:
            rows = await db_session.scalars(select(ApiToken).order_by(ApiToken.made_at.desc(), ApiToken.sha256))
            return [_record(row) for row in rows]

    async def used(self, sha256: str, *, now: datetime) -> None:
        async def work(db_session: AsyncSession) -> None:
            await db_session.execute(update(ApiToken).where(ApiToken.sha256 == sha256).values(used_at=now))

        await self._database.write(work)

    async def revoke(self, token_id: str, *, now: datetime) -> TokenRecord | None:
        """Take a token back; None where there is none of this id. One that was taken back keeps its time."""

        async def work(db_session: AsyncSession) -> TokenRecord | None:
            row = await db_session.scalar(select(ApiToken).where(ApiToken.sha256.startswith(token_id, autoescape=True)))
            if row is None or len(token_id) != ID_LENGTH:
                return None
            row.revoked_at = row.revoked_at or now
            return _record(row)

        return await self._database.write(work)

    async def forget(self, before: datetime, most: int) -> int:
        """Delete at most ``most`` tokens that ended before; return how many."""
        has_ended = or_(ApiToken.expires_at < before, ApiToken.revoked_at < before)
        return await self._database.forget(ApiToken.sha256, has_ended, most)


def _record(row: ApiToken) -> TokenRecord:
    return TokenRecord(
        row.sha256,
        row.name,
        row.user,
        tuple(row.permissions),
        row.scope,
        row.made_at,
        row.expires_at,
        row.used_at,
        row.revoked_at,
    )
