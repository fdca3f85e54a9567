"""How much a thin line carries, found without filling it: by pairs of ICE checks, a light one and a heavy one right
behind it, which every browser answers as it must answer any (ADR 0013).

What the second answer comes later is what the line takes for the ballast. A busy computer, ours or the pupil's, answers
both late, and seldom the second alone; so a line is thin only if pairs agree.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

BALLAST_BYTES, LESS_BALLAST_BYTES = 1_100, 500
"""Of a heavy check while nothing else is sent, and on a line in use: 0.16 s and 0.08 s of a line of 64 kb/s, on which
the sound waits behind it."""
CHECK_BYTES = 148
"""The rest of it, UDP and IPv6."""
THIN_BPS = 160_000
"""A line that carries no more has room for no video beside the voice. It takes 0.06 s for a heavy check, which is twice
a phone's jitter."""
FIRST_S = 2.0
"""At most for the first trial, while a line of 64 kb/s shakes hands."""
AGREE, MOST_PAIRS = 2, 5
"""Pairs that must agree that a line is thin; so many are sent where some are lost."""
ANSWER_S, GAP_S = 0.7, 0.4
"""A light check is answered sooner wherever a lesson can be followed, also behind the greeting of DTLS at 64 kb/s; the
heavy one follows its light one this soon from 25 kb/s on."""
CLEAR_S = 0.15
"""After a light check that took longer, answers may have waited behind something else and so come together: where
DTLS's greeting fills a thin way back they do. Then one pair does not tell that a line is wide."""
BEAT_S = 0.005
"""How often this process notes that it is there."""

Ask = Callable[[int, Callable[[], None]], Callable[[], None]]
"""Sends a check of so many bytes more than it needs; calls when the answer comes; returns what ends the waiting."""


@dataclass(frozen=True, slots=True)
class _Pair:
    light_s: float
    """Until the light check was answered."""
    apart_s: float
    """How much later the heavy one was, as far as that was not us."""


class LineTrial:
    """Pairs of checks over one line, on the loop that runs. ``ask`` sends a check."""

    def __init__(self, ask: Ask, ballast_bytes: int = BALLAST_BYTES) -> None:
        self._ask = ask
        self._ballast_bytes = ballast_bytes
        self._loop = asyncio.get_running_loop()
        self.seems_thin = True
        """A pair said so, or the first one's answers are waited for: who can waits for the end, too."""

    async def thin_bps(self) -> float | None:
        """Return what a thin line carries in bit/s; None: it is not thin, or that cannot be told. Within `FIRST_S`."""
        bps = None
        try:
            async with asyncio.timeout(FIRST_S):
                bps = await self.carries_bps(THIN_BPS)
        except TimeoutError:
            pass
        finally:
            self.seems_thin = False
        return bps if bps is not None and bps < THIN_BPS else None

    async def carries_bps(self, enough_bps: float) -> float | None:
        """Return what the line carries in bit/s, as far as ``enough_bps``; None: too few pairs were answered."""
        heavy_bits = 8 * (self._ballast_bytes + CHECK_BYTES)
        enough: list[float] = []
        little: list[float] = []
        for _ in range(MOST_PAIRS):
            pair = await self._pair()
            if pair is not None:
                if pair.light_s * enough_bps < 8 * CHECK_BYTES:
                    return math.inf  # less would have taken longer for the light check alone
                bps = heavy_bits / pair.apart_s if pair.apart_s > 0 else math.inf
                told = enough if bps >= enough_bps else little
                told.append(bps)
                if len(told) == AGREE or (told is enough and pair.light_s <= CLEAR_S):
                    return max(told)
            self.seems_thin = bool(enough or little)
        return None

    async def _pair(self) -> _Pair | None:
        """Send a light check and a heavy one; None: one was not answered."""
        begun_s, beat = self._loop.time(), _Beat(self._loop)
        light, heavy = self._loop.create_future(), self._loop.create_future()

        def light_came() -> None:
            if not light.done():
                light.set_result(self._loop.time())

        def heavy_came() -> None:
            if not heavy.done():
                heavy.set_result(beat.before_last_s)

        ends = [self._ask(0, light_came), self._ask(self._ballast_bytes, heavy_came)]
        try:
            async with asyncio.timeout(ANSWER_S):
                light_s: float = await light
            async with asyncio.timeout(GAP_S):
                heavy_s: float = await heavy
        except TimeoutError:
            return None
        finally:
            beat.stop()
            for end in ends:
                end()
        return _Pair(light_s - begun_s, max(0.0, heavy_s - light_s))


class _Beat:
    """Notes when the loop was there: what it reads now had not come at its last look but one, whatever it did since.

    A loop may look for timers first and then for what came, so one turn is not enough.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.before_last_s = self._last_s = loop.time()
        self._set()

    def stop(self) -> None:
        self._timer.cancel()

    def _set(self) -> None:
        self._timer = self._loop.call_later(BEAT_S, self._again)

    def _again(self) -> None:
        self.before_last_s, self._last_s = self._last_s, self._loop.time()
        self._set()
