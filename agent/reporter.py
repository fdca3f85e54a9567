"""What the room tells the centre of itself: state on change, health in time."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime

import psutil

from agent.checks_told import ChecksTold
from agent.desired import DesiredConfig
from agent.lesson import Lesson
from agent.outbox import Outbox
from agent.room_checks import RoomChecks
from agent.sending_alarm import SendingAlarm
from agent.streams.publisher import Publisher
from agent.streams.turn import Reach
from mqttlink.link import Link
from protocol.errors import BrokerError
from protocol.lesson import LessonState
from protocol.messages import Check, CheckStatus, Health, RoomState, Text, TrackHealth
from protocol.topics import RoomTopics

log = logging.getLogger(__name__)

HEALTH_S = 10.0
HEALTH_IN_LESSON_S = 3.0
"""The centre calls a room in a lesson lost after three of these (DESIGN §4)."""
GATHER_S = 0.02
"""Changes within this are one report."""
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0
"""Between two attempts to report a state that the broker did not take though the line holds."""
_DISK = Text(
    fr="Le disque du boîtier n’enregistre plus rien ; les faits attendent en mémoire.",
    en="The mini-PC's disk stores nothing any more; facts wait in memory.",
)
_MEND = Text(
    fr="Libérez de la place ou remplacez le disque avant d’éteindre le boîtier.",
    en="Free space or replace the disk before the mini-PC is switched off.",
)


class Reporter:
    """Publishes a room's state and health over one link."""

    def __init__(
        self,
        topics: RoomTopics,
        link: Link,
        lesson: Lesson,
        outbox: Outbox,
        desired: DesiredConfig,
        reach: Reach,
        alarm: SendingAlarm,
        checks: RoomChecks,
    ) -> None:
        self._topics = topics
        self._link = link
        self._lesson = lesson
        self._outbox = outbox
        self._desired = desired
        self._reach = reach
        self._alarm = alarm
        self._state_changed = asyncio.Event()
        self._last: RoomState | None = None
        self._seq = 0
        self._began_s = time.monotonic()
        self._cpu = _ProcessTree()
        self._rates = _TrackRates()
        self._health_soon = asyncio.Event()
        self._was_in_lesson = False
        self._disk_failed_at: datetime | None = None
        self._room_checks = checks
        self._checks_told = ChecksTold()
        checks.add(self._own_checks)
        checks.on_change(self._wrong_changed)
        lesson.on_change(self._lesson_changed)
        link.on_connected(self._connected)

    async def run(self) -> None:
        """Report until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._report_state(), name="report state")
            tasks.create_task(self._report_health(), name="report health")

    def state(self) -> RoomState:
        """Return everything the room reports as true."""
        lesson = self._lesson
        publisher = lesson.publisher
        document = self._desired.document
        return RoomState(
            sid=self._link.sid or "none",
            state=lesson.state,
            lesson=lesson.report,
            paused=lesson.paused,
            frozen=lesson.frozen,
            recording=lesson.is_recorded(),
            on_air=lesson.on_air,
            sign=lesson.sign(),
            viewers=publisher.connected if publisher else 0,
            devices=lesson.device_reports(),
            checks=self._room_checks.wrong(),
            proposal=lesson.proposal,
            config_rev=document.rev if document else None,
            problem=lesson.problem,
            at=datetime.now(UTC),
        )

    def _connected(self) -> None:
        self._last = None
        self._state_changed.set()

    async def _report_state(self) -> None:
        retry_s: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(retry_s):
                    await self._state_changed.wait()
            self._state_changed.clear()
            state = self.state()
            if self._last is None or state.model_copy(update={"at": self._last.at}) != self._last:
                try:
                    await self._link.publish(self._topics.state, state, retain=True)
                except BrokerError as error:
                    self._last = None
                    retry_s = self._retry_after(error, retry_s)
                else:
                    self._last = state
                    if retry_s is not None:
                        log.info("The state is reported again")
                    retry_s = None
            await asyncio.sleep(GATHER_S)

    def _retry_after(self, error: BrokerError, before_s: float | None) -> float | None:
        """Return when to report the state again; None without a line, for then `_connected` wakes us."""
        if not self._link.is_connected:
            return None
        log.log(
            logging.WARNING if before_s is None else logging.DEBUG,
            "The state is not reported",
            extra={"code": error.code, "reason": error.message},
        )
        return RETRY_FIRST_S if before_s is None else min(before_s * 2, RETRY_MOST_S)

    async def _report_health(self) -> None:
        while True:
            await self._wait_for_health()
            if not self._link.is_connected:
                continue
            publisher = self._lesson.publisher
            self._room_checks.look()
            cpu_percent, memory_mb = await asyncio.to_thread(self._cpu.look)
            self._seq += 1
            sid, checks = self._link.sid or "none", self._room_checks.all()
            is_whole = self._checks_told.are_due(sid, checks)
            if is_whole:  # before it is sent: a controller that comes meanwhile has to be told again
                self._checks_told.told(sid, checks)
            health = Health(
                sid=sid,
                seq=self._seq,
                uptime_s=time.monotonic() - self._began_s,
                cpu_percent=cpu_percent,
                memory_mb=memory_mb,
                viewers=publisher.connected if publisher else 0,
                tracks=self._rates.look(publisher),
                checks=checks if is_whole else None,
            )
            try:
                await self._link.publish(self._topics.health, health, qos=0, expiry_s=30)
            except BrokerError:
                self._checks_told.forget()  # the next one says it all

    def controllers_are(self, protos: Collection[int]) -> None:
        """Take the protocol versions of the controllers that are there, whenever one comes or goes."""
        self._checks_told.controllers_are(protos)

    def _own_checks(self) -> tuple[Check, ...]:
        mine = tuple(check for check in (self._disk(), self._alarm.check()) if check is not None)
        return (*mine, *self._reach.checks())

    def _disk(self) -> Check | None:
        if self._outbox.problem is None:
            self._disk_failed_at = None
            return None
        self._disk_failed_at = self._disk_failed_at or datetime.now(UTC)
        return Check(id="disk", status=CheckStatus.CRITICAL, since=self._disk_failed_at, message=_DISK, remedy=_MEND)

    def checks_changed(self) -> None:
        """Report health at once: a person waits to see a check change."""
        self._room_checks.look()
        self._checks_told.forget()
        self._health_soon.set()

    def _wrong_changed(self, critical: bool) -> None:
        self._state_changed.set()
        if critical:  # the centre knows of it within 5 s (DESIGN §10)
            self._health_soon.set()

    async def _wait_for_health(self) -> None:
        """Wait one period; a lesson that begins or ends starts the next period at once."""
        in_lesson = self._lesson.state is not LessonState.IDLE
        with suppress(TimeoutError):
            async with asyncio.timeout(HEALTH_IN_LESSON_S if in_lesson else HEALTH_S):
                await self._health_soon.wait()
        self._health_soon.clear()  # after the wait: what asks while a report is made is for the next one

    def _lesson_changed(self) -> None:
        self._state_changed.set()
        in_lesson = self._lesson.state is not LessonState.IDLE
        if in_lesson != self._was_in_lesson:
            self._was_in_lesson = in_lesson
            self._health_soon.set()


class _TrackRates:
    """Rates of the tracks, from the publisher's counters."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, tuple[int, int, int]] = {}
        self._last_s = clock()

    def look(self, publisher: Publisher | None) -> dict[str, TrackHealth]:
        """Return each track's numbers since the last look."""
        now_s = self._clock()
        period_s = max(now_s - self._last_s, 1e-3)
        counted, told = {}, {}
        for name, track in publisher.tracks().items() if publisher else ():
            counted[name] = (track.frames_in, track.frames_encoded, track.bytes_encoded)
            before = self._last.get(name, (0, 0, 0))
            if counted[name][0] < before[0]:  # another lesson
                before = (0, 0, 0)
            frames_in, encoded, size = (now - then for now, then in zip(counted[name], before, strict=True))
            told[name] = TrackHealth(
                captured_hz=frames_in / period_s,
                encoded_hz=encoded / period_s,
                bitrate_bps=round(8 * size / period_s),
                is_stand_in=track.stand_in is not None,
            )
        self._last, self._last_s = counted, now_s
        return told


class _ProcessTree:
    """CPU and memory of the agent with its capture processes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[int, float] = {}
        self._last_s = clock()

    def look(self) -> tuple[float, float]:
        """Return CPU in percent of one core since the last look, and PSS in MB. Reads /proc: not on the loop."""
        me = psutil.Process(os.getpid())
        used, now_s, spent_s, pss = {}, self._clock(), 0.0, 0
        for process in (me, *me.children(recursive=True)):
            try:
                times = process.cpu_times()
                pss += process.memory_full_info().pss
            except psutil.Error:
                continue
            used[process.pid] = times.user + times.system
            spent_s += max(0.0, used[process.pid] - self._last.get(process.pid, 0.0))
        period_s = max(now_s - self._last_s, 1e-3)
        self._last, self._last_s = used, now_s
        return 100 * spent_s / period_s, pss / 1e6
