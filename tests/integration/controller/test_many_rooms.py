"""A controller that starts hears of every room that the broker remembers, at once."""

from __future__ import annotations

import asyncio

from mqttlink import Link, Message
from tests.broker import Broker
from tests.waiting import until

ROOMS = 1_200
AT_ONCE = 100


async def test_a_controller_that_starts_hears_of_1200_rooms(plain_broker: Broker) -> None:
    """Two kept messages of each, in one burst: what is over the broker's bound it would drop without a word."""
    topics = [f"estrade/v1/075/room-{number:04}/{what}" for number in range(ROOMS) for what in ("status", "state")]
    async with Link(plain_broker.room("the-rooms")).running() as rooms:
        await until(lambda: rooms.is_connected, "the rooms' side is connected")
        for first in range(0, len(topics), AT_ONCE):
            say = (rooms.publish(topic, b"x" * 600, retain=True) for topic in topics[first : first + AT_ONCE])
            await asyncio.gather(*say)
    heard: set[str] = set()

    async def hear(message: Message) -> None:
        heard.add(message.topic)

    controller = Link(plain_broker.controller("centre-1"))
    for what in ("status", "state", "health"):
        controller.on_message(f"estrade/v1/+/+/{what}", hear)
    async with controller.running():
        await until(lambda: len(heard) == len(topics), f"all {len(topics)} are heard")
