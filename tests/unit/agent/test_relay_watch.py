"""When the room tries its ICE servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from agent import relay_watch
from agent.relay_watch import RelayWatch
from agent.streams.turn import Address, Reach
from protocol.errors import BrokerError
from protocol.messages import IceServer
from protocol.topics import RoomTopics
from tests.waiting import until

TURN = IceServer(urls=("turn:a.example.org",), username="u", credential="c")
OTHER = IceServer(urls=("turn:b.example.org",), username="u", credential="c")


class Line:
    """A link whose centre names these servers."""

    def __init__(self, *servers: IceServer) -> None:
        self.servers = servers
        self.connected = asyncio.Event()
        self.is_deaf = False
        self.asked = 0
        self._callbacks: list[Callable[[], None]] = []

    def connect(self) -> None:
        self.connected.set()
        for callback in self._callbacks:
            callback()

    async def wait_connected(self) -> None:
        await self.connected.wait()

    def on_connected(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    async def call(self, topic: str, args: BaseModel, *, reply_topic: str, timeout_s: float) -> dict[str, Any]:
        self.asked += 1
        assert self.connected.is_set()
        assert (topic, reply_topic) == ("estrade/v1/075/b12/req/ice", "estrade/v1/075/b12/cmd/reply.ice")
        if self.is_deaf:
            raise BrokerError("no answer")
        return {"ice_servers": [server.model_dump(mode="json") for server in self.servers]}


class Room:
    """A watch that runs, and what it tried."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.tried: list[str] = []
        self.error: OSError | None = None
        self.reach = Reach(attempt=self._attempt)
        self.watch = RelayWatch(RoomTopics("075", "b12"), line, self.reach)

    async def _attempt(self, address: Address) -> None:
        self.tried.append(address.host)
        if self.error is not None:
            raise self.error

    async def has_tried(self, *hosts: str) -> None:
        await until(lambda: self.tried[: len(hosts)] == list(hosts))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_watch, "PAUSE_S", 0.0)


async def test_servers_are_tried_once_line_and_centre_are_there_and_at_each_new_line() -> None:
    room = Room(Line(TURN))
    async with room.running():
        room.watch.centre_is(True)  # a retained word of it is heard before the line counts as standing
        await asyncio.sleep(0)
        assert room.line.asked == 0
        room.line.connect()
        await room.has_tried("a.example.org")
        room.line.connect()
        await room.has_tried("a.example.org", "a.example.org")


async def test_other_servers_in_an_offer_are_tried_with_what_came_with_it() -> None:
    room = Room(Line(TURN))
    async with room.running():
        room.line.connect()
        room.watch.centre_is(True)
        await room.has_tried("a.example.org")
        assert await room.reach.usable((OTHER,)) == (OTHER.model_copy(update={"urls": ("turn:b.example.org",)}),)
        await room.has_tried("a.example.org", "b.example.org")
        assert room.line.asked == 1


async def test_what_is_away_is_tried_again_hourly_at_least_and_sooner_without_any_relay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room(Line(TURN))
    monkeypatch.setattr(relay_watch, "SOON_S", 0.0)
    room.line.is_deaf = True
    room.error = ConnectionRefusedError()
    async with room.running():
        room.line.connect()
        room.watch.centre_is(True)
        await until(lambda: room.line.asked >= 3)
        room.line.is_deaf = False
        await room.has_tried("a.example.org", "a.example.org")
        room.error = None
        await until(lambda: not room.reach.has_no_relay)
        tried = len(room.tried)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(room.tried) == tried, "now it is good for an hour"
    assert relay_watch.PERIOD_S == 3_600
