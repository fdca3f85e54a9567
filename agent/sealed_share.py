"""A recording as it is handed to the centre: any stretch of its sealed form (`protocol.shared_file`). Blocks."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.recordings import Mp4
from protocol.shared_file import KEY_BYTES, MAGIC, PIECE_BYTES, TAG_BYTES, frame, nonce, sealed_bytes


class SealedShare:
    """One recording under a key of its own, which only the link holds. ``open_`` opens the recording."""

    def __init__(self, open_: Callable[[], Mp4]) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)
        self._open = open_
        mp4 = open_()
        mp4.close()
        self._plain = mp4.size
        self.size = sealed_bytes(mp4.size)
        self._piece = (-1, b"")

    @property
    def key_text(self) -> str:
        """The key as it stands in a link."""
        return base64.urlsafe_b64encode(self._key).rstrip(b"=").decode()

    def read(self, offset: int, most: int) -> bytes:
        """Return sealed bytes from ``offset`` on: at least one, at most ``most``. Raises RecordingError."""
        if offset < len(MAGIC):
            return MAGIC[offset : offset + most]
        number, inside = divmod(offset - len(MAGIC), PIECE_BYTES + TAG_BYTES)
        if self._piece[0] != number:
            self._piece = number, self._sealed(number)
        return self._piece[1][inside : inside + most]

    def _sealed(self, number: int) -> bytes:
        first = number * PIECE_BYTES
        last = min(self._plain, first + PIECE_BYTES) - 1
        plain = b"".join(self._open().read(first, last)) if last >= first else b""
        is_last = number == self._plain // PIECE_BYTES
        return AESGCM(self._key).encrypt(nonce(number), plain, frame(is_last=is_last))
