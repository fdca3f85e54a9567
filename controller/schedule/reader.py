"""Has a calendar read by `controller.schedule.ical_child`, and ends that process in whatever case."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError

from controller.schedule.plan import Reading, Timed, Unlaid, WholeDay
from protocol.errors import CalendarError

DEADLINE_S = 60.0
"""For five seconds of the processor, where others come first: 27 s were seen on a machine with six times its work."""
MOST_ANSWER_BYTES = 16 * 2**20
"""20,000 lessons are 8 MB."""
_PART_BYTES = 65_536
CHILD = (sys.executable, "-I", "-m", "controller.schedule.ical_child")


class _Line(BaseModel):
    """One line of what the child answers: one thing that the calendar says, or why it says nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timed: Timed | None = None
    whole_day: WholeDay | None = None
    problem: Unlaid | None = None
    error: str | None = None
    code: str | None = None


async def read_calendar(
    body: bytes,
    zone: ZoneInfo,
    since: datetime,
    until: datetime,
    *,
    deadline_s: float = DEADLINE_S,
    most_answer_bytes: int = MOST_ANSWER_BYTES,
) -> Reading:
    """Return what a calendar says from ``since`` until ``until``, both aware.

    Raises CalendarError ``calendar-unreadable`` or ``calendar-too-large``.
    """
    head = {"zone": zone.key, "since": since.isoformat(), "until": until.isoformat()}
    none, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    # Nothing of our environment is its business; a traceback would have names of people in it.
    process = await asyncio.create_subprocess_exec(*CHILD, stdin=pipe, stdout=pipe, stderr=none, env={})
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(deadline_s):
            await _tell(process.stdin, json.dumps(head).encode() + b"\n" + body)
            reading = await _heard(process.stdout, most_answer_bytes)
            status = await process.wait()
    except TimeoutError:
        raise CalendarError(f"the calendar was not read within {deadline_s:g} s") from None
    except ValidationError as error:
        raise CalendarError("the calendar made its reader say what cannot be") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        while await process.stdout.read(
            _PART_BYTES
        ):  # asyncio has no end of a process whose pipe is not read to its end
            pass
        await process.wait()
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        raise CalendarError("reading the calendar takes too long: a rule without end, perhaps")
    if status != 0:
        raise CalendarError(f"the calendar made its reader fall (status {status})")
    return reading


async def _tell(pipe: asyncio.StreamWriter, request: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it ended before it had heard all; how, its status says
        pipe.write(request)
        await pipe.drain()
        pipe.close()


async def _heard(pipe: asyncio.StreamReader, most_bytes: int) -> Reading:
    """Read what it answers when it has heard everything; line by line, for all at once would hold up the loop."""
    timed: list[Timed] = []
    whole_days: list[WholeDay] = []
    problems: list[Unlaid] = []
    size = 0
    begun = b""
    while part := await pipe.read(_PART_BYTES):
        size += len(part)
        if size > most_bytes:
            raise CalendarError("the calendar has more lessons than are taken", code="calendar-too-large")
        *lines, begun = (begun + part).split(b"\n")
        for line in map(_Line.model_validate_json, lines):
            if line.error is not None:
                raise CalendarError(line.error, code=line.code)
            if line.timed is not None:
                timed.append(line.timed)
            if line.whole_day is not None:
                whole_days.append(line.whole_day)
            if line.problem is not None:
                problems.append(line.problem)
    return Reading(timed=tuple(timed), whole_days=tuple(whole_days), problems=tuple(problems))
