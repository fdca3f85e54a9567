"""Tests the room: when it may, step by step, and stopped at once when a lesson begins.

A test is no lesson (DESIGN §6): the on-air sign stays off, no packet leaves, and what camera and microphone give
becomes numbers. The panel says plainly that the room is being tested, and by whom.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from agent.lesson import Lesson
from agent.selftest import line, live
from agent.selftest.line import LineParts, LineTest
from agent.selftest.live import LiveParts
from agent.selftest.room import RoomParts, RoomTest
from agent.selftest.steps import Run
from protocol.errors import LessonTransitionError
from protocol.lesson import RUNNING, LessonState
from protocol.messages import DeviceRole, SelfTestNumber, SelfTestNumbers
from protocol.panel import SelfTestView

log = logging.getLogger(__name__)

AskedBy = Literal["panel", "doctor", "centre", "start"]

WHOLE = (
    "camera", "microphone", "loop", "board-seen", "av-offset", "board-power",
    "broker", "uplink", "turn", "clock", "disk", "encoder",
)  # fmt: skip
QUIET = ("camera", "microphone", "broker", "uplink", "turn", "clock", "disk", "encoder")
MOST_S = 9.5
"""For all steps together: a teacher waits for it."""
WARM_MOST_S = 5.0
ANNOUNCED_S = 3.0
"""Before a test that the centre asked for: who is in the room reads it, and may stop it."""
_ILL = ("failed", "warning")
PAUSE_S = 60.0
"""Between two tests that the centre asks for: a loud sound, and a microphone that is open for some seconds."""


class _Test:
    """One test, from being asked for to its end."""

    def __init__(self, kind: Literal["whole", "quiet"], asked_by: AskedBy, on_change: Callable[[], None]) -> None:
        self.id = secrets.token_hex(6)
        self.kind = kind
        self.asked_by = asked_by
        self.state: Literal["announced", "running", "done", "stopped"] = (
            "announced" if asked_by == "centre" else "running"
        )
        self.began_at = datetime.now(UTC)
        self.began_s = time.monotonic()
        self.elapsed_s: float | None = None
        self.run = Run(WHOLE if kind == "whole" else QUIET, on_change)
        self.over = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "stopped")

    def end(self, state: Literal["done", "stopped"], variant: str) -> None:
        """Settle once how it ended."""
        if self.is_over:
            return
        self.state = state
        self.elapsed_s = time.monotonic() - self.began_s
        self.over.set()
        self.run.leave_out(variant)

    def view(self) -> SelfTestView:
        return SelfTestView(
            id=self.id,
            kind=self.kind,
            asked_by=self.asked_by,
            state=self.state,
            began_at=self.began_at,
            elapsed_s=self.elapsed_s,
            steps=self.run.steps,
        )

    def numbers(self) -> SelfTestNumbers:
        return SelfTestNumbers(
            state="done" if self.state == "done" else "stopped",
            elapsed_s=self.elapsed_s or 0.0,
            steps=tuple(
                SelfTestNumber(id=step.id, state=step.state, value=step.value, unit=step.unit)
                for step in self.run.steps
            ),
        )


class SelfTest:
    """Owns the room's self-test. ``on_change`` hears of each step."""

    def __init__(
        self,
        lesson: Lesson,
        room: RoomParts,
        line_parts: LineParts,
        live_parts: LiveParts,
        *,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._lesson = lesson
        self._room = room
        self._line = line_parts
        self._live = live_parts
        self._on_change = on_change
        self._test: _Test | None = None
        self._asked = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._centre_not_before_s = 0.0
        self._was_running = lesson.state in RUNNING
        lesson.on_change(self._lesson_changed)

    @property
    def view(self) -> SelfTestView | None:
        """The test that runs, or the last one until it is put away."""
        return self._test.view() if self._test else None

    @property
    def is_running(self) -> bool:
        """Whether devices may be open for a test."""
        return self._work is not None or (self._test is not None and not self._test.is_over)

    def start(self, asked_by: AskedBy) -> None:
        """Begin a test, unless one runs already, which then is this one too. Raises LessonTransitionError."""
        if self._lesson.state not in (LessonState.IDLE, LessonState.FAILED):
            raise LessonTransitionError(
                f"cannot test the room while the lesson is {self._lesson.state}; test it before or after",
                code="selftest-not-now",
            )
        if self._test is not None and not self._test.is_over:
            return
        self._begin(_Test("whole", asked_by, self._on_change))

    def stop(self) -> None:
        """End the test that runs, if one does."""
        if self._test is not None and not self._test.is_over:
            log.info("The self-test was stopped", extra={"asked_by": self._test.asked_by})
            self._test.end("stopped", "stopped")
            if self._work is not None:
                self._work.cancel()

    def close(self) -> None:
        """Put away the result."""
        if self._test is not None and self._test.is_over:
            self._test = None
            self._on_change()

    async def for_centre(self) -> SelfTestNumbers:
        """Carry a test out for the centre and return its numbers. Raises LessonTransitionError when it may not be."""
        wait_s = self._centre_not_before_s - time.monotonic()
        if wait_s > 0:
            error = LessonTransitionError(
                f"the room was tested for the centre just now; ask again in {wait_s:.0f} s", code="selftest-not-now"
            )
            raise error
        self.start("centre")
        self._centre_not_before_s = time.monotonic() + PAUSE_S
        test = self._test
        assert test is not None
        await test.over.wait()
        return test.numbers()

    async def run(self) -> None:
        """Carry out what is asked for, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._asked.wait()
                self._asked.clear()
                test = self._test
                if test is None or test.is_over:
                    continue
                self._work = tasks.create_task(self._carry_out(test), name="self-test")
                await asyncio.wait({self._work})
                self._work = None
                test.end("stopped", "stopped")
                self._on_change()

    def _begin(self, test: _Test) -> None:
        self._test = test
        self._asked.set()
        self._on_change()

    def _lesson_changed(self) -> None:
        is_running = self._lesson.state in RUNNING
        if (
            self._lesson.state not in (LessonState.IDLE, LessonState.FAILED)
            and self._test
            and self._test.kind == "whole"
        ):
            self.stop()  # the lesson opens its devices now, and waits for nothing
            self._test = None
        if is_running and not self._was_running:
            self._begin(_Test("quiet", "start", self._on_change))
        elif not is_running and self._was_running and self._test is not None and self._test.kind == "quiet":
            self.stop()
            self._test = None
        self._was_running = is_running

    # --- carrying it out ------------------------------------------------------------------------------------------

    async def _carry_out(self, test: _Test) -> None:
        if test.state == "announced":
            await asyncio.sleep(ANNOUNCED_S)
            test.state = "running"
            self._on_change()
        with suppress(TimeoutError):  # an agent that has only just begun is not the devices' fault
            async with asyncio.timeout(WARM_MOST_S):
                await self._room.host.wait_warm()
        test.began_s = time.monotonic()
        log.info("The room is tested", extra={"kind": test.kind, "asked_by": test.asked_by})
        try:
            async with asyncio.timeout(MOST_S), asyncio.TaskGroup() as tasks:
                self._look_at_line(test, tasks)
                if test.kind == "whole":
                    room = RoomTest(self._room, test.run, self.stop)
                    tasks.create_task(room.carry_out(), name="test the room")
                else:
                    for role in (DeviceRole.CAMERA, DeviceRole.MICROPHONE):
                        see = partial(live.look, self._live, role)
                        tasks.create_task(test.run.step(role, see, live.LIMIT_S), name=f"test {role}")
        except TimeoutError:
            log.warning("The self-test took too long and was ended")
        except Exception:  # a fault of the test's own must not end the agent
            log.exception("The self-test fell")
        test.end("done", "late")
        ill = {word: ", ".join(step.id for step in test.run.steps if step.state == word) for word in _ILL}
        log.info("The room was tested", extra={"kind": test.kind, "took_s": round(test.elapsed_s or 0, 1), **ill})

    def _look_at_line(self, test: _Test, tasks: asyncio.TaskGroup) -> None:
        looks = LineTest(self._line, is_quiet=test.kind == "quiet")
        steps = {
            "broker": looks.broker,
            "uplink": looks.uplink,
            "turn": looks.turn,
            "clock": looks.clock,
            "disk": looks.disk,
            "encoder": looks.encoder,
        }
        if test.kind == "whole":
            steps["board-power"] = looks.power
        for step, look in steps.items():
            tasks.create_task(test.run.step(step, look, line.LIMITS_S[step]), name=f"test {step}")
