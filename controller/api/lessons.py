"""``GET /api/v1/lessons/{lesson}/events``: the lesson as it changes, for somebody with a ticket for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from controller.accounts.grants import Permission
from controller.api.security import centre_of, guarded, ticket_of
from protocol.errors import AccessError
from protocol.pages import LessonView

router = APIRouter()

_RETRY_MS = 2_000


def _view(lesson: str, request: Request) -> LessonView:
    """Return the ticket's lesson; raise AccessError ``forbidden`` for another, LessonError without its room."""
    ticket = ticket_of(request)
    if ticket.lesson != lesson:
        raise AccessError("this ticket is for another lesson", code="forbidden")
    return centre_of(request).book.view(lesson, ticket.room)


async def _check(lesson: str, request: Request) -> None:
    """Refuse before the answer begins: a stream that breaks tells nobody why."""
    _view(lesson, request)


@router.get("/api/v1/lessons/{lesson}", dependencies=[guarded(Permission.TICKET)])
async def lesson_view(lesson: str, request: Request) -> LessonView:
    """Return the lesson as it is now."""
    return _view(lesson, request)


@router.get(
    "/api/v1/lessons/{lesson}/events",
    dependencies=[guarded(Permission.TICKET), Depends(_check)],
    response_class=EventSourceResponse,
)
async def lesson_events(lesson: str, request: Request) -> AsyncIterator[ServerSentEvent]:
    """Send ``lesson`` (`LessonView`) at once and on every change; the stream ends after the lesson did."""
    ticket = ticket_of(request)
    told: LessonView | None = None
    with centre_of(request).hub.watch(ticket.room) as watcher:
        while True:
            watcher.rooms.clear()
            view = _view(lesson, request)
            if view != told:
                told = view
                yield ServerSentEvent(raw_data=view.model_dump_json(), event="lesson", retry=_RETRY_MS)
            if view.phase == "ended" or not await watcher.wait():
                return
