"""Tokens of programs: shown once, stored as a hash, with permissions, a place and an end.

A token may never do more than the account that it is of.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from controller.accounts.grants import TOKEN_PERMISSIONS, Permission, Who
from controller.accounts.sign_ins import token_sha256
from controller.store.accounts import Grant
from controller.store.store import Store
from controller.store.tokens import TokenRecord
from protocol.errors import AccessError, EstradeError, StoreError

PREFIX = "est_"
"""So that a token is known as one where it should not be: in a log, in a repository."""
_USED_EVERY = timedelta(minutes=5)
_MOST_ACTOR = 80
"""Characters that an act carries to a room."""


def is_api_token(text: str) -> bool:
    return text.startswith(PREFIX)


class ApiTokens:
    """Make, take back, and check tokens."""

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime],
        on_revoke: Callable[[str], None] = lambda sha256: None,
    ) -> None:
        self._store = store
        self._now = now
        self._on_revoke = on_revoke

    async def make(
        self, name: str, user: str, permissions: Iterable[Permission], scope: str, days: int
    ) -> tuple[str, TokenRecord]:
        """Return a new token of the account ``user``, and what is kept of it.

        Raises EstradeError ``body-invalid`` for a permission that no token may have, and for none.
        """
        wanted = frozenset(permissions)
        if not wanted or not wanted <= TOKEN_PERMISSIONS:
            may_have = ", ".join(sorted(TOKEN_PERMISSIONS))
            raise EstradeError(f"a token has one or more of: {may_have}", code="body-invalid")
        token = PREFIX + secrets.token_urlsafe(32)
        made_at = self._now()
        record = TokenRecord(
            token_sha256(token), name, user, tuple(sorted(wanted)), scope, made_at, made_at + timedelta(days=days)
        )
        await self._store.tokens.add(record)
        return token, record

    async def who(self, token: str) -> Who:
        """Return who calls with a token, and note that it was used.

        Raises AccessError ``access-refused`` for one that is unknown or was taken back, and ``token-expired``.
        """
        record, grants = await self._found(token)
        now = self._now()
        if record.used_at is None or now - record.used_at > _USED_EVERY:
            with contextlib.suppress(StoreError):  # noted at the next request
                await self._store.tokens.used(record.sha256, now=now)
        return _who(record, grants)

    async def still(self, token: str) -> Who | None:
        """Return who may do what with a token now, None where it has ended."""
        try:
            return _who(*await self._found(token))
        except AccessError:
            return None

    async def _found(self, token: str) -> tuple[TokenRecord, tuple[Grant, ...]]:
        found = await self._store.tokens.get(token_sha256(token))
        if found is None or found[0].revoked_at is not None:
            raise AccessError("this token is not known here, or was taken back")
        if found[0].expires_at <= self._now():
            raise AccessError("this token is out of date; make another one", code="token-expired")
        return found

    async def revoke(self, token_id: str) -> TokenRecord:
        """Take a token back by its id; what is open with it ends. Raises EstradeError ``not-found``."""
        record = await self._store.tokens.revoke(token_id, now=self._now())
        if record is None:
            raise EstradeError("there is no such token", code="not-found")
        self._on_revoke(record.sha256)
        return record


def _who(record: TokenRecord, grants: tuple[Grant, ...]) -> Who:
    name = f"{record.user} ({record.name})"[:_MOST_ACTOR]
    # a permission of a newer version's token is none here
    permissions = frozenset(Permission(text) for text in record.permissions if text in TOKEN_PERMISSIONS)
    return Who(name, grants, permissions, record.scope, "token")
