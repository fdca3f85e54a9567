"""The centre's time, as a room can know it: deadlines are judged by it and never by the room's own date."""

from __future__ import annotations

import asyncio
import logging
import math
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
ASK_ANEW_S = 300.0
"""An answer that is older was perhaps another centre's, or one whose date was put right since."""
DOUBT_EVERY_S = 10.0
"""Commands that seem late make us ask at most this often: a caller with a wrong date must not keep the centre busy."""
DOUBT_MOST_S = 2.0
"""A command that seems late waits this long for the centre's time; its caller waits 3 s or more."""
_NOBODY_THERE = frozenset({"room-timeout", "room-offline", "broker-unavailable"})
"""What a question ends with while no controller runs; nothing to warn of."""


class CentreClock:
    """The centre's time on our monotonic clock.

    In the centre itself, use `CentreClock.own`: deadlines and the time that rooms are told come from it, so it does not
    follow a wall clock that is set. In a room, `learn` or `follow` tell it; until then nothing is late.
    """

    def __init__(
        self,
        *,
        mono: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        look_every_s: float = LOOK_EVERY_S,
        ask_again_s: float = ASK_AGAIN_S,
    ) -> None:
        self._mono = mono
        self._wall = wall
        self._look_every_s = look_every_s
        self._ask_again_s = ask_again_s
        self._offset_s: float | None = None
        self.doubt_s = 0.0
        """How far the offset may be wrong: half the way there and back."""
        self._is_own = False
        self._drift_s = self._now_drift()
        self._learned_s = self._doubted_s = -math.inf
        self._ask_now: asyncio.Event | None = None
        self._is_settled = asyncio.Event()
        """No question is wanted or under way."""
        self._is_settled.set()

    @classmethod
    def own(cls, *, mono: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> CentreClock:
        """Return the clock of the centre: our own date as it is now, counted on."""
        clock = cls(mono=mono, wall=wall)
        clock._is_own = True
        clock._offset_s = clock._drift_s
        return clock

    @property
    def is_known(self) -> bool:
        return self._offset_s is not None

    def now(self) -> float | None:
        """Return the centre's time in seconds since 1970, or None while it is not known."""
        return None if self._offset_s is None else self._mono() + self._offset_s

    def ahead_s(self) -> float | None:
        """Return how far our own date is ahead of the centre's, within `doubt_s`; None while that is not known."""
        now = self.now()
        return None if now is None else self._wall() - now

    def deadline(self, timeout_s: float) -> float:
        """Return the deadline to write into a command that waits ``timeout_s``."""
        now = self.now()
        return FAR_AHEAD if now is None else now + timeout_s

    def is_late(self, deadline: float) -> bool:
        """Return whether a command's deadline has passed; never before the centre's time is known."""
        now = self.now()
        return now is not None and now > deadline

    async def has_passed(self, deadline: float) -> bool:
        """Return whether a deadline has passed, after asking the centre once more if it seems so.

        Asks at most each `DOUBT_EVERY_S` and waits at most `DOUBT_MOST_S`; only while `follow` runs.
        """
        if self._ask_now is not None and self.is_late(deadline):
            if self._is_settled.is_set() and self._mono() - self._doubted_s >= DOUBT_EVERY_S:
                self._doubted_s = self._mono()
                self._is_settled.clear()
                self._ask_now.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(DOUBT_MOST_S):
                    await self._is_settled.wait()
        return self.is_late(deadline)

    def learn(self, told: float, *, asked_mono_s: float, answered_mono_s: float) -> None:
        """Take the centre's answer: it was ``told`` half-way between question and answer (monotonic seconds)."""
        self._offset_s = told - (asked_mono_s + answered_mono_s) / 2
        self.doubt_s = (answered_mono_s - asked_mono_s) / 2
        self._drift_s = self._now_drift()
        self._learned_s = answered_mono_s

    def has_jumped(self) -> bool:
        """Return whether our own wall clock moved against the monotonic one since we learned the offset."""
        return not self._is_own and abs(self._now_drift() - self._drift_s) > JUMP_S

    def is_old(self) -> bool:
        """Return whether the centre's last answer is too old to judge by for long."""
        return not self._is_own and self._mono() - self._learned_s >= ASK_ANEW_S

    async def follow(self, ask: Callable[[], Awaitable[float]], connected: asyncio.Event) -> None:
        """Learn at each connection, after each jump, every few minutes and in doubt, until cancelled.

        ``ask`` returns the centre's time or raises EstradeError; ``connected`` is set at each connection and cleared
        here.
        """
        self._ask_now = connected
        try:
            await self._follow(ask, connected)
        finally:
            self._ask_now = None
            self._is_settled.set()

    async def _follow(self, ask: Callable[[], Awaitable[float]], connected: asyncio.Event) -> None:
        is_answered, last_code = False, ""
        while True:
            if connected.is_set() or self.has_jumped() or self.is_old() or not is_answered:
                connected.clear()
                self._is_settled.clear()
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
                self._is_settled.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_every_s if is_answered else self._ask_again_s):
                    await connected.wait()

    def _now_drift(self) -> float:
        return self._wall() - self._mono()
