"""What a room says to the centre: whatever it is, the centre serves on, and loses nothing that is right."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages import LessonStarted
from tests.broker import Broker
from tests.fuzz.inputs import payloads
from tests.integration.controller.scripted import (
    ROOM,
    centre_config,
    register,
    running_centre,
    scripted_room,
)
from tests.unit.protocol.samples import SAMPLES
from tests.waiting import until

GOOD = [json.loads(sample.model_dump_json()) for sample in SAMPLES.values()]


def said(base: str) -> list[tuple[str, bytes]]:
    """Return what a room says, on the topics that it may write."""
    collected: list[tuple[str, bytes]] = []
    kinds = [
        "status",
        "state",
        "health",
        "event/lesson.started",
        "event/x",
        "event/a/b",
        "event/\u00de",
        "req/time",
        "req/x",
    ]

    @settings(max_examples=250)
    @given(st.sampled_from(kinds), payloads(GOOD))
    def collect(kind: str, payload: bytes) -> None:
        collected.append((f"{base}/{kind}", payload))

    collect()
    return collected


async def test_a_room_may_say_anything_and_nothing_that_is_right_is_lost(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with running_centre(config) as centre, scripted_room(broker) as room:
        for number, (topic, payload) in enumerate(said(room.topics.base)):
            await room.say(topic, payload)
            if number % 25 == 0:
                await room.say_fact(f"right-{number}", LessonStarted(lesson="l-1", origin="panel"))

        def acknowledged() -> set[str]:
            return {one for command in room.commands_named("event.ack") for one in command.args["ids"]}

        right = {f"right-{number}" for number in range(0, len(said(room.topics.base)), 25)}
        await until(lambda: right <= acknowledged(), "every right fact is stored")
        assert (await centre.http.get("/readyz")).status_code == 200
        assert (await centre.http.get("/healthz")).status_code == 200
    faults = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    assert faults == [], ROOM
