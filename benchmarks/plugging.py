"""One device of a lesson as the agent runs it, and how soon its loss and its return are seen at the encoder.

Everything here is the agent's own: capture process, `DeviceSlot` with its tries, udev's events, `Publisher` with its
stand-ins and encoders. Only the pupil is missing; the layer is held as for one who is on the way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from agent.device_slot import DeviceChoice, DeviceSlot
from agent.devices.capture import OPEN_TIMEOUT_S, CaptureHost
from agent.devices.registry import find_driver
from agent.hotplug import HotPlug
from agent.streams.publisher import Publisher, StreamSettings, TrackHealth
from protocol.channel import Notice
from protocol.lesson import LessonState
from protocol.messages import DeviceRole, OnAir

LOOK_S = 0.02
TRACKS = {DeviceRole.CAMERA: "camera", DeviceRole.BOARD: "board", DeviceRole.MICROPHONE: "sound"}

Act = Callable[[], Coroutine[Any, Any, None]]
"""Unplugs or plugs; may return before or after it is noticed."""


@dataclass(frozen=True, slots=True)
class Times:
    """One unplugging: from the pull to the stand-in encoded, from the plug to the device's own encoded again."""

    unplug_to_standin_s: float
    plug_to_back_s: float
    sentence: str
    """What the panel was told meanwhile."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Plugged:
    """A device that is held by a slot and sent by a publisher."""

    def __init__(self, slot: DeviceSlot, publisher: Publisher, most_s: float) -> None:
        self.slot = slot
        self._publisher = publisher
        self._track = TRACKS[slot.role]
        self._most_s = most_s

    @property
    def capture_pid(self) -> int:
        """The process that captures now."""
        device = self.slot._device
        assert device is not None
        assert device.pid is not None
        return device.pid

    async def unplugged_and_back(
        self, unplug: Act, plug: Act, *, away_s: float = 1.5, is_back_once_plugged: bool = False
    ) -> Times:
        """Pull the device, leave it away for a while, plug it in; return how long each took to be seen.

        ``is_back_once_plugged``: count from the end of ``plug`` (a network camera that answers again), not its begin.
        """
        await self.is_sent()
        began_s = time.monotonic()
        pulling = asyncio.create_task(unplug(), name="unplug")
        await self._encoded_while(lambda health: health.stand_in == "away", "the stand-in")
        standin_s = time.monotonic() - began_s
        await pulling
        await self._until(lambda: self.slot.problem is not None, "a sentence for the panel")
        problem = self.slot.problem
        await asyncio.sleep(away_s)
        began_s = time.monotonic()
        plugging = asyncio.create_task(plug(), name="plug")
        if is_back_once_plugged:
            await plugging
            began_s = time.monotonic()
        await self.is_sent()
        back_s = time.monotonic() - began_s
        await plugging
        return Times(standin_s, back_s, problem.message if problem else "")

    async def is_sent(self) -> None:
        """Wait until the device's own picture or sound has been encoded."""
        await self._encoded_while(lambda health: health.stand_in is None, f"the {self.slot.role}")

    def health(self) -> TrackHealth:
        return self._publisher.tracks()[self._track]

    async def _encoded_while(self, condition: Callable[[TrackHealth], bool], what: str) -> None:
        """Wait until something was encoded since the condition came true, as of the look before."""
        before = self.health().frames_encoded

        def is_encoded() -> bool:
            nonlocal before
            health = self.health()
            if not condition(health):
                before = health.frames_encoded
                return False
            return health.frames_encoded > before

        await self._until(is_encoded, what)

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + self._most_s
        while not condition():
            if time.monotonic() > deadline_s:
                problem = self.slot.problem
                why = problem.message if problem else f"{self.health()}"
                raise TimeoutError(f"{what} was not seen within {self._most_s:g} s: {why}")
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def plugged(
    role: DeviceRole,
    driver_name: str,
    config: Mapping[str, Any],
    settings: StreamSettings | None = None,
    *,
    most_s: float = 30.0,
    running_host: CaptureHost | None = None,
    open_timeout_s: float = OPEN_TIMEOUT_S,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Plugged]:
    """Run a device of a room's configuration until the end of the block, as a lesson does.

    ``running_host`` is one that somebody else runs; else this has its own.
    """
    driver = find_driver(role, driver_name)
    choice = DeviceChoice(role.value, role, driver, driver.config.model_validate(config))
    host = running_host or CaptureHost([driver], open_timeout_s=open_timeout_s)
    publisher = Publisher(settings or StreamSettings(), notice=_notice, on_viewer=lambda change: None)
    publisher.set_on_air(OnAir(), False)
    slot = DeviceSlot(choice, host, lambda changed: None, sleep=sleep)
    plugs = HotPlug()
    plugs.serve(slot)
    publisher._tracks.best(TRACKS[role]).hold()  # type: ignore[arg-type]  # encode as for a pupil who is on the way
    lives = {"publisher": publisher.run(), "plugs": plugs.run(), "device": slot.run(publisher)}
    if running_host is None:
        lives = {"capture host": host.run(), **lives}
    tasks = [asyncio.create_task(life, name=name) for name, life in lives.items()]
    try:
        yield Plugged(slot, publisher, most_s)
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.wait({task}, timeout=3)


def _notice() -> Notice:
    return Notice(
        room="",
        state=LessonState.LIVE,
        paused=False,
        frozen=False,
        on_air=OnAir(),
        elapsed_s=0.0,
        viewers=0,
        stand_in=(),
    )
