"""Hands a recording to the centre for a while, sealed, and makes its link: slower than a lesson notices, over HTTPS.

A link holds the key, so links are in memory alone: after a restart of the agent one is made anew when it is asked for.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from pydantic import BaseModel, ValidationError

from agent.recordings import Recordings
from agent.sealed_share import SealedShare
from protocol.errors import EstradeError, ShareError
from protocol.messages import Problem, UploadAsked, UploadTold
from protocol.panel import PanelShare
from protocol.topics import RoomTopics

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

PART_BYTES: Final = 98_304
"""Of one request: a proxy before the centre takes 128 KiB."""
ASK_TIMEOUT_S: Final = 10.0
PART_TIMEOUT_S: Final = 30.0
FIRST_RETRY_S, MOST_RETRY_S = 1.0, 60.0
MOST_TRIES: Final = 20
"""Of one part, some 15 minutes: longer than most lines are away."""
LOOK_S: Final = 0.5
"""A lesson that begins is noticed within this, and a part that was held up for it goes on."""


class Line(Protocol):
    """The part of `mqttlink.Link` that this needs."""

    async def call(self, topic: str, args: BaseModel, *, reply_topic: str, timeout_s: float) -> dict[str, Any]: ...


@dataclass(slots=True)
class _Share:
    recording: str
    language: str
    state: Literal["waiting", "sending", "ready", "failed"] = "waiting"
    sent: int = 0
    size: int = 1
    link: str | None = None
    expires_at: datetime | None = None
    problem: Problem | None = None
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class Sharing:
    """Sends one recording after the other. ``lesson_bps`` is kept to while ``in_lesson`` says so."""

    def __init__(
        self,
        topics: RoomTopics,
        line: Line,
        recordings: Recordings,
        *,
        ca_file: Path,
        lesson_bps: int,
        in_lesson: Callable[[], bool],
        on_change: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        self._topics = topics
        self._line = line
        self._recordings = recordings
        self._ca_file = ca_file
        self._lesson_bps = lesson_bps
        self._in_lesson = in_lesson
        self._on_change = on_change
        self._now = now
        self._shares: dict[str, _Share] = {}
        self._asked = asyncio.Event()

    def share(self, recording: str, language: str) -> None:
        """Have a recording sent and a link made, unless that is done or under way."""
        known = self._shares.get(recording)
        if known is None or known.state == "failed" or self._has_run_out(known):
            self._shares[recording] = _Share(recording, language)
            self._asked.set()
            self._on_change()

    def forget(self, recording: str) -> None:
        """Stop sending a recording, and forget its link: what the centre has of it runs out there."""
        known = self._shares.pop(recording, None)
        if known is not None:
            known.is_over.set()

    def view(self, recording: str) -> PanelShare | None:
        """Return how a recording stands; None when no link was asked for."""
        share = self._shares.get(recording)
        if share is None or self._has_run_out(share):
            return None
        percent = 100 if share.state == "ready" else min(99, share.sent * 100 // share.size)
        return PanelShare(
            state=share.state, percent=percent, link=share.link, expires_at=share.expires_at, problem=share.problem
        )

    async def run(self) -> None:
        """Send what is asked for, until cancelled."""
        while True:
            waiting = next((share for share in self._shares.values() if share.state == "waiting"), None)
            if waiting is None:
                self._asked.clear()
                await self._asked.wait()
                continue
            try:
                await self._send(waiting)
            except EstradeError as error:
                self._fail(waiting, error)
            except OSError as error:  # the disk's, or the authority's file of `[broker]` that is gone or is none
                self._fail(waiting, ShareError(f"a file cannot be read ({error.strerror})", code="share-failed"))
            self._on_change()

    def _fail(self, share: _Share, error: EstradeError) -> None:
        share.state = "failed"
        share.problem = Problem(code=error.code, message=error.message[:500])
        log.warning("A recording is not shared", extra={"code": error.code, "reason": error.message})

    async def _send(self, share: _Share) -> None:
        import httpx  # with an HTTP client that few rooms need, and they seldom

        share.state = "sending"
        sealed = await asyncio.to_thread(
            SealedShare, lambda: self._recordings.open(share.recording, language=share.language)
        )
        share.size = sealed.size
        told = await self._ask(sealed.size)
        tls = ssl.create_default_context()
        tls.load_verify_locations(self._ca_file)  # a centre may have its certificate from its own authority
        async with httpx.AsyncClient(verify=tls, timeout=PART_TIMEOUT_S, trust_env=False) as http:
            while share.sent < sealed.size and not share.is_over.is_set():
                before = share.sent * 100 // share.size
                await self._send_part(http, told, sealed, share)
                if share.sent * 100 // share.size != before:
                    self._on_change()
        if not share.is_over.is_set():
            share.link, share.expires_at = f"{told.page}#{sealed.key_text}", told.expires_at
            share.state = "ready"

    async def _ask(self, size: int) -> UploadTold:
        topics = self._topics
        answer = await self._line.call(
            topics.req("upload"),
            UploadAsked(size_bytes=size),
            reply_topic=topics.reply("upload"),
            timeout_s=ASK_TIMEOUT_S,
        )
        try:
            return UploadTold.model_validate(answer)
        except ValidationError:
            raise ShareError("the centre's answer to the upload is not of its form", code="share-failed") from None

    async def _send_part(self, http: httpx.AsyncClient, told: UploadTold, sealed: SealedShare, share: _Share) -> None:
        """Send one part, however often it takes, and keep to the rate."""
        import httpx

        headers = {"Authorization": f"Bearer {told.token}", "Tus-Resumable": "1.0.0"}
        retry_s = FIRST_RETRY_S
        for _ in range(MOST_TRIES):
            part = await asyncio.to_thread(sealed.read, share.sent, PART_BYTES)
            began_s = time.monotonic()
            try:
                answer = await http.patch(
                    told.upload,
                    content=part,
                    headers={
                        **headers,
                        "Content-Type": "application/offset+octet-stream",
                        "Upload-Offset": str(share.sent),
                    },
                )
                if answer.status_code == httpx.codes.CONFLICT:
                    answer = await http.head(told.upload, headers=headers)
                if answer.is_success:
                    share.sent = int(answer.headers["Upload-Offset"])
                    await self._pace(len(part), began_s, share)
                    return
                if answer.status_code < 500 or answer.status_code == httpx.codes.INSUFFICIENT_STORAGE:
                    raise ShareError(f"the centre refused the upload ({answer.status_code})", code="share-failed")
            except (httpx.HTTPError, KeyError, ValueError) as error:
                log.debug("A part of a recording did not get through", extra={"reason": type(error).__name__})
            await asyncio.sleep(retry_s)
            retry_s = min(MOST_RETRY_S, retry_s * 2)
        raise ShareError("the centre did not take the upload for too long", code="share-failed")

    async def _pace(self, size: int, began_s: float, share: _Share) -> None:
        """In a lesson, wait until so much may have been sent; a lesson that ends meanwhile is not waited for."""
        due_s = began_s + size * 8 / self._lesson_bps
        while self._in_lesson() and not share.is_over.is_set():
            left_s = due_s - time.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(min(LOOK_S, left_s))

    def _has_run_out(self, share: _Share) -> bool:
        return share.expires_at is not None and share.expires_at <= self._now()
