"""Not one event lost: a centre that was away, a broker that forgot, and a room that was away for very long."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import event_sender
from agent.event_sender import BATCH, BATCH_S
from agent.outbox import Outbox
from mqttlink.link import Link
from protocol import topics
from protocol.messages import ControllerStatus, Event, ViewerJoined
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, room_settings, running_room
from tests.waiting import until

pytestmark = pytest.mark.timed


async def say_born(centre: Centre, sid: str) -> None:
    status = ControllerStatus(online=True, sid=sid, at=datetime.now(UTC))
    await centre.link.publish(topics.controller_status("main"), status, retain=True)


async def test_a_centre_away_for_longer_than_its_session_is_told_everything_when_it_is_back(
    broker: Broker, tmp_path: Path
) -> None:
    """The broker has acknowledged the events, and forgets them with the centre's session."""
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        before = Centre(Link(broker.controller("main")), acknowledges=False)
        async with before.link.running():
            await before.link.wait_connected()
            await say_born(before, "s-1")
            await room.press("lesson/start")
            await room.state_is("degraded")
            await until(lambda: before.facts() == ["lesson.started"], "the event was heard, and not stored")
        await room.press("lesson/stop")
        await room.state_is("idle")
        after = Centre(Link(broker.controller("main")))
        async with after.link.running():
            await after.link.wait_connected()
            came_s = time.monotonic()
            await say_born(after, "s-2")
            await until(lambda: after.facts() == ["lesson.started", "lesson.ended"], "both events, in order")
            assert time.monotonic() - came_s < 5
            assert after.events[0].id == before.events[0].id


async def test_a_broker_that_forgot_everything_is_told_again(
    broker: Broker, centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_sender, "RESEND_S", 3.0)  # half a minute in class
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await until(lambda: centre.states, "the room is there")
        broker.kill()
        await room.press("lesson/start")
        await room.state_is("degraded")
        await room.press("lesson/stop")
        await room.state_is("idle")
        broker.start()
        # the room waits longer before each attempt: a broker that was away for some seconds is tried within a minute
        await until(lambda: centre.facts() == ["lesson.started", "lesson.ended"], "both events, in order", 45)
    box = Outbox(tmp_path / "state" / "outbox.sqlite")
    assert await box.count() == 0
    await box.close()


async def test_a_room_with_100_000_events_sends_the_oldest_first_without_a_flood(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    settings = room_settings(broker, tmp_path, devices={})
    await fill(settings.state_dir / "outbox.sqlite", 100_000)
    async with running_room(settings) as room:
        began_s = time.monotonic()
        await until(lambda: len(centre.events) >= 500, "the first 500 events")
        took_s = time.monotonic() - began_s
        assert [event.id for event in centre.events[:500]] == [f"e-{number}" for number in range(500)]
        assert took_s > (500 / BATCH - 2) * BATCH_S
        pressed_s = time.monotonic()
        await room.press("lesson/start")
        await room.state_is("degraded")
        assert time.monotonic() - pressed_s < 1.0
    box = Outbox(settings.state_dir / "outbox.sqlite")
    left = await box.count()
    await box.close()
    assert 100_000 - len(centre.events) <= left < 100_000


async def fill(path: Path, count: int) -> None:
    """Let so many events of long ago wait."""
    box = Outbox(path)
    await box.count()
    await box.close()
    at = datetime(2026, 9, 1, tzinfo=UTC)
    rows = (
        (f"e-{number}", Event(id=f"e-{number}", at=at, fact=ViewerJoined(viewer="v-1")).model_dump_json())
        for number in range(count)
    )
    await asyncio.to_thread(_insert, path, rows)


def _insert(path: Path, rows: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany("INSERT INTO event (id, body) VALUES (?, ?)", rows)  # type: ignore[arg-type]  # pairs of text
