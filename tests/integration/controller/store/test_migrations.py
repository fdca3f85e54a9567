"""A database of any earlier version, with rows, becomes one of this version; what fails leaves it as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from controller.store.accounts import Account, AuditRecord, Grant
from controller.store.database import alembic_config
from controller.store.rooms import ZONE, RoomRecord
from controller.store.store import Store, open_store
from controller.store.tables import Base
from protocol.errors import ConfigError
from tests.postgres import Postgres

DUMPS = Path(__file__).parents[3] / "data" / "store"
REVISIONS = [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()][:0:-1]
"""Every revision but the newest; each has a dump of both engines, written by the program of that time."""


@dataclass(frozen=True)
class Old:
    """A database of an earlier version."""

    revision: str
    url: str


@pytest.fixture(
    params=[(revision, engine) for revision in REVISIONS for engine in ("sqlite", "postgresql")], ids="-".join
)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Old]:
    revision, engine = request.param
    script = DUMPS / f"{revision}.{engine}.sql"
    if engine == "sqlite":
        path = tmp_path / "estrade.db"
        connection = sqlite3.connect(path)
        connection.executescript(script.read_text("utf-8"))
        connection.close()
        yield Old(revision, f"sqlite+aiosqlite:///{path}")
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.make()
    postgres.run_script(name, script)
    yield Old(revision, postgres.url(name))
    postgres.drop(name)


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


async def _check_tables(store: Store) -> None:
    async with store.database._engine.connect() as connection:
        assert await connection.run_sync(_differences) == []


def _everything(connection: Connection) -> dict[str, Any]:
    """Return tables, columns and rows as they are."""
    found: dict[str, Any] = {}
    for table in sorted(inspect(connection).get_table_names()):
        rows = connection.execute(text(f'SELECT * FROM "{table}"')).mappings()
        found[table] = sorted(str(dict(row)) for row in rows)
    return found


async def _read(url: str) -> dict[str, Any]:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_everything)
    finally:
        await engine.dispose()


async def test_migrations_make_exactly_the_tables_of_the_models(database_url: str) -> None:
    async with open_store(database_url) as store:
        await _check_tables(store)


async def test_every_earlier_version_becomes_this_one(old: Old) -> None:
    before = await _read(old.url)
    async with open_store(old.url) as store:
        await _check_tables(store)
    after = await _read(old.url)
    assert {table for table in before if before[table] and not after.get(table)} == set(), "a table that was emptied"


async def test_nothing_that_0001_knew_is_lost(old: Old) -> None:
    if old.revision != "0001":
        pytest.skip("rows of another version")
    before = await _read(old.url)
    async with open_store(old.url) as store:
        assert await store.rooms.all() == [
            RoomRecord("amphi-1", "013", "Amphithéâtre « Mistral »", 1, "b" * 64, "013"),
            RoomRecord("salle-b12", "075", "Salle B12 (l'été)", 3, "a" * 64, "075"),
            RoomRecord("salle-b13", "075", "Salle B13", 0, "", "075"),
        ]
        hashes = [f"$argon2id$v=19$m=65536,t=3,p=4$c2Fsd{letter}$aGFza{letter}" for letter in "AB"]
        admin, viewer = await store.accounts.all()
        assert admin == Account("admin", (Grant("admin"),), hashes[0])
        assert viewer == Account("é. regarde", (Grant("viewer"),), hashes[1])
        signed_in = await store.accounts.signed_in("c" * 64)
        assert signed_in is not None
        assert signed_in.grants == (Grant("admin"),)
        [newest, _] = await store.accounts.audit()
        assert newest == AuditRecord(
            newest.at, "admin", "lesson.stop", "salle-b12", "room-offline", "salle-b12", "account"
        )
        assert [event.fact["kind"] for event in await store.events.after(0)] == [
            "lesson.started", "viewer.joined", "from.the-future",
        ]  # fmt: skip
        assert {last.room: last.agent for last in await store.rooms.all_last()} == {
            "salle-b12": "0.1.0",
            "amphi-1": None,
        }
        async with store.database.read() as db_session:
            schools = await db_session.execute(text("SELECT id, territory, zone, start FROM schools ORDER BY id"))
            assert [tuple(row) for row in schools] == [("013", "013", ZONE, "press"), ("075", "075", ZONE, "press")]
        # what is written goes on from there: no number is given twice, no room is without its lessons
        first = (await store.events.after(0))[0]
        [added] = await store.events.add([replace(first, id="e-new")], now=newest.at)
        assert added.seq == 4
    after = await _read(old.url)
    for table in ("lessons", "links", "room_last"):
        assert after[table] == before[table]


async def test_a_migration_that_fails_half_way_leaves_everything_as_it_was(old: Old) -> None:
    """A power cut, a full disk; here a table of that name, which the last steps want to make."""
    engine = create_async_engine(old.url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE rollups (x INTEGER)"))
    await engine.dispose()
    before = await _read(old.url)
    with pytest.raises(ConfigError, match="rollups"):
        async with open_store(old.url):
            pass
    assert await _read(old.url) == before
    engine = create_async_engine(old.url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE rollups"))
    await engine.dispose()
    async with open_store(old.url) as store:
        await _check_tables(store)


async def test_what_names_another_row_is_held_to_it_after_a_migration(old: Old) -> None:
    """SQLite forgets that while it migrates."""
    async with open_store(old.url) as store:
        async with store.database.read() as db_session:
            if store.database.dialect == "sqlite":
                assert (await db_session.execute(text("PRAGMA foreign_key_check"))).all() == []
        [room, *_] = await store.rooms.all()
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            async with store.database._engine.begin() as connection:
                await connection.execute(text("UPDATE rooms SET school = 'nowhere' WHERE id = :id"), {"id": room.id})
