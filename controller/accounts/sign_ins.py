"""Signing in: opaque tokens of which only the SHA-256 is stored, and limits on guessing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from controller.accounts.passwords import hash_password, is_outdated, is_right
from controller.accounts.second_step import SecondStep
from controller.store.accounts import Account, SignedInRecord
from controller.store.store import Store
from controller.throttle import FailureThrottle, address_key
from protocol.errors import AccessError, StoreError

IDLE = timedelta(hours=8)
LONGEST = timedelta(hours=12)
_SEEN_EVERY = timedelta(minutes=5)
"""Noting each request would be a write for each request."""
_AT_ONCE = 2
"""One check takes about 130 ms of a core and 64 MiB (measured)."""


def token_sha256(token: str) -> str:
    """Return what is kept of a token, of a browser's and of a program's."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class SignIns:
    """Sign in, out, and who holds a token."""

    def __init__(
        self,
        store: Store,
        second_step: SecondStep,
        *,
        mono: Callable[[], float],
        now: Callable[[], datetime],
        on_sign_out: Callable[[str], None] = lambda token_sha256: None,
    ) -> None:
        self._store = store
        self._second_step = second_step
        self._on_sign_out = on_sign_out
        self._now = now
        self._hashing = asyncio.Semaphore(_AT_ONCE)
        self._by_name = FailureThrottle(mono, most=5, most_overall=10_000)
        self._by_address = FailureThrottle(mono, most=10, most_overall=300)

    async def sign_in(
        self, name: str, password: str, address: str, code: str | None = None
    ) -> tuple[str, SignedInRecord]:
        """Return a new token, and who holds it.

        Raises AccessError ``sign-in-failed``, after the same work for a name that does not exist, and
        ``sign-in-throttled`` with ``retry_after_s``. An attempt counts as a failure until it has gone well, so that
        many at once gain nothing. Where the account has a second step, the right password is answered as
        `SecondStep.check` does, and opens nothing without its ``code``.
        """
        address = address_key(address)
        by_name = f"{name}\0{address}"
        waits = [wait for wait in (self._by_name.wait_s(by_name), self._by_address.wait_s(address)) if wait is not None]
        if waits:
            wait_s = max(waits)
            raise AccessError(
                f"too many attempts; wait {wait_s:g} s", code="sign-in-throttled", retryable=True, retry_after_s=wait_s
            )
        self._by_name.fail(by_name)
        self._by_address.fail(address)
        account = await self._store.accounts.get(name)
        async with self._hashing:
            has_it = await asyncio.to_thread(is_right, account.password_hash if account else None, password)
        if account is None or account.password_hash is None or not has_it:
            raise AccessError("the name or the password is wrong", code="sign-in-failed")
        self._by_name.forgive(by_name)
        self._by_address.forgive(address)
        await self._second_step.check(account.name, code)
        if is_outdated(account.password_hash):
            async with self._hashing:
                fresh = await asyncio.to_thread(hash_password, password)
            await self._store.accounts.put(Account(account.name, account.grants, fresh), now=self._now())
        return await self.begin(account.name)

    async def begin(self, name: str) -> tuple[str, SignedInRecord]:
        """Return a new token for an account whose owner has shown to be that, and who holds it.

        Raises AccessError ``sign-in-failed`` where the account is switched off.
        """
        now = self._now()
        await self._store.accounts.forget_old(created_before=now - LONGEST, seen_before=now - IDLE)
        token = secrets.token_urlsafe(32)
        await self._store.accounts.sign_in(name, token_sha256(token), now=now)
        who = await self._store.accounts.signed_in(token_sha256(token))
        if who is None:
            raise AccessError("this account is switched off", code="sign-in-failed")
        return token, who

    async def who(self, token: str) -> SignedInRecord | None:
        """Return who holds a token that has not run out, and note that it was used."""
        found, now = await self.holder(token), self._now()
        if found is not None and now - found.seen_at > _SEEN_EVERY:
            with contextlib.suppress(StoreError):  # noted at the next request
                await self._store.accounts.seen(token_sha256(token), now=now)
        return found

    async def holder(self, token: str) -> SignedInRecord | None:
        """Return who holds a token that has not run out."""
        found = await self._store.accounts.signed_in(token_sha256(token))
        now = self._now()
        if found is None or now - found.created_at > LONGEST or now - found.seen_at > IDLE:
            return None
        return found

    async def sign_out(self, token: str) -> None:
        """Forget a token; what is open with it ends."""
        sha256 = token_sha256(token)
        await self._store.accounts.sign_out(sha256)
        self._on_sign_out(sha256)
