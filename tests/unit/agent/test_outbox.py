"""A fact stays on disk until the centre has said that it stored it, whatever the disk does meanwhile."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent.outbox import Outbox, StoredEvent
from protocol.messages import ViewerJoined


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    box = Outbox(tmp_path / "deep" / "outbox.sqlite")
    yield box
    await box.close()


def _add(outbox: Outbox, count: int) -> list[str]:
    return [outbox.add(ViewerJoined(viewer=f"v-{number}")).id for number in range(count)]


async def ids_of(outbox: Outbox, count: int = 100) -> list[str]:
    return [event.id for event in await outbox.oldest(count)]


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow; writes then fail as on a full disk (the signal is ignored by Python)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_events_come_oldest_first_and_bounded(outbox: Outbox) -> None:
    ids = _add(outbox, 5)
    assert await ids_of(outbox, 3) == ids[:3]


async def test_only_what_is_acknowledged_goes(outbox: Outbox) -> None:
    ids = _add(outbox, 3)
    assert await outbox.acknowledge([ids[1], "never-was"]) == 1
    assert await ids_of(outbox) == [ids[0], ids[2]]
    assert await outbox.count() == 2


async def test_events_survive_the_agent(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.sqlite")
    ids = _add(first, 2)
    await first.close()
    second = Outbox(tmp_path / "outbox.sqlite")
    assert await ids_of(second) == ids
    await second.close()


async def test_whoever_sends_hears_of_each_new_event(outbox: Outbox) -> None:
    heard: list[int] = []
    outbox.on_added(lambda: heard.append(1))
    _add(outbox, 2)
    assert heard == [1, 1]


async def test_a_full_disk_is_told_and_nothing_is_lost(outbox: Outbox) -> None:
    before = _add(outbox, 1)
    assert await outbox.count() == 1
    with full_disk():
        during = _add(outbox, 3)
        assert await ids_of(outbox) == [*before, *during]
        assert outbox.problem is not None
        assert outbox.problem.code == "disk-failed"
        assert await outbox.acknowledge([during[1]]) == 1
    after = _add(outbox, 1)
    assert await ids_of(outbox) == [*before, during[0], during[2], *after]
    assert outbox.problem is None


async def test_what_is_acknowledged_and_cannot_be_deleted_is_not_sent_again(outbox: Outbox, tmp_path: Path) -> None:
    ids = _add(outbox, 4)
    assert await outbox.count() == 4
    path = tmp_path / "deep" / "outbox.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TRIGGER no BEFORE DELETE ON event BEGIN SELECT RAISE(FAIL, 'read-only'); END")
        assert await outbox.acknowledge(ids[:2]) == 2
        assert outbox.problem is not None
        assert await ids_of(outbox) == ids[2:]
        assert [event.id for event in await outbox.oldest(1)] == ids[2:3]
        assert await outbox.count() == 2
        db.execute("DROP TRIGGER no")
        assert await outbox.acknowledge(ids[2:3]) == 3
        assert db.execute("SELECT id FROM event").fetchall() == [(ids[3],)]


async def test_a_folder_that_cannot_be_made_is_told_and_mended_later(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    box = Outbox(tmp_path / "state" / "outbox.sqlite")
    ids = _add(box, 2)
    assert await ids_of(box) == ids
    assert box.problem is not None
    (tmp_path / "state").unlink()
    assert await ids_of(box) == ids
    assert box.problem is None
    await box.close()
    assert (tmp_path / "state" / "outbox.sqlite").exists()


async def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    box = Outbox(path)
    ids = _add(box, 2)
    await box.count()
    assert await ids_of(box) == ids
    assert box.problem is None
    await box.close()
    assert [name for name in os.listdir(tmp_path) if ".damaged-" in name]  # noqa: PTH208  # async: no Path here


async def test_an_event_of_another_version_is_sent_as_it_was_stored(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.sqlite")
    _add(first, 1)
    await first.close()
    body = '{"id": "e-1", "at": "2026-11-25T08:00:00Z", "fact": {"kind": "lamp.dim", "hours": 4000}}'
    with sqlite3.connect(tmp_path / "outbox.sqlite") as db:
        db.execute("INSERT INTO event (id, body) VALUES (?, ?)", ("e-1", body))
        db.execute("INSERT INTO event (id, body) VALUES (?, ?)", ("e-2", "not JSON"))
    db.close()
    second = Outbox(tmp_path / "outbox.sqlite")
    assert (await second.oldest(10))[1:] == [StoredEvent("e-1", "lamp.dim", body.encode())]
    await second.close()
