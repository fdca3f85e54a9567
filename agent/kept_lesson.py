"""The running lesson on the room's own disk, so that an agent that fell goes on with it (DESIGN §6).

Kept from Start to the lesson's end, with the facts that the teacher set, who may come in among them: by the marks of
tickets, never by a name. It is a promise
between two runs of the agent on one machine, not a message: the centre hears of a resumed lesson by the room's state.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent.audience import Door
from agent.whole_file import write_whole
from protocol.messages import OnAir, Token

log = logging.getLogger(__name__)

RESUME_MOST_S = 600.0
"""A lesson is resumed by itself when it was seen running this lately, in the same boot."""
BEAT_S = 15.0
"""How often a running lesson is noted as running; that much may be missing from its age."""
FALLS_MOST = 5
"""A lesson under which the agent fell so often within `FALL_S` each is not resumed by itself again."""
FALL_S = 60.0
ASK_MOST = timedelta(hours=2)
"""After a reboot the panel asks; the lesson of this morning is no question in the afternoon."""

Verdict = Literal["resume", "ask", "forget"]


class KeptLesson(BaseModel):
    """What is on disk. ``…_mono_s`` are CLOCK_MONOTONIC of ``boot``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    boot: str
    lesson: Token
    started_at: AwareDatetime
    began_mono_s: float
    taken_up_mono_s: float = Field(description="when this run of the agent began or resumed it")
    alive_mono_s: float
    alive_at: AwareDatetime
    paused: bool = False
    frozen: bool = False
    on_air: OnAir = OnAir()
    muted_from_afar: bool = False
    microphone: str | None = Field(default=None, description="which one somebody in the room wants, of several")
    door: Door = Door()
    viewers_most: int = Field(default=0, ge=0)
    is_over: bool = Field(default=False, description="it was being closed: whatever comes, it is not gone on with")
    falls: int = Field(default=0, ge=0, description="how often the agent fell under it, each soon after the last")


class LessonKeeper:
    """Owns the file. Writes are small, atomic and on the loop; a disk that takes none costs the resuming alone."""

    def __init__(
        self,
        path: Path,
        boot: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.boot = boot
        self._path = path
        self._clock = clock
        self._now = now
        self._is_told = False

    def load(self) -> KeptLesson | None:
        """Return the lesson that an earlier run of the agent left running, if it left one."""
        try:
            return KeptLesson.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            log.warning("What was kept of a lesson cannot be read and is dropped", extra={"path": str(self._path)})
            self.forget()
            return None

    def verdict(self, kept: KeptLesson) -> Verdict:
        """Say what is right for a lesson that was left running."""
        if kept.is_over:
            return "forget"
        if kept.boot == self.boot and self._clock() - kept.alive_mono_s <= RESUME_MOST_S:
            return "resume" if self.falls(kept) <= FALLS_MOST else "ask"
        return "ask" if timedelta(0) <= self._now() - kept.alive_at <= ASK_MOST else "forget"

    def falls(self, kept: KeptLesson) -> int:
        """Return how often the agent has now fallen under this lesson, each time soon after it had taken it up."""
        return kept.falls + 1 if kept.alive_mono_s - kept.taken_up_mono_s < FALL_S else 1

    def keep(self, kept: KeptLesson) -> None:
        """Write the lesson as it stands now."""
        try:
            write_whole(self._path, kept.model_dump_json().encode())
        except OSError as error:
            if not self._is_told:
                self._is_told = True
                log.error("The lesson cannot be kept on disk", extra={"path": str(self._path), "reason": str(error)})

    def forget(self) -> None:
        """The lesson is over, or nobody wants it any more."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.error("What was kept of a lesson cannot be removed", extra={"reason": str(error)})
