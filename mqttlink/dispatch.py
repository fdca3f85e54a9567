"""Handlers at work: one message after another within a topic, several topics at once, never without a bound."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mqttlink.message import Message, matches

log = logging.getLogger(__name__)

Handler = Callable[[Message], Awaitable[None]]
Acknowledge = Callable[[], None]

MOST_AT_ONCE = 32
"""Handlers of one route at work together."""
MOST_WAITING = 1000
"""Messages of one route that wait. QoS 1 is held back by the broker long before (Receive Maximum)."""
DROP_NOTE_EVERY_S = 10.0
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class _Job:
    message: Message
    acknowledge: Acknowledge


class Route:
    """One handler with its filter.

    ``must_handle``: the acknowledgement follows the handler's success only; a handler that raises is called again
    with the same message, waiting longer each time, and its topic waits behind it. Otherwise a handler that raises
    has had its message: the fault is logged and the next one comes. ``is_ordered``: messages of one topic are
    handled one after another. QoS 0 messages beyond ``most_waiting`` are dropped and counted.
    """

    def __init__(
        self,
        topic_filter: str,
        handler: Handler,
        *,
        qos: int = 1,
        must_handle: bool = False,
        is_ordered: bool = True,
        most_at_once: int = MOST_AT_ONCE,
        most_waiting: int = MOST_WAITING,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic_filter = topic_filter
        self.qos = qos
        self.dropped = 0
        self._handler = handler
        self._must_handle = must_handle
        self._is_ordered = is_ordered
        self._most_at_once = most_at_once
        self._most_waiting = most_waiting
        self._sleep = sleep
        self._clock = clock
        self._lanes: dict[str, deque[_Job]] = {}  # of topics with work; the first job of a lane at work is taken out
        self._ready: deque[str] = deque()  # topics whose lane has a job that nobody works at
        self._waiting = 0
        self._working = 0
        self._made = 0
        self._noted_s = -DROP_NOTE_EVERY_S
        self._group: asyncio.TaskGroup | None = None

    def matches(self, topic: str) -> bool:
        return matches(self.topic_filter, topic)

    def work_in(self, group: asyncio.TaskGroup | None) -> None:
        """Run handlers in this group from now on; None: forget what waits, the broker will send it again."""
        self._group = group
        if group is None:
            self._lanes.clear()
            self._ready.clear()
            self._waiting = self._working = 0

    def put(self, message: Message, acknowledge: Acknowledge) -> None:
        """Take a message; never waits."""
        if self._waiting >= self._most_waiting and message.qos == 0:
            self.dropped += 1
            if self._clock() - self._noted_s >= DROP_NOTE_EVERY_S:
                self._noted_s = self._clock()
                log.warning(
                    "Messages come faster than they are handled and are dropped",
                    extra={"topic_filter": self.topic_filter, "dropped": self.dropped},
                )
            return
        self._made += 1
        lane = message.topic if self._is_ordered else f"{message.topic} {self._made}"
        self._waiting += 1
        if lane in self._lanes:
            self._lanes[lane].append(_Job(message, acknowledge))
            return
        self._lanes[lane] = deque([_Job(message, acknowledge)])
        self._ready.append(lane)
        self._start()

    def _start(self) -> None:
        while self._group is not None and self._ready and self._working < self._most_at_once:
            lane = self._ready.popleft()
            job = self._lanes[lane].popleft()
            self._waiting -= 1
            self._working += 1
            self._group.create_task(self._work(lane, job), name=f"mqtt {job.message.topic}")

    async def _work(self, lane: str, job: _Job) -> None:
        await self._handle(job)
        self._working -= 1
        if self._lanes.get(lane):
            self._ready.append(lane)
        else:
            self._lanes.pop(lane, None)
        self._start()

    async def _handle(self, job: _Job) -> None:
        wait_s = RETRY_FIRST_S
        while True:
            try:
                await self._handler(job.message)
            except Exception:
                # A handler's fault must neither end the connection nor lose the other topics' messages.
                if not self._must_handle:
                    log.exception("A message was not handled", extra={"topic": job.message.topic})
                    break
                log.log(
                    logging.ERROR if wait_s == RETRY_FIRST_S else logging.DEBUG,
                    "A message was not handled and is tried again",
                    extra={"topic": job.message.topic, "wait_s": wait_s},
                    exc_info=True,
                )
            else:
                break
            await self._sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MOST_S)
        job.acknowledge()
