"""Facts on disk until the centre has stored them and said so (DESIGN §3, §4)."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from protocol.messages import Event, Fact, Token


def _now() -> datetime:
    return datetime.now(UTC)


class Outbox:
    """An ordered store of events in one SQLite file.

    ``add`` returns when the event is on disk; only ``acknowledge`` takes one out. Called on the loop: a write is
    one small row in WAL mode, well under a millisecond, and events are rare (a few a minute).
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime] = _now) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._now = now
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS event (n INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, body TEXT NOT NULL)"
        )
        self._listener: Callable[[], None] = lambda: None

    def on_added(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each added event."""
        self._listener = listener

    def add(self, fact: Fact) -> Event:
        """Store a fact as an event with a new id and return it."""
        event = Event(id=secrets.token_hex(12), at=self._now(), fact=fact)
        self._db.execute("INSERT INTO event (id, body) VALUES (?, ?)", (event.id, event.model_dump_json()))
        self._listener()
        return event

    def oldest(self, count: int) -> list[Event]:
        """Return up to ``count`` events, oldest first."""
        rows = self._db.execute("SELECT body FROM event ORDER BY n LIMIT ?", (count,))
        return [Event.model_validate_json(body) for (body,) in rows]

    def acknowledge(self, ids: Iterable[Token]) -> int:
        """Forget the events with these ids; return how many were there."""
        before = self._db.total_changes
        self._db.executemany("DELETE FROM event WHERE id = ?", [(event_id,) for event_id in ids])
        return self._db.total_changes - before

    def __len__(self) -> int:
        (count,) = self._db.execute("SELECT COUNT(*) FROM event").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file; events stay in it."""
        self._db.close()
