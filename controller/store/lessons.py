"""Lessons and standing links as remembered; neither code nor link stands here (`controller.keys`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.database import Database
from controller.store.tables.lessons import Lesson, StandingLink


@dataclass(frozen=True, slots=True)
class LessonRecord:
    """A lesson. ``known_as`` is the id under which the room runs it when that is not ours (started alone)."""

    id: str
    room: str
    made_at: datetime
    code_turn: int = 0
    known_as: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """A standing link of a room."""

    id: str
    room: str
    made_at: datetime


class Lessons:
    """Lessons and links."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, ended_after: datetime, room: str | None = None) -> list[LessonRecord]:
        """Return the lessons that have not ended, and those that ended later than ``ended_after``."""
        query = select(Lesson).where(or_(Lesson.ended_at.is_(None), Lesson.ended_at > ended_after))
        if room is not None:
            query = query.where(Lesson.room == room)
        async with self._database.read() as db_session:
            return [
                LessonRecord(row.id, row.room, row.made_at, row.code_turn, row.known_as, row.started_at, row.ended_at)
                for row in await db_session.scalars(query.order_by(Lesson.made_at))
            ]

    async def put(self, *lessons: LessonRecord) -> None:
        """Store lessons as they are now, all or none."""

        rows = [asdict(lesson) for lesson in lessons]
        await self._database.put_rows(Lesson, rows, changed=("code_turn", "known_as", "started_at", "ended_at"))

    async def links(self, room: str | None = None) -> list[LinkRecord]:
        """Return the links that hold, of every room or of one."""
        query = select(StandingLink).where(StandingLink.withdrawn_at.is_(None)).order_by(StandingLink.made_at)
        if room is not None:
            query = query.where(StandingLink.room == room)
        async with self._database.read() as db_session:
            return [LinkRecord(row.id, row.room, row.made_at) for row in await db_session.scalars(query)]

    async def add_links(self, links: Sequence[LinkRecord]) -> None:
        async def work(db_session: AsyncSession) -> None:
            db_session.add_all(
                StandingLink(id=link.id, room=link.room, made_at=link.made_at, withdrawn_at=None) for link in links
            )

        if links:
            await self._database.write(work)

    async def forget(self, ended_before: datetime, most: int) -> int:
        """Delete at most ``most`` lessons that ended long ago; return how many."""
        return await self._database.forget(Lesson.id, Lesson.ended_at < ended_before, most)
