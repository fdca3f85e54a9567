"""A real centre on a free port, and rooms that speak the protocol by script through a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel

from controller.app import serve
from controller.config import BrokerConfig, ControllerConfig, HttpConfig, MetricsConfig, TlsFiles
from controller.store.rooms import RoomRecord
from controller.store.store import open_store
from mqttlink import Link, Message, Presence
from protocol.errors import CommandError
from protocol.lesson import LessonState
from protocol.messages import (
    Command,
    ConfigDocument,
    Event,
    Fact,
    Health,
    LessonReport,
    OnAir,
    RoomState,
    RoomStatus,
)
from protocol.topics import RoomTopics, parse
from tests.broker import Broker
from tests.waiting import until

ROOM = "0750001a-b12"
TERRITORY = "075"
DEADLINE_S = 10.0

OFFER = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\n"
    "a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:0\r\n"
    "a=recvonly\r\na=rtpmap:96 H264/90000\r\n"
)
ANSWER = OFFER.replace("recvonly", "sendonly")
FRAGMENT = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0 ufrag abcd network-id 1\r\n"
    "a=end-of-candidates\r\n"
)
SDP = {"Content-Type": "application/sdp"}
TRICKLE = {"Content-Type": "application/trickle-ice-sdpfrag"}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class ScriptedRoom:
    """A room that says what a test tells it to and answers commands by ``answers``."""

    link: Link
    topics: RoomTopics
    answers: dict[str, Callable[[Command], dict[str, Any]]] = field(default_factory=dict)
    commands: list[tuple[str, Command]] = field(default_factory=list)
    configs: list[ConfigDocument] = field(default_factory=list)

    async def hear_config(self, message: Message) -> None:
        self.configs.append(ConfigDocument.model_validate_json(message.payload))

    async def carry_out(self, topic: str, command: Command) -> dict[str, Any]:
        name = parse(topic).name
        self.commands.append((name, command))
        answer = self.answers.get(name)
        if answer is None:
            raise CommandError(f"no {name} in this script", code="command-unknown")
        return answer(command)

    def commands_named(self, name: str) -> list[Command]:
        return [command for got, command in self.commands if got == name]

    async def say_state(self, state: LessonState, lesson: str | None = None, **more: Any) -> None:
        report = LessonReport(id=lesson, started_at=now()) if lesson else None
        document = RoomState(sid=self.link.sid or "none", state=state, lesson=report, at=now(), **more)
        await self.link.publish(self.topics.state, document, retain=True)

    async def say_health(self, seq: int = 0) -> None:
        health = Health(sid=self.link.sid or "none", seq=seq, uptime_s=1, cpu_percent=12, memory_mb=150, viewers=0)
        await self.link.publish(self.topics.health, health, qos=0)

    async def say_fact(self, event_id: str, fact: Fact) -> None:
        await self.link.publish(self.topics.event(fact.kind), Event(id=event_id, at=now(), fact=fact))

    async def say(self, topic: str, payload: bytes | BaseModel) -> None:
        await self.link.publish(topic, payload)

    async def access(self) -> Any:
        """Return the access of the newest config, once there is one."""
        await until(lambda: self.configs, "the room has a config")
        return self.configs[-1].config.access

    async def start(self) -> str:
        """Say that the lesson of the config runs, as after Start."""
        lesson: str = (await self.access()).lesson
        await self.say_state(LessonState.LIVE, lesson, on_air=OnAir())
        return lesson


@asynccontextmanager
async def scripted_room(broker: Broker, room: str = ROOM, territory: str = TERRITORY) -> AsyncIterator[ScriptedRoom]:
    """Connect a room; leaving says goodbye as a shutdown."""
    topics = RoomTopics(territory, room)
    presence = Presence(
        topics.status,
        lambda sid: RoomStatus(online=True, sid=sid, agent="0.1.0", at=now()),
        lambda sid, reason: RoomStatus(online=False, sid=sid, reason=reason, at=now()),
    )
    link = Link(broker.room(room), presence)
    scripted = ScriptedRoom(link, topics)
    scripted.answers = {
        "rtc.offer": lambda command: {"sdp": ANSWER},
        "rtc.candidate": lambda command: {},
        "rtc.close": lambda command: {},
        "lesson.stop": lambda command: {},
        "lesson.mute": lambda command: {},
        "check.seen": lambda command: {},
        "lesson.propose": lambda command: {},
        "event.ack": lambda command: {},
    }
    link.on_message(topics.config, scripted.hear_config)
    link.serve(topics.cmd("+"), scripted.carry_out)
    async with link.running():
        async with asyncio.timeout(DEADLINE_S):
            await link.wait_connected()
        yield scripted


@dataclass
class RunningCentre:
    """A centre that serves, and a browserless client of it."""

    config: ControllerConfig
    url: str
    http: httpx.AsyncClient
    task: asyncio.Task[None]

    async def join(self, **body: str) -> dict[str, Any]:
        answer = await self.http.post("/api/v1/join", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def sign_in(self, name: str = "admin", password: str = "correct horse") -> None:
        answer = await self.http.post("/api/v1/session", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text

    async def room(self, room: str = ROOM) -> dict[str, Any]:
        answer = await self.http.get(f"/api/v1/rooms/{room}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def centre_config(folder: Path, broker: Broker, instance: str = "centre-1", **more: Any) -> ControllerConfig:
    """Return the configuration of a centre with its own certificates at this broker."""
    assert broker.authority is not None
    is_new = f"controller-{instance}-rpc" not in broker.authority.controller_users()
    paths = broker.authority.controller(instance)
    if is_new:  # else the list holds it already, and mosquitto need not read a file that is being written
        broker.reload_rights()
    token_file = folder / "metrics.token"
    folder.mkdir(parents=True, exist_ok=True)
    token_file.write_text("metrics-token\n")

    def files(purpose: str) -> TlsFiles:
        return TlsFiles(cert_file=paths[purpose].cert, key_file=paths[purpose].key)

    values: dict[str, Any] = {
        "instance": instance,
        "state_dir": folder / "state",
        "http": HttpConfig(port=0),
        "broker": BrokerConfig(
            host=broker.host,
            port=broker.port,
            ca_file=broker.authority.ca_path,
            rpc=files("rpc"),
            events=files("events"),
        ),
        "metrics": MetricsConfig(token_file=token_file),
    }
    return ControllerConfig(**(values | more))


async def register(config: ControllerConfig, *rooms: RoomRecord) -> None:
    """Make rooms known, as `estrade-controller room add` does."""
    async with open_store(config.database) as store:
        await store.rooms.put(rooms or [RoomRecord(ROOM, TERRITORY, "Salle B12")], now=now())


@asynccontextmanager
async def running_centre(config: ControllerConfig, **more: Any) -> AsyncIterator[RunningCentre]:
    """Serve until the block is left; ``more`` goes to `serve`."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(config, on_ready=ready.set_result, **more), name=f"centre {config.instance}")
    try:
        await asyncio.wait((task, ready), timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        url = f"http://127.0.0.1:{config.http.port}" if config.http.port else ready.result()
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:
            running = RunningCentre(config, url, http, task)
            await until(lambda: _is_ready(http), "the centre is ready")
            yield running
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE_S)
        if not task.cancelled() and task.exception() is not None:
            raise task.exception() or AssertionError


async def _is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 200


class Stream:
    """A server-sent stream being read, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self, wanted: str | None = None, deadline_s: float = DEADLINE_S) -> dict[str, str]:
        """Return the next event (of this name), with the keys event, data and id."""
        async with asyncio.timeout(deadline_s):
            while True:
                event = await self._one()
                if event.get("data") and (wanted is None or event.get("event") == wanted):
                    return event

    async def _one(self) -> dict[str, str]:
        event: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                return event
            name, _, value = line.partition(": ")
            if name:
                event[name] = value
        raise EOFError("the stream ended")
