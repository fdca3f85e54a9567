"""``POST /api/v1/screen``: the one-time code of a panel becomes the ticket of one share."""

from __future__ import annotations

from fastapi import APIRouter, Request

from controller.accounts.grants import Permission
from controller.api.security import centre_of, check_guesses, client_address, guarded
from controller.throttle import address_key
from protocol.errors import AccessError
from protocol.pages import ScreenAnswer, ScreenRequest

router = APIRouter()


@router.post("/api/v1/screen", dependencies=[guarded(Permission.PUBLIC)])
async def screen(body: ScreenRequest, request: Request) -> ScreenAnswer:
    """Give a ticket with which one screen may be sent to one room, and nothing else be done."""
    centre = centre_of(request)
    key = address_key(client_address(request))
    check_guesses(centre.screen_guesses, key)
    try:
        grant = centre.screens.trade(body.code)
    except AccessError:
        centre.screen_guesses.fail(key)
        raise
    token, ticket = centre.screen_tickets.issue(grant.room, grant.lesson, jti=grant.jti)
    return ScreenAnswer(
        token=token,
        whip=f"/whip/{grant.room}",
        ice_servers=centre.signalling.ice_servers(ticket.jti, ticket.expires),
        room_name=centre.book.view(grant.lesson, grant.room).room_name,
    )
