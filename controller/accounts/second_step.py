"""The second step of signing in, at work: set up by the account itself, asked for after the password, taken away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from controller.accounts import totp
from controller.keys import Keys
from controller.store.store import Store
from controller.throttle import FailureThrottle
from protocol.errors import AccessError, EstradeError

log = logging.getLogger(__name__)

SET_UP_S = 900
"""From the QR code on the page to the first code from the app, which may have to be installed in between."""
_MOST_WRONG, _WRONG_PERIOD_S = 5, 900.0
"""Of one account, from wherever: who guesses here has the password. Three codes of a million are right at a time, so
that a month of guessing finds one with a chance of 4 %."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What an app needs; ``pending`` brings the secret back with the first code, for nothing of it is kept here."""

    secret: str
    address: str
    pending: str


class SecondStep:
    """Check and change second steps."""

    def __init__(
        self, store: Store, keys: Keys, *, mono: Callable[[], float], now: Callable[[], datetime], public_url: str
    ) -> None:
        self._store = store
        self._keys = keys
        self._now = now
        self._issuer = f"Estrade {urlsplit(public_url).hostname or ''}".rstrip()
        self._wrong = FailureThrottle(mono, most=_MOST_WRONG, period_s=_WRONG_PERIOD_S, most_overall=10_000)

    async def check(self, name: str, code: str | None) -> None:
        """Return for an account without a second step, and for a right code, which is then used up.

        Raises AccessError ``totp-needed`` where none was given, ``totp-wrong``, and ``sign-in-throttled``.
        """
        sealed = await self._store.second_steps.secret(name)
        if sealed is None:
            return
        if not (code or "").strip():
            raise AccessError("this account has a second step: send a code of its app too", code="totp-needed")
        self._count(name)
        if not await self._take(name, sealed, code or ""):
            raise AccessError("the code is wrong, too old, or was used before", code="totp-wrong")
        self._wrong.forgive(name)

    async def _take(self, name: str, sealed: bytes, code: str) -> bool:
        secret = self._keys.unseal(sealed, "totp", name)
        if secret is None:
            log.error("a second step was sealed under another secret.key: take it away with user totp-reset")
        step = totp.step_of(secret, code, self._now()) if secret is not None else None
        if step is not None:
            return await self._store.second_steps.take_step(name, step)
        return await self._store.second_steps.take_recovery_code(name, totp.recovery_sha256(code), now=self._now())

    def _count(self, name: str) -> None:
        """Count an attempt as wrong until it has gone well; raise AccessError ``sign-in-throttled`` for one more."""
        wait_s = self._wrong.attempt(name)
        if wait_s is not None:
            raise AccessError(
                f"too many wrong codes; wait {wait_s:g} s",
                code="sign-in-throttled",
                retryable=True,
                retry_after_s=wait_s,
            )

    def propose(self, name: str) -> SetUp:
        """Return a new secret for an account; it holds once `begin` was given a code made with it."""
        secret = totp.new_secret()
        pending = self._keys.seal(secret, "totp-set-up", name, at_s=self._seconds())
        return SetUp(totp.shown(secret), totp.address(secret, name, self._issuer), pending.decode())

    async def begin(self, name: str, pending: str, code: str) -> tuple[str, ...]:
        """Have the account asked for codes from now on; return its recovery codes, which are told this once.

        Raises AccessError ``totp-wrong`` for a code that its app did not make, or a set-up that took too long, and
        EstradeError ``totp-there`` where the account has a second step.
        """
        sealed = pending.encode(errors="replace")
        secret = self._keys.unseal(sealed, "totp-set-up", name, at_s=self._seconds(), ttl_s=SET_UP_S)
        step = totp.step_of(secret, code, self._now()) if secret is not None else None
        if secret is None or step is None:
            raise AccessError("this is not the code that the app shows now", code="totp-wrong")
        codes = totp.new_recovery_codes()
        kept = self._keys.seal(secret, "totp", name, at_s=self._seconds())
        hashes = [totp.recovery_sha256(code) for code in codes]
        if not await self._store.second_steps.begin(name, kept, step, hashes):
            raise EstradeError("this account has a second step already", code="totp-there")
        return codes

    async def end(self, name: str, code: str) -> None:
        """Take the second step away, for whoever has a code of it, and sign every browser out; raises as `check`."""
        await self.check(name, code)
        await self._store.second_steps.end(name)

    def _seconds(self) -> int:
        return int(self._now().timestamp())
