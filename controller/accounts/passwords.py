"""Passwords: Argon2id, and as much work for a name that does not exist. Blocking: about 130 ms of a core and 64 MiB."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password."""
    return _hasher.hash(password)


def random_password() -> str:
    """Return a password to be printed once: 100 bits, in groups that can be read aloud."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_hex(16))


def is_right(password_hash: str | None, password: str) -> bool:
    """Check a password; for nobody (None) it takes as long and is never right."""
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (Argon2Error, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Say whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)
