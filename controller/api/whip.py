"""WHIP (RFC 9725): sending to a room, relayed to it over MQTT. The room takes only whom it gave the floor,
and the one screen that somebody there wants to be shown.

For our own pages alone: unlike at WHEP, a request from another site is refused and a standing link opens nothing.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from controller.accounts.grants import Permission
from controller.api.sdp_http import SDP, check_fragment, check_rate, check_type, created
from controller.api.security import centre_of, client_address, guarded, holder_of

router = APIRouter()


@router.post("/whip/{room}", dependencies=[guarded(Permission.SENDER)])
async def publish(room: str, request: Request) -> Response:
    """Answer an offer to send: 201 with the room's answer and the address of this connection."""
    centre, holder = centre_of(request), holder_of(request)
    check_type(request, SDP)
    check_rate(centre, holder, client_address(request))
    answered = await centre.signalling.publish(holder, await request.body())
    return created(answered, f"/whip/{room}/{answered.viewer}")


@router.patch("/whip/{room}/{viewer}", dependencies=[guarded(Permission.SENDER)])
async def candidates(room: str, viewer: str, request: Request) -> Response:
    """Take the sender's candidates: 204."""
    check_fragment(request)
    await centre_of(request).signalling.candidates(holder_of(request), viewer, await request.body())
    return Response(status_code=204)


@router.delete("/whip/{room}/{viewer}", dependencies=[guarded(Permission.SENDER)])
async def end(room: str, viewer: str, request: Request) -> Response:
    """Stop sending: 200, also when it has ended already."""
    await centre_of(request).signalling.close(holder_of(request), viewer)
    return Response(status_code=200)
