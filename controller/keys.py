"""The centre's one secret and all that is derived from it: codes, standing links, tickets, viewers' ids, and the keys
of what the database holds sealed.

The database holds no code and no link, only the ids they are derived from: a stolen copy of it opens no lesson. The
secret is a file of 32 bytes in ``state_dir`` (mode 0600); controllers that share a database share it. Losing it turns
every code and link over.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import unicodedata
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from protocol.errors import ConfigError

ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""30 signs, none that is read as another: no 0, 1, I, L, O, U."""
CODE_LENGTH = 8
_LOOK_ALIKE = str.maketrans({"U": "V", "O": "Q", "0": "Q", "1": "7", "I": "J"})
"""What may have been meant by a sign that no code has; L has nothing like it."""
_BETWEEN = " -\u2010\u2011\u2012\u2013\u2014\u2212_.\t\u00a0\u202f"
_KEY_BYTES = 32


class Keys:
    """Everything derived from the secret. Pure: the same secret and ids give the same strings for ever."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def _derive(self, purpose: str, *parts: str) -> bytes:
        message = "\0".join((purpose, *parts)).encode()
        return hmac.new(self._secret, message, hashlib.sha256).digest()

    def code(self, lesson: str, turn: int) -> str:
        """Return the 8-character code of a lesson, as ABCD-EFGH; ``turn`` makes another for the same lesson."""
        number = int.from_bytes(self._derive("code", lesson, str(turn)), "big")
        signs = []
        for _ in range(CODE_LENGTH):
            number, sign = divmod(number, len(ALPHABET))
            signs.append(ALPHABET[sign])
        return shown("".join(signs))

    def link(self, link_id: str) -> str:
        """Return the secret part of a standing link: 128 bits, as 22 characters of URL-safe base64."""
        return _text(self._derive("link", link_id)[:16])

    def ticket_key(self) -> bytes:
        """Return the key that tickets are signed with."""
        return self._derive("ticket")

    def seal(self, data: bytes, purpose: str, *parts: str, at_s: int) -> bytes:
        """Return ``data`` so that only `unseal` with the same purpose and parts reads it; ``at_s`` since 1970."""
        return self._sealer(purpose, *parts).encrypt_at_time(data, at_s)

    def unseal(self, sealed: bytes, purpose: str, *parts: str, at_s: int = 0, ttl_s: int | None = None) -> bytes | None:
        """Return what was sealed, None for what was not sealed so, or longer than ``ttl_s`` before ``at_s``."""
        sealer = self._sealer(purpose, *parts)
        try:
            return sealer.decrypt(sealed) if ttl_s is None else sealer.decrypt_at_time(sealed, ttl_s, at_s)
        except InvalidToken:
            return None

    def _sealer(self, purpose: str, *parts: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._derive(f"sealed-{purpose}", *parts)))

    def holder(self, room: str, jti: str) -> str:
        """Return by what the room may know the connections of one ticket, and no more than that."""
        return _text(self._derive("holder", room, jti)[:12])

    def viewer(self, room: str, holder: str) -> str:
        """Return a new viewer id that `is_viewer_of` knows as this ticket holder's in this room."""
        nonce = _text(secrets.token_bytes(9))
        return f"{nonce}.{self._viewer_mark(room, holder, nonce)}"

    def is_viewer_of(self, viewer: str, room: str, holder: str) -> bool:
        """Say whether the viewer id was made for this holder in this room; no memory is needed to know."""
        nonce, _, mark = viewer.partition(".")
        return hmac.compare_digest(mark.encode(), self._viewer_mark(room, holder, nonce).encode())

    def played(self, room: str, holder: str, location: str) -> str:
        """Return a viewer id that holds where a media server has this ticket holder's connection, and for whom."""
        nonce, sealed = _text(secrets.token_bytes(9)), _text(location.encode())
        return f"{nonce}.{sealed}.{_text(self._derive('played', room, holder, nonce, location)[:12])}"

    def read_played(self, viewer: str, room: str, holder: str) -> str | None:
        """Return what `played` was given, None when the id was not made by it for this holder in this room."""
        nonce, _, rest = viewer.partition(".")
        sealed, _, mark = rest.partition(".")
        try:
            location = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)).decode()
        except ValueError:
            return None
        wanted = _text(self._derive("played", room, holder, nonce, location)[:12])
        return location if hmac.compare_digest(mark.encode(), wanted.encode()) else None

    def _viewer_mark(self, room: str, holder: str, nonce: str) -> str:
        return _text(self._derive("viewer", room, holder, nonce)[:12])


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def shown(code: str) -> str:
    """Return eight signs as people see them: ABCD-EFGH."""
    return f"{code[:4]}-{code[4:]}"


def read_code(typed: str) -> str | None:
    """Return what was typed as ABCD-EFGH, or None when no code can have been meant.

    Lower case, full-width letters, spaces and dashes are accepted, and signs that look like one of the alphabet.
    """
    text = unicodedata.normalize("NFKC", typed).upper().translate({ord(sign): None for sign in _BETWEEN})
    text = text.translate(_LOOK_ALIKE)
    return shown(text) if len(text) == CODE_LENGTH and all(sign in ALPHABET for sign in text) else None


def load_keys(state_dir: Path) -> Keys:
    """Read the secret, or make it at the first start; raise ConfigError when the folder cannot be used."""
    path = state_dir / "secret.key"
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            secret = path.read_bytes()
        else:
            secret = secrets.token_bytes(_KEY_BYTES)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secret)
    except OSError as error:
        msg = f"state_dir: cannot use {path} ({error.strerror}); make the folder and give it to this user"
        raise ConfigError(msg) from error
    if len(secret) != _KEY_BYTES:
        msg = f"state_dir: {path} is not a secret of {_KEY_BYTES} bytes; remove it to turn every code and link over"
        raise ConfigError(msg)
    return Keys(secret)
