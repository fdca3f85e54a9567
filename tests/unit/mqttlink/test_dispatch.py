"""Handlers at work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mqttlink.dispatch import Route
from mqttlink.message import Message
from protocol.errors import StoreError


@asynccontextmanager
async def at_work(route: Route) -> AsyncIterator[Route]:
    async with asyncio.TaskGroup() as group:
        route.work_in(group)
        yield route


def message(topic: str, payload: str = "", qos: int = 1) -> Message:
    return Message(topic, payload.encode(), qos)


async def test_one_topic_keeps_its_order_while_another_overtakes() -> None:
    seen: list[str] = []
    gate = asyncio.Event()

    async def handler(received: Message) -> None:
        if received.payload == b"slow":
            await gate.wait()
        seen.append(f"{received.topic} {received.payload.decode()}")
        if received.topic == "b":
            gate.set()

    async with at_work(Route("#", handler)) as route:
        for topic, payload in (("a", "slow"), ("a", "2"), ("a", "3"), ("b", "1")):
            route.put(message(topic, payload), lambda: None)
    assert seen == ["b 1", "a slow", "a 2", "a 3"]


async def test_a_passing_error_is_tried_again_and_is_no_fault_of_the_handler(caplog: pytest.LogCaptureFixture) -> None:
    acknowledged: list[str] = []
    handled: list[int] = []

    async def handler(received: Message) -> None:
        handled.append(len(acknowledged))
        if len(handled) < 3:
            raise StoreError("locked")

    async def no_wait(seconds: float) -> None:
        waits.append(seconds)

    waits: list[float] = []
    async with at_work(Route("#", handler, must_handle=True, sleep=no_wait)) as route:
        route.put(message("a"), lambda: acknowledged.append("a"))
    assert (handled, acknowledged, waits) == ([0, 0, 0], ["a"], [1.0, 2.0])
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_no_more_handlers_than_allowed_work_at_once() -> None:
    now = most = 0

    async def handler(received: Message) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    async with at_work(Route("#", handler, most_at_once=3)) as route:
        for n in range(20):
            route.put(message(f"t{n}"), lambda: None)
    assert most == 3


async def test_unordered_messages_of_one_topic_are_handled_side_by_side() -> None:
    both = asyncio.Barrier(2)

    async def handler(received: Message) -> None:
        await both.wait()

    async with asyncio.timeout(5), at_work(Route("#", handler, most_of_topic=2)) as route:
        route.put(message("a"), lambda: None)
        route.put(message("a"), lambda: None)


async def test_a_topic_of_slow_handlers_leaves_room_for_the_others() -> None:
    gate = asyncio.Event()
    begun: list[str] = []

    async def handler(received: Message) -> None:
        begun.append(received.topic)
        if received.topic == "slow":
            await gate.wait()
        else:
            gate.set()

    async with asyncio.timeout(5), at_work(Route("#", handler, most_at_once=4, most_of_topic=3)) as route:
        for _ in range(5):
            route.put(message("slow"), lambda: None)
        route.put(message("quick"), lambda: None)
    assert begun == ["slow"] * 3 + ["quick"] + ["slow"] * 2


async def test_a_message_is_acknowledged_when_it_is_taken() -> None:
    history: list[str] = []

    async def handler(received: Message) -> None:
        history.append("handled")

    async with at_work(Route("#", handler)) as route:
        route.put(message("a"), lambda: history.append("acknowledged"))
    assert history == ["acknowledged", "handled"]


async def test_beyond_what_may_wait_the_acknowledgement_follows_the_handler() -> None:
    """Else the broker would send for ever what nobody has the time to handle."""
    history: list[str] = []

    async def handler(received: Message) -> None:
        history.append(received.payload.decode())

    async with at_work(Route("#", handler, most_at_once=1, most_waiting=2)) as route:
        for n in range(4):  # the first is at work, two wait
            route.put(message("a", str(n)), lambda n=n: history.append(f"ack {n}"))  # type: ignore[misc]
    assert history == ["ack 0", "ack 1", "ack 2", "0", "1", "2", "3", "ack 3"]


async def test_what_must_be_handled_is_tried_again_and_not_acknowledged_meanwhile() -> None:
    history: list[str] = []

    async def sleep(wait_s: float) -> None:
        history.append(f"wait {wait_s:g}")

    async def handler(received: Message) -> None:
        history.append(received.payload.decode())
        if history.count("1") < 3:
            raise OSError("the disk is full")

    async with at_work(Route("#", handler, must_handle=True, sleep=sleep)) as route:
        route.put(message("a", "1"), lambda: history.append("ack 1"))
        route.put(message("a", "2"), lambda: history.append("ack 2"))
    assert history == ["1", "wait 1", "1", "wait 2", "1", "ack 1", "2", "ack 2"]


async def test_a_fault_of_a_handler_is_logged_and_the_next_message_handled(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[bytes] = []

    async def handler(received: Message) -> None:
        if received.payload == b"bad":
            raise ValueError("bad")
        seen.append(received.payload)

    async with at_work(Route("#", handler)) as route:
        route.put(message("a", "bad"), lambda: seen.append(b"ack"))
        route.put(message("a", "good"), lambda: seen.append(b"ack"))
    assert seen == [b"ack", b"ack", b"good"]
    assert "A message was not handled" in caplog.text


async def test_numbers_that_nobody_takes_are_dropped_and_counted_but_never_qos_1(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = asyncio.Event()
    seen: list[bytes] = []

    async def handler(received: Message) -> None:
        await gate.wait()
        seen.append(received.payload)

    async with at_work(Route("#", handler, most_at_once=1, most_waiting=2, clock=lambda: 0.0)) as route:
        for n in range(6):
            route.put(message(f"t{n}", str(n), qos=0), lambda: None)
        route.put(message("sure", "sure"), lambda: None)
        gate.set()
    assert seen == [b"0", b"1", b"2", b"sure"]
    assert route.dropped == 3
    assert caplog.text.count("are dropped") == 1
