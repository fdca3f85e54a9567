"""A real room: the agent with simulated devices, a real mosquitto, and a scripted centre."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.app import Agent
from agent.config import RoomSettings, parse
from agent.hotplug import HotPlug
from agent.notify import SystemdNotifier
from mqttlink.link import Link, Message
from protocol import topics
from protocol.messages import Args, Command, ConfigDocument, Event, EventAck, Health, RoomState, RoomStatus, TimeTold
from protocol.topics import RoomTopics
from tests.broker import Broker, free_port
from tests.integration.agent.process import Process

ROOM = RoomTopics("075", "salle-b12")
DEADLINE_S = 15.0


class Centre:
    """Hears everything the room says, and commands it."""

    def __init__(self, link: Link, *, acknowledges: bool = True) -> None:
        self.link = link
        self.statuses: list[RoomStatus] = []
        self.states: list[RoomState] = []
        self.events: list[Event] = []
        self.health: list[Health] = []
        self._acknowledges = acknowledges
        self.answers: dict[str, dict[str, Any]] = {}
        """What requests are answered with, by name; others get the time."""
        link.on_message(ROOM.status, self._status)
        link.on_message(ROOM.state, self._state)
        link.on_message(ROOM.event("+"), self._event)
        link.on_message(ROOM.health, self._health, qos=0)
        link.serve(ROOM.req("+"), self._request)
        link.expect_replies(self._reply_topic)

    @property
    def _reply_topic(self) -> str:
        return topics.controller_reply("main", ROOM.room)

    async def call(self, name: str, args: Args, timeout_s: float = 10.0) -> dict[str, Any]:
        return await self.link.call(ROOM.cmd(name), args, reply_topic=self._reply_topic, timeout_s=timeout_s)

    async def configure(self, document: ConfigDocument) -> None:
        await self.link.publish(ROOM.config, document, retain=True)

    def lesson_states(self) -> list[str]:
        """Return the lesson's states as reported, without repetitions."""
        seen: list[str] = []
        for state in self.states:
            if not seen or seen[-1] != state.state:
                seen.append(str(state.state))
        return seen

    def facts(self) -> list[str]:
        return [event.fact.kind for event in self.events]

    async def _status(self, message: Message) -> None:
        self.statuses.append(RoomStatus.model_validate_json(message.payload))

    async def _state(self, message: Message) -> None:
        self.states.append(RoomState.model_validate_json(message.payload))

    async def _health(self, message: Message) -> None:
        self.health.append(Health.model_validate_json(message.payload))

    async def _event(self, message: Message) -> None:
        event = Event.model_validate_json(message.payload)
        if event.id not in [known.id for known in self.events]:
            self.events.append(event)
        if self._acknowledges:
            await self.call("event.ack", EventAck(ids=(event.id,)))

    async def _request(self, topic: str, command: Command) -> dict[str, Any]:
        return self.answers.get(topics.parse(topic).name) or TimeTold(now=time.time()).model_dump()


class Room:
    """A running agent and its panel; ``plugs`` is where udev would be heard."""

    def __init__(self, settings: RoomSettings, panel: httpx.AsyncClient, plugs: HotPlug) -> None:
        self.settings = settings
        self.panel = panel
        self.plugs = plugs

    async def view(self) -> dict[str, Any]:
        answer = await self.panel.get("/api/panel")
        answer.raise_for_status()
        return dict(answer.json())

    async def press(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self.panel.post(f"/api/{path}", json=body)

    async def state_is(self, *states: str) -> dict[str, Any]:
        """Wait until the panel shows one of these states and return its view."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                view = await self.view()
                if view["state"] in states:
                    return view
                await asyncio.sleep(0.02)


SIMULATED: dict[str, Any] = {
    "camera": {"driver": "simulated", "width_px": 320, "height_px": 180, "rate_hz": 15},
    "board": {"driver": "simulated", "width_px": 960, "height_px": 540},
    "microphone": {"driver": "simulated"},
}


def room_settings(broker: Broker, folder: Path, devices: dict[str, Any] | None = None, port: int = 0) -> RoomSettings:
    link = broker.room(ROOM.room)
    return parse(
        {
            "state_dir": "state",
            "room": {"id": ROOM.room, "territory": ROOM.territory, "name": "Salle B12"},
            "broker": {
                "host": link.host,
                "port": link.port,
                "ca_file": str(link.ca_file),
                "cert_file": str(link.cert_file),
                "key_file": str(link.key_file),
            },
            "panel": {"port": port or free_port()},
            **(SIMULATED if devices is None else devices),
        },
        where="the test's configuration",
        base=folder,
    )


def opens_panel(token_file: Path) -> Callable[[httpx.Request], httpx.Request]:
    """Return what opens the panel for a program of the room's own: the token that the agent keeps in a file."""

    def with_token(request: httpx.Request) -> httpx.Request:
        if token_file.exists():
            token = token_file.read_text().partition("\n")[0]
            request.headers.setdefault("Authorization", f"Bearer {token}")
        return request

    return with_token


@asynccontextmanager
async def running_room(settings: RoomSettings) -> AsyncIterator[Room]:
    """Run an agent in this process until the body ends."""
    agent = Agent(settings, SystemdNotifier({}))
    life = asyncio.create_task(agent.run(), name="agent")
    address, auth = f"http://127.0.0.1:{settings.panel.port}", opens_panel(settings.panel.token_file)
    try:
        async with httpx.AsyncClient(base_url=address, auth=auth, timeout=10) as panel:
            room = Room(settings, panel, agent._plugs)
            ready = asyncio.create_task(agent.ready.wait())
            await asyncio.wait({life, ready}, timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if life.done():
                await life
            assert agent.ready.is_set(), "the room did not become ready"
            yield room
    finally:
        life.cancel()
        await asyncio.wait({life}, timeout=DEADLINE_S)
        assert life.done(), "the agent did not leave"
        if not life.cancelled() and life.exception() is not None:
            await life


@pytest.fixture
async def centre(broker: Broker) -> AsyncIterator[Centre]:
    scripted = Centre(Link(broker.controller("main")))
    async with scripted.link.running():
        await scripted.link.wait_connected()
        yield scripted


@pytest.fixture
def process(broker: Broker, tmp_path: Path) -> Process:
    return Process(broker, tmp_path, ROOM, SIMULATED)


@pytest.fixture
async def panel(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    """The panel of `process`."""
    auth = opens_panel(process.state / "panel-token")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.port}", auth=auth, timeout=10) as client:
        yield client
