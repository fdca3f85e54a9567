"""Rooms that report, in a process of their own: bare MQTT 5 packets over one plain connection.

What is measured is the centre, so they cost as little as they can.

``python -m benchmarks.fleet_rooms PORT ROOMS WHOLE_EVERY_S`` prints one line when every room was born, then reports
until it is ended: a fifth of the rooms are in a lesson, each has 50 checks with sentences, one value of which moves.
"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import UTC, datetime, timedelta

from agent.health.words import WORDS
from agent.reporter import HEALTH_IN_LESSON_S, HEALTH_S
from protocol.lesson import LessonState
from protocol.messages import (
    Check,
    CheckStatus,
    DeviceReport,
    DeviceRole,
    Health,
    LessonReport,
    RoomState,
    RoomStatus,
    Sign,
    TrackHealth,
)
from protocol.topics import RoomTopics
from protocol.wire import Wire

TERRITORY = "075"
CHECKS = 50
IN_LESSON_OF = 5
"""One room of so many is in a lesson."""
_MOVES = 7
"""The check whose value is another one in every report, as a level of sound is."""
KEEPALIVE_S = 65_535


def room_name(number: int) -> str:
    return f"room-{number:05}"


def in_lesson(number: int) -> bool:
    return number % IN_LESSON_OF == 0


def packet(topic: str, message: Wire, *, retain: bool = False) -> bytes:
    """Return a PUBLISH of QoS 0 without properties (MQTT 5 §3.3)."""
    name = topic.encode()
    rest = len(name).to_bytes(2) + name + b"\x00" + message.model_dump_json().encode()
    return bytes([0x30 | int(retain)]) + _length(len(rest)) + rest


def _connect(client: str) -> bytes:
    """Return a CONNECT with a clean start and no properties (MQTT 5 §3.1)."""
    name = client.encode()
    rest = b"\x00\x04MQTT\x05\x02" + KEEPALIVE_S.to_bytes(2) + b"\x00" + len(name).to_bytes(2) + name
    return b"\x10" + _length(len(rest)) + rest


def _length(number: int) -> bytes:
    """Return a variable byte integer (MQTT 5 §1.5.5)."""
    found = bytearray()
    while True:
        number, low = divmod(number, 128)
        found.append(low | (128 if number else 0))
        if not number:
            return bytes(found)


class Room:
    """What one room says; ``number`` decides whether it is in a lesson."""

    def __init__(self, number: int, whole_every_s: float) -> None:
        self.topics = RoomTopics(TERRITORY, room_name(number))
        self.period_s = HEALTH_IN_LESSON_S if in_lesson(number) else HEALTH_S
        self._number = number
        self._whole_every = max(1, round(whole_every_s / self.period_s))
        self._seq = 0
        self._random = random.Random(number)
        since = datetime.now(UTC) - timedelta(minutes=20)
        names = [(name, variant) for name, variants in WORDS.items() for variant in variants]
        self._checks = [
            Check(id=f"{name}-{n}", status=CheckStatus.OK, since=since, value=float(n), unit="%",
                  message=WORDS[name][variant][0], remedy=WORDS[name][variant][1])
            for n, (name, variant) in enumerate(names[:CHECKS])
        ]  # fmt: skip

    def birth(self) -> bytes:
        status = RoomStatus(online=True, sid="s-1", agent="0.1.0", at=datetime.now(UTC))
        return packet(self.topics.status, status, retain=True) + packet(self.topics.state, self._state(), retain=True)

    def _state(self) -> RoomState:
        now, is_live = datetime.now(UTC), in_lesson(self._number)
        devices = tuple(
            DeviceReport(id=role.value, role=role, name=f"simulated {role.value}", driver="simulated",
                         is_open=is_live, status=CheckStatus.OK, since=now)
            for role in (DeviceRole.CAMERA, DeviceRole.MICROPHONE, DeviceRole.BOARD)
        )  # fmt: skip
        return RoomState(
            sid="s-1",
            state=LessonState.LIVE if is_live else LessonState.IDLE,
            lesson=LessonReport(id=f"sim-{self._number}", started_at=now) if is_live else None,
            sign=Sign.LIVE if is_live else Sign.OFF,
            viewers=5 if is_live else 0,
            devices=devices,
            at=now,
        )

    def health(self) -> bytes:
        is_whole = self._seq % self._whole_every == 0
        self._seq += 1
        self._checks[_MOVES] = self._checks[_MOVES].model_copy(update={"value": round(self._random.uniform(0, 90), 1)})
        track = TrackHealth(captured_hz=30.0, encoded_hz=30.0, bitrate_bps=self._random.randint(1_300_000, 1_600_000))
        health = Health(
            sid="s-1",
            seq=self._seq,
            uptime_s=1_200 + self._seq * self.period_s,
            cpu_percent=38 + self._random.uniform(-2, 2),  # less than what is news to a page
            memory_mb=310 + self._random.uniform(-5, 5),
            viewers=5 if in_lesson(self._number) else 0,
            tracks={name: track for name in ("camera", "board", "sound")} if in_lesson(self._number) else {},
            checks=tuple(self._checks) if is_whole else None,
        )
        return packet(self.topics.health, health)


async def report(port: int, count: int, whole_every_s: float) -> None:
    """Bear every room, then report evenly over each period, until cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_connect("fleet-rooms"))
    await reader.readexactly(4)  # the head of CONNACK; what comes after is read and left
    rooms = [Room(number, whole_every_s) for number in range(count)]
    for room in rooms:
        writer.write(room.birth())
        await writer.drain()
    print("born", flush=True)

    async def leave() -> None:
        while await reader.read(65_536):
            pass

    async def speak(room: Room, first_s: float) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + first_s
        while True:
            await asyncio.sleep(due_s - loop.time())
            writer.write(room.health())
            await writer.drain()
            due_s += room.period_s

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(leave(), name="leave")
        for number, room in enumerate(rooms):
            tasks.create_task(speak(room, room.period_s * number / count), name=room.topics.room)


if __name__ == "__main__":
    asyncio.run(report(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
