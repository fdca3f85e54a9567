"""An optional PIN before what the panel shows of pupils: names, code, link, QR code. The lesson never waits for it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from protocol.errors import AccessError, ConfigError

OPEN_S = 300.0
"""A typed PIN shows names and code for this long."""
FREE_TRIES = 3
MOST_WAIT_S = 300.0
"""After the free tries each wrong PIN doubles the wait, up to this: four digits last for a month."""
_FORM = re.compile(r"scrypt\$([0-9a-f]{32})\$([0-9a-f]{64})")
_PIN = re.compile(r"[0-9]{4,12}")


def hash_pin(pin: str) -> str:
    """Return what the PIN's file holds; raise ConfigError for what is no PIN."""
    if not _PIN.fullmatch(pin):
        raise ConfigError("a PIN has 4 to 12 digits")
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(pin, salt).hex()}"


class Pin:
    """Whether the panel shows names and code now. Without a file it always does."""

    def __init__(self, kept: str | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._clock = clock
        self._open_until_s = -math.inf
        self._wrong = 0
        self._next_try_s = -math.inf
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    def read(cls, path: Path | None) -> Pin:
        """Read the PIN's file. Raises ConfigError when it is not one that ``estrade-agent pin`` made."""
        if path is None:
            return cls(None)
        try:
            kept = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            kept = ""
        if not _FORM.fullmatch(kept):
            raise ConfigError(f"panel.pin_file: {path} holds no PIN; write it with: estrade-agent pin > {path}")
        return cls(kept)

    @property
    def is_set(self) -> bool:
        return self._kept is not None

    @property
    def is_locked(self) -> bool:
        """Whether names and code are hidden now."""
        return self.is_set and self._clock() >= self._open_until_s

    async def unlock(self, pin: str) -> None:
        """Show names and code for `OPEN_S`; raise AccessError ``pin-wrong``, or ``pin-throttled`` unlooked at."""
        async with self._one_at_a_time:
            wait_s = self._next_try_s - self._clock()
            if wait_s > 0:
                raise AccessError(
                    f"too many wrong PINs; wait {math.ceil(wait_s)} s",
                    code="pin-throttled",
                    retryable=True,
                    retry_after_s=float(math.ceil(wait_s)),
                )
            if not await asyncio.to_thread(self._is_right, pin):
                self._wrong += 1
                if self._wrong >= FREE_TRIES:
                    doubled = min(self._wrong - FREE_TRIES, 10)  # a float ends at 2 ** 1024, and the waiting with it
                    self._next_try_s = self._clock() + min(MOST_WAIT_S, 5.0 * 2**doubled)
                raise AccessError("the PIN is wrong", code="pin-wrong")
            self._wrong = 0
            self._open_until_s = self._clock() + OPEN_S

    def lock(self) -> None:
        """Hide names and code now."""
        self._open_until_s = -math.inf

    def _is_right(self, pin: str) -> bool:
        match = _FORM.fullmatch(self._kept or "")
        return match is not None and hmac.compare_digest(_scrypt(pin, bytes.fromhex(match[1])), bytes.fromhex(match[2]))


def _scrypt(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
