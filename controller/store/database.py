"""The database: opened, brought to this version, one writer task, reads beside it.

SQLite (WAL) by default and PostgreSQL by URL. All writes go through one task: SQLite has one writer anyway, and a
request that is cancelled half-way cannot leave a transaction open.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import ColumnElement, Connection, delete, event, inspect, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import InstrumentedAttribute

from controller.store.tables import Base
from protocol.errors import ConfigError, StoreError

log = logging.getLogger(__name__)

MOST_WAITING = 1_000
"""Writes that wait; beyond it whoever wants to write waits too."""
PROBE_S = 1.0
"""Once a write has failed the writer tries by itself, so that `is_answering` is true again without waiting for one."""
READERS_END_S = 2.0
"""Whoever reads when the database is closed is given so long."""
_MIGRATION_LOCK = 0x457374_72616465
"""pg_advisory_lock key: two controllers that start together migrate one after the other."""

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[Any]]


def _is_unavailable(error: Exception) -> bool:
    """Say whether this is the database's state (locked, full, gone) and not a mistake in what was asked of it."""
    if isinstance(error, (IntegrityError, DataError, ProgrammingError, NotSupportedError)):
        return False
    return isinstance(error, (DBAPIError, NoConnectionError, OSError))


def _unavailable() -> StoreError:
    return StoreError("the database does not answer or takes no writes at the moment; try again")


async def _write_nothing(db_session: AsyncSession) -> None:
    """Take the lock that a write needs, and change no row."""
    await db_session.execute(text("UPDATE rooms SET id = id WHERE 1 = 0"))


class Database:
    """Reads by `read`, writes by `write`; made by `open_database`.

    Both raise StoreError when the database does not answer or, for five seconds of SQLite, is locked by another
    program. It is logged once, and once more when it goes again.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._make_session = async_sessionmaker(engine, expire_on_commit=False)
        self._waiting: asyncio.Queue[tuple[Work, asyncio.Future[Any]] | None] = asyncio.Queue(MOST_WAITING)
        self._takes_writes = True
        self._reads = 0
        self._nobody_reads = asyncio.Event()
        self._nobody_reads.set()

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    @property
    def writes_waiting(self) -> int:
        return self._waiting.qsize()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Give a session to read with."""
        self._reads += 1
        self._nobody_reads.clear()
        try:
            async with self._make_session() as db_session:
                yield db_session
        except Exception as error:
            if _is_unavailable(error):
                raise _unavailable() from error
            raise
        finally:
            self._reads -= 1
            if not self._reads:
                self._nobody_reads.set()

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction of the writer and return its result once committed.

        Raises StoreError when it was not; what waits behind such a write fails with it, or a request would wait five
        seconds for each that is before it. A caller that is cancelled stops waiting; the write is carried out all the
        same.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        await self._waiting.put((work, done))
        return await done

    async def put_rows(self, table: type[Base], rows: Sequence[Mapping[str, Any]], *, changed: Sequence[str]) -> None:
        """Insert rows; of those whose primary key is known, change these columns alone. One statement for all."""

        async def work(db_session: AsyncSession) -> None:
            await put_rows(db_session, table, rows, lambda given: {name: given[name] for name in changed})

        if rows:
            await self.write(work)

    async def forget(self, key: InstrumentedAttribute[Any], is_old: ColumnElement[bool], most: int) -> int:
        """Delete the first ``most`` rows that are old, by their primary key ``key``; return how many there were.

        They are looked for beside the writer, which has no more to do than to delete them.
        """
        async with self.read() as db_session:
            keys = list(await db_session.scalars(select(key).where(is_old).order_by(key).limit(most)))

        async def work(db_session: AsyncSession) -> None:
            await db_session.execute(delete(key.class_).where(key.in_(keys)))

        if keys:
            await self.write(work)
        return len(keys)

    async def run_writer(self) -> None:
        """Carry out the writes in their order, until `finish`."""
        while (item := await self._next()) is not None:
            work, done = item
            try:
                async with self._make_session() as db_session, db_session.begin():
                    result = await work(db_session)
            except Exception as error:  # goes to whoever asked; the writer serves the next
                if not _is_unavailable(error):
                    _fail(done, error)
                    continue
                self._note(error)
                _fail(done, _unavailable())
                self._fail_waiting()
            else:
                self._note(None)
                if not done.done():
                    done.set_result(result)

    async def _next(self) -> tuple[Work, asyncio.Future[Any]] | None:
        """Return the next write; while writes fail, and nobody wants one, a probe."""
        if self._takes_writes:
            return await self._waiting.get()
        try:
            async with asyncio.timeout(PROBE_S):
                return await self._waiting.get()
        except TimeoutError:
            return _write_nothing, asyncio.get_running_loop().create_future()

    def _fail_waiting(self) -> None:
        while not self._waiting.empty():
            item = self._waiting.get_nowait()
            if item is None:  # `finish`: there is nothing behind it
                self._waiting.put_nowait(None)
                return
            _fail(item[1], _unavailable())

    def _note(self, error: Exception | None) -> None:
        if error is not None and self._takes_writes:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            log.warning("the database takes no writes: %s; what waits is kept and tried again", reason)
        elif error is None and not self._takes_writes:
            log.info("the database takes writes again")
        self._takes_writes = error is None

    async def finish(self) -> None:
        """Let the writer end after what already waits."""
        await self._waiting.put(None)

    async def wait_for_readers(self, limit_s: float) -> None:
        """Wait until nobody reads, so long at most: what still reads when the engine goes keeps its connection open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._nobody_reads.wait()

    async def is_answering(self) -> bool:
        """Say whether the database answers and took the last write."""
        try:
            async with self.read() as db_session:
                await db_session.execute(text("SELECT 1"))
        except StoreError:
            return False
        return self._takes_writes


async def put_rows(
    db_session: AsyncSession,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    changed: Callable[[Any], Mapping[str, Any]] = lambda given: {},
) -> None:
    """Insert rows, one statement for all; a row whose primary key is known becomes what ``changed`` says of it.

    ``changed`` is given the columns of the row that was to be inserted, and returns new values by column; by none the
    known row stays as it is.
    """
    make = postgresql.insert if db_session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement: Any = make(table)
    key = [column.name for column in inspect(table).primary_key]
    values = changed(statement.excluded)
    if values:
        statement = statement.on_conflict_do_update(index_elements=key, set_=values)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    await db_session.execute(statement, rows)


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
        done.exception()  # a probe is nobody's


@contextlib.asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Open, migrate and serve a database; raise ConfigError ``database-unusable`` when that cannot be."""
    try:
        engine = _engine(url)
        try:
            await upgrade(engine)
        except BaseException:
            await engine.dispose()
            raise
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
        await database.wait_for_readers(READERS_END_S)
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
    # The driver itself waits 5 s for another program's lock, or as long as the URL says: …?timeout=0.5
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
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

    async with _file_lock(engine), engine.connect() as connection, _unreferenced(connection):
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        await connection.run_sync(run)
        await connection.commit()


@contextlib.asynccontextmanager
async def _unreferenced(connection: AsyncConnection) -> AsyncIterator[None]:
    """Begin SQLite's transaction, with its foreign keys let alone; PostgreSQL needs neither.

    The driver begins one by itself before rows are changed and not before tables are, so a migration that is
    interrupted would stay half done. And a table is changed by being made anew: dropping the old one would take along
    every row that names one of its rows (https://sqlite.org/lang_altertable.html, 7).
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    await connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    await connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        await connection.rollback()
        await connection.exec_driver_sql("PRAGMA foreign_keys=ON")


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
