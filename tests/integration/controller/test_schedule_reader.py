"""The process that reads a calendar ends by itself, whatever the calendar is."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from controller.schedule.plan import Reading
from controller.schedule.reader import CHILD, DEADLINE_S, read_calendar
from protocol.errors import CalendarError
from tests.ical import calendar, lesson
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)  # a reading has a minute where the machine is busy

PARIS = ZoneInfo("Europe/Paris")
SINCE, UNTIL = datetime(2026, 11, 30, tzinfo=PARIS), datetime(2027, 1, 29, tzinfo=PARIS)


def readers() -> list[psutil.Process]:
    """Return our processes that read a calendar; other tests of this process have their own."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if process.cmdline()[-1:] == [CHILD[-1]]:
                found.append(process)
    return found


@pytest.fixture(autouse=True)
def no_child_stays() -> Iterator[None]:
    """However a reading ends, its process ends with it."""
    yield
    assert readers() == []


async def read(body: bytes, deadline_s: float = DEADLINE_S) -> Reading:
    return await read_calendar(body, PARIS, SINCE, UNTIL, deadline_s=deadline_s)


@pytest.fixture
def without_old_garbage() -> Iterator[None]:
    """The garbage that is collected is ours, not what all tests before left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("without_old_garbage")
async def test_a_year_of_a_school_is_read_and_the_loop_turns_meanwhile() -> None:
    """As many events as are taken, each weekly. A turn is counted in our thread's time of the processor; the centre's
    bar is 100 ms."""
    weekly = "RRULE:FREQ=WEEKLY;UNTIL=20270701T000000Z"
    body = calendar(*(lesson(str(number), f"202609{1 + number % 28:02}T080000", weekly) for number in range(2_000)))
    task = asyncio.create_task(read(body))
    longest_s = 0.0
    while not task.done():
        before_s = time.thread_time()
        await asyncio.sleep(0.001)
        longest_s = max(longest_s, time.thread_time() - before_s)
    reading = await task
    assert len({event.uid for event in reading.timed}) == 2_000
    assert len(reading.timed) > 16_000
    assert all(SINCE <= event.begins < UNTIL for event in reading.timed)
    assert reading.problems == ()
    assert longest_s < 0.05


async def test_an_answer_without_end_is_let_go_at_its_bound() -> None:
    weekly = "RRULE:FREQ=DAILY;UNTIL=20270701T000000Z"
    body = calendar(*(lesson(str(number), "20260901T080000", weekly) for number in range(300)))
    with pytest.raises(CalendarError, match="more lessons than are taken") as caught:
        await read_calendar(body, PARIS, SINCE, UNTIL, most_answer_bytes=1_000)
    assert caught.value.code == "calendar-too-large"


async def test_what_the_child_refuses_is_said_with_its_code() -> None:
    with pytest.raises(CalendarError, match="a page to sign in") as caught:
        await read(b"<html>")
    assert (caught.value.code, caught.value.retryable) == ("calendar-unreadable", False)
    with pytest.raises(CalendarError, match="2001 events") as caught:
        await read(calendar(*(lesson(str(number)) for number in range(2_001))))
    assert caught.value.code == "calendar-too-large"


def zone_without_end(rule: str) -> str:
    return "\n".join(
        ["BEGIN:VTIMEZONE", "TZID:Ours", "BEGIN:STANDARD", "DTSTART:19700101T000000", f"RRULE:{rule}",
         "TZOFFSETFROM:+0300", "TZOFFSETTO:+0300", "END:STANDARD", "END:VTIMEZONE"]
    )  # fmt: skip


BOMBS = {
    "rule": calendar(
        *(lesson(str(n), "20200101T080000", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30") for n in range(50))
    ),
    "zone": calendar("UID:1\nDTSTART;TZID=Ours:20261201T080000\nDURATION:PT1H", head=zone_without_end("FREQ=SECONDLY")),
    "nested": b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nBEGIN:VALARM\r\n" * 1_000 + b"END:VCALENDAR",
    "deep": b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VALARM\r\n" * 20_000 + b"END:VALARM\r\n" * 20_000 + b"END:VCALENDAR",
    "long-line": b"BEGIN:VCALENDAR\r\nSUMMARY:" + b"x" * 5_000_000 + b"\r\nEND:VCALENDAR",
    "folds": b"BEGIN:VCALENDAR\r\nX-A:" + b"\r\n x" * 1_000_000 + b"\r\nEND:VCALENDAR",
    "quotes": b'BEGIN:VCALENDAR\r\nX-A;B="' + b'\\"; ' * 1_000_000 + b'":x\r\nEND:VCALENDAR',
    "categories": calendar(lesson("1", "20261201T080000", "CATEGORIES:" + "a," * 100_000)),
    "nulls": b"BEGIN:VCALENDAR\r\n" + b"\0" * 1_000_000 + b"\r\nEND:VCALENDAR",
}


async def outcome(body: bytes) -> CalendarError | None:
    """Return how a reading failed, None where it did not."""
    try:
        await read(body)
    except CalendarError as error:
        return error
    return None


@pytest.mark.parametrize("name", BOMBS)
async def test_no_calendar_takes_more_than_its_share(name: str) -> None:
    ours = psutil.Process()
    before = ours.cpu_times()
    error = await outcome(BOMBS[name])
    after = ours.cpu_times()
    assert error is None or error.code in ("calendar-unreadable", "calendar-too-large")
    used_s = after.children_user + after.children_system - before.children_user - before.children_system
    assert used_s < 7.0
    if name == "rule":
        assert error is not None
        assert "a rule without end" in error.message


@pytest.mark.parametrize(
    ("act", "error"),
    [("bytearray(2**28)", "MemoryError"), ("open('made', 'wb', 0).write(b'x')", "File too large")],
    ids=["memory", "files"],
)
def test_memory_and_files_are_bound(act: str, error: str, tmp_path: Path) -> None:
    program = f"from controller.schedule.ical_child import set_bounds; set_bounds(); {act}"
    argv = [sys.executable, "-I", "-c", program]
    ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert error in ended.stderr


async def test_the_deadline_ends_it() -> None:
    began_s = time.monotonic()
    with pytest.raises(CalendarError, match=r"not read within 0\.3 s"):
        await read(BOMBS["rule"], deadline_s=0.3)
    assert time.monotonic() - began_s < 5.0


async def child() -> psutil.Process:
    """Wait for the process that reads, and return it."""

    (found,) = await until(readers, "a process that reads")
    assert isinstance(found, psutil.Process)
    return found


async def test_who_stops_waiting_ends_it_and_it_has_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESTRADE_TOKEN", "secret")
    reading = asyncio.create_task(read(BOMBS["rule"]))
    environment = (await child()).environ()
    assert "secret" not in environment.values()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_process_that_falls_is_an_unreadable_calendar() -> None:
    reading = asyncio.create_task(read(BOMBS["rule"]))
    (await child()).send_signal(signal.SIGSEGV)
    with pytest.raises(CalendarError, match="made its reader fall") as caught:
        await reading
    assert caught.value.code == "calendar-unreadable"
