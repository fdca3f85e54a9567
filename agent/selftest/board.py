"""The two small processes of the self-test's look at the board: what shows the card, and what finds the marker."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.devices.marker import SIZE, Corner
from protocol.errors import DeviceNotFoundError

SHOW_MOST_S = 2.5
"""To draw on a machine that is busy; usually it takes milliseconds."""


class Card:
    """What the board shows for a moment instead of its own picture. ``on_touch`` hears of a finger on it."""

    def __init__(self, process: asyncio.subprocess.Process, on_touch: Callable[[], None]) -> None:
        self._process = process
        self._on_touch = on_touch
        self._shown: asyncio.Queue[float | None] = asyncio.Queue()

    async def show(self, card: str) -> float:
        """Show a card of `agent.devices.x11_card.CARDS`; return CLOCK_MONOTONIC of when it was drawn.

        Raises DeviceNotFoundError when nothing can be shown.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(card.encode() + b"\n")
            async with asyncio.timeout(SHOW_MOST_S):
                shown = await self._shown.get()
        except (ConnectionError, TimeoutError):
            shown = None
        if shown is None:
            raise DeviceNotFoundError("nothing can be shown on the board's display; see that its X session runs")
        return shown

    async def follow(self) -> None:
        """Hear what the process says, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            if word == "shown":
                self._shown.put_nowait(float(rest))
            elif word == "touched":
                self._on_touch()
        self._shown.put_nowait(None)


@asynccontextmanager
async def card_on(display: str, on_touch: Callable[[], None]) -> AsyncIterator[Card]:
    """Have the card ready; from its first `Card.show` on it covers the board until the body ends."""
    async with _process("agent.devices.x11_card", display, str(os.getpid())) as process:
        card = Card(process, on_touch)
        following = asyncio.create_task(card.follow(), name="board card")
        try:
            yield card
        finally:
            following.cancel()


class Finder:
    """Finds the marker in one picture after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def find(self, luma: NDArray[np.uint8]) -> tuple[Corner, ...] | None:
        """Return the marker's corners in a picture's Y rows, shape ``(height, width)``; None where it is not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        height_px, width_px = luma.shape
        try:
            self._process.stdin.write(SIZE.pack(width_px, height_px) + luma.tobytes())
            await self._process.stdin.drain()
            line = await self._process.stdout.readline()
        except ConnectionError:
            line = b""
        if not line:
            raise RuntimeError("the program that looks for the marker ended")
        found: Any = json.loads(line)
        return None if found is None else tuple((float(x), float(y)) for x, y in found)


@asynccontextmanager
async def finder() -> AsyncIterator[Finder]:
    """Have the finder ready until the body ends."""
    async with _process("agent.devices.marker") as process:
        yield Finder(process)


@asynccontextmanager
async def _process(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
