"""Gets a calendar's text, from an address outside or from a file of the centre, unless it is as it was."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.safe_http import AnswerTooLargeError, SafeHttp
from protocol.errors import CalendarError, FetchError

MOST_BYTES = 5 * 2**20
_MOST_VALIDATOR = 200


@dataclass(frozen=True, slots=True)
class Known:
    """By what a calendar is told to be as it was (RFC 9110 §8.8); the digest is for servers that say neither."""

    digest: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A calendar's text, and by what it is known again."""

    body: bytes
    known: Known


async def from_address(http: SafeHttp, address: str, known: Known | None = None) -> Fetched | None:
    """Return what is at the address, None where that is what is ``known``.

    Raises FetchError, or CalendarError ``calendar-too-large``. Of the address their sentences have the host alone: the
    rest of a calendar's address is what opens it.
    """
    wanted = {"Accept": "text/calendar, */*;q=0.1"}
    if known is not None and known.etag is not None:
        wanted["If-None-Match"] = known.etag
    if known is not None and known.last_modified is not None:
        wanted["If-Modified-Since"] = known.last_modified
    address = address.strip()
    if address[:9].lower() == "webcal://":  # as calendars are handed round, for programs that subscribe to them
        address = "https" + address[6:]
    try:
        answer = await http.get(address, wanted, most_bytes=MOST_BYTES)
    except AnswerTooLargeError as error:
        raise _too_large() from error
    if answer.status == 304 and len(wanted) > 1:
        return None
    if answer.status != 200:
        raise FetchError(
            f"the calendar's server answers with {answer.status}",
            retryable=answer.status >= 500 or answer.status in (408, 425, 429),
        )
    return _news(
        answer.body, known, etag=_validator(answer.headers, "etag"),
        last_modified=_validator(answer.headers, "last-modified"),
    )  # fmt: skip


async def from_file(path: Path, known: Known | None = None) -> Fetched | None:
    """Return what is in the file, None where that is what is ``known``.

    The centre chose the path itself: whoever hands a file in does not. Raises CalendarError.
    """
    return _news(await asyncio.to_thread(_read, path), known)


def _read(path: Path) -> bytes:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would be waited for
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise CalendarError(f"{path.name} is no file")
            body = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CalendarError(f"{path.name} cannot be read ({error.strerror})", retryable=True) from error
    if len(body) > MOST_BYTES:
        raise _too_large()
    return body


def _news(
    body: bytes, known: Known | None, *, etag: str | None = None, last_modified: str | None = None
) -> Fetched | None:
    digest = hashlib.sha256(body).hexdigest()
    if known is not None and known.digest == digest:
        return None
    return Fetched(body, Known(digest, etag, last_modified))


def _validator(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header that may be sent back as it came."""
    value = headers.get(name, "")
    return value if 0 < len(value) <= _MOST_VALIDATOR and value.isascii() and value.isprintable() else None


def _too_large() -> CalendarError:
    return CalendarError(f"the calendar is larger than {MOST_BYTES >> 20} MB", code="calendar-too-large")
