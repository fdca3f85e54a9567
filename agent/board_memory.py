"""How the board was before a lesson changed it, on the room's disk: an agent that fell still puts it back.

Also which password a device refused, as a scrypt hash with its salt: a restart must not send it once more, and again,
until the device locks us out. Never the password itself.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from agent.whole_file import write_whole

log = logging.getLogger(__name__)

STALE = timedelta(minutes=10)
"""What was noted longer ago than this is no reason to switch a board that somebody may use by now."""


class Before(BaseModel):
    """What a lesson changed of the board, and so what its end changes back."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    switched_on: bool = False
    input: str | None = None
    """Shown before we chose another; None when we chose none, or it was not known."""
    at: AwareDatetime


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    before: Before | None = None
    refused: str | None = None


class BoardMemory:
    """Owns the file. Writes are small, atomic and on the loop; a disk that takes none costs the putting back alone."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._is_told = False
        self._kept = self._load()

    @property
    def before(self) -> Before | None:
        """What is to be put back; None when nothing is."""
        return self._kept.before

    def keep(self, *, switched_on: bool, input: str | None) -> None:
        """Note what was changed, as of now."""
        self._write(
            _Kept(before=Before(switched_on=switched_on, input=input, at=self._now()), refused=self._kept.refused)
        )

    def forget(self) -> None:
        """Nothing is to be put back any more."""
        if self._kept.before is not None:
            self._write(_Kept(refused=self._kept.refused))

    @property
    def is_locked_out(self) -> bool:
        """Whether a password was refused and no other has been taken since."""
        return self._kept.refused is not None

    def note_refused(self, secret: bytes) -> None:
        """Note that a device refused ``secret``. Slow by intent (scrypt): not on the loop."""
        salt = secrets.token_bytes(16)
        self._write(_Kept(before=self._kept.before, refused=f"{salt.hex()}${_scrypt(secret, salt).hex()}"))

    def is_refused(self, secret: bytes) -> bool:
        """Whether ``secret`` is the one that was refused. Slow by intent: not on the loop."""
        salt, _, digest = (self._kept.refused or "").partition("$")
        return bool(salt) and hmac.compare_digest(_scrypt(secret, bytes.fromhex(salt)).hex(), digest)

    def note_taken(self) -> None:
        """A login went well, or there is another secret to try."""
        if self._kept.refused is not None:
            self._write(_Kept(before=self._kept.before))

    def _load(self) -> _Kept:
        try:
            kept = _Kept.model_validate_json(self._path.read_bytes())
            bytes.fromhex((kept.refused or "").partition("$")[0])
        except FileNotFoundError:
            return _Kept()
        except (OSError, ValueError, ValidationError):
            log.warning("What was kept of the board cannot be read and is dropped", extra={"path": str(self._path)})
            return _Kept()
        if kept.before is not None and not timedelta(0) <= self._now() - kept.before.at <= STALE:
            return _Kept(refused=kept.refused)
        return kept

    def _write(self, kept: _Kept) -> None:
        self._kept = kept
        try:
            write_whole(self._path, kept.model_dump_json().encode())
        except OSError as error:
            if not self._is_told:
                self._is_told = True
                log.error("The board's state cannot be kept on disk", extra={"reason": str(error)})


def _scrypt(secret: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(secret, salt=salt, n=2**14, r=8, p=1, dklen=32)
