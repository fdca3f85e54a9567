"""Rooms this centre answers for, and what each last said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.database import Database, put_rows
from controller.store.tables.rooms import Room, RoomLast, School, Territory
from protocol.messages import Health, RoomState

ZONE = "Europe/Paris"
"""Where the school is that a new territory begins with, until somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """A registered room, with the revision of the config document it was last sent.

    ``school`` empty, when it is put: the one that it is in, or that its territory begins with, of the same id.
    """

    id: str
    territory: str
    name: str
    config_rev: int = 0
    config_sha256: str = ""
    school: str = ""


@dataclass(frozen=True, slots=True)
class LastReport:
    """What a room last said, as stored each few seconds."""

    room: str
    heard_at: datetime
    state: RoomState | None = None
    health: Health | None = None
    agent: str | None = None


def _record(row: Room) -> RoomRecord:
    return RoomRecord(row.id, row.territory, row.name, row.config_rev, row.config_sha256, row.school)


class Rooms:
    """The registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[RoomRecord]:
        """Return every room by id."""
        async with self._database.read() as db_session:
            return [_record(row) for row in await db_session.scalars(select(Room).order_by(Room.id))]

    async def get(self, room: str) -> RoomRecord | None:
        async with self._database.read() as db_session:
            row = await db_session.get(Room, room)
            return _record(row) if row is not None else None

    async def put(self, rooms: Iterable[RoomRecord], *, now: datetime) -> None:
        """Make rooms known, or give known ones a new name and territory; their config is left alone.

        A new territory begins with one school. A room that comes into another territory leaves its school.
        """
        rooms = list(rooms)
        rows = [
            {
                "id": room.id,
                "territory": room.territory,
                "school": room.school or room.territory,
                "name": room.name,
                "added_at": now,
                "config_rev": 0,
                "config_sha256": "",
            }
            for room in rooms
        ]
        territories = [{"id": territory, "name": territory} for territory in {room.territory for room in rooms}]
        schools = [
            {**territory, "territory": territory["id"], "zone": ZONE, "added_at": now} for territory in territories
        ]

        def changed(given: Any) -> dict[str, Any]:
            stays = case((Room.territory == given.territory, Room.school), else_=given.school)
            return {"territory": given.territory, "name": given.name, "school": stays}

        async def work(db_session: AsyncSession) -> None:
            await put_rows(db_session, Territory, territories)
            await put_rows(db_session, School, schools)
            await put_rows(db_session, Room, rows, changed)

        if rows:
            await self._database.write(work)

    async def territory_of_school(self, school: str) -> str | None:
        """Return the territory that a school lies in, None for a school that there is not."""
        async with self._database.read() as db_session:
            return await db_session.scalar(select(School.territory).where(School.id == school))

    async def set_configs(self, configs: Mapping[str, tuple[int, str]]) -> None:
        """Remember which document, as revision and SHA-256, each room was sent."""
        rows = [{"id": room, "config_rev": rev, "config_sha256": sha256} for room, (rev, sha256) in configs.items()]

        async def work(db_session: AsyncSession) -> None:
            await db_session.execute(update(Room), rows)

        if rows:
            await self._database.write(work)

    async def put_last(self, reports: Sequence[LastReport]) -> None:
        """Store what rooms last said, one row each."""

        rows = [
            {
                "room": report.room,
                "heard_at": report.heard_at,
                "state": report.state.model_dump(mode="json") if report.state else None,
                "health": report.health.model_dump(mode="json") if report.health else None,
                "agent": report.agent,
            }
            for report in reports
        ]
        await self._database.put_rows(RoomLast, rows, changed=("heard_at", "state", "health", "agent"))

    async def all_last(self) -> list[LastReport]:
        """Return what each room last said."""
        async with self._database.read() as db_session:
            return [
                LastReport(
                    row.room,
                    row.heard_at,
                    RoomState.model_validate(row.state) if row.state is not None else None,
                    Health.model_validate(row.health) if row.health is not None else None,
                    row.agent,
                )
                for row in await db_session.scalars(select(RoomLast))
            ]
