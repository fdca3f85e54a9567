"""What WHEP and WHIP have in common on HTTP: media types, the rate of offers, the 201 with the room's answer."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from controller.api.security import check_arrivals
from controller.centre import Centre
from controller.ice import link_headers
from controller.signalling import Answered, Holder
from protocol.errors import AccessError, EstradeError, SignallingError

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


def check_type(request: Request, wanted: str) -> None:
    """Refuse a body of another type; raise EstradeError ``unsupported-media-type``."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != wanted:
        raise EstradeError(f"send {wanted}, not {given or 'a body without a type'}", code="unsupported-media-type")


def check_rate(centre: Centre, holder: Holder, address: str) -> None:
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


def check_fragment(request: Request) -> None:
    """Refuse what is no candidates; an ICE restart, asked for by ``If-Match: *`` (RFC 9725 §4.3.2), is 422."""
    check_type(request, FRAGMENT)
    if request.headers.get("if-match", "").strip() == "*":
        raise SignallingError("an ICE restart is not possible; make a new connection", code="ice-restart-unsupported")


def created(answered: Answered, location: str) -> Response:
    """Return the 201 of an offer that the room has answered."""
    response = Response(answered.sdp, 201, media_type=SDP)
    response.headers["Location"] = location
    response.headers["ETag"] = f'"{answered.viewer}"'
    response.headers["Accept-Patch"] = FRAGMENT
    response.headers["Cache-Control"] = "no-store"
    for line in link_headers(answered.ice_servers):
        response.headers.append("Link", line)
    return response
