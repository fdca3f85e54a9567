"""The red corner on the board, lit by the on-air sign alone (DESIGN §6): live is visible from the back of the room."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from protocol.messages import Sign

log = logging.getLogger(__name__)

LOOK_S = 0.25
"""How often the sign is looked at; the corner is gone within a second after it."""
AGAIN_S = 5.0
"""A screen that takes no window is asked again so often."""


class RedCorner:
    """A process that shows the corner on one X11 display while the sign is not off; none runs while it is."""

    def __init__(self, display: str, sign: Callable[[], Sign]) -> None:
        self._display = display
        self._sign = sign
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Follow the sign until cancelled; the corner is gone then."""
        loop = asyncio.get_running_loop()
        not_before_s = 0.0
        level = logging.WARNING
        try:
            while True:
                is_lit = self._sign() is not Sign.OFF
                if self._process is not None and self._process.returncode is not None:
                    log.log(level, "The red corner cannot be shown", extra={"display": self._display})
                    level = logging.DEBUG
                    self._process, not_before_s = None, loop.time() + AGAIN_S
                if is_lit and self._process is None and loop.time() >= not_before_s:
                    self._process = await asyncio.create_subprocess_exec(
                        sys.executable, "-m", "agent.devices.x11_corner", self._display, str(os.getpid()),
                        stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                    )  # fmt: skip
                elif not is_lit:
                    await self._away()
                await asyncio.sleep(LOOK_S)
        finally:
            await self._away()

    async def _away(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
