"""What is neither seen nor heard in a self-test: the line to the centre, its relay, clock, disk and encoder."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agent.health.host import HostLimits
from agent.selftest import judge
from agent.selftest.outcome import Outcome
from agent.streams.hardware import Hardware
from protocol.errors import EstradeError
from protocol.messages import Check, CheckStatus, TimeAsked, TimeTold

QUESTIONS = 5
ANSWER_MOST_S = 1.0
PADS, PAD_BYTES = 6, 60_000
"""360 kB go up at once: 2 s at 1.5 Mbit/s, a moment on any line that carries a lesson."""
PADS_MOST_S = 2.0
PAD_SLOW_S = 0.3
"""A line on which one takes longer carries no lesson, and is known by it: more would hold up what else is said."""

LIMITS_S = {"broker": 1.0, "uplink": 5.0, "turn": 6.0, "clock": 3.0, "disk": 3.0, "encoder": 1.0, "board-power": 1.0}

AskTime = Callable[[TimeAsked, float], Awaitable[dict[str, object]]]
"""Ask the centre its time within so many seconds; raises EstradeError."""


@dataclass(frozen=True, slots=True)
class LineParts:
    """What the rest of the agent knows of these things, and how to ask."""

    centre: Callable[[], Literal["connected", "no-controller", "away"]]
    ask_time: AskTime
    look_for_relays: Callable[[], Awaitable[None]]
    relay_checks: Callable[[], tuple[Check, ...]]
    power_checks: Callable[[], tuple[Check, ...]]
    state_dir: Path
    wanted_bps: float
    limits: HostLimits
    hardware: Callable[[], Hardware]


class LineTest:
    """One run. ``is_quiet``: beside a lesson, whose line must not be filled."""

    def __init__(self, parts: LineParts, *, is_quiet: bool) -> None:
        self._parts = parts
        self._is_quiet = is_quiet
        self._ahead_s: asyncio.Future[tuple[float | None, float]] = asyncio.get_running_loop().create_future()

    async def broker(self) -> Outcome:
        """Whether the room is connected, and a controller there."""
        state = self._parts.centre()
        return Outcome("ok") if state == "connected" else Outcome("failed", state)

    async def uplink(self) -> Outcome:
        """How fast the centre answers; and, before a lesson, how much goes up a second."""
        if self._parts.centre() != "connected":
            self._learn(None)
            return Outcome("skipped", "no-centre")
        round_trips_s: list[float] = []
        try:
            for _ in range(QUESTIONS):
                with suppress(EstradeError, ValidationError):
                    round_trips_s.append(await self._ask())
            rate_bps = await self._rate(min(round_trips_s)) if round_trips_s and not self._is_quiet else None
        finally:
            self._learn(None)
        return judge.uplink(round_trips_s, QUESTIONS, rate_bps, self._parts.wanted_bps)

    async def _ask(self) -> float:
        wall_s, started_s = time.time(), time.monotonic()
        told = TimeTold.model_validate(await self._parts.ask_time(TimeAsked(), ANSWER_MOST_S))
        took_s = time.monotonic() - started_s
        self._learn(wall_s + took_s / 2 - told.now, took_s / 2)
        return took_s

    async def _rate(self, round_trip_s: float) -> float:
        padding, started_s = "x" * PAD_BYTES, time.monotonic()

        async def send() -> float:
            await self._parts.ask_time(TimeAsked(padding=padding), PADS_MOST_S)
            return time.monotonic()

        try:
            took_s = await send() - started_s - round_trip_s
        except EstradeError:
            took_s = PADS_MOST_S
        if took_s > PAD_SLOW_S:
            return 8 * PAD_BYTES / took_s
        started_s = time.monotonic()
        ended = await asyncio.gather(*(send() for _ in range(PADS)), return_exceptions=True)
        came = [at_s for at_s in ended if isinstance(at_s, float)]
        if not came:
            return 8 * PAD_BYTES / PADS_MOST_S
        return 8 * PAD_BYTES * len(came) / max(0.001, max(came) - started_s - round_trip_s)

    def _learn(self, ahead_s: float | None, doubt_s: float = 0.0) -> None:
        if not self._ahead_s.done():
            self._ahead_s.set_result((ahead_s, doubt_s))

    async def clock(self) -> Outcome:
        """The room's wall clock against the centre's, as the first answer of `uplink` told."""
        return judge.clock(*await asyncio.shield(self._ahead_s), self._parts.limits)

    async def turn(self) -> Outcome:
        """Whether the relay gives a way, tried anew."""
        if self._parts.centre() != "connected":
            return Outcome("skipped", "no-centre")
        with suppress(TimeoutError):
            async with asyncio.timeout(LIMITS_S["turn"] - 0.3):
                await self._parts.look_for_relays()
        known = self._parts.relay_checks()
        if not known:
            return Outcome("skipped", "none")
        return judge.check(known[0]) if known[0].status is not CheckStatus.UNKNOWN else Outcome("warning", "unknown")

    async def power(self) -> Outcome:
        """What the board's power is known to be."""
        known = self._parts.power_checks()
        if not known:
            return Outcome("skipped", "none")
        return judge.check(known[0]) if known[0].status is not CheckStatus.UNKNOWN else Outcome("skipped", "unknown")

    async def encoder(self) -> Outcome:
        """Whether the machine's graphics encode the pictures, as was tried at start."""
        found = self._parts.hardware()
        return Outcome("ok", "hardware" if found.encoder else "refused" if found.refused else "")

    async def disk(self) -> Outcome:
        """Whether the disk still stores, and how much of it is free."""
        return await asyncio.to_thread(_disk, self._parts.state_dir, self._parts.limits)


def _disk(folder: Path, limits: HostLimits) -> Outcome:
    is_written, path = False, folder / "selftest.tmp"
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            is_written = os.write(descriptor, bytes(4096)) == 4096
            os.fsync(descriptor)
        except OSError:
            is_written = False
        finally:
            os.close(descriptor)
            path.unlink()
    usage = shutil.disk_usage(folder)
    return judge.disk(usage.free, usage.total, limits, is_written=is_written)
