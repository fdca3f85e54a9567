"""WHEP (draft-ietf-wish-whep-04): watching a room, relayed to it over MQTT.

A foreign player may come from any site, with the ticket as Bearer or with ``?link=`` when it knows only an address.
"""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from controller.api.security import Permission, centre_of, check_arrivals, client_address, guarded, holder_of
from controller.centre import Centre
from controller.ice import link_headers
from controller.signalling import Holder
from protocol.errors import CODES, AccessError, EstradeError, SignallingError

router = APIRouter()

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
_CORS = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}


def _check_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != wanted:
        raise EstradeError(f"send {wanted}, not {given or 'a body without a type'}", code="unsupported-media-type")


def _check_rate(centre: Centre, holder: Holder, address: str) -> None:
    """Refuse a ticket that offers faster than any page does; a standing link is shared by a class."""
    if not holder.has_ticket:
        check_arrivals(centre, holder.lesson, address)
    wait_s = centre.offers.act(holder.jti) if holder.has_ticket else None
    if wait_s is not None:
        raise AccessError(
            f"too many offers with this ticket; wait {wait_s:g} s",
            code="offer-throttled",
            retryable=True,
            retry_after_s=wait_s,
        )


@router.post("/whep/{room}", dependencies=[guarded(Permission.VIEWER)])
async def offer(room: str, request: Request) -> Response:
    """Answer an offer: 201 with the room's answer and the viewer's own address."""
    centre, holder = centre_of(request), holder_of(request)
    began = time.perf_counter()
    try:
        _check_type(request, SDP)
        _check_rate(centre, holder, client_address(request))
        answered = await centre.signalling.offer(holder, await request.body())
    except EstradeError as error:
        centre.metrics.offers.labels(error.code if error.code in CODES else "other").inc()
        raise
    centre.metrics.offers.labels("ok").inc()
    centre.metrics.offer_seconds.observe(time.perf_counter() - began)
    link = request.query_params.get("link")
    query = f"?link={link}" if link is not None and "authorization" not in request.headers else ""
    response = Response(answered.sdp, 201, media_type=SDP)
    response.headers["Location"] = f"/whep/{room}/{answered.viewer}{query}"
    response.headers["ETag"] = f'"{answered.viewer}"'
    response.headers["Accept-Patch"] = FRAGMENT
    response.headers["Cache-Control"] = "no-store"
    for line in link_headers(answered.ice_servers):
        response.headers.append("Link", line)
    return response


@router.patch("/whep/{room}/{viewer}", dependencies=[guarded(Permission.VIEWER)])
async def candidates(room: str, viewer: str, request: Request) -> Response:
    """Take the pupil's candidates: 204. An ICE restart, asked for by ``If-Match: *`` (RFC 9725 §4.3.2), is 422."""
    _check_type(request, FRAGMENT)
    if request.headers.get("if-match", "").strip() == "*":
        raise SignallingError("an ICE restart is not possible; make a new connection", code="ice-restart-unsupported")
    await centre_of(request).signalling.candidates(holder_of(request), viewer, await request.body())
    return Response(status_code=204)


@router.delete("/whep/{room}/{viewer}", dependencies=[guarded(Permission.VIEWER)])
async def leave(room: str, viewer: str, request: Request) -> Response:
    """Let the viewer go: 200, also when it is gone already."""
    await centre_of(request).signalling.close(holder_of(request), viewer)
    return Response(status_code=200)


@router.options("/whep/{room}", dependencies=[guarded(Permission.PUBLIC)])
async def offer_options(room: str) -> Response:
    """Say what may be posted; also the preflight of CORS, which carries no ticket."""
    headers = {"Access-Control-Allow-Methods": "POST, HEAD, OPTIONS", "Accept-Post": SDP, **_CORS}
    return Response(status_code=204, headers=headers)


@router.options("/whep/{room}/{viewer}", dependencies=[guarded(Permission.PUBLIC)])
async def viewer_options(room: str, viewer: str) -> Response:
    headers = {"Access-Control-Allow-Methods": "PATCH, DELETE, OPTIONS", "Accept-Patch": FRAGMENT, **_CORS}
    return Response(status_code=204, headers=headers)


@router.head("/whep/{room}", dependencies=[guarded(Permission.PUBLIC)])
async def discover(room: str) -> Response:
    """Say that this is a WHEP endpoint; whether there is such a room is told to holders of a ticket only."""
    return Response(status_code=200, media_type=SDP, headers={"Accept-Post": SDP})
