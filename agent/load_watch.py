"""Looks each second of a lesson at what encoding leaves of the mini-PC; lowers the layers before pictures are lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil

from agent import host_numbers
from agent.lesson import Lesson
from agent.streams.load import Limits, LoadLimit, MachineNumbers
from agent.streams.publisher import Publisher
from protocol.messages import Check, CheckStatus, Text

log = logging.getLogger(__name__)

LOOK_S = 1.0
HEAT_EACH = 5
"""Looks between two readings of the sensors, which can be slow: heat changes over tens of seconds."""
CHECK = "layers-lowered"
MESSAGE = Text(
    fr="L’ordinateur de la salle a trop à faire\u00a0: les élèves reçoivent des images réduites.",
    en="The room's computer has too much to do: pupils are sent reduced pictures.",
)
REMEDY = Text(
    fr="Fermez les autres programmes, et dégagez les aérations de l’ordinateur\u00a0; la qualité revient d’elle-même.",
    en="Close other programs, and clear the computer's air vents; the quality comes back by itself.",
)


class LoadWatch:
    """Owns the limit of the running lesson. ``run`` lives until cancelled; ``on_news`` hears of each change."""

    def __init__(
        self,
        lesson: Lesson,
        *,
        on_news: Callable[[], None] = lambda: None,
        root: Path = Path("/"),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lesson = lesson
        self._on_news = on_news
        self._root = root
        self._now = now
        self._limit = LoadLimit()
        self._limits = Limits()
        self._since = now()
        self._publisher: Publisher | None = None
        self._temperature_c: float | None = None

    def checks(self) -> tuple[Check, ...]:
        """Return the check while something is given up."""
        if self._limits == Limits():
            return ()
        return (Check(id=CHECK, status=CheckStatus.WARNING, since=self._since, message=MESSAGE, remedy=REMEDY),)

    async def run(self) -> None:
        """Look in time, until cancelled."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK_S)
            if self._lesson.publisher is not None and looks % HEAT_EACH == 0:
                self._temperature_c = await asyncio.to_thread(host_numbers.cpu_c, self._root)
            looks += 1
            self.look(psutil.cpu_percent() / 100, asyncio.get_running_loop().time())

    def look(self, busy: float, mono_s: float) -> None:
        """Look once; ``busy`` is the share of all processors since the last look. A lesson's end leaves nothing."""
        publisher = self._lesson.publisher
        if publisher is not self._publisher:
            self._publisher, self._limit = publisher, LoadLimit()
        limits = Limits()
        if publisher is not None:
            encode_share, dropped_share = publisher.encoding_load()
            limits = self._limit.look(MachineNumbers(busy, self._temperature_c, encode_share, dropped_share), mono_s)
            publisher.limit(limits)
        if limits != self._limits:
            was_whole, self._limits = self._limits == Limits(), limits
            if was_whole:
                self._since = self._now()
            log.info("Layers follow the machine's load", extra={"limits": limits, "busy": round(busy, 2)})
            self._on_news()
