"""A database that another program holds for long: pupils get in, nothing falls, and nothing is lost."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controller.accounts.passwords import hash_password
from controller.config import ControllerConfig
from controller.store.accounts import Account, Grant
from controller.store.rooms import RoomRecord
from controller.store.store import Store, open_store
from protocol.errors import StoreError
from protocol.lesson import LessonState
from protocol.messages import Command, LessonEnded, LessonStarted
from tests.broker import Broker
from tests.integration.controller.scripted import (
    OFFER,
    ROOM,
    SDP,
    TERRITORY,
    RunningCentre,
    centre_config,
    now,
    register,
    running_centre,
    scripted_room,
)
from tests.waiting import until

BUSY_S = 0.3
"""How long the store waits for the lock here; five seconds otherwise."""


@pytest.fixture
async def config(tmp_path: Path, broker: Broker) -> ControllerConfig:
    """A centre with one room and one account."""
    found = centre_config(tmp_path / "centre", broker)
    found = found.model_copy(update={"database_url": f"{found.database}?timeout={BUSY_S}"})
    await register(found)
    async with open_store(found.database) as store:
        await store.accounts.put(Account("admin", (Grant("admin"),), hash_password("correct horse")), now=now())
    return found


@pytest.fixture
async def store(config: ControllerConfig) -> AsyncIterator[Store]:
    async with open_store(config.database) as opened:
        yield opened


@contextmanager
def locked(config: ControllerConfig) -> Iterator[None]:
    """Hold the lock for writing, as a backup or a person with the sqlite3 shell may."""
    other = sqlite3.connect(config.state_dir / "estrade.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


async def test_a_lesson_begins_and_ends_while_the_database_is_locked(
    config: ControllerConfig, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running_centre(config) as centre, scripted_room(broker) as room:
        await room.say_state(LessonState.IDLE)
        before = await room.access()
        await centre.sign_in()
        with locked(config):
            lesson = await room.start()
            await room.say_fact("e-1", LessonStarted(lesson=lesson, origin="panel"))
            joined = await centre.join(code=before.code)
            bearer = {"Authorization": f"Bearer {joined['token']}"}

            async def is_in() -> bool:
                answer = await centre.http.post(joined["whep"], content=OFFER, headers=SDP | bearer)
                return answer.status_code == 201

            await until(is_in, "the pupil is in class")
            await until(lambda: _readiness(centre, 503, database=False), "it says that it cannot write")
            refused = await centre.http.post("/api/v1/session", json={"name": "admin", "password": "correct horse"})
            assert (refused.status_code, refused.json()["code"]) == (503, "database-unavailable")
            assert int(refused.headers["retry-after"]) >= 1
            assert (await centre.http.get("/api/v1/rooms")).status_code == 200
            assert (await centre.http.post(f"/api/v1/rooms/{ROOM}/stop")).json() == {"ok": True}
            await room.say_fact("e-2", LessonEnded(lesson=lesson, reason="stop", duration_s=1, viewers_most=1))
            await room.say_state(LessonState.IDLE)
            await until(lambda: room.configs[-1].config.access != before, "the room has the next code")
            await centre.join(code=(await room.access()).code)
            await asyncio.sleep(3 * BUSY_S)  # the lock outlives several attempts
            assert not room.commands_named("event.ack")
            assert not centre.task.done()
        told = await until(lambda: _acknowledged(room.commands_named("event.ack")), "both facts are acknowledged")
        assert told == {"e-1", "e-2"}
        await until(lambda: _readiness(centre, 200, database=True), "it is ready again")
        following = await room.access()
        async with open_store(config.database) as store:

            async def is_stored() -> bool:
                lessons = {one.id: one for one in await store.lessons.since(now().replace(year=2000))}
                room_row = await store.rooms.get(ROOM)
                acts = [record.act for record in await store.accounts.audit()]
                return (
                    lessons[lesson].ended_at is not None
                    and following.lesson in lessons
                    and room_row is not None
                    and room_row.config_rev == room.configs[-1].rev
                    and acts == ["lesson.stop", "sign-in"]
                )

            await until(is_stored, "lesson, config and act are stored")
            assert [event.id for event in await store.events.of_room(ROOM)] == ["e-2", "e-1"]
    lost, back = [record.getMessage() for record in caplog.records if record.name == "controller.store.database"]
    assert "locked" in lost
    assert back == "the database takes writes again"
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


def _acknowledged(commands: list[Command]) -> set[str] | None:
    told = {event_id for command in commands for event_id in command.args["ids"]}
    return told if len(told) == 2 else None


async def _readiness(centre: RunningCentre, status: int, *, database: bool) -> bool:
    answer = await centre.http.get("/readyz")
    return answer.status_code == status and answer.json() == {"broker": True, "database": database}


async def test_what_a_room_last_said_is_stored_once_it_can_be(config: ControllerConfig, broker: Broker) -> None:
    async with running_centre(config) as centre, scripted_room(broker) as room:
        await room.access()
        with locked(config):
            await room.say_state(LessonState.LIVE, "l-7")
            await until(lambda: _readiness(centre, 503, database=False), "a flush was refused", 20)
        async with open_store(config.database) as store:

            async def is_stored() -> bool:
                return any(last.state is not None and last.state.lesson for last in await store.rooms.all_last())

            await until(is_stored, "the state is stored", 20)


async def test_a_room_that_cannot_be_looked_up_is_taken_up_later(config: ControllerConfig, broker: Broker) -> None:
    async with running_centre(config) as centre:
        await register(config, RoomRecord("0750001a-b13", TERRITORY, "Salle B13"))
        async with scripted_room(broker, "0750001a-b13") as room:
            with locked(config):
                await room.say_fact("e-1", LessonStarted(lesson="l-1", origin="panel"))
                await until(lambda: _readiness(centre, 503, database=False), "its link could not be written")
            await until(lambda: room.commands_named("event.ack"), "its fact is acknowledged", 20)
            assert (await centre.join(code=(await room.access()).code))["view"]["room_name"] == "Salle B13"


async def test_who_waits_behind_a_write_that_fails_is_told_with_it(config: ControllerConfig, store: Store) -> None:
    room = RoomRecord(ROOM, TERRITORY, "Salle B14")
    with locked(config):
        began = time.monotonic()
        results = await asyncio.gather(
            *(store.rooms.put([replace(room, name=f"Salle {n}")], now=now()) for n in range(20)), return_exceptions=True
        )
        assert time.monotonic() - began < 10 * BUSY_S
        assert {type(result) for result in results} == {StoreError}
        assert await store.rooms.get(ROOM) is not None
        assert not await store.database.is_answering()

    async def is_answering() -> bool:
        return await store.database.is_answering()

    await until(is_answering, "it finds out by itself that it can write")
    await store.rooms.put([room], now=now())
    assert await store.rooms.get(ROOM) == replace(room, school=room.territory)


async def test_the_end_comes_although_nothing_can_be_stored(
    config: ControllerConfig, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_centre(config) as centre, scripted_room(broker) as room:
        await room.say_state(LessonState.IDLE)
        with locked(config):
            await room.start()
            centre.task.cancel()
            await asyncio.wait({centre.task}, timeout=10)
            assert centre.task.cancelled()
    assert "something is not stored at the end" in caplog.text
