"""One client of the broker: its life through all its connections, what it hears, and what it says."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from pydantic import BaseModel, ValidationError

from mqttlink.centre_clock import CentreClock
from mqttlink.connection import Connection, properties
from mqttlink.dispatch import MOST_AT_ONCE, MOST_WAITING, Handler, Route
from mqttlink.message import Message, matches
from mqttlink.network_changes import network_changes
from mqttlink.presence import Presence
from mqttlink.rpc import Calls, CommandHandler, Served
from mqttlink.settings import LinkSettings
from protocol.errors import BrokerError, CommandError
from protocol.messages import DeathReason, TimeAsked, TimeTold

__all__ = ["Link", "LinkSettings", "Message"]

log = logging.getLogger(__name__)

Callback = Callable[[], Awaitable[None] | None]

CALM_S = 5.0
"""A connection that held this long was a good one: the back-off starts anew."""
WILL_NOT_HEAL = frozenset({"broker-certificate", "broker-not-authorised", "broker-refused"})
"""Refusals that only people end; trying them often fills two logs."""
HURRY_EVERY_S = 10.0
"""A change of the network ends a wait this often at most: some kernels tell of one each few seconds, of nothing new."""
OVERTAKEN_S = 1.0
"""An attempt that is under way when the network changes gets this much longer."""
TIME_TIMEOUT_S = 5.0
ANSWER_WAIT_S = 10.0
"""An answer waits so long for a line; whoever asked waits hardly longer."""


class Link:
    """A client of the broker, connected as long as `run` runs or the body of `running` does.

    What it hears is set up before: `on_message`, `serve`, `expect_replies`. Everything happens on the loop.
    """

    def __init__(
        self,
        settings: LinkSettings,
        presence: Presence | None = None,
        *,
        clock: CentreClock | None = None,
        jitter: Callable[[], float] = random.random,
        mono: Callable[[], float] = time.monotonic,
        new_sid: Callable[[], str] = lambda: secrets.token_hex(8),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.clock = clock or CentreClock.own()
        self.sid: str | None = None
        """Of the present connection, or of the last one."""
        self.since: datetime = now()
        """When we were last connected or lost, whichever is newer."""
        self.last_error: BrokerError | None = None
        """Why there is no connection; None while there is one."""
        self._presence = presence
        self._jitter, self._mono, self._new_sid, self._now = jitter, mono, new_sid, now
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._connected_callbacks: list[Callback] = []
        self._lost_callbacks: list[Callback] = []
        self._routes: list[Route] = []
        self._reply_filters: list[str] = []
        self._calls = Calls(self._send, self.clock)
        self._leaving = DeathReason.SHUTDOWN
        self._group: asyncio.TaskGroup | None = None
        self._was_ever_connected = False
        self._opening: asyncio.Timeout | None = None
        self._network_has_changed = asyncio.Event()
        self._hurry_from_s = 0.0

    # --- what it hears ------------------------------------------------------------------------------------------

    def on_message(
        self,
        topic_filter: str,
        handler: Handler,
        *,
        qos: int = 1,
        manual_ack: bool = False,
        most_at_once: int = MOST_AT_ONCE,
        most_of_topic: int = 1,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Have ``await handler(message)`` called for each message of the filter; see `dispatch.Route`.

        With ``manual_ack`` a message is acknowledged only after the handler returned: one that raises gets it again,
        and a process that dies finds it again when the session is kept (``clean_start=False``). While acknowledgements
        are owed the broker holds back further messages of the *whole* link (Receive Maximum), so what must not be
        lost has a link of its own.
        """
        assert self._group is None, "set up handlers before the link runs"
        self._routes.append(
            Route(
                topic_filter,
                handler,
                qos=qos,
                must_handle=manual_ack,
                most_at_once=most_at_once,
                most_of_topic=most_of_topic,
                most_waiting=most_waiting,
            )
        )

    def serve(self, topic_filter: str, handler: CommandHandler) -> None:
        """Answer commands: ``await handler(topic, command)`` returns the result or raises EstradeError.

        Commands run side by side, each id once. Late ones are refused by the centre's clock. One kind that is slow
        does not keep the others waiting. A command is acknowledged when it is taken: should we die before the answer,
        whoever asked runs into its time-out and asks again.
        """
        served = Served(handler, self._send_answer, self.clock)
        self.on_message(topic_filter, served.handle, most_at_once=2 * MOST_AT_ONCE, most_of_topic=MOST_AT_ONCE)

    def expect_replies(self, topic_filter: str) -> None:
        """Subscribe to the topics that `call` will name as ``reply_topic``."""
        assert self._group is None, "set up handlers before the link runs"
        self._reply_filters.append(topic_filter)

    def on_connected(self, callback: Callback) -> None:
        """Call back after each birth. What an async callback does runs beside everything else."""
        self._connected_callbacks.append(callback)

    def on_lost(self, callback: Callback) -> None:
        """Call back when a connection that was there is not any more."""
        self._lost_callbacks.append(callback)

    # --- what it says -------------------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether the broker has us with all subscriptions and knows of our birth."""
        return self._connection is not None

    @property
    def connected_since(self) -> datetime | None:
        return self.since if self.is_connected else None

    async def wait_connected(self) -> None:
        """Wait until `is_connected`."""
        await self._connected.wait()

    async def publish(
        self,
        topic: str,
        payload: bytes | BaseModel,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: int | None = None,
    ) -> None:
        """Publish, and with QoS 1 wait until the broker has it.

        Raises BrokerError: ``broker-unavailable`` without a connection or when it goes meanwhile (it may or may not
        have arrived), ``broker-refused`` when our rights do not cover the topic, ``message-too-large`` when the broker
        would end the connection over it.
        """
        body = payload.model_dump_json().encode() if isinstance(payload, BaseModel) else payload
        await self._now_open().publish(topic, body, qos=qos, retain=retain, expiry_s=expiry_s)

    async def call(self, topic: str, args: BaseModel, *, reply_topic: str, timeout_s: float) -> dict[str, Any]:
        """Send a command and return its result; see `rpc.Calls.call` for what is raised."""
        if not self._hears(reply_topic):
            await self._now_open().subscribe([(reply_topic, 1)])
            self._reply_filters.append(reply_topic)
        return await self._calls.call(topic, args, reply_topic=reply_topic, timeout_s=timeout_s)

    async def follow_clock(self, request_topic: str, reply_topic: str) -> None:
        """Keep ``clock`` by asking the centre (``req/time``) at each connection and after jumps, until cancelled."""
        connected = asyncio.Event()
        self.on_connected(connected.set)

        async def ask() -> float:
            await self.wait_connected()
            result = await self.call(request_topic, TimeAsked(), reply_topic=reply_topic, timeout_s=TIME_TIMEOUT_S)
            try:
                return TimeTold.model_validate(result).now
            except ValidationError as error:
                why = error.errors(include_input=False)[0]["msg"]
                raise CommandError(f'the answer to "{request_topic}" is not a time: {why}') from error

        await self.clock.follow(ask, connected)

    # --- its life -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Link]:
        """Run beside the body: a body that raises tells ``failed``, one that ends or is cancelled ``shutdown``.

        What the body raises leaves as it is; a fault of the link itself leaves as an ExceptionGroup.
        """
        fault: BaseException | None = None
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run(), name=f"link {self.settings.client_id}")
            try:
                yield self
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self.leave_with(DeathReason.FAILED)
                fault = error
            finally:
                task.cancel()
        if fault is not None:
            raise fault

    def leave_with(self, reason: DeathReason) -> None:
        """Say this in our death when `run` is cancelled (``shutdown`` unless told otherwise)."""
        self._leaving = reason

    async def run(self) -> None:
        """Connect, and again whenever the line is lost, until cancelled; then publish our death and leave.

        Each connection is a new client; the wait between two is random between nothing and a bound that doubles. A
        change of the network ends it, and the connection, too, when this machine has lost the address it came from.
        Raises what a callback raises: a fault of ours, told as ``failed``.
        """
        try:
            with network_changes(self._network_changed):
                async with asyncio.TaskGroup() as group:
                    self._group = group
                    for route in self._routes:
                        route.work_in(group)
                    await self._connect_always(group)
        finally:
            self._group = None
            for route in self._routes:
                route.work_in(None)

    async def _connect_always(self, group: asyncio.TaskGroup) -> None:
        backoff_s = self.settings.first_backoff_s
        while True:
            began_s = self._mono()
            try:
                await self._one_connection(group)
            except BrokerError as error:
                if self._mono() - began_s >= CALM_S:
                    backoff_s = self.settings.first_backoff_s
                if error.code in WILL_NOT_HEAL:
                    backoff_s = self.settings.most_backoff_s
                wait_s = self._jitter() * backoff_s
                backoff_s = min(backoff_s * 2, self.settings.most_backoff_s)
                self._note_lost(error, wait_s)
                if await self._network_changes_in(wait_s) and error.code not in WILL_NOT_HEAL:
                    backoff_s = self.settings.first_backoff_s
                    await asyncio.sleep(self._jitter() * backoff_s)  # a school's rooms hear of it all at once

    async def _network_changes_in(self, wait_s: float) -> bool:
        """Wait, and return at once with True when the network changes meanwhile."""
        self._network_has_changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._network_has_changed.wait()
        return self._network_has_changed.is_set()

    def _network_changed(self) -> None:
        if self._mono() >= self._hurry_from_s:
            self._hurry_from_s = self._mono() + HURRY_EVERY_S
            self._network_has_changed.set()
        if self._connection is not None and not self._connection.has_own_address():
            self._connection.drop()
        if self._opening is not None and not self._opening.expired():  # perhaps from an address that is gone
            end_s = asyncio.get_running_loop().time() + OVERTAKEN_S
            self._opening.reschedule(min(end_s, self._opening.when() or end_s))

    async def _open(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(None) as self._opening:
                await connection.open()
        except TimeoutError:
            raise BrokerError(f"the network changed on the way to the broker {self.settings.broker}") from None
        finally:
            self._opening = None

    async def _one_connection(self, group: asyncio.TaskGroup) -> None:
        sid = self._new_sid()
        connection = Connection(self.settings, self._received, will=self._will(sid))
        reason: DeathReason | None = DeathReason.FAILED
        is_born = False
        try:
            await self._open(connection)
            await connection.subscribe(self._subscriptions())
            if self._presence is not None:
                birth = self._presence.birth_payload(sid)
                is_born = True  # from here on the broker may have it
                await connection.publish(self._presence.topic, birth, qos=1, retain=True)
            self._begin(connection, sid, group)
            await connection.wait_lost()
        except BrokerError:
            reason = None
            if is_born:
                connection.drop()  # should the line still be there, the broker must not think that we left politely
            raise
        except asyncio.CancelledError:
            reason = self._leaving
            raise
        finally:
            was_connected = self._end()
            await self._leave(connection, sid, reason if is_born else None)
            if was_connected:
                self._call_back(self._lost_callbacks, group)

    def _begin(self, connection: Connection, sid: str, group: asyncio.TaskGroup) -> None:
        self._connection, self.sid, self.since, lost = connection, sid, self._now(), self.last_error
        self.last_error = None
        self._connected.set()
        log.info(
            "Connected to the broker again" if self._was_ever_connected or lost else "Connected to the broker",
            extra={"broker": self.settings.broker, "client": self.settings.client_id, "sid": sid},
        )
        self._was_ever_connected = True
        self._call_back(self._connected_callbacks, group)

    def _end(self) -> bool:
        was_connected = self._connection is not None
        self._connection = None
        self._connected.clear()
        if was_connected:
            self.since = self._now()
        return was_connected

    async def _leave(self, connection: Connection, sid: str, reason: DeathReason | None) -> None:
        last_words = None
        if self._presence is not None and reason is not None:
            last_words = (self._presence.topic, self._presence.death_payload(sid, reason))
        await connection.leave(last_words)

    def _will(self, sid: str) -> aiomqtt.Will | None:
        if self._presence is None:
            return None
        return aiomqtt.Will(
            self._presence.topic,
            self._presence.death_payload(sid, DeathReason.LOST),
            qos=1,
            retain=True,
            properties=properties(PacketTypes.WILLMESSAGE, WillDelayInterval=self._presence.will_delay_s or None),
        )

    def _subscriptions(self) -> list[tuple[str, int]]:
        wanted = {topic_filter: 1 for topic_filter in self._reply_filters}
        for route in self._routes:
            wanted[route.topic_filter] = max(route.qos, wanted.get(route.topic_filter, 0))
        return list(wanted.items())

    def _received(self, message: Message, acknowledge: Callable[[], None]) -> None:
        if self._calls.take(message):
            acknowledge()
            return
        if message.correlation is not None and message.response_topic is None:
            acknowledge()  # an answer that came after its time-out
            log.debug("A late answer is dropped", extra={"topic": message.topic})
            return
        routes = [route for route in self._routes if route.matches(message.topic)]
        owed = len(routes)

        def one_done() -> None:
            nonlocal owed
            owed -= 1
            if owed <= 0:
                acknowledge()

        for route in routes:
            route.put(message, one_done)
        if not routes:
            acknowledge()  # of a session whose subscriptions were others

    def _hears(self, topic: str) -> bool:
        return any(matches(f, topic) for f in self._reply_filters) or any(r.matches(topic) for r in self._routes)

    async def _send(
        self,
        topic: str,
        payload: bytes,
        *,
        expiry_s: int,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> int:
        return await self._now_open().publish(
            topic, payload, qos=1, expiry_s=expiry_s, response_topic=response_topic, correlation=correlation
        )

    async def _send_answer(self, topic: str, payload: bytes, **more: Any) -> int:
        """Send when there is a line: what a resumed session holds for us comes before our birth."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WAIT_S):
                await self._connected.wait()
        return await self._send(topic, payload, **more)

    def _now_open(self) -> Connection:
        if self._connection is None:
            why = f": {self.last_error.message}" if self.last_error else ""
            raise BrokerError(f"there is no connection to the broker {self.settings.broker}{why}")
        return self._connection

    def _note_lost(self, error: BrokerError, wait_s: float) -> None:
        is_news = self.last_error is None or self.last_error.code != error.code
        self.last_error = error
        log.log(
            logging.WARNING if is_news else logging.DEBUG,
            "No connection to the broker",
            extra={
                "broker": self.settings.broker,
                "client": self.settings.client_id,
                "code": error.code,
                "reason": error.message,
                "wait_s": round(wait_s, 2),
            },
        )

    def _call_back(self, callbacks: list[Callback], group: asyncio.TaskGroup) -> None:
        for callback in callbacks:
            result = callback()
            if inspect.isawaitable(result):
                group.create_task(self._finish(result), name="link callback")

    async def _finish(self, callback: Awaitable[None]) -> None:
        try:
            await callback
        except Exception:
            self.leave_with(DeathReason.FAILED)  # the group will cancel the connection, which is no shutdown
            raise
