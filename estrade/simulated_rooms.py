"""Rooms that only report: one process, a real link with its own certificate for each room.

``python -m estrade.simulated_rooms FILE`` reads what `estrade.demo_folder` wrote. What a room shows follows from its
number, so that two runs look alike: most are idle, some in a lesson, a few with a device missing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from estrade.notify import notify_ready
from mqttlink import CentreClock, Link, LinkSettings, Presence
from protocol.errors import BrokerError, CommandError
from protocol.lesson import LessonState
from protocol.messages import (
    CheckStatus,
    Command,
    DeathReason,
    DeviceReport,
    DeviceRole,
    Health,
    LessonPropose,
    LessonReport,
    OnAir,
    Problem,
    ProposalReport,
    RoomState,
    RoomStatus,
    Sign,
    TrackHealth,
)
from protocol.topics import RoomTopics

log = logging.getLogger(__name__)

HEALTH_S, HEALTH_LIVE_S = 10.0, 3.0
"""As a real room (DESIGN §4)."""
FIRST_HEALTH_S = 2.0
"""Rooms that come up together do not speak in chorus."""
_AT_ONCE = 50
"""Connections being made at a time: a handshake costs the broker 2 ms."""
_LESSONS = {2, 5, 6}
_WITHOUT_CAMERA = {6}


class SimulatedRoom:
    """One room: its number decides what it reports."""

    def __init__(self, topics: RoomTopics, settings: LinkSettings, number: int) -> None:
        self._topics = topics
        self._number = number
        self._random = random.Random(number)  # noqa: S311  # what is shown, not a secret
        self._began = time.monotonic()
        self._changed = asyncio.Event()
        self._proposal: ProposalReport | None = None
        kind = number % 10
        self._has_camera = kind not in _WITHOUT_CAMERA
        self._lesson: LessonReport | None = None
        self._on_air = OnAir()
        if kind in _LESSONS:
            since = timedelta(minutes=self._random.randint(2, 45))
            self._lesson = LessonReport(id=f"sim-{number}", started_at=datetime.now(UTC) - since)
        self._viewers = self._random.randint(1, 12) if self._lesson else 0
        presence = Presence(topics.status, self._birth, self._death, will_delay_s=10)
        self.link = Link(settings, presence, clock=CentreClock())
        self.link.serve(topics.cmd("+"), self._command)
        self.link.on_connected(self._changed.set)

    async def run(self) -> None:
        """Report until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.link.run(), name=f"link {self._topics.room}")
            group.create_task(self._report_state(), name=f"state {self._topics.room}")
            group.create_task(self._report_health(), name=f"health {self._topics.room}")

    async def _report_state(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.link.publish(self._topics.state, self._state(), retain=True)
            except BrokerError:
                log.debug("A state was not reported", extra={"room": self._topics.room})

    async def _report_health(self) -> None:
        await self.link.wait_connected()
        await asyncio.sleep(self._random.uniform(0, FIRST_HEALTH_S))
        seq = 0
        while True:
            seq += 1
            if self.link.is_connected:
                try:
                    await self.link.publish(self._topics.health, self._health(seq), qos=0, expiry_s=30)
                except BrokerError:
                    log.debug("Health was not reported", extra={"room": self._topics.room})
            await asyncio.sleep(HEALTH_LIVE_S if self._lesson else HEALTH_S)

    async def _command(self, topic: str, command: Command) -> dict[str, Any]:
        name = topic.rsplit("/", 1)[1]
        if name == "lesson.stop":
            self._lesson, self._viewers = None, 0
        elif name == "lesson.propose":
            asked = LessonPropose.model_validate(command.args)
            until = datetime.now(UTC) + timedelta(seconds=asked.expires_s)
            self._proposal = ProposalReport(id=asked.proposal, actor=asked.actor, expires_at=until)
            asyncio.get_running_loop().call_later(asked.expires_s, self._forget_proposal)
        elif name == "lesson.mute":
            self._on_air = self._on_air.model_copy(update={"sound": False})
        elif name != "event.ack":
            raise CommandError("a simulated room only reports", code="command-unknown")
        self._changed.set()
        return {}

    def _forget_proposal(self) -> None:
        self._proposal = None
        self._changed.set()

    def _birth(self, sid: str) -> RoomStatus:
        return RoomStatus(online=True, sid=sid, agent=version("estrade"), at=datetime.now(UTC))

    def _death(self, sid: str, reason: DeathReason) -> RoomStatus:
        return RoomStatus(online=False, sid=sid, reason=reason, at=datetime.now(UTC))

    def _state(self) -> RoomState:
        is_degraded = self._lesson is not None and not self._has_camera
        lesson_state = LessonState.DEGRADED if is_degraded else LessonState.LIVE
        return RoomState(
            sid=self.link.sid or "none",
            state=lesson_state if self._lesson else LessonState.IDLE,
            lesson=self._lesson,
            on_air=self._on_air,
            sign=Sign.LIVE if self._lesson else Sign.OFF,
            viewers=self._viewers,
            devices=tuple(self._device(role) for role in (DeviceRole.CAMERA, DeviceRole.MICROPHONE, DeviceRole.BOARD)),
            proposal=self._proposal,
            at=datetime.now(UTC),
        )

    def _device(self, role: DeviceRole) -> DeviceReport:
        is_well = role is not DeviceRole.CAMERA or self._has_camera
        return DeviceReport(
            id=role.value,
            role=role,
            name=f"simulated {role.value}",
            driver="simulated",
            is_open=is_well and self._lesson is not None,
            status=CheckStatus.OK if is_well else CheckStatus.CRITICAL,
            since=datetime.now(UTC),
            problem=None if is_well else Problem(code="device-lost", message="the camera was unplugged"),
        )

    def _health(self, seq: int) -> Health:
        tracks = {}
        if self._lesson is not None:
            rate = self._random.gauss(1_450_000, 40_000)
            tracks["camera"] = TrackHealth(
                captured_hz=30.0,
                encoded_hz=30.0,
                bitrate_bps=int(max(0, rate)),
                age_s=0.03,
                is_stand_in=not self._has_camera,
            )
        return Health(
            sid=self.link.sid or "none",
            seq=seq,
            uptime_s=time.monotonic() - self._began,
            cpu_percent=max(0.0, self._random.gauss(38 if self._lesson else 2, 3 if self._lesson else 0.3)),
            memory_mb=max(0.0, self._random.gauss(310 if self._lesson else 170, 6)),
            viewers=self._viewers,
            tracks=tracks,
        )


def read(path: Path) -> list[SimulatedRoom]:
    """Make the rooms of a file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    broker, rooms = document["broker"], []
    for number, room in enumerate(document["rooms"], start=1):
        settings = LinkSettings(
            host=broker["host"],
            port=broker["port"],
            client_id=room["id"],
            ca_file=Path(broker["ca_file"]),
            cert_file=Path(room["cert_file"]),
            key_file=Path(room["key_file"]),
            clean_start=False,
            session_expiry_s=300,
            receive_maximum=20,
        )
        rooms.append(SimulatedRoom(RoomTopics(document["territory"], room["id"]), settings, number))
    return rooms


async def run(rooms: list[SimulatedRoom], *, on_all_there: Callable[[], None]) -> None:
    """Run the rooms until cancelled, connecting a few at a time."""
    async with asyncio.TaskGroup() as group:
        for begin in range(0, len(rooms), _AT_ONCE):
            batch = rooms[begin : begin + _AT_ONCE]
            for room in batch:
                group.create_task(room.run(), name="simulated room")
            for room in batch:
                await room.link.wait_connected()
        log.info("All simulated rooms report", extra={"rooms": len(rooms)})
        on_all_there()


def main(argv: list[str]) -> int:
    """Run the rooms of the file until SIGTERM."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")

    async def live() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await run(read(Path(argv[1])), on_all_there=notify_ready)

    try:
        uvloop.run(live())
    except asyncio.CancelledError:
        log.info("The simulated rooms leave: they were told to")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
