"""What is too old is deleted when the centre starts, and daily."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller import retention
from controller.config import RetentionConfig
from controller.store.accounts import AuditRecord
from controller.store.events import EventRecord
from controller.store.lessons import LessonRecord
from controller.store.rooms import RoomRecord
from controller.store.store import Store, open_store
from tests.broker import Broker
from tests.integration.controller.scripted import (
    ROOM,
    TERRITORY,
    centre_config,
    now,
    register,
    running_centre,
)
from tests.waiting import until

AT = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)


async def _fill(store: Store, at: datetime, name: str, viewers: int = 1) -> None:
    events = [EventRecord(f"v-{name}-{n}", ROOM, "viewer.joined", at, {}) for n in range(viewers)]
    await store.events.add([*events, EventRecord(f"e-{name}", ROOM, "device.lost", at, {})], now=at)
    await store.lessons.put(LessonRecord(f"l-{name}", ROOM, at, started_at=at, ended_at=at))
    await store.accounts.note(AuditRecord(at, name, "sign-in", "", "ok"))


async def _left(store: Store) -> tuple[set[str], set[str], set[str]]:
    events = {event.id for event in await store.events.of_room(ROOM, most=50_000)}
    lessons = {lesson.id for lesson in await store.lessons.since(AT.replace(year=2000)) if lesson.ended_at}
    return events, lessons, {record.actor for record in await store.accounts.audit()}


async def test_a_centre_that_starts_deletes_what_is_too_old(tmp_path: Path, broker: Broker) -> None:
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with open_store(config.database) as store:
        await _fill(store, now() - timedelta(days=400), "ancient", viewers=retention.CHUNK + 1)
        await _fill(store, now() - timedelta(days=40), "old")
        await _fill(store, now(), "new")
        kept = ({"e-old", "v-new-0", "e-new"}, {"l-old", "l-new"}, {"old", "new"})
        async with running_centre(config) as centre:

            async def is_done() -> bool:
                return await _left(store) == kept

            await until(is_done, "the old is gone")
            assert (await centre.http.get("/readyz")).status_code == 200


async def test_it_is_done_daily_by_the_days_of_the_configuration(tmp_path: Path) -> None:
    days: list[int] = []
    waits: list[float] = []
    is_over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        days.append(len((await _left(store))[0]))
        if len(waits) == 4:
            is_over.set()
            await asyncio.Event().wait()

    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'estrade.db'}") as store:
        await store.rooms.put([RoomRecord(ROOM, TERRITORY, "Salle B12")], now=AT)
        for day in range(4):
            await store.events.add([EventRecord(f"e-{day}", ROOM, "device.lost", AT, {})], now=AT + timedelta(days=day))
        kept = RetentionConfig(other_events_days=2)
        task = asyncio.create_task(
            retention.run(store, kept, now=lambda: AT + timedelta(days=1 + len(waits), hours=1), sleep=sleep)
        )
        await asyncio.wait_for(is_over.wait(), 10)
        task.cancel()
        await asyncio.wait({task})
    assert waits == [86_400.0] * 4
    assert days == [4, 3, 2, 1]
