"""Handlers at work: one message after another within a topic, several topics at once, never without a bound."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mqttlink.message import Message, matches
from protocol.errors import EstradeError

log = logging.getLogger(__name__)

Handler = Callable[[Message], Awaitable[None]]
Acknowledge = Callable[[], None]

MOST_AT_ONCE = 32
"""Handlers of one route at work together."""
MOST_WAITING = 1000
"""Messages of one route that wait. QoS 1 beyond them is not acknowledged yet, so the broker holds back the rest."""
DROP_NOTE_EVERY_S = 10.0
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class _Job:
    message: Message
    acknowledge: Acknowledge | None
    """None: that is done."""


@dataclass(slots=True)
class _Lane:
    """A topic with work."""

    waiting: deque[_Job] = field(default_factory=deque)
    at_work: int = 0
    is_ready: bool = False
    """It stands in the queue of those that may have one more handler."""


class Route:
    """One handler with its filter.

    ``must_handle``: the acknowledgement follows the handler's success only; a handler that raises is called again
    with the same message, waiting longer each time, and its topic waits behind it. Otherwise a message is
    acknowledged when it is taken, for slow handlers must not use up the link's Receive Maximum, and a handler that
    raises has had it: the fault is logged and the next one comes. ``most_of_topic`` handlers of one topic are at work
    together; one alone keeps their order. Beyond ``most_waiting``, QoS 0 messages are dropped and counted, others
    acknowledged after their handler.
    """

    def __init__(
        self,
        topic_filter: str,
        handler: Handler,
        *,
        qos: int = 1,
        must_handle: bool = False,
        most_at_once: int = MOST_AT_ONCE,
        most_of_topic: int = 1,
        most_waiting: int = MOST_WAITING,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic_filter = topic_filter
        self.qos = qos
        self.dropped = 0
        self._handler = handler
        self._must_handle = must_handle
        self._most_at_once = most_at_once
        self._most_of_topic = most_of_topic
        self._most_waiting = most_waiting
        self._sleep = sleep
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}  # by topic
        self._ready: deque[_Lane] = deque()
        self._waiting = 0
        self._working = 0
        self._noted_s = -DROP_NOTE_EVERY_S
        self._group: asyncio.TaskGroup | None = None

    def matches(self, topic: str) -> bool:
        return matches(self.topic_filter, topic)

    def work_in(self, group: asyncio.TaskGroup | None) -> None:
        """Run handlers in this group from now on; None: forget what waits.

        What must be handled the broker sends again; of the rest, who asked for something asks again.
        """
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
        owed: Acknowledge | None = acknowledge
        if not self._must_handle and self._waiting < self._most_waiting:
            acknowledge()
            owed = None
        lane = self._lanes.setdefault(message.topic, _Lane())
        lane.waiting.append(_Job(message, owed))
        self._waiting += 1
        self._queue_up(lane)
        self._start()

    def _queue_up(self, lane: _Lane) -> None:
        if lane.waiting and lane.at_work < self._most_of_topic and not lane.is_ready:
            lane.is_ready = True
            self._ready.append(lane)

    def _start(self) -> None:
        while self._group is not None and self._ready and self._working < self._most_at_once:
            lane = self._ready.popleft()
            lane.is_ready = False
            job = lane.waiting.popleft()
            self._waiting -= 1
            self._working += 1
            lane.at_work += 1
            self._queue_up(lane)  # behind the other topics
            self._group.create_task(self._work(lane, job), name=f"mqtt {job.message.topic}")

    async def _work(self, lane: _Lane, job: _Job) -> None:
        await self._handle(job)
        self._working -= 1
        lane.at_work -= 1
        self._queue_up(lane)
        if not lane.at_work and not lane.waiting:
            self._lanes.pop(job.message.topic, None)
        self._start()

    async def _handle(self, job: _Job) -> None:
        wait_s = RETRY_FIRST_S
        while True:
            try:
                await self._handler(job.message)
            except Exception as error:
                # A handler's fault must neither end the connection nor lose the other topics' messages.
                self._note_failure(job.message.topic, error, wait_s)
                if not self._must_handle:
                    break
            else:
                break
            await self._sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MOST_S)
        if job.acknowledge is not None:
            job.acknowledge()

    def _note_failure(self, topic: str, error: Exception, wait_s: float) -> None:
        is_passing = isinstance(error, EstradeError) and error.retryable  # whoever raised it has said so, once for all
        is_repeated = self._must_handle and wait_s > RETRY_FIRST_S
        log.log(
            logging.DEBUG if is_passing or is_repeated else logging.ERROR,
            "A message was not handled and is tried again" if self._must_handle else "A message was not handled",
            extra={"topic": topic, "wait_s": wait_s} if self._must_handle else {"topic": topic},
            exc_info=True,
        )
