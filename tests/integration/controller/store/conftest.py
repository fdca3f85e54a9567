"""Fixtures: a database of each kind, empty or with the tables of this version."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.store.rooms import RoomRecord
from controller.store.store import Store, open_store
from tests.postgres import Postgres

AT = datetime(2026, 11, 23, 13, 2, 3, 456_789, tzinfo=UTC)


def _sqlite(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def _upgrade(url: str) -> None:
    async def work() -> None:
        async with open_store(url):
            pass

    asyncio.run(work())


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "estrade.db"
    _upgrade(_sqlite(path))
    return path


@pytest.fixture(scope="session")
def postgres_with_tables(postgres: Postgres) -> str:
    """A PostgreSQL database to copy."""
    name = postgres.make()
    _upgrade(postgres.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        yield _sqlite(tmp_path / "store" / "estrade.db")
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.make()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def ready_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of each kind that has its tables."""
    if request.param == "sqlite":
        path = tmp_path / "estrade.db"
        shutil.copy(request.getfixturevalue("sqlite_with_tables"), path)
        yield _sqlite(path)
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.make(request.getfixturevalue("postgres_with_tables"))
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
async def store(ready_url: str) -> AsyncIterator[Store]:
    """A store with one room."""
    async with open_store(ready_url) as opened:
        await opened.rooms.put([RoomRecord("r-1", "075", "Salle B12")], now=AT)
        yield opened
