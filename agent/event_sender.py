"""Sends the outbox's events, oldest first and at a bounded rate, until the centre says that it has stored them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from agent.outbox import Outbox
from mqttlink.link import Link
from protocol.errors import BrokerError
from protocol.topics import RoomTopics

RESEND_S = 30.0
"""An event that the centre has not acknowledged by then is sent again."""
BATCH = 50
"""Events under way at once, and sent in one go."""
BATCH_S = 0.25
"""Between two full batches: 200 events a second from a room that was away for long must not flood the centre."""
EXPIRY_S = 86_400


class EventSender:
    """Runs beside the link. A broker's acknowledgement counts for nothing: only the outbox forgets (DESIGN §4)."""

    def __init__(
        self,
        topics: RoomTopics,
        link: Link,
        outbox: Outbox,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._topics = topics
        self._link = link
        self._outbox = outbox
        self._clock = clock
        self._sleep = sleep
        self._woken = asyncio.Event()
        self._sent: dict[str, float] = {}
        outbox.on_added(self._woken.set)
        link.on_connected(self.send_again)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._woken.clear()
            if self._link.is_connected and await self._send_batch() == BATCH:
                await self._sleep(BATCH_S)
            try:
                async with asyncio.timeout(RESEND_S / 3):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def send_again(self) -> None:
        """Send everything that waits once more: a centre, or a connection, is new and may never have heard of it."""
        self._sent.clear()
        self._woken.set()

    def acknowledged(self) -> None:
        """Look for more: the centre has stored some."""
        self._woken.set()

    async def _send_batch(self) -> int:
        """Send those of the oldest that are not under way; return how many those were."""
        now_s = self._clock()
        self._sent = {event_id: at_s for event_id, at_s in self._sent.items() if now_s - at_s < RESEND_S}
        new = [event for event in await self._outbox.oldest(BATCH) if event.id not in self._sent]
        try:
            async with asyncio.TaskGroup() as tasks:  # they leave in the order in which they are begun
                for event in new:
                    self._sent[event.id] = now_s
                    tasks.create_task(
                        self._link.publish(self._topics.event(event.kind), event.body, expiry_s=EXPIRY_S),
                        name=f"event {event.id}",
                    )
        except* BrokerError:
            self._sent.clear()  # when the line is back, all of it
        return len(new)
