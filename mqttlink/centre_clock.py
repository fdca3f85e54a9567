"""The centre's time, as a room can know it: deadlines are judged by it and never by the room's own date."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from protocol.errors import EstradeError

log = logging.getLogger(__name__)

FAR_AHEAD = 4_102_444_800.0
"""2100-01-01: the deadline of a request that is made before the centre's time is known."""
JUMP_S = 1.0
"""A wall clock that moves this far against the monotonic one was set, or the machine slept."""
LOOK_EVERY_S = 5.0
"""A machine that slept must not judge deadlines by the time before for long; a look costs two system calls."""
ASK_AGAIN_S = 10.0
"""After an unanswered question: no controller is there at the moment."""
_NOBODY_THERE = frozenset({"room-timeout", "room-offline", "broker-unavailable"})
"""What a question ends with while no controller runs; nothing to warn of."""


class CentreClock:
    """The centre's time on our monotonic clock.

    In the centre itself, use `CentreClock.own`. In a room, `learn` or `follow` tell it; until then nothing is late.
    """

    def __init__(
        self,
        *,
        mono: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        ask_again_s: float = ASK_AGAIN_S,
    ) -> None:
        self._mono = mono
        self._wall = wall
        self._ask_again_s = ask_again_s
        self._offset_s: float | None = None
        self._is_own = False
        self._drift_s = self._now_drift()

    @classmethod
    def own(cls, *, wall: Callable[[], float] = time.time) -> CentreClock:
        """Return the clock of the centre: our own wall clock."""
        clock = cls(wall=wall)
        clock._is_own = True
        return clock

    @property
    def is_known(self) -> bool:
        return self._is_own or self._offset_s is not None

    def now(self) -> float | None:
        """Return the centre's time in seconds since 1970, or None while it is not known."""
        if self._is_own:
            return self._wall()
        return None if self._offset_s is None else self._mono() + self._offset_s

    def deadline(self, timeout_s: float) -> float:
        """Return the deadline to write into a command that waits ``timeout_s``."""
        now = self.now()
        return FAR_AHEAD if now is None else now + timeout_s

    def is_late(self, deadline: float) -> bool:
        """Return whether a command's deadline has passed; never before the centre's time is known."""
        now = self.now()
        return now is not None and now > deadline

    def learn(self, told: float, *, asked_mono_s: float, answered_mono_s: float) -> None:
        """Take the centre's answer: it was ``told`` half-way between question and answer (monotonic seconds)."""
        self._offset_s = told - (asked_mono_s + answered_mono_s) / 2
        self._drift_s = self._now_drift()

    def has_jumped(self) -> bool:
        """Return whether our own wall clock moved against the monotonic one since we learned the offset."""
        return not self._is_own and abs(self._now_drift() - self._drift_s) > JUMP_S

    async def follow(self, ask: Callable[[], Awaitable[float]], connected: asyncio.Event) -> None:
        """Learn at each connection and after each jump, until cancelled.

        ``ask`` returns the centre's time or raises EstradeError; ``connected`` is set at each connection and cleared
        here.
        """
        is_answered, last_code = False, ""
        while True:
            if connected.is_set() or self.has_jumped() or not is_answered:
                connected.clear()
                asked = self._mono()
                try:
                    told = await ask()
                except EstradeError as error:
                    is_news = error.code not in _NOBODY_THERE and error.code != last_code
                    is_answered, last_code = False, error.code
                    log.log(
                        logging.WARNING if is_news else logging.DEBUG,
                        "The centre's time was not told",
                        extra={"code": error.code, "reason": error.message},
                    )
                else:
                    is_answered, last_code = True, ""
                    self.learn(told, asked_mono_s=asked, answered_mono_s=self._mono())
                    log.debug("The centre's time is known")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if is_answered else self._ask_again_s):
                    await connected.wait()

    def _now_drift(self) -> float:
        return self._wall() - self._mono()
