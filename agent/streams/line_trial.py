"""How much a viewer's line carries, tried before anything else is sent over it, or more than before: with heavy checks,
which every browser answers as it must answer any (ADR 0013). What waits longer than a light one waits for the line."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial

BALLAST_BYTES, LESS_BALLAST_BYTES = 1_100, 400
"""Of a check while nothing else is sent, and on a line in use."""
CHECK_BYTES = 148
"""The rest of it, UDP and IPv6."""
FEW, MANY = 2, 10
"""Heavy checks of a train. Few wait 0.31 s for each other on a line of 64 kb/s, whose router may drop what waits longer
than half a second; many 0.33 s where few have shown that it carries the following."""
AGAIN_S, MOST_AGAIN = 0.03, 16
"""Trains over a line in use take as long where it carries what is asked for; one check at least, which a voice at
64 kb/s waits 0.07 s for."""
MANY_FROM_BPS = 300_000
SHORT_S = 0.025
"""There and back: a local network or a fibre, of which more cannot be told from a busy computer's own pauses. DSL takes
this long at the least, a phone twice as long, and a thin line for a light check alone."""
FEW_TRAINS, SHORT_TRAINS, TRAINS = 2, 4, 3
"""At most: what a busy computer answers late is not its line's doing, so the soonest answers count."""
DOUBTFUL = 2.0
"""Carrying less than half of what is asked for, a line is not tried further."""
ANSWER_S = 1.0
"""Few answer sooner wherever a lesson can be followed."""
GAP_S = 0.25
"""After an answer, before the next: on a line of 64 kb/s it is 0.16 s."""
ALL_S = 2.5

Ask = Callable[[int, Callable[[], None]], Callable[[], None]]
"""Sends a check of so many bytes more than it needs; calls when the answer comes; returns what ends the waiting."""


class LineTrial:
    """Trains of checks over one line. ``ask`` sends a check, ``now`` is the loop's clock."""

    def __init__(self, ask: Ask, now: Callable[[], float]) -> None:
        self._ask, self._now = ask, now
        self._begun_s = now()
        self._ballast_bytes = BALLAST_BYTES
        self._light_s = math.inf
        """The soonest answer to a light check."""
        self._heavy_s: dict[int, float] = {}
        """The soonest answer to the last of so many heavy ones."""

    async def first(self, enough_bps: float) -> float | None:
        """Return what the line carries in bit/s, as far as it was tried; None where no answer tells.

        ``enough_bps`` is not looked beyond. Takes `ALL_S` at most.
        """
        few_bps = await self._best(FEW, FEW_TRAINS, MANY_FROM_BPS)
        is_short = self._light_s <= SHORT_S
        if is_short and (few_bps or 0.0) < MANY_FROM_BPS:
            few_bps = await self._best(FEW, SHORT_TRAINS, MANY_FROM_BPS)
        if few_bps is None or few_bps < MANY_FROM_BPS:
            return few_bps
        if is_short:
            return enough_bps
        return await self._best(MANY, TRAINS, enough_bps) or MANY_FROM_BPS

    async def again(self, enough_bps: float) -> float | None:
        """Return the same of a line that is in use, as far as ``enough_bps``, and gently."""
        self._ballast_bytes = LESS_BALLAST_BYTES
        length = max(1, min(MOST_AGAIN, int(enough_bps * AGAIN_S / self._heavy_bits)))
        return await self._best(length, TRAINS, enough_bps, hopeless_bps=enough_bps / DOUBTFUL)

    async def _best(self, length: int, trains: int, enough_bps: float, *, hopeless_bps: float = 0.0) -> float | None:
        bps, told = None, 0
        while told < trains and self._now() - self._begun_s + ANSWER_S <= ALL_S:
            await self._train(length)
            bps = self._carries_bps(length)
            if bps is not None:
                told += 1
                if bps >= enough_bps or bps < hopeless_bps:
                    break
        return bps

    @property
    def _heavy_bits(self) -> int:
        return 8 * (self._ballast_bytes + CHECK_BYTES)

    def _carries_bps(self, length: int) -> float | None:
        """Return the most that an answer of the last half of a train tells: a pause of the other end is in the others.

        Where all of those were lost, the last one that came.
        """
        came = [number for number in self._heavy_s if number <= length]
        if not came or self._light_s == math.inf:
            return None
        last = [number for number in came if 2 * number > length] or [max(came)]
        return max(number * self._heavy_bits / max(0.001, self._heavy_s[number] - self._light_s) for number in last)

    async def _train(self, length: int) -> None:
        """Send a light check and so many heavy ones; keep the soonest answers. Some may be lost, on either way."""
        begun_s = self._now()
        came: set[int] = set()
        one_came = asyncio.Event()

        def answered(number: int) -> None:
            took_s = self._now() - begun_s
            came.add(number)
            if number:
                self._heavy_s[number] = min(took_s, self._heavy_s.get(number, math.inf))
            else:
                self._light_s = min(took_s, self._light_s)
            one_came.set()

        ballasts = (0, *[self._ballast_bytes] * length)
        ends = [self._ask(ballast, partial(answered, number)) for number, ballast in enumerate(ballasts)]
        try:
            while length not in came:
                one_came.clear()
                async with asyncio.timeout(GAP_S if came else ANSWER_S):
                    await one_came.wait()
        except TimeoutError:
            pass  # what is missing was lost
        finally:
            for end in ends:
                end()
