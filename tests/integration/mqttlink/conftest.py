"""What the link's tests share: a listener that keeps histories, on both kinds of event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import uvloop

from mqttlink import LinkSettings, Message, Presence
from mqttlink.connection import Connection
from protocol.messages import DeathReason, RoomStatus

WAIT_S = 15.0
"""For anything a test waits for; a loaded machine takes its time."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test of this folder on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def presence(topic: str, *, will_delay_s: int = 0) -> Presence:
    """Return the presence of a room on ``topic``."""

    def status(sid: str, online: bool, reason: DeathReason | None) -> RoomStatus:
        return RoomStatus(online=online, sid=sid, reason=reason, at=datetime.now(UTC))

    return Presence(
        topic,
        birth=lambda sid: status(sid, True, None),
        death=lambda sid, reason: status(sid, False, reason),
        will_delay_s=will_delay_s,
    )


class History:
    """Everything said on a filter, in order, as heard by one plain connection."""

    def __init__(self, settings: LinkSettings, topic_filter: str) -> None:
        self.messages: list[Message] = []
        self._topic_filter = topic_filter
        self._changed = asyncio.Event()
        self._connection = Connection(settings, self._received)

    async def __aenter__(self) -> History:
        await self._connection.open()
        await self._connection.subscribe([(self._topic_filter, 1)])
        return self

    async def __aexit__(self, *rest: object) -> None:
        await self._connection.leave(None)

    async def until(self, reached: Callable[[list[Any]], bool]) -> list[Any]:
        """Wait until the history, as `words`, is as wished."""
        async with asyncio.timeout(WAIT_S):
            while not reached(self.words):
                self._changed.clear()
                await self._changed.wait()
        return self.words

    @property
    def words(self) -> list[Any]:
        """``online`` or the reason of the death for each status; anything else as text."""
        return [_word(message.payload) for message in self.messages]

    @property
    def sids(self) -> list[str]:
        return [json.loads(message.payload)["sid"] for message in self.messages]

    def _received(self, message: Message, acknowledge: Callable[[], None]) -> None:
        self.messages.append(message)
        acknowledge()
        self._changed.set()


def _word(payload: bytes) -> str:
    try:
        status = json.loads(payload)
    except ValueError:
        return payload.decode()
    return ("online" if status["online"] else str(status["reason"])) if isinstance(status, dict) else str(status)
