"""``/api/v1/session/totp``: whoever is signed in sets the account's second step up, or takes it away."""

from __future__ import annotations

import segno
from fastapi import APIRouter, Request, Response

from controller.accounts.grants import Permission
from controller.api.security import centre_of, guarded, signed_in_of
from protocol.errors import AccessError, EstradeError
from protocol.pages import RecoveryCodes, SecondStepBegin, SecondStepEnd, SecondStepSetUp

router = APIRouter(prefix="/api/v1/session/totp")


@router.post("", dependencies=[guarded(Permission.SIGNED_IN)])
async def set_up(request: Request) -> SecondStepSetUp:
    """Return a new secret; nothing is changed before the first code."""
    proposed = centre_of(request).second_step.propose(_local_name(request))
    picture = segno.make(proposed.address, error="m").svg_data_uri(scale=4, border=4, dark="#14213d", light="#ffffff")
    return SecondStepSetUp(secret=proposed.secret, qr=picture, pending=proposed.pending)


@router.put("", dependencies=[guarded(Permission.SIGNED_IN)])
async def begin(body: SecondStepBegin, request: Request) -> RecoveryCodes:
    """Have the account asked for codes from now on."""
    centre, name = centre_of(request), _local_name(request)
    try:
        codes = await centre.second_step.begin(name, body.pending, body.code)
    except EstradeError as error:
        await centre.audit.note(name, "totp.begin", name, error.code)
        raise
    await centre.audit.note(name, "totp.begin", name, "ok")
    return RecoveryCodes(codes=codes)


@router.post("/end", status_code=204, dependencies=[guarded(Permission.SIGNED_IN)])
async def end(body: SecondStepEnd, request: Request) -> Response:
    """Take the second step away; every browser of the account is signed out."""
    centre, name = centre_of(request), _local_name(request)
    try:
        await centre.second_step.end(name, body.code)
    except EstradeError as error:
        await centre.audit.note(name, "totp.end", name, error.code)
        raise
    await centre.audit.note(name, "totp.end", name, "ok")
    return Response(status_code=204)


def _local_name(request: Request) -> str:
    who = signed_in_of(request)
    if not who.is_local:
        raise AccessError("this account's second step is its provider's matter", code="forbidden")
    return who.name
