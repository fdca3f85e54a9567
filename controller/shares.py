"""Files that rooms hand over for a while: sealed by the room, given to whoever has the link, gone when it runs out.

The centre sees sizes and times. It cannot read a file: the key is in the link's fragment, which browsers do not send.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from controller.config import SharesConfig
from protocol.errors import AccessError, ShareError, StoreError
from protocol.messages import UploadTold

log = logging.getLogger(__name__)

LOOK_S = 600.0
STALLED_S = 6 * 3_600.0
"""An upload to which nothing was added for so long is given up: the room begins anew, and its place is needed."""
_ID = re.compile(r"[A-Za-z0-9_-]{22}")


class Share(BaseModel):
    """One file as its note on disk says."""

    model_config = ConfigDict(frozen=True)

    id: str
    room: str
    size_bytes: int
    token_sha256: str
    expires_at: AwareDatetime


class Shares:
    """All files of one centre, in a folder. Works on small pieces; the disk is touched in threads."""

    def __init__(self, folder: Path, config: SharesConfig, *, public_url: str, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._config = config
        self._public_url = public_url
        self._now = now
        self._busy: set[str] = set()

    async def begin(self, room: str, size_bytes: int) -> UploadTold:
        """Take a file on. Raises ShareError ``share-full``."""
        return await asyncio.to_thread(self._begin, room, size_bytes)

    async def offset(self, share_id: str, token: str) -> tuple[int, int]:
        """Return how much of an upload has come, and how much it will be. Raises ShareError, AccessError."""
        share = await asyncio.to_thread(self._known, share_id, token)
        return await asyncio.to_thread(self._have, share), share.size_bytes

    async def append(self, share_id: str, token: str, offset: int, data: AsyncIterator[bytes]) -> int:
        """Store what comes and return how much there is then. Raises ShareError, AccessError, StoreError."""
        share = await asyncio.to_thread(self._known, share_id, token)
        if share.id in self._busy:
            raise ShareError("another part of this file is on its way", code="share-offset", retryable=True)
        self._busy.add(share.id)
        try:
            have = await asyncio.to_thread(self._have, share)
            if offset != have:
                raise ShareError(f"the next byte of this file is number {have}", code="share-offset", retryable=True)
            async for piece in data:
                have += len(piece)
                if have > share.size_bytes:
                    raise ShareError("more came than was announced", code="share-offset")
                await self._written(share, piece)
            return have
        except OSError as error:
            raise StoreError(f"the centre's disk does not take the file ({error.strerror})") from error
        finally:
            self._busy.discard(share.id)

    async def _written(self, share: Share, piece: bytes) -> None:
        """Write a piece. Whoever is cancelled meanwhile leaves only when it is on the disk: it would come twice."""
        writing = asyncio.ensure_future(asyncio.to_thread(self._write, share, piece))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise

    async def whole(self, share_id: str) -> Path:
        """Return where a whole file lies. Raises ShareError."""
        share = await asyncio.to_thread(self._share, share_id)
        if await asyncio.to_thread(self._have, share) < share.size_bytes:
            raise _not_found()
        return self._data(share.id)

    async def run(self) -> None:
        """Delete what has run out, until cancelled."""
        while True:
            await asyncio.to_thread(self._forget_old)
            await asyncio.sleep(LOOK_S)

    # --- on the disk ------------------------------------------------------------------------------------------------

    def _begin(self, room: str, size_bytes: int) -> UploadTold:
        self._forget_old()
        taken = sum(share.size_bytes for share in self._all())
        if taken + size_bytes > self._config.most_gb * 1e9:
            raise ShareError(
                "the centre has no room for more files; older ones run out by themselves", code="share-full"
            )
        token = secrets.token_urlsafe(32)
        share = Share(
            id=secrets.token_urlsafe(16),
            room=room,
            size_bytes=size_bytes,
            token_sha256=_hash(token),
            expires_at=self._now() + timedelta(days=self._config.keep_days),
        )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._data(share.id).touch(0o600)
        note = self._note(share.id)
        note.touch(0o600)
        note.write_text(share.model_dump_json(), encoding="utf-8")
        log.info("a room hands a file over", extra={"room": room, "bytes": size_bytes})
        return UploadTold(
            upload=f"{self._public_url}/api/v1/uploads/{share.id}",
            token=token,
            page=f"{self._public_url}/r/{share.id}",
            expires_at=share.expires_at,
        )

    def _known(self, share_id: str, token: str) -> Share:
        share = self._share(share_id)
        if not hmac.compare_digest(_hash(token), share.token_sha256):
            raise AccessError("this is not the token of this upload", code="token-invalid")
        return share

    def _share(self, share_id: str) -> Share:
        share = self._read(self._note(share_id)) if _ID.fullmatch(share_id) else None
        if share is None or share.expires_at <= self._now():
            raise _not_found()
        return share

    def _have(self, share: Share) -> int:
        try:
            return self._data(share.id).stat().st_size
        except FileNotFoundError:
            raise _not_found() from None

    def _write(self, share: Share, piece: bytes) -> None:
        with self._data(share.id).open("ab") as file:
            file.write(piece)

    def _all(self) -> list[Share]:
        notes = self._folder.glob("*.json") if self._folder.exists() else ()
        return [share for note in notes if (share := self._read(note)) is not None]

    def _forget_old(self) -> None:
        for share in self._all():
            try:
                if share.expires_at > self._now() and not self._is_stalled(share):
                    continue
                self._data(share.id).unlink(missing_ok=True)
                self._note(share.id).unlink(missing_ok=True)
            except OSError as error:  # a disk that lets nothing be deleted must not end the centre
                log.warning("a file cannot be deleted", extra={"room": share.room, "reason": error.strerror})
            else:
                log.info("a file has run out and is deleted", extra={"room": share.room})

    def _is_stalled(self, share: Share) -> bool:
        """Say whether the rest of a file has not come for long; raise OSError when the disk does not tell."""
        try:
            seen = self._data(share.id).stat()
        except FileNotFoundError:
            return True
        return seen.st_size < share.size_bytes and self._now().timestamp() - seen.st_mtime > STALLED_S

    def _read(self, note: Path) -> Share | None:
        try:
            return Share.model_validate_json(note.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            log.warning("a shared file's note cannot be read", extra={"path": os.fspath(note)})
            return None

    def _data(self, share_id: str) -> Path:
        return self._folder / f"{share_id}.sealed"

    def _note(self, share_id: str) -> Path:
        return self._folder / f"{share_id}.json"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _not_found() -> ShareError:
    return ShareError("there is nothing behind this link; it may have run out")
