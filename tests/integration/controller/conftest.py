"""Fixtures: a real centre on a free port, and the room that it knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from protocol.lesson import LessonState
from tests.broker import Broker
from tests.integration.controller.scripted import (
    RunningCentre,
    ScriptedRoom,
    Stream,
    centre_config,
    register,
    running_centre,
    scripted_room,
)

Watch = Callable[..., AbstractAsyncContextManager[Stream]]


@pytest.fixture
async def centre(tmp_path: Path, broker: Broker) -> AsyncIterator[RunningCentre]:
    """A centre with one registered room."""
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with running_centre(config) as running:
        yield running


@pytest.fixture
async def room(centre: RunningCentre, broker: Broker) -> AsyncIterator[ScriptedRoom]:
    """The registered room, connected and idle."""
    async with scripted_room(broker) as scripted:
        await scripted.say_state(LessonState.IDLE)
        await scripted.say_health()
        yield scripted


@pytest.fixture
def watch(centre: RunningCentre) -> Watch:
    """Open a server-sent stream of the centre."""

    @asynccontextmanager
    async def opened(path: str, **headers: str) -> AsyncIterator[Stream]:
        async with centre.http.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield Stream(response)

    return opened
