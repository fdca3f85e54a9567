"""How much a thin line carries, found without filling it: by pairs of ICE checks, a light one and a heavy one right
behind it, which every browser answers as it must answer any (ADR 0013).

What the second answer comes later is what the line takes for the ballast. A busy computer, ours or the pupil's, answers
both late, and seldom the second alone; so what a line carries is what its best pair says, and a line is thin only if
pairs agree.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial

BALLAST_BYTES = 1_100
"""Of a heavy check: 0.16 s of a line of 64 kb/s, as a part of the board in tiles."""
CHECK_BYTES = 148
"""The rest of it, UDP and IPv6."""
HEAVY_BITS = 8 * (BALLAST_BYTES + CHECK_BYTES)
AGREE, MOST_PAIRS = 2, 5
"""Pairs that must agree that a line is thin; so many are sent where some are lost."""
ANSWER_S, GAP_S = 1.0, 0.4
"""A light check is answered sooner wherever a lesson can be followed; a heavy one follows its light one this soon from
25 kb/s on."""
BEAT_S = 0.01
"""How often this process looks how late it is itself."""

Ask = Callable[[int, Callable[[], None]], Callable[[], None]]
"""Sends a check of so many bytes more than it needs; calls when the answer comes; returns what ends the waiting."""


class LineTrial:
    """Pairs of checks over one line, on the loop that runs. ``ask`` sends a check."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._loop = asyncio.get_running_loop()

    async def carries_bps(self, enough_bps: float) -> float | None:
        """Return what the line carries in bit/s, as far as ``enough_bps``; None: no pair was answered."""
        best_bps, told = None, 0
        for _ in range(MOST_PAIRS):
            apart_s = await self._pair()
            if apart_s is None:
                continue
            best_bps = max(best_bps or 0.0, HEAVY_BITS / apart_s if apart_s > 0 else math.inf)
            told += 1
            if best_bps >= enough_bps or told == AGREE:
                break
        return best_bps

    async def _pair(self) -> float | None:
        """Return how much later the heavy check was answered, less what we may be late; None: one was not."""
        came_s: dict[int, float] = {}
        light, heavy = asyncio.Event(), asyncio.Event()

        def answered(ballast_bytes: int, came: asyncio.Event) -> None:
            came_s[ballast_bytes] = self._loop.time()
            came.set()

        beat = _Beat(self._loop)
        ends = [
            self._ask(ballast_bytes, partial(answered, ballast_bytes, came))
            for ballast_bytes, came in ((0, light), (BALLAST_BYTES, heavy))
        ]
        try:
            async with asyncio.timeout(ANSWER_S):
                await light.wait()
            async with asyncio.timeout(GAP_S):
                await heavy.wait()
        except TimeoutError:
            return None
        finally:
            beat.stop()
            for end in ends:
                end()
        return max(0.0, came_s[BALLAST_BYTES] - came_s[0] - beat.late_s)


class _Beat:
    """Finds how late the loop calls back, at the most."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.late_s = 0.0
        self._loop = loop
        self._set()

    def stop(self) -> None:
        self._look()
        self._timer.cancel()

    def _set(self) -> None:
        self._due_s = self._loop.time() + BEAT_S
        self._timer = self._loop.call_at(self._due_s, self._again)

    def _again(self) -> None:
        self._look()
        self._set()

    def _look(self) -> None:
        self.late_s = max(self.late_s, self._loop.time() - self._due_s)
