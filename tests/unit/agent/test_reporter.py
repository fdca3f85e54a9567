"""A critical check does not wait for the next health, and neither does one that comes while a health is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from agent.reporter import HEALTH_S, Reporter
from agent.room_checks import RoomChecks
from protocol.lesson import LessonState
from protocol.messages import Check, CheckStatus, Health, OnAir, Sign, Text
from protocol.topics import RoomTopics

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SOON_S = HEALTH_S / 4


def fault(name: str, status: CheckStatus = CheckStatus.CRITICAL) -> Check:
    return Check(id=name, status=status, since=AT, message=Text(fr=name, en=name))


class Line:
    """A link that keeps each health; ``while_publishing`` is called during the next one."""

    sid = "s-1"
    is_connected = True

    def __init__(self) -> None:
        self.told: list[list[str]] = []
        self.while_publishing: Callable[[], None] | None = None
        self.came = asyncio.Event()

    def on_connected(self, listener: Callable[[], None]) -> None: ...

    async def publish(self, topic: str, message: BaseModel, **_: Any) -> None:
        if isinstance(message, Health):
            self.told.append([check.id for check in message.checks or ()])
            act, self.while_publishing = self.while_publishing, None
            if act is not None:
                act()
            self.came.set()


def reporter_of(line: Line, checks: RoomChecks) -> Reporter:
    lesson = SimpleNamespace(
        state=LessonState.IDLE, publisher=None, report=None, paused=False, frozen=False, on_air=OnAir(),
        is_recorded=lambda: False,
        device_reports=tuple, proposal=None, problem=None, sign=lambda: Sign.OFF, on_change=lambda listener: None,
    )  # fmt: skip
    nothing: Any = SimpleNamespace(problem=None, document=None, checks=tuple, check=lambda: None)
    topics, fake_line, fake_lesson = RoomTopics("075", "salle-b12"), line, lesson
    return Reporter(topics, fake_line, fake_lesson, nothing, nothing, nothing, nothing, checks)  # type: ignore[arg-type]


async def test_what_becomes_critical_is_told_at_once_also_while_a_health_is_made() -> None:
    line, checks, now = Line(), RoomChecks(), list[Check]()
    checks.add(lambda: tuple(now))
    reporter = reporter_of(line, checks)

    def becomes(check: Check) -> None:
        now.append(check)
        checks.look()

    running = asyncio.create_task(reporter.run())
    line.while_publishing = lambda: becomes(fault("sound-dead"))
    await asyncio.sleep(0)
    becomes(fault("picture-black"))
    async with asyncio.timeout(SOON_S):
        while len(line.told) < 2:
            line.came.clear()
            await line.came.wait()
    assert line.told == [["picture-black"], ["picture-black", "sound-dead"]]
    becomes(fault("picture-blurred", CheckStatus.WARNING))
    line.came.clear()
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await line.came.wait()
    assert len(line.told) == 2  # a warning goes with the next one
    running.cancel()
    await asyncio.wait({running})
