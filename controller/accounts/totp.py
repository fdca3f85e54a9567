"""The second step of signing in: codes that change with time (RFC 6238), and recovery codes for a lost authenticator.

SHA-1, six digits and 30 s are what every authenticator app takes; some ignore what an address says beyond them. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
_SECRET_BYTES = 20
"""As long as the hash, RFC 4226 §4 R6."""
_DRIFT = 1
"""Steps before and after the present one, for clocks and slow fingers: RFC 6238 §5.2."""
RECOVERY_CODES = 8
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LENGTH = 10
"""Of 31 signs: 49 bits, so that the hash of one is not worth reversing, and short enough for paper."""


def new_secret() -> bytes:
    return secrets.token_bytes(_SECRET_BYTES)


def code_of(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """Return the code of a time step: RFC 4226 §5.3 with the step as its counter."""
    mac = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_at(at: datetime) -> int:
    """Return the time step of an instant: RFC 6238 §4.2."""
    return int(at.timestamp()) // STEP_S


def step_of(secret: bytes, code: str, at: datetime) -> int | None:
    """Return the step around ``at`` whose code this is, None for a code of none."""
    wanted = _bare(code).encode(errors="replace")
    now = step_at(at)
    found = None
    for step in range(now - _DRIFT, now + _DRIFT + 1):  # all of them, so that how long it takes says nothing
        if hmac.compare_digest(code_of(secret, step).encode(), wanted):
            found = step
    return found


def address(secret: bytes, account: str, issuer: str) -> str:
    """Return the ``otpauth`` address that authenticator apps read from a QR code (Google's Key URI Format)."""
    label = quote(f"{issuer}:{account}", safe="")
    return f"otpauth://totp/{label}?" + urlencode({"secret": shown(secret), "issuer": issuer}, quote_via=quote)


def shown(secret: bytes) -> str:
    """Return the secret as apps take it when typed in: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def new_recovery_codes() -> tuple[str, ...]:
    """Return codes to be shown once, as abcde-fghjk."""
    codes = ("".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES))
    return tuple(f"{code[:5]}-{code[5:]}" for code in codes)


def recovery_sha256(code: str) -> str:
    """Return what is stored of a recovery code; spaces, dashes and capitals make no difference."""
    return hashlib.sha256(_bare(code).lower().encode(errors="replace")).hexdigest()


def _bare(code: str) -> str:
    return "".join(code.split()).replace("-", "")
