"""Has a calendar read by `controller.schedule.ical_child`, and ends that process in whatever case."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from controller.schedule.plan import Reading
from protocol.errors import CalendarError

DEADLINE_S = 60.0
"""For five seconds of the processor, where others come first: 27 s were seen on a machine with six times its work."""
MOST_ANSWER_BYTES = 16 * 2**20
"""20,000 lessons are 8 MB."""
CHILD = (sys.executable, "-I", "-m", "controller.schedule.ical_child")


async def read_calendar(
    body: bytes, zone: ZoneInfo, since: datetime, until: datetime, *, deadline_s: float = DEADLINE_S
) -> Reading:
    """Return what a calendar says from ``since`` until ``until``, both aware.

    Raises CalendarError ``calendar-unreadable`` or ``calendar-too-large``.
    """
    head = {"zone": zone.key, "since": since.isoformat(), "until": until.isoformat()}
    none, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    # Nothing of our environment is its business; a traceback would have names of people in it.
    process = await asyncio.create_subprocess_exec(*CHILD, stdin=pipe, stdout=pipe, stderr=none, env={})
    try:
        async with asyncio.timeout(deadline_s):
            answer = await _ask(process, json.dumps(head).encode() + b"\n" + body)
            code = await process.wait()
    except TimeoutError:
        raise CalendarError(f"the calendar was not read within {deadline_s:g} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise CalendarError("reading the calendar takes too long: a rule without end, perhaps")
    return _reading(answer, code)


async def _ask(process: asyncio.subprocess.Process, request: bytes) -> bytes:
    """Write all, then read all: it answers when it has heard everything."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(ConnectionError):  # it ended before it had heard all; how, its status says
        process.stdin.write(request)
        await process.stdin.drain()
        process.stdin.close()
    answer = bytearray()
    while part := await process.stdout.read(65_536):
        answer += part
        if len(answer) > MOST_ANSWER_BYTES:
            raise CalendarError("the calendar has more lessons than are taken", code="calendar-too-large")
    return bytes(answer)


def _reading(answer: bytes, code: int) -> Reading:
    try:
        said = json.loads(answer)
        if "error" in said:
            raise CalendarError(said["error"], code=said["code"])
        return Reading.model_validate(said)
    except (ValueError, TypeError, KeyError, ValidationError) as error:
        raise CalendarError(f"the calendar made its reader fall (status {code})") from error
