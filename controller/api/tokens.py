"""``/api/v1/tokens``: tokens with which programs call this API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from controller.accounts.grants import Permission
from controller.api.security import centre_of, guarded, signed_in_of
from controller.store.tokens import TokenRecord
from protocol.errors import EstradeError
from protocol.pages import TokenBody, TokenMade, TokensView, TokenView

router = APIRouter(prefix="/api/v1/tokens")


@router.get("", dependencies=[guarded(Permission.ACCOUNTS)])
async def tokens(request: Request) -> TokensView:
    """Return every token that is remembered, also those that ended."""
    records = await centre_of(request).store.tokens.all()
    return TokensView(tokens=tuple(_view(record) for record in records))


@router.post("", status_code=201, dependencies=[guarded(Permission.ACCOUNTS)])
async def make(body: TokenBody, request: Request) -> TokenMade:
    """Make a token of the account that asks."""
    centre, who = centre_of(request), signed_in_of(request)
    known = frozenset(Permission)
    unknown = [text for text in body.permissions if text not in known]
    if unknown:
        raise EstradeError(f'there is no permission "{unknown[0][:40]}"', code="body-invalid")
    permissions = [Permission(text) for text in body.permissions]
    token, record = await centre.api_tokens.make(body.name, who.name, permissions, body.scope, body.days)
    await centre.audit.note(who.name, "token.make", record.name, "ok")
    return TokenMade(token=token, view=_view(record))


@router.delete("/{token_id}", status_code=204, dependencies=[guarded(Permission.ACCOUNTS)])
async def revoke(token_id: str, request: Request) -> Response:
    """Take a token back."""
    centre, who = centre_of(request), signed_in_of(request)
    record = await centre.api_tokens.revoke(token_id)
    await centre.audit.note(who.name, "token.revoke", record.name, "ok")
    return Response(status_code=204)


def _view(record: TokenRecord) -> TokenView:
    return TokenView(
        id=record.id,
        name=record.name,
        user=record.user,
        permissions=record.permissions,
        scope=record.scope,
        made_at=record.made_at,
        expires_at=record.expires_at,
        used_at=record.used_at,
        revoked_at=record.revoked_at,
    )
