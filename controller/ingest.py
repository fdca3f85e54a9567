"""What rooms send, into fleet, lessons and store; and the centre's answers to them.

A topic's room must be registered under the topic's territory: the certificate proves the room, our registry its
place. What is not of its form is dropped and counted, never a reason to stop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from controller.backoff import until_stored
from controller.fleet import Fleet
from controller.hub import Hub
from controller.ice import IceServers
from controller.lessons import LessonBook, holder_of
from controller.screens import ScreenCodes
from controller.shares import Shares
from controller.store.events import EventRecord
from controller.store.rooms import LastReport, RoomRecord
from controller.store.store import Store
from mqttlink import CentreClock, Link, Message
from protocol import topics
from protocol.errors import CommandError, EstradeError, StoreError
from protocol.messages import (
    Command,
    Event,
    EventAck,
    Health,
    IceTold,
    RoomState,
    RoomStatus,
    TimeTold,
    Token,
    UploadAsked,
    Wire,
)

log = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel)

ACK_TIMEOUT_S = 10.0
_ACKS_AT_ONCE = 20
"""Rooms that are told at the same time what is stored."""
_MOST_ACK_IDS = 500
_LEARN_AGAIN_S = 10.0
"""An unknown room is looked up in the database at most this often."""
_MOST_UNKNOWN = 1_000
FLUSH_S = 5.0
"""A changed state is stored at the latest after this; numbers alone each `NUMBERS_FLUSH_S`."""
NUMBERS_FLUSH_S = 60.0
_MOST_FACT_CHARS = 4_096


class _UnknownFact(Wire):
    """An event of a newer agent: stored all the same, or its outbox would never be empty."""

    id: Token
    at: AwareDatetime
    fact: dict[str, Any] = Field(max_length=64)


class Ingest:
    """Handlers for the controller's two connections, and the tasks that follow from what they hear."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        book: LessonBook,
        hub: Hub,
        ice: IceServers,
        shares: Shares,
        screens: ScreenCodes,
        *,
        instance: str,
        now: Callable[[], datetime],
        mono: Callable[[], float],
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._book = book
        self._hub = hub
        self._ice = ice
        self._shares = shares
        self._screens = screens
        self._instance = instance
        self._now = now
        self._mono = mono
        self._clock = CentreClock.own()
        self._looked_up: OrderedDict[str, float] = OrderedDict()
        self._learning = asyncio.Lock()
        self._stored: dict[str, set[str]] = {}
        self._has_stored = asyncio.Event()
        self._states_unsaved: set[str] = set()
        self._numbers_unsaved: set[str] = set()
        self.dropped: Counter[str] = Counter()
        """Messages that were not of their form or from no room of ours, by kind."""
        self.events_stored = 0
        self.hears_events = False
        """Whether the connection for events is there; the fleet knows of the other one."""

    def attach(self, rpc: Link, events: Link) -> None:
        """Set up both links before they run."""
        self._clock = rpc.clock  # the one that its deadlines come from
        rpc.on_message(topics.ALL_STATUS, self.on_status)
        rpc.on_message(topics.ALL_STATE, self.on_state)
        rpc.on_message(topics.ALL_HEALTH, self.on_health, qos=0)
        rpc.serve(topics.ALL_REQUESTS, self.on_request)
        rpc.expect_replies(f"{topics.ROOT}/ctl/{self._instance}/reply/+")
        rpc.on_connected(self._connected)
        rpc.on_lost(self._fleet.broker_lost)
        events.on_message(topics.ALL_EVENTS, self.on_event, manual_ack=True)
        events.on_connected(lambda: self._hears_events(True))
        events.on_lost(lambda: self._hears_events(False))

    def _hears_events(self, hears: bool) -> None:
        self.hears_events = hears

    def _connected(self) -> None:
        self._fleet.broker_connected()
        self._book.publish_all_soon()

    # --- handlers -----------------------------------------------------------------------------------------------

    async def on_status(self, message: Message) -> None:
        room = await self._room_of(message.topic)
        status = self._parse(RoomStatus, message) if room is not None else None
        if room is not None and status is not None:
            self._fleet.status(room, status, retained=message.retain)

    async def on_state(self, message: Message) -> None:
        room = await self._room_of(message.topic)
        state = self._parse(RoomState, message)
        if room is not None and state is not None:
            self._fleet.report(room, state, retained=message.retain)
            self._book.reported(room, state)
            self._states_unsaved.add(room)

    async def on_health(self, message: Message) -> None:
        room = await self._room_of(message.topic)
        health = self._parse(Health, message)
        if room is not None and health is not None:
            self._fleet.measure(room, health)
            self._numbers_unsaved.add(room)

    async def on_event(self, message: Message) -> None:
        """Store a fact; the broker hears of it when this returns, the room by ``cmd/event.ack``.

        Raises StoreError, and then comes again with the same message: nothing is acknowledged that is not stored.
        """
        room = await self._room_of(message.topic)
        record = self._record(room, message) if room is not None else None
        if room is None or record is None:
            return
        self._fleet.hear(room)
        for fact in await self._store.events.add([record], now=self._now()):
            self.events_stored += 1
            self._hub.fact_stored(fact)
            if fact.kind == "lesson.ended":
                self._book.ended_by_fact(room, str(fact.fact.get("lesson")))
            elif fact.kind == "viewer.removed":
                self._book.removed_by_fact(room, str(fact.fact.get("lesson")), holder_of(fact.fact))
        self._stored.setdefault(room, set()).add(record.id)
        self._has_stored.set()

    async def on_request(self, topic: str, command: Command) -> dict[str, Any]:
        """Answer ``req/{name}`` of a room."""
        room = await self._room_of(topic)
        if room is None:
            raise CommandError("this room is not registered here", code="room-not-found")
        self._fleet.hear(room)
        name = topics.parse(topic).name
        if name == "time":
            return TimeTold(now=self._clock.deadline(0.0)).model_dump()
        if name == "ice":
            return IceTold(ice_servers=self._ice.for_subject(room)).model_dump(mode="json")
        if name == "upload":
            return (await self._shares.begin(room, _upload_of(command).size_bytes)).model_dump(mode="json")
        if name == "screen":
            return self._screens.offer(room).model_dump()
        raise CommandError(f'this centre knows no request "{name}"', code="command-unknown")

    # --- tasks --------------------------------------------------------------------------------------------------

    async def run_acks(self, rpc: Link) -> None:
        """Tell rooms what is stored, until cancelled. One that does not answer sends again, and is told again."""
        while True:
            await self._has_stored.wait()
            self._has_stored.clear()
            stored, self._stored = self._stored, {}
            limit = asyncio.Semaphore(_ACKS_AT_ONCE)
            async with asyncio.TaskGroup() as tasks:
                for room, ids in stored.items():
                    tasks.create_task(self._tell_stored(rpc, room, sorted(ids), limit), name=f"event.ack {room}")

    async def _tell_stored(self, rpc: Link, room: str, ids: list[str], limit: asyncio.Semaphore) -> None:
        topic = topics.RoomTopics(self._fleet.territory(room), room).cmd("event.ack")
        reply = topics.controller_reply(self._instance, room)
        for first in range(0, len(ids), _MOST_ACK_IDS):
            async with limit:
                try:
                    args = EventAck(ids=tuple(ids[first : first + _MOST_ACK_IDS]))
                    await rpc.call(topic, args, reply_topic=reply, timeout_s=ACK_TIMEOUT_S)
                except EstradeError as error:
                    log.debug("%s was not told what is stored: %s [%s]", room, error.message, error.code)
                    return

    async def run_flush(self) -> None:
        """Store what rooms last said, until cancelled."""
        numbers_at = self._mono()
        while True:
            await asyncio.sleep(FLUSH_S)
            with_numbers = self._mono() - numbers_at >= NUMBERS_FLUSH_S
            if with_numbers:
                numbers_at = self._mono()
            await until_stored(partial(self.flush, with_numbers=with_numbers))

    async def flush(self, *, with_numbers: bool = True) -> None:
        """Store what rooms last said and is not stored yet; raise StoreError, and keep what was not stored."""
        rooms = self._states_unsaved | (self._numbers_unsaved if with_numbers else set())
        self._states_unsaved = set()
        self._numbers_unsaved -= rooms
        now = self._now()
        reports = [
            LastReport(room, now, self._fleet.state(room), self._fleet.health(room), self._fleet.agent(room))
            for room in sorted(rooms)
        ]
        try:
            await self._store.rooms.put_last(reports)
        except BaseException:
            self._states_unsaved |= rooms
            raise

    # --- inside -------------------------------------------------------------------------------------------------

    async def add_room(self, record: RoomRecord) -> None:
        """Make a room known while we run: to the fleet last, for then its messages are taken."""
        await self._book.add(record)
        self._fleet.add(record.id, record.territory, record.name, record.school)

    async def _room_of(self, topic: str) -> str | None:
        """Return the registered room of a topic, None for what is none of ours."""
        if topic.startswith(f"{topics.ROOT}/ctl/"):  # a controller's own status fits the filter of the rooms'
            return None
        try:
            parsed = topics.parse(topic)
        except ValueError:
            self.dropped["topic"] += 1
            return None
        if parsed.room not in self._fleet:
            await self._learn(parsed.room)
        if parsed.room not in self._fleet or self._fleet.territory(parsed.room) != parsed.territory:
            self.dropped["room"] += 1
            return None
        return parsed.room

    async def _learn(self, room: str) -> None:
        """Take up a room that was added to the database since; its other messages wait meanwhile."""
        async with self._learning:
            if room in self._fleet or not self._may_look_up(room):
                return
            try:
                record = await self._store.rooms.get(room)
                if record is not None:
                    await self.add_room(record)
            except StoreError:
                self._looked_up.pop(room, None)
                raise
            if record is not None:
                return
            log.warning("%s is not registered here; add it with: estrade-controller room add", room)

    def _may_look_up(self, room: str) -> bool:
        last = self._looked_up.get(room)
        if last is not None and self._mono() - last < _LEARN_AGAIN_S:
            return False
        self._looked_up[room] = self._mono()
        self._looked_up.move_to_end(room)
        while len(self._looked_up) > _MOST_UNKNOWN:
            self._looked_up.popitem(last=False)
        return True

    def _parse(self, model: type[M], message: Message) -> M | None:
        try:
            return model.model_validate_json(message.payload)
        except ValidationError as error:
            self.dropped[model.__name__] += 1
            # what was said may be personal: only where and why
            log.warning("%s: not a %s: %s", message.topic, model.__name__, error.errors(include_input=False)[0]["msg"])
            return None

    def _record(self, room: str, message: Message) -> EventRecord | None:
        try:
            event = Event.model_validate_json(message.payload)
            return EventRecord(event.id, room, event.fact.kind, event.at, event.fact.model_dump(mode="json"))
        except ValidationError:
            unknown = self._parse(_UnknownFact, message)
        if unknown is None or len(message.payload) > _MOST_FACT_CHARS:
            return None
        kind = str(unknown.fact.get("kind") or topics.parse(message.topic).name)
        return EventRecord(unknown.id, room, kind[:64], unknown.at, unknown.fact)


def _upload_of(command: Command) -> UploadAsked:
    try:
        return UploadAsked.model_validate(command.args)
    except ValidationError:
        raise CommandError("the arguments of upload are not of its form", code="args-invalid") from None
