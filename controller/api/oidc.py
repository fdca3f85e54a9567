"""``/api/v1/oidc``: signing in with another service. The browser itself comes here, so IT's page shows refusals."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from controller.accounts.grants import Permission
from controller.accounts.oidc import AWAY_S, OidcClient
from controller.api.security import (
    centre_of,
    client_address,
    cookie_name,
    delete_cookie,
    give_cookie,
    guarded,
    set_cookie,
)
from controller.centre import Centre
from controller.throttle import address_key
from protocol.errors import AccessError, EstradeError
from protocol.pages import OidcView

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/v1/oidc")


@router.get("", dependencies=[guarded(Permission.PUBLIC)])
async def oidc(request: Request) -> OidcView:
    """Say whether there is such a service."""
    client = centre_of(request).oidc
    return OidcView(label=client.label if client is not None else None)


@router.get("/start", dependencies=[guarded(Permission.PUBLIC)])
async def start(request: Request) -> Response:
    """Send the browser to the service."""
    centre = centre_of(request)
    client = _client(centre)
    try:
        begun = await client.start()
    except EstradeError as error:
        return _refused(error)
    response = RedirectResponse(begun.url, 303)
    set_cookie(response, _trip_name(centre), begun.cookie, most_s=AWAY_S)
    return response


@router.get("/back", dependencies=[guarded(Permission.PUBLIC)])
async def back(request: Request) -> Response:
    """Take up who comes back from the service."""
    centre = centre_of(request)
    client = _client(centre)
    address = address_key(client_address(request))
    try:
        _check_failures(centre, address)
        token = await _signed_in(centre, client, request)
    except EstradeError as error:
        response = _refused(error)
    else:
        centre.oidc_failures.forgive(address)
        response = RedirectResponse("/it/", 303)
        give_cookie(centre, response, token)
    delete_cookie(response, _trip_name(centre))
    return response


async def _signed_in(centre: Centre, client: OidcClient, request: Request) -> str:
    """Return a browser's new token; an account is made, and its grants are what its groups are now.

    Who has no account here, a pupil perhaps, is noted without a name.
    """
    actor, outcome = "(unknown)", "ok"
    try:
        person = await client.finish(request.query_params, request.cookies.get(_trip_name(centre), ""))
        grants = client.grants(person)
        account = await centre.store.accounts.put_of_provider(person.name, person.subject, grants, now=centre.now())
        if not grants:
            raise AccessError("none of this account's groups is in [oidc.groups]", code="no-grant")
        if account is None:
            raise AccessError("an account of this centre has the name already", code="name-taken")
        actor = account
        token, _ = await centre.sign_ins.begin(account)
    except EstradeError as error:
        outcome = error.code
        raise
    finally:
        await centre.audit.note(actor, "sign-in", "oidc", outcome)
    return token


def _client(centre: Centre) -> OidcClient:
    if centre.oidc is None:
        raise EstradeError("no other service is configured for signing in", code="not-found")
    return centre.oidc


def _check_failures(centre: Centre, address: str) -> None:
    """Count a failure until it has gone well: each way back asks the service, in our name."""
    wait_s = centre.oidc_failures.attempt(address)
    if wait_s is not None:
        raise AccessError(f"too many attempts; wait {wait_s:g} s", code="sign-in-throttled", retry_after_s=wait_s)


def _refused(error: EstradeError) -> Response:
    log.warning("signing in with another service: %s [%s]", error.message, error.code)
    return RedirectResponse(f"/it/?problem={error.code}", 303)


def _trip_name(centre: Centre) -> str:
    return f"{cookie_name(centre)}-oidc"
