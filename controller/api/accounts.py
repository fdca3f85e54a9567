"""``/api/v1/accounts``: who has one, and a second step taken away for who has lost app and codes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from controller.accounts.grants import Permission
from controller.api.security import centre_of, guarded, signed_in_of
from protocol.errors import AccessError, EstradeError
from protocol.pages import AccountsView, AccountView, GrantView

router = APIRouter(prefix="/api/v1/accounts")


@router.get("", dependencies=[guarded(Permission.ACCOUNTS)])
async def accounts(request: Request) -> AccountsView:
    """Return every account."""
    return AccountsView(
        accounts=tuple(
            AccountView(
                name=account.name,
                grants=tuple(GrantView(role=grant.role, scope=grant.scope) for grant in account.grants),
                is_local=account.password_hash is not None,
                has_second_step=account.has_second_step,
            )
            for account in await centre_of(request).store.accounts.all()
        )
    )


@router.delete("/{name}/totp", status_code=204, dependencies=[guarded(Permission.ACCOUNTS)])
async def end_second_step(name: str, request: Request) -> Response:
    """Take another account's second step away and sign its browsers out; one's own goes with a code of it."""
    centre, who = centre_of(request), signed_in_of(request)
    if name == who.name:
        raise AccessError("your own second step goes with a code of it", code="forbidden")
    if not await centre.store.second_steps.end(name):
        raise EstradeError("there is no such account, or it has no second step", code="not-found")
    await centre.audit.note(who.name, "totp.reset", name, "ok")
    return Response(status_code=204)
