"""Live events for the panel (SSE): the newest state to every open page, and the sound meter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from pydantic import BaseModel

PING_S = 10.0
"""A comment this often shows the page that the agent is alive."""
LEVEL_PERIOD_S = 0.1
GATHER_S = 0.03
"""Changes within this become one event: opening three devices is ten changes."""


class Feed:
    """Wakes each open page when something changed; a slow page gets the newest state, never a queue."""

    def __init__(self, view: Callable[[], BaseModel], level: Callable[[], BaseModel | None]) -> None:
        self._view = view
        self._level = level
        self._waiting: set[asyncio.Event] = set()

    @property
    def listeners(self) -> int:
        """How many pages are open."""
        return len(self._waiting)

    def changed(self) -> None:
        """Note that the view changed."""
        for event in self._waiting:
            event.set()

    async def panel(self) -> AsyncIterator[str]:
        """Yield SSE text for one page until it goes: the view at once and on change, levels, pings."""
        woken = asyncio.Event()
        woken.set()
        self._waiting.add(woken)
        last, quiet_s = "", 0.0
        try:
            while True:
                if woken.is_set():
                    await asyncio.sleep(GATHER_S)
                    woken.clear()
                    text = self._view().model_dump_json()
                    if text != last:
                        last, quiet_s = text, 0.0
                        yield f"event: panel\ndata: {text}\n\n"
                level = self._level()
                if level is not None:
                    quiet_s = 0.0
                    yield f"event: level\ndata: {level.model_dump_json()}\n\n"
                elif quiet_s >= PING_S:
                    quiet_s = 0.0
                    yield ": ping\n\n"
                wait_s = LEVEL_PERIOD_S if level is not None else PING_S / 2
                try:
                    async with asyncio.timeout(wait_s):
                        await woken.wait()
                except TimeoutError:
                    quiet_s += wait_s
        finally:
            self._waiting.discard(woken)
