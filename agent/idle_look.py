"""Opens camera and microphone for some seconds while no lesson runs, to see whether they would work.

Numbers only: nothing is kept, nothing is sent, and the on-air sign, which is about lessons, stays off (DESIGN §6). A
lesson that starts takes the devices away at once (`CaptureHost`, ``gives_way``).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Protocol

from agent.device_slot import DeviceChoice
from agent.devices.capture import CaptureHost
from agent.health.camera_picture import LIT_MEAN
from agent.health.reading import Reading
from agent.health.words import words
from agent.media import AudioBlock, Frame
from agent.watched import Watched
from protocol.errors import DeviceBusyError, DeviceError
from protocol.messages import Check, CheckStatus, DeviceRole

LOOK_S = 0.25
MOST_S = 3.0
"""How long a device is open for a look."""
TELLS = frozenset({"picture-no-frames", "picture-frozen", "sound-dead"})
"""What an empty room, perhaps at night, proves of a device. A black picture is a dark room or a closed shutter then,
and a microphone switched off is where it belongs. Silence says something only of a microphone whose normal state is
known: many are digitally silent while nobody speaks."""
HELD_LOOKS = 6
_SEVERITY = {CheckStatus.OK: 0, CheckStatus.UNKNOWN: 1, CheckStatus.WARNING: 2, CheckStatus.CRITICAL: 3}
_DARK = ("picture-black", "picture-covered")
"""When one of these speaks, or the light is low, the picture proves no more: in the dark it may well stand still."""


class Taker(Protocol):
    """What gets the signal of one device."""

    choice: DeviceChoice

    def take(self, data: Frame | AudioBlock) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether one device opened and gave something; ``name`` is what it calls itself."""

    error: DeviceError | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found. A device that another program holds just now has no outcome: that is no fault while idle."""

    outcomes: dict[str, Outcome]
    checks: tuple[Check, ...]


class IdleLook:
    """Opens devices apart from any lesson."""

    ROLES: ClassVar[frozenset[DeviceRole]] = frozenset({DeviceRole.CAMERA, DeviceRole.MICROPHONE})

    def __init__(
        self,
        host: CaptureHost,
        *,
        most_s: float = MOST_S,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._host = host
        self._most_s = most_s
        self._clock = clock
        self._now = now

    async def look(self, devices: Sequence[Watched], thread: Executor) -> Found:
        """Look at the devices for `MOST_S` at most; cancel it to have them back at once."""
        seen: dict[str, deque[Reading]] = {}
        loop = asyncio.get_running_loop()

        async def judge() -> None:
            while True:
                await asyncio.sleep(LOOK_S)
                for one in devices:
                    if one.choice.is_spare:  # whether it opens is enough: the checks are the room's own microphone's
                        continue
                    look = partial(one.look, self._clock(), is_turning=False)
                    readings = await loop.run_in_executor(thread, look)
                    for reading in readings:
                        seen.setdefault(reading.check, deque(maxlen=HELD_LOOKS)).append(reading)

        judging = asyncio.create_task(judge(), name="judge idle look")
        try:
            outcomes = await self.hold(devices, self._most_s)
        finally:
            judging.cancel()
            await asyncio.wait({judging})
        busy = {id for id, outcome in outcomes.items() if isinstance(outcome.error, DeviceBusyError)}
        lost = {one.prefix for one in devices if outcomes[one.choice.id].error is not None and not one.choice.is_spare}
        readings = [held(looks) for check, looks in seen.items() if not check.startswith(tuple(lost))]
        is_recorded = all(
            one.has_baseline for one in devices if one.choice.role is DeviceRole.MICROPHONE and not one.choice.is_spare
        )
        return Found(
            {id: outcome for id, outcome in outcomes.items() if id not in busy},
            tuple(_check(one, self._now()) for one in proven(readings, is_recorded=is_recorded)),
        )

    async def hold(self, takers: Iterable[Taker], hold_s: float) -> dict[str, Outcome]:
        """Open the devices side by side, give each ``hold_s`` of its signal to its taker, and close them."""
        outcomes: dict[str, Outcome] = {}

        async def hold_one(taker: Taker) -> None:
            outcomes[taker.choice.id] = await self._hold_one(taker, hold_s)

        async with asyncio.TaskGroup() as tasks:
            for taker in takers:
                tasks.create_task(hold_one(taker), name=f"look at {taker.choice.id}")
        return outcomes

    async def _hold_one(self, taker: Taker, hold_s: float) -> Outcome:
        choice = taker.choice
        name = ""
        try:
            if choice.role is DeviceRole.MICROPHONE:
                async with self._host.open_sound(choice.driver, choice.id, choice.config, gives_way=True) as sound:
                    name = sound.info.name
                    with suppress(TimeoutError):
                        async with asyncio.timeout(hold_s):
                            while True:
                                taker.take(await sound.next_block())
            else:
                async with self._host.open_picture(choice.driver, choice.id, choice.config, gives_way=True) as picture:
                    name = picture.info.name
                    with suppress(TimeoutError):
                        async with asyncio.timeout(hold_s):
                            while True:
                                taker.take(await picture.next_frame())
        except DeviceError as error:
            return Outcome(error, name)
        return Outcome(name=name)


def held(looks: Sequence[Reading]) -> Reading:
    """Return what the looks of the last two seconds agree on: a fault only if each of them saw it."""
    if len(looks) < HELD_LOOKS and looks[-1].status is not CheckStatus.OK:
        return replace(looks[-1], status=CheckStatus.UNKNOWN)
    return min(looks, key=lambda one: _SEVERITY[one.status])


def proven(readings: Iterable[Reading], *, is_recorded: bool) -> list[Reading]:
    """Return the readings that say something of the device, and not only of an empty room.

    ``is_recorded``: the microphone's normal state is known.
    """
    found = list(readings)
    is_dark = any(
        (one.check in _DARK and one.status is not CheckStatus.OK)
        or (one.check == "picture-black" and one.value is not None and one.value < LIT_MEAN)
        for one in found
    )
    return [
        one
        for one in found
        if one.check in TELLS
        and one.status is not CheckStatus.UNKNOWN
        and not (is_dark and one.check == "picture-frozen")
        and (is_recorded or one.check != "sound-dead")
    ]


def _check(reading: Reading, at: datetime) -> Check:
    message, remedy = (None, None) if reading.status is CheckStatus.OK else words(reading.check, reading.variant)
    return Check(
        id=reading.check,
        status=reading.status,
        since=at,
        value=reading.value,
        unit=reading.unit,
        message=message,
        remedy=remedy,
    )
