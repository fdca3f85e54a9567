"""WHEP (draft-ietf-wish-whep-04): watching a room, relayed to it over MQTT.

A foreign player may come from any site, with the ticket as Bearer or with ``?link=`` when it knows only an address.
"""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from controller.accounts.grants import Permission
from controller.api.sdp_http import FRAGMENT, SDP, check_fragment, check_rate, check_type, created
from controller.api.security import centre_of, client_address, guarded, holder_of
from controller.media_server import Stream
from protocol.errors import CODES, EstradeError

router = APIRouter()

_CORS = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}


@router.post("/whep/{room}", dependencies=[guarded(Permission.VIEWER)])
async def offer(room: str, request: Request, stream: Stream | None = None) -> Response:
    """Answer an offer: 201 with the room's answer and the viewer's own address.

    With ``stream``, the media server answers: a pupil's page is told by the room to ask so.
    """
    centre, holder = centre_of(request), holder_of(request)
    began = time.perf_counter()
    try:
        check_type(request, SDP)
        check_rate(centre, holder, client_address(request))
        if stream is not None:
            return await _play(room, stream, request)
        answered = await centre.signalling.offer(holder, await request.body())
    except EstradeError as error:
        centre.metrics.offers.labels(error.code if error.code in CODES else "other").inc()
        raise
    centre.metrics.offers.labels("ok").inc()
    centre.metrics.offer_seconds.observe(time.perf_counter() - began)
    link = request.query_params.get("link")
    query = f"?link={link}" if link is not None and "authorization" not in request.headers else ""
    return created(answered, f"/whep/{room}/{answered.viewer}{query}")


async def _play(room: str, stream: Stream, request: Request) -> Response:
    """Answer an offer with what the media server gives of one of the lesson's streams."""
    played = await centre_of(request).signalling.play(holder_of(request), stream, await request.body())
    response = Response(played.sdp, 201, media_type=SDP)
    response.headers["Location"] = f"/whep/{room}/{played.viewer}"
    if played.etag is not None:
        response.headers["ETag"] = played.etag
    response.headers["Accept-Patch"] = FRAGMENT
    for line in played.links:
        response.headers.append("Link", line)
    return response


@router.patch("/whep/{room}/{viewer}", dependencies=[guarded(Permission.VIEWER)])
async def candidates(room: str, viewer: str, request: Request) -> Response:
    """Take the pupil's candidates: 204."""
    check_fragment(request)
    await centre_of(request).signalling.candidates(
        holder_of(request), viewer, await request.body(), request.headers.get("if-match")
    )
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
