"""The database: opened, brought to this version, one writer task, reads beside it.

SQLite (WAL) by default and PostgreSQL by URL. All writes go through one task: SQLite has one writer anyway, and a
request that is cancelled half-way cannot leave a transaction open.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from controller.store.models import Base
from protocol.errors import ConfigError

MOST_WAITING = 1_000
"""Writes that wait; beyond it whoever wants to write waits too."""
_MIGRATION_LOCK = 0x457374_72616465
"""pg_advisory_lock key: two controllers that start together migrate one after the other."""

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[Any]]


class Database:
    """Reads by `read`, writes by `write`; made by `open_database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._make_session = async_sessionmaker(engine, expire_on_commit=False)
        self._waiting: asyncio.Queue[tuple[Work, asyncio.Future[Any]] | None] = asyncio.Queue(MOST_WAITING)

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    @property
    def writes_waiting(self) -> int:
        return self._waiting.qsize()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Give a session to read with."""
        async with self._make_session() as db_session:
            yield db_session

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction of the writer and return its result once committed.

        A caller that is cancelled stops waiting; the write is carried out all the same.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        await self._waiting.put((work, done))
        return await done

    async def put_rows(self, table: type[Base], rows: Sequence[Mapping[str, Any]], *, changed: Sequence[str]) -> None:
        """Insert rows; of those whose primary key is known, change these columns alone. One statement for all."""
        if not rows:
            return
        make = postgresql.insert if self.dialect == "postgresql" else sqlite.insert
        statement: Any = make(table)
        key = [column.name for column in inspect(table).primary_key]
        values = {name: statement.excluded[name] for name in changed}
        statement = statement.on_conflict_do_update(index_elements=key, set_=values)

        async def work(db_session: AsyncSession) -> None:
            await db_session.execute(statement, rows)

        await self.write(work)

    async def run_writer(self) -> None:
        """Carry out the writes in their order, until `finish`."""
        while (item := await self._waiting.get()) is not None:
            work, done = item
            try:
                async with self._make_session() as db_session, db_session.begin():
                    result = await work(db_session)
            except Exception as error:  # goes to whoever asked; the writer serves the next
                if not done.cancelled():
                    done.set_exception(error)
            else:
                if not done.cancelled():
                    done.set_result(result)

    async def finish(self) -> None:
        """Let the writer end after what already waits."""
        await self._waiting.put(None)

    async def is_answering(self) -> bool:
        """Say whether the database answers."""
        try:
            async with self.read() as db_session:
                await db_session.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            return False
        return True


@contextlib.asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Open, migrate and serve a database; raise ConfigError ``database-unusable`` when that cannot be."""
    try:
        engine = _engine(url)
        await upgrade(engine)
    except (DBAPIError, OSError, ImportError) as error:
        shown = make_url(url).render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        msg = f"the database {shown} cannot be opened ({reason}); check the address and the rights"
        raise ConfigError(msg, code="database-unusable") from error
    database = Database(engine)
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(database.run_writer(), name="store-writer")
            try:
                yield database
            except Exception as error:  # raised again below, so that it does not leave in the group's wrapping
                failure = error
            finally:
                await database.finish()
    finally:
        await engine.dispose()
    if failure is not None:
        raise failure


def _engine(url: str) -> AsyncEngine:
    engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        if engine.url.database and engine.url.database != ":memory:":
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def alembic_config() -> Config:
    """Return Alembic's configuration; the migrations are part of the package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the tables to this version; a second program that does the same waits its turn."""

    def run(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with _file_lock(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        await connection.run_sync(run)


@contextlib.asynccontextmanager
async def _file_lock(engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold a lock file beside an SQLite database: its DDL is not guarded by a transaction as PostgreSQL's is."""
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        yield
        return
    with _open(Path(f"{engine.url.database}.lock")) as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


def _open(path: Path) -> IO[str]:
    return path.open("w")
