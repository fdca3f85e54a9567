"""When the agent was started in the last hour of this boot: a program that falls again and again is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent.whole_file import read_kept, write_whole

log = logging.getLogger(__name__)

HOUR_S = 3600.0
MOST = 100


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    boot: str
    falls: tuple[float, ...] = ()
    """CLOCK_MONOTONIC of the starts that followed a fall."""
    is_running: bool = True
    """False once the last run left in order."""


class Starts:
    """Owns the file. ``began`` once at start, ``left`` on the way out in order; a run that did not say so fell."""

    def __init__(self, path: Path, boot: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._boot = boot
        self._clock = clock
        self._falls: tuple[float, ...] = ()

    def began(self) -> None:
        """Note this start, and that the run before it fell unless it said that it left."""
        kept = self._load()
        if kept is not None and kept.boot == self._boot:
            self._falls = (*kept.falls, self._clock())[-MOST:] if kept.is_running else kept.falls
        self._write(is_running=True)

    def left(self) -> None:
        """Note that this run ends in order."""
        self._write(is_running=False)

    def falls(self) -> int:
        """Return how often the agent fell within the last hour of this boot."""
        since_s = self._clock() - HOUR_S
        return sum(1 for mono_s in self._falls if mono_s > since_s)

    def _load(self) -> _Kept | None:
        return read_kept(self._path, _Kept, "What was kept of earlier starts cannot be read")

    def _write(self, *, is_running: bool) -> None:
        kept = _Kept(boot=self._boot, falls=self._falls, is_running=is_running)
        try:
            write_whole(self._path, kept.model_dump_json().encode())
        except OSError as error:  # the disk has a check of its own
            log.warning("This start cannot be noted", extra={"path": str(self._path), "reason": str(error)})
