"""Around every request: security headers, the refusal of other sites' requests, limits on bodies, who may do what.

Each route declares one `Permission`, and by what part of its path it is scoped; `check_routes` refuses to make an app
with a route that declares neither.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.accounts.grants import EVERY_PLACE, GRANTED, Permission, Place, Who
from controller.accounts.sign_ins import LONGEST
from controller.accounts.tokens import is_api_token
from controller.api.errors import BodyTooLargeError, internal, problem
from controller.centre import Centre
from controller.signalling import Holder
from controller.store.accounts import SignedInRecord
from controller.throttle import FailureThrottle, address_key
from controller.tickets import Ticket
from protocol.errors import AccessError, EstradeError

log = logging.getLogger(__name__)

MOST_BODY_BYTES = 16_384
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

STRICT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For everything that is not a page; pages bring their own (`web.csp`)."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=(), fullscreen=(self)",
}


Part = Literal["territory", "school", "room"]


def centre_of(request: Request) -> Centre:
    centre: Centre = request.app.state.centre
    return centre


class Guard:
    """The dependency that declares and enforces a route's permission, and the part of its path that says where.

    Without a ``scope`` what is granted has to be granted everywhere; or anywhere, where the route is ``filtered``: it
    tells of many rooms, and to each caller of those that it may see.
    """

    def __init__(self, permission: Permission, scope: Part | None = None, *, filtered: bool = False) -> None:
        self.permission = permission
        self.scope = scope
        self.filtered = filtered

    async def __call__(self, request: Request) -> None:
        centre = centre_of(request)
        match self.permission:
            case Permission.PUBLIC:
                pass
            case Permission.TICKET:
                request.state.ticket = _ticket(request, centre)
            case Permission.VIEWER:
                request.state.holder = _holder(request, centre)
            case Permission.UPLOAD:
                bearer(request)
            case Permission.SENDER:
                request.state.holder = _sender(request, centre)
            case Permission.METRICS:
                _check_metrics(request, centre)
            case _:
                who = await self._who(request, centre)
                if self.permission is not Permission.SIGNED_IN:
                    if self.filtered:
                        is_allowed = who.may_somewhere(self.permission)
                    else:
                        is_allowed = who.may(self.permission, await _place(centre, self.scope, request))
                    if not is_allowed:
                        raise AccessError("this account may not do that here", code="forbidden")
                request.state.who = who

    async def _who(self, request: Request, centre: Centre) -> Who:
        """Return who calls, by a token of a program where one is sent, and then never by the cookie beside it."""
        token = api_token(request.headers)
        if token is not None:
            if self.permission is Permission.SIGNED_IN:
                raise AccessError("this is for people who signed in, not for a token", code="forbidden")
            return await centre.api_tokens.who(token)
        signed_in = await centre.sign_ins.who(request.cookies.get(cookie_name(centre), ""))
        if signed_in is None:
            raise AccessError("sign in first")
        if self.permission is not Permission.SIGNED_IN:
            check_second_step(centre, signed_in)
        request.state.signed_in = signed_in
        return Who(signed_in.name, signed_in.grants)


def lacks_second_step(centre: Centre, who: SignedInRecord) -> bool:
    """Say whether this account has to set its second step up before anything else."""
    is_admin = any(grant.role == "admin" for grant in who.grants)
    return centre.config.accounts.totp_for_admins and is_admin and who.is_local and not who.has_second_step


def check_second_step(centre: Centre, who: SignedInRecord) -> None:
    """Refuse an account that lacks what is asked of it; raise AccessError ``totp-missing``."""
    if lacks_second_step(centre, who):
        raise AccessError("administrators of this centre set up a second step first", code="totp-missing")


async def _place(centre: Centre, scope: Part | None, request: Request) -> Place:
    """Return what the path names; of a room or school that is unknown nothing but its name, for the route to refuse."""
    if scope is None:
        return EVERY_PLACE
    name = str(request.path_params[scope])
    if scope == "territory":
        return Place(name)
    if scope == "school":
        return Place(await centre.store.rooms.territory_of_school(name), name)
    return place_of_room(centre, name)


def place_of_room(centre: Centre, room: str) -> Place:
    """Return what a room lies in; of one that is unknown nothing but its name."""
    if room not in centre.fleet:
        return Place(room=room)
    return Place(centre.fleet.territory(room), centre.fleet.school(room), room)


async def still_there(request: Request) -> Who | None:
    """Return who calls and what that may now, None where the sign-in or the token that it came with has ended.

    An open page is no use of it: it may stand there all night.
    """
    centre, token = centre_of(request), api_token(request.headers)
    if token is not None:
        return await centre.api_tokens.still(token)
    signed_in = await centre.sign_ins.holder(request.cookies.get(cookie_name(centre), ""))
    return Who(signed_in.name, signed_in.grants) if signed_in is not None else None


def by(part: Part) -> Part:
    """Name the part of the path that says where, for `guarded`."""
    return part


def guarded(permission: Permission, *, scope: Part | None = None, filtered: bool = False) -> Any:
    """Return what a route puts into ``dependencies``."""
    return Depends(Guard(permission, scope, filtered=filtered))


def ticket_of(request: Request) -> Ticket:
    ticket: Ticket = request.state.ticket
    return ticket


def holder_of(request: Request) -> Holder:
    holder: Holder = request.state.holder
    return holder


def who_of(request: Request) -> Who:
    who: Who = request.state.who
    return who


def signed_in_of(request: Request) -> SignedInRecord:
    """Return the browser's sign-in, on a route that only people may call."""
    signed_in: SignedInRecord = request.state.signed_in
    return signed_in


def api_token(headers: Headers) -> str | None:
    """Return the token of a program, None where none is sent."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and is_api_token(token.strip()) else None


def guard_of(route: BaseRoute) -> Guard | None:
    """Return what guards a route, None when it declares nothing, or too much."""
    if not isinstance(route, APIRoute):
        return None
    guards = [item.call for item in route.dependant.dependencies if isinstance(item.call, Guard)]
    return guards[0] if len(guards) == 1 else None


def permission_of(route: BaseRoute) -> Permission | None:
    """Return what a route declares, None when it declares nothing."""
    guard = guard_of(route)
    return guard.permission if guard is not None else None


def check_routes(routes: list[BaseRoute]) -> None:
    """Raise RuntimeError for a route without exactly one permission: nothing is open by forgetfulness.

    So too for one that names a room, school or territory and whose permission is granted, but not by the smallest of
    them: who may do it in one school would do it in all, or nobody could.
    """
    open_ones = [str(getattr(route, "path", route)) for route in routes if guard_of(route) is None]
    if open_ones:
        msg = f"routes without a permission: {', '.join(open_ones)}"
        raise RuntimeError(msg)
    for route in routes:
        guard, path = guard_of(route), str(getattr(route, "path", ""))
        if guard is not None and guard.scope != _smallest_part(path, guard.permission):
            wanted = _smallest_part(path, guard.permission)
            named = f'by("{wanted}")' if wanted else "none"
            raise RuntimeError(f"the route {path} has another scope than its path: it must be {named}")


def _smallest_part(path: str, permission: Permission) -> Part | None:
    if permission not in GRANTED:
        return None
    parts: tuple[Part, ...] = ("room", "school", "territory")
    return next((part for part in parts if "{" + part + "}" in path), None)


def bearer_if_any(request: Request) -> str | None:
    """Return the Bearer token where one may be sent and need not be."""
    return bearer(request) if "authorization" in request.headers else None


def bearer(request: Request) -> str:
    """Return the Bearer token; raise AccessError ``token-invalid`` without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AccessError("send the ticket as Authorization: Bearer; join again to get one", code="token-invalid")
    return token.strip()


def check_not_removed(centre: Centre, ticket: Ticket) -> None:
    """Raise AccessError ``not-admitted`` for a ticket whose pupil was shown out of the lesson."""
    if centre.book.is_removed(ticket.room, ticket.jti):
        raise AccessError("the teacher has shown the holder of this ticket out of the lesson", code="not-admitted")


def _ticket(request: Request, centre: Centre) -> Ticket:
    ticket = centre.tickets.check(bearer(request))
    check_not_removed(centre, ticket)
    return ticket


def _holder(request: Request, centre: Centre) -> Holder:
    link = request.query_params.get("link")
    if link is None or "authorization" in request.headers:
        return _ticket_holder(request, centre)
    lesson = centre.book.by_link(link)
    # its hash, for this goes into TURN user names and so into other programs' logs
    subject = f"link-{hashlib.sha256(link.encode()).hexdigest()[:24]}"
    return _of_this_room(request, Holder(lesson.room, lesson.id, subject, has_ticket=False))


def _ticket_holder(request: Request, centre: Centre) -> Holder:
    ticket = _ticket(request, centre)
    return _of_this_room(request, Holder(ticket.room, ticket.lesson, ticket.jti))


def _sender(request: Request, centre: Centre) -> Holder:
    try:
        ticket = centre.screen_tickets.check(bearer(request))
    except AccessError:
        return _ticket_holder(request, centre)
    return _of_this_room(request, Holder(ticket.room, ticket.lesson, ticket.jti, sends="shared"))


def _of_this_room(request: Request, holder: Holder) -> Holder:
    if holder.room != str(request.path_params["room"]):
        raise AccessError("this ticket is for another room", code="forbidden")
    return holder


def _check_metrics(request: Request, centre: Centre) -> None:
    path = centre.config.metrics.token_file
    wanted = path.read_text(encoding="utf-8").strip() if path is not None else ""
    if not wanted:
        raise EstradeError("no token file is configured for metrics", code="not-found")
    if not hmac.compare_digest(bearer(request).encode(), wanted.encode()):
        raise AccessError("the token for metrics is wrong", code="token-invalid")


def cookie_name(centre: Centre) -> str:
    """``__Host-`` binds the cookie to this very host and to https; without https a browser would drop it."""
    return "__Host-estrade" if centre.public_url.startswith("https:") else "estrade"


def give_cookie(centre: Centre, response: Response, token: str) -> None:
    """Have the browser keep a token of `SignIns`."""
    set_cookie(response, cookie_name(centre), token, most_s=int(LONGEST.total_seconds()))


def set_cookie(response: Response, name: str, value: str, *, most_s: int) -> None:
    """Have the browser keep something out of reach of any script, and send it to us when it comes from elsewhere."""
    response.set_cookie(
        name, value, max_age=most_s, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="lax"
    )


def delete_cookie(response: Response, name: str) -> None:
    """Have the browser forget what `set_cookie` gave it."""
    response.delete_cookie(name, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="lax")


def client_address(request: Request) -> str:
    """Return the caller's address; behind a proxy the one it tells, when it is a trusted one (uvicorn's doing)."""
    return request.client.host if request.client else ""


def check_arrivals(centre: Centre, lesson: str, address: str) -> None:
    """Refuse an address that comes into a lesson faster than any class does; raise AccessError ``offer-throttled``."""
    wait_s = centre.arrivals.act(f"{lesson}\0{address_key(address)}")
    if wait_s is not None:
        raise AccessError(
            f"too many arrivals from here; wait {wait_s:g} s",
            code="offer-throttled",
            retryable=True,
            retry_after_s=wait_s,
        )


def check_guesses(failures: FailureThrottle, key: str) -> None:
    """Refuse an address from which too many wrong codes came; raise AccessError ``code-throttled``."""
    wait_s = failures.wait_s(key)
    if wait_s is not None:
        raise AccessError(
            f"too many wrong codes from here; wait {wait_s:g} s",
            code="code-throttled",
            retryable=True,
            retry_after_s=wait_s,
        )


# --- the wrapping -------------------------------------------------------------------------------------------------


class Wrapping:
    """ASGI middleware: headers on every answer, refusal of cross-site acts, bodies no larger than they may be.

    A fault of ours is answered here too: what Starlette answers itself leaves around us, without headers.
    """

    def __init__(self, app: ASGIApp, *, body_limits: Callable[[str], tuple[int, str]]) -> None:
        self._app = app
        self._body_limits = body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_whep = scope["path"].startswith("/whep/")
        is_answered = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("Content-Security-Policy", STRICT_POLICY)
                if is_whep or scope["path"].startswith(("/api/", "/whip/")):
                    out.setdefault("Cache-Control", "no-store")
                if is_whep:  # a player on any site may ask; what opens the door is the ticket, never a cookie
                    out["Access-Control-Allow-Origin"] = "*"
                    out["Access-Control-Expose-Headers"] = (
                        "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch"
                    )
                    out["Cross-Origin-Resource-Policy"] = "cross-origin"
                else:
                    out.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            await send(message)

        # a token is not sent by a browser of itself, as a cookie is
        is_exempt = is_whep or api_token(headers) is not None
        if scope["method"] not in _SAFE and not is_exempt and is_cross_site(headers):
            refusal = problem(AccessError("this request came from another site", code="cross-site"))
            await refusal(scope, receive, send_with_headers)
            return
        limit, code = self._body_limits(scope["path"])
        too_large = EstradeError(f"the body is larger than {limit // 1024} KiB", code=code)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            await problem(too_large, {"Connection": "close"})(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, _limited(receive, limit, too_large), send_with_headers)
        except Exception:
            if is_answered:  # too late for another answer; the server cuts the line and writes the traceback
                raise
            log.exception("%s %s ended in a fault of ours", scope["method"], scope["path"])
            await internal()(scope, receive, send_with_headers)


def _limited(receive: Receive, limit: int, too_large: EstradeError) -> Receive:
    """Return ``receive`` that raises once a body without a declared length has grown too large."""
    got = 0

    async def limited() -> Message:
        nonlocal got
        message = await receive()
        if message["type"] == "http.request":
            got += len(message.get("body", b""))
            if got > limit:
                raise BodyTooLargeError(too_large)
        return message

    return limited


def is_cross_site(headers: Headers) -> bool:
    """Say whether a browser made this request for another site's page.

    ``Sec-Fetch-Site`` tells it; a browser without it sends ``Origin``. A program that sends neither carries no
    cookie it was not given.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")
