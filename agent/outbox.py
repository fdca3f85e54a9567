"""Facts on disk until the centre has stored them and said so (DESIGN §3, §4)."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from protocol.messages import Event, Fact, Problem, Token

log = logging.getLogger(__name__)

MOST_IN_MEMORY = 10_000
"""Events kept in memory while the disk takes none; then the oldest goes. A lesson makes some hundred."""
CLOSE_S = 2.0
"""A disk that does not answer must not keep the agent from leaving."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it was stored, and as it is sent: also one of a kind that this version does not know."""

    id: str
    kind: str
    body: bytes


class Outbox:
    """An ordered store of events in one SQLite file, worked by a thread of its own.

    ``add`` neither waits nor fails: the event is on disk, and synced, as soon as the disk can. While the disk takes
    nothing, events wait in memory, ``problem`` says why, and each later call tries again. A damaged file is put aside
    and a new one begun. Only ``acknowledge`` takes an event out.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime] = _now) -> None:
        self.problem: Problem | None = None
        self._path = path
        self._now = now
        self._listener: Callable[[], None] = lambda: None
        self._unwritten: deque[StoredEvent] = deque()
        self._lock = threading.Lock()
        """Of ``_unwritten``; never held while the disk is waited for."""
        self._undeleted: set[str] = set()
        """Acknowledged, and still on a disk that lets nothing be deleted. The thread's own."""
        self._db: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")

    def on_added(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each added event."""
        self._listener = listener

    def add(self, fact: Fact) -> Event:
        """Keep a fact as an event with a new id and return it."""
        event = Event(id=secrets.token_hex(12), at=self._now(), fact=fact)
        with self._lock:
            self._unwritten.append(StoredEvent(event.id, fact.kind, event.model_dump_json().encode()))
            if len(self._unwritten) > MOST_IN_MEMORY:
                self._unwritten.popleft()
                log.error("An event is lost: the disk takes none and memory holds too many")
        self._thread.submit(self._write)
        self._listener()
        return event

    async def oldest(self, count: int) -> list[StoredEvent]:
        """Return up to ``count`` events, oldest first."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._oldest, count)

    async def acknowledge(self, ids: Iterable[Token]) -> int:
        """Forget the events with these ids; return how many were there."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._forget, frozenset(ids))

    async def count(self) -> int:
        """Return how many events wait."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._count)

    def settle(self, most_s: float) -> None:
        """Have what was added on disk when this returns, or ``most_s`` later. Blocks: for the instant before a fall."""
        with suppress(TimeoutError):
            self._thread.submit(self._write).result(most_s)

    async def close(self) -> None:
        """Write what is not written and close the file; events stay in it."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        except TimeoutError:
            log.exception("The disk did not take the last events in time")
        self._thread.shutdown(wait=False)

    # --- in the thread --------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Move what waits in memory to the disk; on failure it stays, in order."""
        with self._lock:
            rows = list(self._unwritten)
        if not rows:
            return
        try:
            db = self._opened()
            with db:
                db.execute("BEGIN IMMEDIATE")
                db.executemany(
                    "INSERT OR IGNORE INTO event (id, body) VALUES (?, ?)",
                    [(row.id, row.body.decode()) for row in rows],
                )
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return
        self._drop_unwritten({row.id for row in rows})
        if self.problem is not None:
            log.info("Events are stored on disk again", extra={"path": str(self._path)})
            self.problem = None

    def _oldest(self, count: int) -> list[StoredEvent]:
        self._write()
        stored: list[StoredEvent] = []
        try:
            rows = self._opened().execute(
                "SELECT id, json_extract(body, '$.fact.kind'), body FROM event ORDER BY n LIMIT ?",
                (count + len(self._undeleted),),
            )
            stored = [
                StoredEvent(id_, str(kind), body.encode()) for id_, kind, body in rows if id_ not in self._undeleted
            ]
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        with self._lock:
            return [*stored, *self._unwritten][:count]

    def _forget(self, ids: frozenset[str]) -> int:
        self._write()
        dropped = self._drop_unwritten(ids)
        was = len(self._undeleted)
        self._undeleted |= ids - dropped
        try:
            db = self._opened()
            with db:
                before = db.total_changes
                db.executemany("DELETE FROM event WHERE id = ?", [(event_id,) for event_id in self._undeleted])
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return len(dropped) + len(self._undeleted) - was
        self._undeleted.clear()
        return len(dropped) + db.total_changes - before

    def _drop_unwritten(self, ids: Set[str]) -> set[str]:
        with self._lock:
            dropped = {event.id for event in self._unwritten} & ids
            self._unwritten = deque(event for event in self._unwritten if event.id not in dropped)
            return dropped

    def _count(self) -> int:
        self._write()
        try:
            (count,) = self._opened().execute("SELECT COUNT(*) FROM event").fetchone()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            count = 0
        return max(0, int(count) - len(self._undeleted)) + len(self._unwritten)

    def _close(self) -> None:
        self._write()
        if self._db is not None:
            self._db.close()
            self._db = None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._connect()
        return self._db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, check_same_thread=False)  # one thread works with it, another may close it
        try:
            db.isolation_level = None
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")  # a room's power strip is switched off at the end of the day
            db.execute(
                "CREATE TABLE IF NOT EXISTS event (n INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, body TEXT NOT NULL)"
            )
            db.execute("DELETE FROM event WHERE NOT json_valid(body)")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _failed(self, error: sqlite3.Error | OSError) -> None:
        """Say it once; a damaged file is put aside, so that the next call begins a new one."""
        if self.problem is None:
            log.error(
                "Events cannot be stored on disk and wait in memory",
                extra={"path": str(self._path), "reason": str(error), "waiting": len(self._unwritten)},
            )
            self.problem = Problem(code="disk-failed", message=f"events cannot be stored: {error}"[:500])
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _DAMAGED:
            self._put_aside()

    def _put_aside(self) -> None:
        self._undeleted.clear()
        if self._db is not None:
            self._db.close()
            self._db = None
        aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
        log.error("The file of events is damaged and put aside", extra={"path": str(aside)})
        try:
            self._path.replace(aside)
            for more in ("-wal", "-shm"):
                self._path.with_name(self._path.name + more).unlink(missing_ok=True)
        except OSError as problem:
            log.warning("The damaged file cannot be moved", extra={"reason": str(problem)})
