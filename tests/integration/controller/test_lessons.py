"""What a room's reports make of its lessons: begun, adopted, resumed, failed, ended; on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.fleet import Fleet
from controller.keys import Keys
from controller.lessons import REMEMBER_ENDED, RESUME_S, LessonBook
from controller.store.events import EventRecord
from controller.store.rooms import RoomRecord
from controller.store.store import Store, open_store
from protocol.errors import AccessError, BrokerError, EstradeError, LessonError
from protocol.lesson import LessonState
from protocol.messages import ConfigDocument, LessonReport, RoomState, RoomStatus
from protocol.topics import RoomTopics
from tests.waiting import until

AT = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
ROOM = "r-1"


class World:
    """One room's lessons, by a clock of the test's own."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self.store, self.keys = store, keys
        self.mono = 0.0
        self.published: list[ConfigDocument] = []
        self.retained: dict[str, ConfigDocument | None] = {}
        """By territory."""
        self.broker_is_there = True
        self.fleet = Fleet(lambda: self.mono, self.now)
        self.book = self.new_book()

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.mono)

    def new_book(self, public_url: str = "https://estrade.example.org") -> LessonBook:
        return LessonBook(
            self.store, self.keys, self.fleet, public_url=public_url, now=self.now, mono=lambda: self.mono
        )

    async def publish(self, topics: RoomTopics, document: ConfigDocument | None) -> None:
        assert topics.room == ROOM
        if not self.broker_is_there:
            raise BrokerError("away")
        self.retained[topics.territory] = document
        if document is not None:
            self.published.append(document)

    def reports(self, state: LessonState, lesson: str | None = None, sid: str = "s1") -> None:
        report = LessonReport(id=lesson, started_at=AT) if lesson else None
        document = RoomState(sid=sid, state=state, lesson=report, at=AT)
        self.fleet.report(ROOM, document)
        self.book.reported(ROOM, document)

    def born(self, sid: str) -> None:
        self.fleet.status(ROOM, RoomStatus(online=True, sid=sid, at=AT))

    @property
    def lesson(self) -> str:
        return self.book.access(ROOM).lesson

    def phase(self, lesson: str) -> str:
        return self.book.view(lesson, ROOM).phase


@asynccontextmanager
async def _running(world: World, book: LessonBook | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task((book or world.book).run(world.publish))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'estrade.db'}") as store:
        world = World(store, Keys(b"k" * 32))
        await store.rooms.put([RoomRecord(ROOM, "075", "Salle B12")], now=AT)
        world.fleet.add(ROOM, "075", "Salle B12")
        world.fleet.broker_connected()
        world.born("s1")
        await world.book.load(await store.rooms.all())
        yield world


async def test_code_and_link_exist_before_start_and_are_published(world: World) -> None:
    access = world.book.access(ROOM)
    async with _running(world):
        await until(lambda: world.published, "the config is published")
    assert world.published[0].config.access == access
    assert world.published[0].rev == 1
    assert world.book.by_code(access.code).id == world.book.by_link(access.link.rsplit("/", 1)[1]).id == access.lesson
    assert world.phase(access.lesson) == "waiting"


async def test_a_room_that_was_moved_finds_its_config_in_its_new_territory_alone(world: World) -> None:
    async with _running(world):
        await until(lambda: world.retained.get("075"), "the config is published")
        document = world.retained["075"]
        world.broker_is_there = False
        await world.book.add(RoomRecord(ROOM, "974", "Salle B12"))
        await asyncio.sleep(0.1)
        assert world.retained == {"075": document}
        world.broker_is_there = True
        world.book.publish_all_soon()  # as at each connection
        await until(lambda: len(world.retained) == 2, "it has moved")
        await until(lambda: world.retained["075"] is None, "and left nothing")
        assert world.retained == {"075": None, "974": document}
        await world.book.add(RoomRecord(ROOM, "075", "Salle B12"))
        await until(lambda: world.retained == {"075": document, "974": None}, "it is back")


async def test_a_lesson_begins_and_ends_with_the_room_and_the_next_has_another_code(world: World) -> None:
    first = world.book.access(ROOM)
    world.reports(LessonState.PREPARING, first.lesson)
    assert world.phase(first.lesson) == "open"
    world.reports(LessonState.LIVE, first.lesson)
    world.reports(LessonState.ENDING, first.lesson)
    assert world.phase(first.lesson) == "waiting"
    world.reports(LessonState.IDLE)
    assert world.phase(first.lesson) == "ended"
    second = world.book.access(ROOM)
    assert second.code != first.code
    assert second.link == first.link
    with pytest.raises(LessonError) as caught:
        world.book.by_code(first.code)
    assert caught.value.code == "lesson-ended"
    await world.book.save()
    ended, present = await world.store.lessons.since(AT - timedelta(hours=1))
    assert (ended.id, ended.started_at is not None, ended.ended_at is not None) == (first.lesson, True, True)
    assert (present.id, present.started_at, present.ended_at) == (second.lesson, None, None)


async def test_an_agent_that_is_started_anew_may_resume_within_ten_seconds(world: World) -> None:
    lesson = world.lesson
    world.reports(LessonState.LIVE, lesson)
    world.born("s2")
    world.reports(LessonState.IDLE, sid="s2")
    assert world.phase(lesson) == "waiting"
    world.mono += RESUME_S - 1
    world.book.tick()
    world.reports(LessonState.LIVE, lesson, sid="s2")
    world.mono += 60
    world.book.tick()
    assert world.phase(lesson) == "open"
    assert world.lesson == lesson


async def test_an_agent_that_does_not_resume_has_ended_the_lesson(world: World) -> None:
    lesson = world.lesson
    world.reports(LessonState.LIVE, lesson)
    world.reports(LessonState.IDLE, sid="s2")
    world.mono += RESUME_S
    world.book.tick()
    assert world.phase(lesson) == "ended"
    assert world.lesson != lesson


async def test_who_resumes_too_late_finds_old_tickets_and_new_ones_in_class(world: World) -> None:
    lesson = world.lesson
    world.reports(LessonState.LIVE, lesson)
    world.reports(LessonState.IDLE, sid="s2")
    world.mono += RESUME_S
    world.book.tick()
    world.reports(LessonState.LIVE, lesson, sid="s2")
    assert world.phase(lesson) == "open"
    assert world.phase(world.lesson) == "open"


async def test_a_failed_start_keeps_those_who_wait(world: World) -> None:
    lesson = world.lesson
    world.reports(LessonState.PREPARING, lesson)
    world.reports(LessonState.FAILED)
    assert world.phase(lesson) == "waiting"
    world.reports(LessonState.PREPARING, "another-try")
    assert world.phase(lesson) == "open"
    world.reports(LessonState.ENDING, "another-try")
    world.reports(LessonState.IDLE)
    assert world.phase(lesson) == "ended"


async def test_another_lesson_without_an_idle_between_ends_the_first(world: World) -> None:
    lesson = world.lesson
    world.reports(LessonState.LIVE, lesson)
    world.reports(LessonState.LIVE, "made-by-the-room")
    assert world.phase(lesson) == "ended"
    assert world.phase(world.lesson) == "open"


async def test_a_lost_room_keeps_its_lesson_open_for_when_it_is_back(world: World) -> None:
    lesson = world.lesson
    world.reports(LessonState.LIVE, lesson)
    world.fleet.broker_lost()
    view = world.book.view(lesson, ROOM)
    assert (view.phase, view.room_online) == ("open", False)


NO_HOLDERS: tuple[dict[str, Any], ...] = (
    {"kind": "viewer.removed"},
    {"kind": "viewer.removed", "holder": ["x"]},
    {"kind": "viewer.removed", "holder": None},
)
"""Facts as a room that lies, or speaks another version, may send them: stored all the same."""


async def test_removing_a_pupil_voids_the_ticket_and_turns_the_code_over_also_after_a_restart(world: World) -> None:
    lesson, before = world.lesson, world.book.access(ROOM)
    world.reports(LessonState.LIVE, "room-1")  # begun by the room alone: the fact bears the room's name for it
    holder = world.keys.holder(ROOM, "jti-of-lina")
    async with _running(world):
        await until(lambda: world.published, "the config is published")
        fact = {"kind": "viewer.removed", "lesson": "room-1", "holder": holder}
        await world.store.events.add([EventRecord("e-1", ROOM, "viewer.removed", AT, fact)], now=AT)
        torn = [EventRecord(f"e-{n}", ROOM, "viewer.removed", AT, fact) for n, fact in enumerate(NO_HOLDERS, 2)]
        await world.store.events.add(torn, now=AT)
        world.book.removed_by_fact(ROOM, "room-1", holder)
        await until(lambda: len(world.published) == 2, "the room gets another code")
    after = world.book.access(ROOM)
    assert (after.lesson, after.link) == (lesson, before.link)
    assert world.published[-1].config.access == after
    assert world.book.by_code(after.code).id == lesson
    with pytest.raises(AccessError, match="no lesson has this code"):
        world.book.by_code(before.code)
    await world.book.save()
    again = world.new_book()
    await again.load(await world.store.rooms.all())
    for book in (world.book, again):
        assert book.access(ROOM) == after
        assert book.is_removed(ROOM, "jti-of-lina")
        assert not book.is_removed(ROOM, "jti-of-noé")
    world.book.removed_by_fact(ROOM, "another", holder)
    assert world.book.access(ROOM) == after
    world.reports(LessonState.IDLE)
    assert not world.book.is_removed(ROOM, "jti-of-lina")


async def test_an_ended_lessons_code_is_forgotten_after_a_day(world: World) -> None:
    first = world.book.access(ROOM)
    world.reports(LessonState.LIVE, first.lesson)
    world.reports(LessonState.IDLE)
    world.mono += REMEMBER_ENDED.total_seconds() + 1
    world.reports(LessonState.LIVE, world.lesson)
    world.reports(LessonState.IDLE)
    with pytest.raises(AccessError) as caught:
        world.book.by_code(first.code)
    assert caught.value.code == "code-wrong"


async def test_after_a_restart_everything_is_as_it_was(world: World) -> None:
    old = world.book.access(ROOM)
    world.reports(LessonState.LIVE, old.lesson)
    world.reports(LessonState.IDLE)
    world.reports(LessonState.LIVE, "made-by-the-room")
    present = world.book.access(ROOM)
    async with _running(world):
        await until(lambda: world.published, "the config is published")
    again = world.new_book()
    await again.load(await world.store.rooms.all())
    assert again.access(ROOM) == present
    assert again.view(present.lesson, ROOM).phase == "open"
    with pytest.raises(LessonError):
        again.by_code(old.code)
    rev = world.published[-1].rev
    async with _running(world, again):
        await until(lambda: len(world.published) > 1, "it is published again")
    assert world.published[-1].rev == rev, "the same document has the same revision"
    moved = world.new_book("https://elsewhere.example.org")
    await moved.load(await world.store.rooms.all())
    async with _running(world, moved):
        await until(lambda: world.published[-1].rev == rev + 1, "with the new address")


async def test_a_config_that_could_not_be_sent_is_sent_when_the_broker_is_back(world: World) -> None:
    world.broker_is_there = False
    async with _running(world):
        await asyncio.sleep(0)
        world.broker_is_there = True
        world.book.publish_all_soon()
        await until(lambda: world.published, "it is published")


async def test_links_and_codes_that_are_none_open_nothing(world: World) -> None:
    for wrong in ("", "x", "A" * 22, "é" * 22):
        with pytest.raises(AccessError):
            world.book.by_link(wrong)
        with pytest.raises(AccessError):
            world.book.by_code(wrong)
    with pytest.raises(EstradeError):
        world.book.view(world.lesson, "r-2")


async def test_neither_code_nor_link_stands_in_the_database(world: World, tmp_path: Path) -> None:
    access = world.book.access(ROOM)
    async with _running(world):
        await until(lambda: world.published, "the config is published")
    secrets = [access.code, access.code.replace("-", ""), access.link.rsplit("/", 1)[1]]
    found = await asyncio.to_thread(lambda: [file.read_bytes() for file in tmp_path.iterdir()])
    assert found
    assert not [secret for secret in secrets for data in found if secret.encode() in data]
