"""The only place where errors become HTTP: RFC 9457 problem+json with a stable ``code``."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from protocol.errors import CommandError, EstradeError
from protocol.pages import ProblemJson

log = logging.getLogger(__name__)

STATUS: Mapping[str, int] = {
    "lesson-transition": 409,
    "lesson-not-found": 404,
    "share-not-found": 404,
    "share-full": 507,
    "share-offset": 409,
    "share-failed": 502,
    "lesson-not-started": 409,
    "lesson-ended": 410,
    "lesson-locked": 409,
    "not-admitted": 403,
    "proposal-none": 409,
    "room-not-found": 404,
    "room-offline": 409,
    "room-timeout": 504,
    "starting": 503,
    "offer-invalid": 400,
    "offer-too-large": 413,
    "offer-throttled": 429,
    "no-common-codec": 406,
    "viewer-not-found": 404,
    "viewer-limit": 503,
    "hand-not-taken": 409,
    "speaker-in-room": 409,
    "somebody-speaks": 409,
    "screen-code-wrong": 404,
    "screen-code-used": 409,
    "screen-not-granted": 409,
    "screen-stopped": 409,
    "screen-replaced": 409,
    "screen-too-large": 409,
    "uplink-full": 503,
    "relay-off": 409,
    "media-server-unreachable": 502,
    "media-server-refused": 502,
    "address-refused": 400,
    "fetch-failed": 502,
    "calendar-unreadable": 422,
    "calendar-too-large": 413,
    "candidate-invalid": 400,
    "ice-restart-unsupported": 422,
    "broker-unavailable": 503,
    "database-unavailable": 503,
    "broker-certificate": 503,
    "broker-not-authorised": 503,
    "broker-refused": 502,
    "message-too-large": 413,
    "command-failed": 502,
    "command-late": 504,
    "command-unknown": 502,
    "args-invalid": 502,
    "device-failed": 502,
    "code-wrong": 404,
    "code-throttled": 429,
    "link-wrong": 404,
    "token-invalid": 401,
    "access-refused": 401,
    "sign-in-failed": 401,
    "sign-in-throttled": 429,
    "totp-needed": 401,
    "totp-wrong": 401,
    "totp-missing": 403,
    "totp-there": 409,
    "oidc-failed": 401,
    "oidc-unreachable": 502,
    "no-grant": 403,
    "name-taken": 409,
    "token-expired": 401,
    "forbidden": 403,
    "cross-site": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "body-invalid": 422,
    "body-too-large": 413,
    "unsupported-media-type": 415,
}
"""The status of each code that can leave by HTTP; any other is 500."""

_OF_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large", 415: "unsupported-media-type"}
_RETRY_AFTER_S = {
    "starting": 1.0,
    "broker-unavailable": 2.0,
    "database-unavailable": 5.0,
    "viewer-limit": 5.0,
    "uplink-full": 5.0,
}


class BodyTooLargeError(HTTPException):
    """A body that grew past its limit while it was read; FastAPI lets only HTTPException through from there."""

    def __init__(self, error: EstradeError) -> None:
        super().__init__(413, error.message)
        self.error = error


def problem(error: EstradeError, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer for an error."""
    code, status = error.code, STATUS.get(error.code, 500)
    if isinstance(error, CommandError) and code not in STATUS:  # of a newer room; our pages have no words for it
        code, status = "command-failed", 502
    wait_s = error.retry_after_s if error.retry_after_s is not None else _RETRY_AFTER_S.get(error.code)
    body = ProblemJson(
        title=HTTPStatus(status).phrase, status=status, detail=error.message, code=code, retry_after_s=wait_s
    )
    more = dict(headers or {})
    if wait_s is not None:
        more["Retry-After"] = str(math.ceil(wait_s))
    if status == 401:
        more.setdefault("WWW-Authenticate", "Bearer")
    more["Cache-Control"] = "no-store"
    return Response(body.model_dump_json(exclude_none=True), status, more, "application/problem+json")


def install(app: FastAPI) -> None:
    """Have the app answer every error this way."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, EstradeError)
        if STATUS.get(error.code, 500) >= 500:
            log.warning("%s %s: %s [%s]", request.method, request.url.path, error.message, error.code)
        return problem(error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        return problem(EstradeError(f"{where}: {first['msg']}", code="body-invalid"))

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error, BodyTooLargeError):
            return problem(error.error)
        code = _OF_STATUS.get(error.status_code, "body-invalid" if error.status_code < 500 else "internal")
        sentence = {
            "not-found": "there is nothing at this address",
            "method-not-allowed": f"this address does not take {request.method}",
        }.get(code, str(error.detail))
        return problem(EstradeError(sentence, code=code), error.headers)

    async def unknown(request: Request, error: Exception) -> Response:
        return internal()

    app.add_exception_handler(EstradeError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unknown)


def internal() -> Response:
    """Return the answer for a fault of ours; the traceback is in the log alone."""
    return problem(EstradeError("a fault of ours; the log has the details", code="internal"))
