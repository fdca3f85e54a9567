"""Looks at the mini-PC itself each 15 s, in a thread: heat, memory, disk, clock, cables, power, certificate."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agent import host_numbers
from agent.health.host import HostChecks, HostNumbers
from agent.health.tracker import Tracker
from agent.health_settings import HealthSettings
from agent.starts import Starts
from mqttlink.centre_clock import CentreClock
from protocol.messages import Check, CheckStatus

log = logging.getLogger(__name__)

LOOK_S = 15.0
READ_MOST_S = 14.0
"""More than `host_numbers.SMART_S`. A disk that fails can hold a reading for ever, and no signal ends that."""
SELDOM_S = 3600.0
"""How often the disk is asked for its wear: it changes over months, and the question may wake it."""


class HostWatch:
    """Owns the checks of the mini-PC. ``run`` lives until cancelled; ``on_news`` hears, on the loop, of each look."""

    def __init__(
        self,
        settings: HealthSettings,
        state_dir: Path,
        certificate: Path,
        centre: CentreClock,
        starts: Starts,
        *,
        on_news: Callable[[], None] = lambda: None,
        root: Path = Path("/"),
        read_most_s: float = READ_MOST_S,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._state_dir = state_dir
        self._certificate = certificate
        self._centre = centre
        self._starts = starts
        self._on_news = on_news
        self._root = root
        self._read_most_s = read_most_s
        self._reading: asyncio.Task[HostNumbers] | None = None
        self._fails = False
        self._clock = clock
        self._now = now
        self._judge = HostChecks(settings.host_limits())
        self._tracker = Tracker()
        self._smart: tuple[bool | None, float | None] = (None, None)
        self._smart_s: float | None = None

    def checks(self) -> tuple[Check, ...]:
        """Return what is known; what this machine cannot say is left out."""
        return tuple(check for check in self._tracker.checks() if check.status is not CheckStatus.UNKNOWN)

    async def run(self) -> None:
        """Look in time, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look once. A reading that hangs or falls tells nothing, and never ends the lesson."""
        if self._reading is None:
            self._reading = asyncio.create_task(asyncio.to_thread(self._read), name="read the host's numbers")
        await asyncio.wait({self._reading}, timeout=self._read_most_s)
        numbers = self._numbers()
        mono_s = self._clock()
        self._tracker.take(self._judge.look(numbers, mono_s), mono_s, self._now())
        self._on_news()

    def _numbers(self) -> HostNumbers:
        """Return what the reading came to; of one that still hangs nothing, and no other is begun beside it."""
        assert self._reading is not None
        if not self._reading.done():
            self._failed(f"the mini-PC did not say its numbers within {self._read_most_s:g} s")
            return HostNumbers()
        reading, self._reading = self._reading, None
        error = reading.exception()
        if error is not None:
            self._failed("a reading of the mini-PC's numbers fell", error)
            return HostNumbers()
        if self._fails:
            log.info("The mini-PC is looked at again")
        self._fails = False
        return reading.result()

    def _failed(self, reason: str, error: BaseException | None = None) -> None:
        level = logging.DEBUG if self._fails else logging.WARNING
        log.log(level, "The mini-PC cannot be looked at", extra={"reason": reason}, exc_info=error)
        self._fails = True

    def _read(self) -> HostNumbers:
        mono_s = self._clock()
        if self._smart_s is None or mono_s - self._smart_s >= SELDOM_S:
            self._smart, self._smart_s = host_numbers.smart(self._root, self._state_dir), mono_s
        failing, worn = self._smart
        mbps, is_full = host_numbers.link(self._root)
        ahead_s = self._centre.ahead_s()
        return HostNumbers(
            cpu_c=host_numbers.cpu_c(self._root),
            throttles=host_numbers.throttles(self._root),
            load_per_core=host_numbers.load_per_core(),
            memory_free_percent=host_numbers.memory_free_percent(),
            disk_free_percent=host_numbers.disk_free_percent(self._state_dir),
            disk_failing=failing,
            disk_worn_percent=worn,
            clock_ahead_s=ahead_s,
            clock_doubt_s=self._centre.doubt_s,
            link_mbps=mbps,
            is_full_duplex=is_full,
            certificate_days=host_numbers.certificate_days(self._certificate, self._now()),
            restarts=self._starts.falls(),
            is_undervolted=host_numbers.is_undervolted(self._root),
            over_currents=host_numbers.over_currents(self._root),
            usb_devices=host_numbers.usb_devices(self._root),
        )
