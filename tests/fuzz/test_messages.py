"""MQTT: topics and payloads of any kind are read or refused, and a command is answered whatever it holds."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from agent.commands import Commands
from agent.devices.capture import CaptureHost
from agent.kept_lesson import LessonKeeper
from agent.lesson import Lesson
from agent.on_air import Departures
from agent.outbox import Outbox
from agent.streams.publisher import StreamSettings
from agent.streams.turn import Reach
from mqttlink.centre_clock import CentreClock
from mqttlink.message import Message
from mqttlink.rpc import Served
from protocol import messages, topics
from protocol.channel import FROM_PUPIL
from protocol.messages import Answer
from protocol.topics import RoomTopics
from tests.fuzz.inputs import anything, as_json, broken, payloads
from tests.unit.protocol.samples import SAMPLES

ROOM = RoomTopics("075", "0750001a-b12")
GOOD = [json.loads(sample.model_dump_json()) for sample in SAMPLES.values()]
MODELS: list[type[BaseModel]] = sorted({type(sample) for sample in SAMPLES.values()}, key=lambda model: model.__name__)

_LEVEL = st.sampled_from(["estrade", "v1", "075", "b12", "ctl", "status", "cmd", "event", "", "+", "#", "rtc.offer"])
TOPICS = st.text(max_size=80) | st.lists(_LEVEL | st.text(max_size=50), max_size=8).map("/".join)


@given(TOPICS)
def test_a_topic_is_a_rooms_or_refused(topic: str) -> None:
    try:
        parsed = topics.parse(topic)
    except ValueError:
        return
    rebuilt = [f"{parsed.topics.base}/{parsed.kind}", f"{parsed.topics.base}/{parsed.kind}/{parsed.name}"]
    assert topic in rebuilt


@given(st.sampled_from(["cmd", "event", "req"]), st.text(st.sampled_from("ab.-\n\r /+#é"), min_size=1, max_size=5))
def test_a_name_in_a_topic_is_all_of_it(kind: str, name: str) -> None:
    try:
        parsed = topics.parse(f"{ROOM.base}/{kind}/{name}")
    except ValueError:
        return
    assert set(parsed.name) <= set("ab.-")


@given(st.data())
def test_a_payload_is_a_message_or_refused(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from(MODELS))
    payload = data.draw(
        payloads([good for good, sample in zip(GOOD, SAMPLES.values(), strict=True) if type(sample) is model])
    )
    try:
        message = model.model_validate_json(payload)
    except ValidationError:
        return
    # what was taken can be said again: nothing in it breaks the next one who reads it
    model.model_validate_json(message.model_dump_json())


@given(payloads([json.loads(SAMPLES[name].model_dump_json()) for name in SAMPLES if name.startswith("channel-")]))
def test_what_a_page_says_is_a_message_or_refused(payload: bytes) -> None:
    try:
        message = FROM_PUPIL.validate_json(payload)
    except ValidationError:
        return
    TypeAdapter(type(message)).validate_json(message.model_dump_json())


@asynccontextmanager
async def answering_room(folder: Path) -> AsyncIterator[tuple[Served, list[Answer]]]:
    """The room's real commands on a real lesson without devices."""
    outbox = Outbox(folder / "outbox.sqlite")
    keeper = LessonKeeper(folder / "lesson.json", "boot")
    lesson = Lesson(lambda: "B12", (), CaptureHost([]), StreamSettings(max_viewers=3), outbox, keeper, Departures())

    async def tested() -> messages.SelfTestNumbers:
        return messages.SelfTestNumbers(state="done", elapsed_s=0.0)

    commands = Commands(
        lesson,
        outbox,
        Reach(),
        is_ready=lambda: True,
        on_acknowledged=lambda: None,
        on_seen=lambda check: None,
        on_selftest=tested,
    )
    answers: list[Answer] = []

    async def publish(
        topic: str,
        payload: bytes,
        *,
        expiry_s: int,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> int:
        answers.append(Answer.model_validate_json(payload))
        return 1

    clock = CentreClock()
    task = asyncio.create_task(lesson.run())
    try:
        yield Served(commands.carry_out, publish, clock), answers
    finally:
        task.cancel()
        await asyncio.wait({task})
        await outbox.close()


COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("rtc.offer", {"viewer": "v-1", "sdp": "v=0\r\n", "holder": "h-1"}),
    ("rtc.publish", {"viewer": "v-1", "sdp": "v=0\r\n", "holder": "h-1"}),
    ("rtc.publish", {"viewer": "v-2", "sdp": "v=0\r\n", "holder": "h-2", "what": "shared"}),
    ("rtc.relay", {"holder": "h-1"}),
    ("rtc.candidate", {"viewer": "v-1", "candidates": ["candidate:1 1 udp 1 192.0.2.1 9 typ host"], "mid": "0"}),
    ("rtc.close", {"viewer": "v-1"}),
    ("lesson.stop", {"actor": "it"}),
    ("lesson.propose", {"proposal": "p-1", "actor": "it", "expires_s": 60}),
    ("lesson.mute", {"actor": "it", "sound": False}),
    ("check.seen", {"check": "on-air", "actor": "it"}),
    ("selftest.run", {"actor": "it"}),
    ("event.ack", {"ids": ["e-1", "e-2"]}),
]


@st.composite
def commands(draw: st.DrawFn) -> tuple[str, bytes]:
    name, args = draw(st.sampled_from(COMMANDS))
    name = draw(st.just(name) | st.text(max_size=10))
    shape = {"id": draw(st.text(min_size=1, max_size=8)), "deadline": 1.8e9, "args": draw(broken([args]) | anything)}
    payload = draw(st.just(as_json(shape)) | broken([shape]).map(as_json) | st.binary(max_size=60))
    return ROOM.cmd(name), payload


def test_every_command_is_fed() -> None:
    assert {name for name, _ in COMMANDS} == messages.COMMANDS.keys()


@settings(max_examples=30)
@given(batch=st.lists(commands(), min_size=5, max_size=20))
@example(batch=[(ROOM.cmd(name), b'{"id": "q-1", "deadline": 1.8e9}') for name in ("\u00de", "", "x" * 99, "stop\n")])
async def test_a_command_is_answered_once_whatever_it_holds(
    batch: list[tuple[str, bytes]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    async with asyncio.timeout(10), answering_room(tmp_path) as (served, answers):
        for topic, payload in batch:
            before = len(answers)
            await served.handle(Message(topic, payload, 1, response_topic="reply", correlation=b"c"))
            assert len(answers) == before + 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    codes = {answer.error.code for answer in answers if answer.error}
    assert "internal" not in codes, codes


def test_any_bytes_in_place_of_the_newest_configuration_are_read_or_refused(tmp_path: Path) -> None:
    from agent.desired import DesiredConfig

    document: dict[str, Any] = json.loads(SAMPLES["config"].model_dump_json())

    @given(payloads([document]))
    def read(payload: bytes) -> None:
        path = tmp_path / "desired.json"
        path.write_bytes(payload)
        kept = DesiredConfig(path)
        try:
            kept.take(payload)
        except ValidationError:
            return

    read()
