"""Facts that rooms told, each once however often it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.database import Database
from controller.store.tables.events import EventRow


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One fact; ``seq`` is its place in the order of storing, 0 before it is stored."""

    id: str
    room: str
    kind: str
    at: datetime
    fact: dict[str, Any]
    seq: int = 0


def _record(row: EventRow) -> EventRecord:
    return EventRecord(row.id, row.room, row.kind, row.at, row.fact, row.seq)


class Events:
    """The facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, events: Sequence[EventRecord], *, now: datetime) -> list[EventRecord]:
        """Store facts and return those that were new, with their ``seq``; committed when it returns."""
        wanted = {(event.room, event.id): event for event in events}

        async def work(db_session: AsyncSession) -> list[EventRow]:
            known = await db_session.execute(
                select(EventRow.room, EventRow.id).where(tuple_(EventRow.room, EventRow.id).in_(list(wanted)))
            )
            there = {(room, event_id) for room, event_id in known}
            rows = [
                EventRow(id=e.id, room=e.room, kind=e.kind, at=e.at, stored_at=now, fact=e.fact)
                for key, e in wanted.items()
                if key not in there
            ]
            db_session.add_all(rows)
            await db_session.flush()
            return rows

        return [_record(row) for row in await self._database.write(work)] if wanted else []

    async def of_room(self, room: str, *, most: int = 100) -> list[EventRecord]:
        """Return the room's newest facts, newest first."""
        query = select(EventRow).where(EventRow.room == room).order_by(EventRow.at.desc(), EventRow.seq.desc())
        async with self._database.read() as db_session:
            return [_record(row) for row in await db_session.scalars(query.limit(most))]

    async def of_kind(self, room: str, kind: str) -> list[EventRecord]:
        """Return the room's facts of one kind, oldest first."""
        query = select(EventRow).where(EventRow.room == room, EventRow.kind == kind).order_by(EventRow.seq)
        async with self._database.read() as db_session:
            return [_record(row) for row in await db_session.scalars(query)]

    async def after(self, seq: int, *, most: int = 500) -> list[EventRecord]:
        """Return the facts stored after ``seq``, oldest first."""
        query = select(EventRow).where(EventRow.seq > seq).order_by(EventRow.seq).limit(most)
        async with self._database.read() as db_session:
            return [_record(row) for row in await db_session.scalars(query)]

    async def newest_seq(self) -> int:
        """Return the ``seq`` of the newest fact, 0 when there is none."""
        async with self._database.read() as db_session:
            return await db_session.scalar(select(EventRow.seq).order_by(EventRow.seq.desc()).limit(1)) or 0

    async def forget(self, stored_before: datetime, most: int, *, of_viewers: bool) -> int:
        """Delete at most ``most`` old facts, those of viewers or all others; return how many.

        The newest fact stays whatever its age, or SQLite would give its ``seq`` again and cursors would pass over it.
        """
        is_of_viewers = EventRow.kind.startswith("viewer.", autoescape=True)
        is_old = and_(
            EventRow.stored_at < stored_before,
            is_of_viewers if of_viewers else ~is_of_viewers,
            EventRow.seq < select(func.max(EventRow.seq)).scalar_subquery(),
        )
        return await self._database.forget(EventRow.seq, is_old, most)
