"""A file of sealed records, each readable once it is whole: what is at rest of a recording. Blocks; see a thread.

``ESTREC1\\n``, the file's own key wrapped with the room's (RFC 3394), then records: kind, time and length in the open,
the content in AES-256-GCM with these three as its authenticated frame and the record's number as its nonce. The key is
made for the one file, which is never opened again for writing, so no nonce comes twice. A file that was cut off is read
up to its last whole record; records that were changed, left out or put elsewhere are not read at all.
"""

from __future__ import annotations

import os
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from protocol.errors import RecordingError

KEY_BYTES: Final = 32
SUFFIX: Final = ".estrec"

_MAGIC: Final = b"ESTREC1\n"
_WRAPPED_BYTES: Final = KEY_BYTES + 8
_FRAME: Final = struct.Struct(">BII")
_TAG_BYTES: Final = 16
_MOST_RECORD_BYTES: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class Record:
    """Where a record lies; ``size`` is that of its content."""

    number: int
    kind: int
    at_ms: int
    offset: int
    size: int


class SealedWriter:
    """Makes a file and appends to it. Raises OSError."""

    def __init__(self, path: Path, room_key: bytes) -> None:
        key = secrets.token_bytes(KEY_BYTES)
        self._cipher = AESGCM(key)
        self._number = 0
        self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        self._write(_MAGIC + aes_key_wrap(room_key, key))
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def append(self, kind: int, at_ms: int, content: bytes, *, is_synced: bool = False) -> None:
        """Seal and write a record; with ``is_synced`` it and all before it outlive a power cut from here on."""
        frame = _FRAME.pack(kind, at_ms, len(content))
        self._write(frame + self._cipher.encrypt(_nonce(self._number), content, frame))
        self._number += 1
        if is_synced:
            os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        """Write all of it: a disk that is almost full takes a part, and refuses at the next attempt."""
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]


class SealedFile:
    """Reads a file. Raises RecordingError ``recording-unreadable`` for one that this room's key did not make."""

    def __init__(self, path: Path, room_key: bytes) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        try:
            self._cipher = AESGCM(self._unwrapped(room_key))
            self.records = self._index()
            self._leave_out_torn()
        except BaseException:
            self._file.close()
            raise

    def read(self, record: Record) -> bytes:
        """Return what a record holds."""
        frame = _FRAME.pack(record.kind, record.at_ms, record.size)
        try:
            sealed = os.pread(self._file.fileno(), record.size + _TAG_BYTES, record.offset)
            return self._cipher.decrypt(_nonce(record.number), sealed, frame)
        except InvalidTag:
            raise RecordingError(
                f"record {record.number} of the recording was damaged or changed", code="recording-unreadable"
            ) from None
        except OSError as error:
            raise RecordingError(f"the disk does not give the recording ({error.strerror})") from error

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def _unwrapped(self, room_key: bytes) -> bytes:
        start = self._file.read(len(_MAGIC) + _WRAPPED_BYTES)
        try:
            if not start.startswith(_MAGIC):
                raise InvalidUnwrap
            return aes_key_unwrap(room_key, start[len(_MAGIC) :])
        except (InvalidUnwrap, ValueError):
            raise RecordingError(
                "the recording was made with another key, or is none", code="recording-unreadable"
            ) from None

    def _index(self) -> list[Record]:
        records: list[Record] = []
        descriptor, end = self._file.fileno(), os.fstat(self._file.fileno()).st_size
        at = len(_MAGIC) + _WRAPPED_BYTES
        while at + _FRAME.size <= end:
            kind, at_ms, size = _FRAME.unpack(os.pread(descriptor, _FRAME.size, at))
            at += _FRAME.size
            if size > _MOST_RECORD_BYTES or at + size + _TAG_BYTES > end:
                break
            records.append(Record(len(records), kind, at_ms, at, size))
            at += size + _TAG_BYTES
        return records

    def _leave_out_torn(self) -> None:
        """Leave out what was being written when the power went: the disk may have kept its length alone."""
        while self.records:
            try:
                self.read(self.records[-1])
            except RecordingError:
                self.records.pop()
            else:
                return


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
