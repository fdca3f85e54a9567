"""A recording's sealed form: any stretch of it, the same each time, and opened by its key alone."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.recordings import Recordings
from agent.sealed_share import SealedShare
from protocol.shared_file import MAGIC, PIECE_BYTES, TAG_BYTES, frame, nonce
from tests.unit.agent.test_recordings import SETS


def recordings_of(folder: Path, fragment: bytes) -> tuple[Recordings, str]:
    recordings = Recordings(folder, lambda: bytes(32), lambda: datetime(2026, 11, 23, tzinfo=UTC))
    file = recordings.create("l-1")
    file.parameters("board", SETS)
    file.fragment(fragment, 1000)
    file.finish(1000)
    file.close()
    return recordings, file.id


def opened(sealed: bytes, key_text: str) -> bytes:
    assert sealed.startswith(MAGIC)
    cipher = AESGCM(base64.urlsafe_b64decode(key_text + "="))
    step = PIECE_BYTES + TAG_BYTES
    pieces = [sealed[at : at + step] for at in range(len(MAGIC), len(sealed), step)]
    return b"".join(
        cipher.decrypt(nonce(number), piece, frame(is_last=number == len(pieces) - 1))
        for number, piece in enumerate(pieces)
    )


@pytest.mark.parametrize("size", [10, 3 * PIECE_BYTES])
def test_parts_of_any_size_make_the_whole_which_its_key_opens(tmp_path: Path, size: int) -> None:
    recordings, one = recordings_of(tmp_path, bytes(size))
    mp4 = recordings.open(one)
    plain = b"".join(mp4.read(0, mp4.size - 1))
    share = SealedShare(lambda: recordings.open(one))
    sealed = b""
    while len(sealed) < share.size:
        part = share.read(len(sealed), 98_304)
        assert part
        sealed += part
    assert len(sealed) == share.size
    assert opened(sealed, share.key_text) == plain
    assert share.read(100, 50) == sealed[100:150], "a part that is sent again is the same"
    with pytest.raises(InvalidTag):
        opened(sealed[: -TAG_BYTES - 5], share.key_text)
    other = SealedShare(lambda: recordings.open(one))
    with pytest.raises(InvalidTag):
        opened(sealed, other.key_text)


def test_a_file_that_ends_with_a_whole_piece_has_an_empty_one_after_it(tmp_path: Path) -> None:
    recordings, one = recordings_of(tmp_path, b"")
    mp4 = recordings.open(one)
    mp4.close()
    recordings, one = recordings_of(tmp_path / "exact", bytes(PIECE_BYTES - mp4.size))
    share = SealedShare(lambda: recordings.open(one))
    sealed = share.read(0, 8) + share.read(8, 1 << 20) + share.read(8 + PIECE_BYTES + TAG_BYTES, 1 << 20)
    assert len(sealed) == share.size
    assert len(opened(sealed, share.key_text)) == PIECE_BYTES
