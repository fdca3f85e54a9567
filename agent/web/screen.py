"""The panel's part for the screen of a teacher's own computer: ask the centre for a code, and end the share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.lesson import Lesson
from agent.web.pin import Pin
from protocol.errors import AccessError, CommandError
from protocol.messages import ScreenAsked, ScreenTold
from protocol.panel import PanelView
from protocol.topics import RoomTopics

ASK_TIMEOUT_S: Final = 5.0
"""Somebody stands at the panel and waits; a centre that is there answers within 20 ms."""


class Line(Protocol):
    """The part of `mqttlink.Link` that this needs."""

    async def call(self, topic: str, args: BaseModel, *, reply_topic: str, timeout_s: float) -> dict[str, Any]: ...


class ScreenPanel:
    """Does what the panel may of a shared screen; the code is behind the PIN, where there is one."""

    def __init__(self, lesson: Lesson, topics: RoomTopics, line: Line, pin: Pin, view: Callable[[], PanelView]) -> None:
        self._lesson = lesson
        self._topics = topics
        self._line = line
        self._pin = pin
        self._view = view

    def routes(self) -> list[Route]:
        """Return what the panel's server answers for shared screens."""
        return [
            Route("/api/screen", self._offer, methods=["POST"]),
            Route("/api/screen/end", self._end, methods=["POST"]),
        ]

    async def _offer(self, request: Request) -> Response:
        if self._pin.is_locked:
            raise AccessError("type the PIN first", code="panel-locked")
        screen = self._lesson.shared_screen("share a screen")
        screen.offer(await self._ask())
        return self._answer()

    async def _end(self, request: Request) -> Response:
        self._lesson.shared_screen("end a share").end()
        return self._answer()

    async def _ask(self) -> ScreenTold:
        answer = await self._line.call(
            self._topics.req("screen"),
            ScreenAsked(),
            reply_topic=self._topics.reply("screen"),
            timeout_s=ASK_TIMEOUT_S,
        )
        try:
            return ScreenTold.model_validate(answer)
        except ValidationError:
            raise CommandError("the centre's answer is not a code for a screen; its version may be older") from None

    def _answer(self) -> Response:
        return Response(
            self._view().model_dump_json(), media_type="application/json", headers={"cache-control": "no-store"}
        )
