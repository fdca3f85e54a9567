"""``POST /api/v1/join``: a code or a standing link becomes a ticket; with the old one as Bearer, the same pupil's."""

from __future__ import annotations

from fastapi import APIRouter, Request

from controller.accounts.grants import Permission
from controller.api.security import (
    bearer_if_any,
    centre_of,
    check_arrivals,
    check_guesses,
    check_not_removed,
    client_address,
    guarded,
)
from controller.centre import Centre
from controller.store.lessons import LessonRecord
from controller.throttle import address_key
from protocol.errors import AccessError, EstradeError
from protocol.messages import utc
from protocol.pages import JoinAnswer, JoinRequest

router = APIRouter()


@router.post("/api/v1/join", dependencies=[guarded(Permission.PUBLIC)])
async def join(body: JoinRequest, request: Request) -> JoinAnswer:
    """Give a ticket for the lesson of a code, or for the present lesson of a link's room."""
    centre = centre_of(request)
    try:
        lesson = _lesson(centre, body, client_address(request))
        check_arrivals(centre, lesson.id, client_address(request))
    except EstradeError as error:
        centre.metrics.joins.labels(error.code).inc()
        raise
    token, ticket = centre.tickets.issue(lesson.room, lesson.id, in_place_of=bearer_if_any(request))
    try:
        check_not_removed(centre, ticket)
    except AccessError as error:
        centre.metrics.joins.labels(error.code).inc()
        raise
    centre.metrics.joins.labels("ok").inc()
    return JoinAnswer(
        token=token,
        whep=f"/whep/{lesson.room}",
        whip=f"/whip/{lesson.room}",
        events=f"/api/v1/lessons/{lesson.id}/events",
        ice_servers=centre.signalling.ice_servers(ticket.jti, ticket.expires),
        expires_at=utc(ticket.expires),
        view=centre.book.view(lesson.id, lesson.room),
    )


def _lesson(centre: Centre, body: JoinRequest, address: str) -> LessonRecord:
    if body.link is not None:
        return centre.book.by_link(body.link)
    key = address_key(address)
    check_guesses(centre.codes, key)
    try:
        return centre.book.by_code(body.code or "")
    except AccessError:
        centre.codes.fail(key)
        raise
