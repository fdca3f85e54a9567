"""When the room tries its ICE servers: at each connection to the centre, hourly, and when there is reason to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from agent.streams.turn import Reach
from protocol.errors import EstradeError
from protocol.messages import IceAsked, IceServer, IceTold
from protocol.topics import RoomTopics

log = logging.getLogger(__name__)

ASK_TIMEOUT_S = 5.0
PERIOD_S = 3_600.0
SOON_S = 60.0
"""After a look that found no relay at all, or without word from the centre: what is away may come back."""
PAUSE_S = 5.0
"""Between two looks, whatever happens: a line that flaps must not load the server."""


class Line(Protocol):
    """The part of `mqttlink.Link` that the watch needs."""

    async def wait_connected(self) -> None: ...

    def on_connected(self, callback: Callable[[], None]) -> None: ...

    async def call(self, topic: str, args: BaseModel, *, reply_topic: str, timeout_s: float) -> dict[str, Any]: ...


class RelayWatch:
    """Keeps ``reach`` true, with credentials that the centre makes for each look."""

    def __init__(self, topics: RoomTopics, link: Line, reach: Reach) -> None:
        self._topics = topics
        self._link = link
        self._reach = reach
        self._woken = asyncio.Event()
        self._has_centre = asyncio.Event()
        reach.on_news = self._woken.set
        link.on_connected(self._woken.set)  # maybe with another address, in another network

    def centre_is(self, is_there: bool) -> None:
        """Hear whether a controller is there to be asked."""
        (self._has_centre.set if is_there else self._has_centre.clear)()

    async def run(self) -> None:
        """Look when it is time, until cancelled."""
        while True:
            await self._has_centre.wait()  # a retained word of it can come before the line stands
            await self._link.wait_connected()
            self._woken.clear()
            servers: Sequence[IceServer] | None = self._reach.given
            if servers is None:
                servers = await self._ask()
            if servers is not None:
                await self._reach.look(servers)
                await asyncio.sleep(PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(SOON_S if servers is None or self._reach.has_no_relay else PERIOD_S):
                    await self._woken.wait()

    async def look_now(self) -> None:
        """Ask the centre and try its servers beside `run`: somebody waits to know."""
        servers = await self._ask()
        if servers is not None:
            await self._reach.look(servers)

    async def _ask(self) -> Sequence[IceServer] | None:
        try:
            result = await self._link.call(
                self._topics.req("ice"), IceAsked(), reply_topic=self._topics.reply("ice"), timeout_s=ASK_TIMEOUT_S
            )
            return IceTold.model_validate(result).ice_servers
        except ValidationError:
            log.warning("The centre's answer about ICE servers is not of its form")
        except EstradeError as error:
            log.debug("The centre does not say its ICE servers", extra={"code": error.code, "reason": error.message})
        return None
