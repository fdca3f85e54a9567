"""A calendar asked for again and again: what is new is taken, and what fails leaves what was there, with its age."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controller.config import FetchConfig
from controller.pki import CertificateAuthority
from controller.safe_http import SafeHttp
from controller.schedule.calendars import AT_ONCE, Calendars, CalendarSource, CalendarState, Failure
from tests.ical import calendar, lesson
from tests.outside import Asked, Names, Outside, Served, outside, saying

PARIS = ZoneInfo("Europe/Paris")
NAME = "calendars.example"
NOON = datetime(2026, 11, 30, 11, tzinfo=UTC)
ONE = calendar(lesson("1", "20261201T080000"))
TWO = calendar(lesson("1", "20261201T080000"), lesson("2", "20261201T090000"))


@dataclass
class Subscription:
    """A calendar's server, and what the centre knows of it."""

    server: Outside
    calendars: Calendars
    source: CalendarSource
    state: CalendarState

    async def refresh(self, now: datetime = NOON) -> CalendarState:
        self.state = await self.calendars.refresh(self.source, self.state, now)
        return self.state

    @property
    def uids(self) -> list[str]:
        return [event.uid for event in self.state.reading.timed]


@pytest.fixture
async def served(authority: CertificateAuthority) -> AsyncIterator[Subscription]:
    """A calendar with one lesson, behind TLS."""
    config = FetchConfig(allowed=(ip_network("127.0.0.0/8"),), ca_file=authority.ca_path)
    async with outside(saying(ONE, ETag='"1"'), authority.web([NAME])) as server:
        http = SafeHttp(
            config.model_copy(update={"ports": (server.port,)}),
            Names(calendars_example=[["127.0.0.1"]]).resolve,
            deadline_s=2.0,
        )
        source = CalendarSource("hugo", PARIS, f"https://{NAME}:{server.port}/secret.ics")
        yield Subscription(server, Calendars(http), source, CalendarState())


async def test_a_calendar_is_taken_and_one_that_is_as_it_was_is_not_read_again(served: Subscription) -> None:
    state = await served.refresh()
    assert served.uids == ["1"]
    assert (state.good_at, state.tried_at, state.problem) == (NOON, NOON, None)
    served.server.serve = saying(b"", "304 Not Modified")
    later = await served.refresh(NOON + timedelta(minutes=15))
    assert served.server.asked[1].headers["if-none-match"] == '"1"'
    assert later.reading is state.reading
    assert later.age(NOON + timedelta(minutes=16)) == timedelta(minutes=1)
    served.server.serve = saying(TWO, ETag='"2"')
    await served.refresh(NOON + timedelta(minutes=30))
    assert served.uids == ["1", "2"]


async def test_a_server_that_knows_dates_alone_is_asked_with_its_date(served: Subscription) -> None:
    changed = "Mon, 30 Nov 2026 10:00:00 GMT"
    served.server.serve = saying(ONE, Last_Modified=changed)
    await served.refresh()
    await served.refresh(NOON + timedelta(minutes=15))
    first, second = (asked.headers for asked in served.server.asked)
    assert "if-modified-since" not in first
    assert second["if-modified-since"] == changed
    assert "if-none-match" not in second


async def test_a_server_that_says_neither_is_known_by_what_it_sends(served: Subscription) -> None:
    served.server.serve = saying(ONE)
    first = await served.refresh()
    second = await served.refresh(NOON + timedelta(minutes=15))
    assert second.reading is first.reading
    assert second.good_at == NOON + timedelta(minutes=15)


async def test_the_next_day_it_is_read_whole_though_it_is_as_it_was(served: Subscription) -> None:
    """What began to be within sixty days since then would never be seen otherwise."""
    served.server.serve = saying(calendar(lesson("far", "20270129T080000")), ETag='"1"')
    await served.refresh()
    assert served.uids == []
    await served.refresh(datetime(2026, 11, 30, 23, 30, tzinfo=UTC))  # the 1st of December in Paris
    assert served.uids == ["far"]
    assert "if-none-match" not in served.server.asked[1].headers


async def nobody(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def slowly(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def hundred_megabytes(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/calendar\r\nConnection: close\r\n\r\nBEGIN:VCALENDAR\r\n")
    for _ in range(100):
        writer.write(b"X-A:" + b"b" * 2**20 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    ("serve", "code", "retryable"),
    [
        (saying(b"no", "404 Not Found"), "fetch-failed", False),
        (saying(b"no", "401 Unauthorized"), "fetch-failed", False),
        (saying(b"no", "503 Service Unavailable"), "fetch-failed", True),
        (saying(b"", "204 No Content"), "fetch-failed", False),
        (saying(b"", "302 Found", Location="https://10.0.0.1/"), "address-refused", False),
        (nobody, "fetch-failed", True),
        (slowly, "fetch-failed", True),
        (hundred_megabytes, "calendar-too-large", False),
        (saying(b"<html>sign in</html>"), "calendar-unreadable", False),
        (saying(TWO[:-30]), "calendar-unreadable", False),
        (saying(TWO.replace(b"Maths", "École".encode("latin-1"))), "calendar-unreadable", False),
    ],
    ids=["404", "401", "503", "204", "inside", "gone", "slow", "100-mb", "page", "cut", "latin-1"],
)
async def test_what_fails_leaves_the_last_lessons_with_their_age(
    served: Subscription, serve: Served, code: str, retryable: bool
) -> None:
    good = await served.refresh()
    served.server.serve = serve
    later = NOON + timedelta(minutes=15)
    state = await served.refresh(later)
    assert state.problem is not None
    assert (state.problem.code, state.problem.retryable) == (code, retryable)
    assert "secret" not in state.problem.message
    assert state.reading is good.reading
    assert (state.good_at, state.tried_at, state.age(later)) == (NOON, later, timedelta(minutes=15))
    served.server.serve = saying(TWO)
    back = await served.refresh(later + timedelta(minutes=15))
    assert back.problem is None
    assert served.uids == ["1", "2"]


async def test_a_304_that_nobody_asked_for_is_no_calendar(served: Subscription) -> None:
    served.server.serve = saying(b"", "304 Not Modified")
    state = await served.refresh()
    assert state.problem is not None
    assert state.good_at is None
    assert state.age(NOON) is None


async def test_it_is_said_once_that_a_calendar_fails_and_once_that_it_is_back(
    served: Subscription, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    served.server.serve = nobody
    await served.refresh()
    await served.refresh()
    served.server.serve = saying(ONE)
    await served.refresh()
    ours = [record for record in caplog.records if record.name.startswith("controller")]
    assert [record.levelname for record in ours] == ["WARNING", "INFO"]
    assert "secret" not in caplog.text


async def test_an_address_for_programs_that_subscribe_is_taken(served: Subscription) -> None:
    address = str(served.source.place).replace("https://", "webcal://")
    state = await served.calendars.refresh(CalendarSource("hugo", PARIS, address), CalendarState(), NOON)
    assert state.problem is None
    assert len(state.reading.timed) == 1


async def test_a_calendar_may_be_a_file(served: Subscription, tmp_path: Path) -> None:
    file = tmp_path / "hugo.ics"
    served.source = CalendarSource("hugo", PARIS, file)
    missing = await served.refresh()
    assert missing.problem is not None
    assert (missing.problem.code, missing.problem.retryable) == ("calendar-unreadable", True)
    file.write_bytes(ONE)
    await served.refresh()
    assert served.uids == ["1"]
    file.write_bytes(b"X" * (5 * 2**20 + 1))
    large = await served.refresh()
    assert large.problem is not None
    assert large.problem.code == "calendar-too-large"
    assert served.uids == ["1"]
    file.unlink()
    os.mkfifo(file)
    async with asyncio.timeout(5):
        pipe = await served.refresh()
    assert pipe.problem is not None
    assert "is no file" in pipe.problem.message
    assert served.uids == ["1"]


async def test_no_more_texts_are_in_memory_than_have_their_turn(served: Subscription) -> None:
    """Just after midnight every calendar is due; fetching is soon done, reading is not."""
    done = waiting = 0

    async def serve(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting = max(waiting, len(served.server.asked) - done)
        await saying(ONE)(asked, writer)

    async def refresh() -> None:
        nonlocal done
        state = await served.calendars.refresh(served.source, CalendarState(), NOON)
        done += 1
        assert len(state.reading.timed) == 1

    served.server.serve = serve
    await asyncio.gather(*(refresh() for _ in range(AT_ONCE + 3)))
    assert waiting <= AT_ONCE


def test_a_calendar_is_due_each_quarter_of_an_hour_and_sooner_after_what_may_pass() -> None:
    assert CalendarState().is_due(NOON)
    tried = CalendarState(tried_at=NOON)
    assert not tried.is_due(NOON + timedelta(minutes=14))
    assert tried.is_due(NOON + timedelta(minutes=15))
    assert tried.is_due(NOON - timedelta(days=400))
    passing = CalendarState(tried_at=NOON, problem=Failure("fetch-failed", "away", True))
    assert passing.is_due(NOON + timedelta(minutes=3))
    lasting = CalendarState(tried_at=NOON, problem=Failure("calendar-unreadable", "a page", False))
    assert not lasting.is_due(NOON + timedelta(minutes=14))
