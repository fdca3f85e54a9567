"""The second step of an account's sign-in: its sealed secret, the last code that was taken, and recovery codes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.database import Database
from controller.store.tables.accounts import RecoveryCode, SignedIn, User


class SecondSteps:
    """What `controller.accounts.second_step` keeps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def secret(self, name: str) -> bytes | None:
        """Return the sealed secret of an account, None where there is none."""
        async with self._database.read() as db_session:
            return await db_session.scalar(select(User.totp_sealed).where(User.name == name))

    async def begin(self, name: str, sealed: bytes, step: int, codes_sha256: Iterable[str]) -> bool:
        """Give an account a second step, whose code of ``step`` was used for it; False where it has one."""

        async def work(db_session: AsyncSession) -> bool:
            begun = await db_session.execute(
                update(User)
                .where(User.name == name, User.totp_sealed.is_(None))
                .values(totp_sealed=sealed, totp_step=step)
                .returning(User.name)
            )
            if begun.first() is None:
                return False
            await db_session.execute(delete(RecoveryCode).where(RecoveryCode.user == name))
            db_session.add_all(RecoveryCode(user=name, sha256=sha256) for sha256 in codes_sha256)
            return True

        return await self._database.write(work)

    async def take_step(self, name: str, step: int) -> bool:
        """Note that the code of ``step`` was used; False where it, or a later one, was used before."""

        async def work(db_session: AsyncSession) -> bool:
            taken = await db_session.execute(
                update(User)
                .where(User.name == name, or_(User.totp_step.is_(None), User.totp_step < step))
                .values(totp_step=step)
                .returning(User.name)
            )
            return taken.first() is not None

        return await self._database.write(work)

    async def take_recovery_code(self, name: str, sha256: str, *, now: datetime) -> bool:
        """Use a recovery code up; False for one that is none of the account's, or was used."""

        async def work(db_session: AsyncSession) -> bool:
            taken = await db_session.execute(
                update(RecoveryCode)
                .where(RecoveryCode.user == name, RecoveryCode.sha256 == sha256, RecoveryCode.used_at.is_(None))
                .values(used_at=now)
                .returning(RecoveryCode.user)
            )
            return taken.first() is not None

        return await self._database.write(work)

    async def recovery_codes_left(self, name: str) -> int:
        query = select(func.count()).where(RecoveryCode.user == name, RecoveryCode.used_at.is_(None))
        async with self._database.read() as db_session:
            return int(await db_session.scalar(query) or 0)

    async def end(self, name: str) -> bool:
        """Take an account's second step away, and sign its browsers out; False where it has none."""

        async def work(db_session: AsyncSession) -> bool:
            ended = await db_session.execute(
                update(User)
                .where(User.name == name, User.totp_sealed.is_not(None))
                .values(totp_sealed=None, totp_step=None)
                .returning(User.name)
            )
            if ended.first() is None:
                return False
            await db_session.execute(delete(RecoveryCode).where(RecoveryCode.user == name))
            await db_session.execute(delete(SignedIn).where(SignedIn.user == name))
            return True

        return await self._database.write(work)
