"""Tells open pages that something changed, without ever waiting for one of them.

A watcher holds *which* rooms changed, not how: what is sent is read at the moment of sending, so a slow page gets the
newest and the memory is bounded by the number of rooms. Facts cannot be merged; when too many wait the watcher is
closed and its page connects anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.store.events import EventRecord

MOST_FACTS = 1_000


@dataclass(slots=True, eq=False)
class Watcher:
    """What one open page has not been told yet. ``token_sha256`` says whose page of IT it is."""

    token_sha256: str | None = None
    rooms: set[str] = field(default_factory=set)
    facts: deque[EventRecord] = field(default_factory=deque)
    is_closed: bool = False
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, most_s: float | None = None) -> bool:
        """Wait until there is something to tell, or ``most_s`` have gone by; False when the watcher is closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while not (self.rooms or self.facts or self.is_closed):
                    self._woken.clear()
                    await self._woken.wait()
        return not self.is_closed

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self.is_closed = True
        self._woken.set()


class Hub:
    """The open pages: IT's, which hear of every room, and pupils', which hear of one."""

    def __init__(self) -> None:
        self._all: set[Watcher] = set()
        self._of_room: dict[str, set[Watcher]] = {}
        self._is_closed = False

    @contextmanager
    def watch(self, room: str | None = None, *, token_sha256: str | None = None) -> Iterator[Watcher]:
        """Give a watcher of one room, or of every room and fact when ``room`` is None."""
        watcher = Watcher(token_sha256, is_closed=self._is_closed)
        group = self._all if room is None else self._of_room.setdefault(room, set())
        group.add(watcher)
        try:
            yield watcher
        finally:
            group.discard(watcher)
            if room is not None and not group:
                self._of_room.pop(room, None)

    def room_changed(self, room: str) -> None:
        for group in (self._all, self._of_room.get(room, ())):
            for watcher in group:
                watcher.rooms.add(room)
                watcher.wake()

    def fact_stored(self, fact: EventRecord) -> None:
        for watcher in self._all:
            watcher.facts.append(fact)
            if len(watcher.facts) > MOST_FACTS:
                watcher.close()
            watcher.wake()

    def signed_out(self, token_sha256: str) -> None:
        """End what is open with this token."""
        for watcher in self._all:
            if watcher.token_sha256 == token_sha256:
                watcher.close()

    def count(self) -> tuple[int, int]:
        """Return how many pages of IT and of pupils are open."""
        return len(self._all), sum(len(group) for group in self._of_room.values())

    def close(self) -> None:
        """End every open stream, so that the server can stop."""
        self._is_closed = True
        for group in (self._all, *self._of_room.values()):
            for watcher in group:
                watcher.close()
