"""A publisher that runs, with what it told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.media import FrameFilters
from agent.people import People
from agent.streams.publisher import Farewell, Publisher, StreamSettings, ViewerChange
from protocol import channel
from protocol.lesson import LessonState
from protocol.messages import OnAir


@dataclass
class Room:
    """A running publisher, its history of viewers and its feeds."""

    publisher: Publisher
    changes: list[ViewerChange]
    said: list[tuple[str, channel.FromPupil]]
    left: list[float]
    """When media packets left; CLOCK_MONOTONIC."""
    run: asyncio.Task[None]
    feeds: list[asyncio.Task[None]] = field(default_factory=list)

    def feed(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a synthetic device for as long as the room."""
        task = asyncio.create_task(work)
        self.feeds.append(task)
        return task

    async def stop(self) -> None:
        """End the lesson."""
        for task in (*self.feeds, self.run):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await self.run


@asynccontextmanager
async def open_room(
    settings: StreamSettings | None = None,
    filters: dict[str, FrameFilters] | None = None,
    people: People | None = None,
    farewell: Callable[[], Farewell] = lambda: "lesson-ended",
) -> AsyncIterator[Room]:
    changes: list[ViewerChange] = []
    rooms: list[Publisher] = []

    def notice() -> channel.Notice:
        viewers = sum(v.is_connected for v in rooms[0].viewers())
        return channel.Notice(
            room="Salle 12", state=LessonState.LIVE, paused=False, on_air=OnAir(), elapsed_s=1, viewers=viewers
        )

    left: list[float] = []
    said: list[tuple[str, channel.FromPupil]] = []
    publisher = Publisher(
        settings or StreamSettings(),
        notice=notice,
        on_viewer=changes.append,
        filters=filters,
        on_packet=lambda: left.append(time.monotonic()),
        on_message=people.heard if people else lambda viewer, message: said.append((viewer, message)),
        admits=people.admits if people else lambda viewer, holder: True,
        farewell=farewell,
    )
    if people:
        people.reach_by(publisher)
    rooms.append(publisher)
    room = Room(publisher, changes, said, left, asyncio.create_task(publisher.run()))
    try:
        yield room
    finally:
        await room.stop()


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with open_room() as opened:
        yield opened


RoomOpener = Callable[..., Any]
