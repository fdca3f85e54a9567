"""The form in which a recording lies at the centre: sealed in the room, opened by whoever has the link's key.

``ESTSHR1\\n``, then pieces of 256 KiB of the file, the last one shorter or empty, each in AES-256-GCM: its number as
the nonce, and one byte that says whether it is the last as the authenticated frame. So every part of it can be made
again, a page opens it piece by piece, and one that was cut off is told from a whole one.
"""

from __future__ import annotations

MAGIC = b"ESTSHR1\n"
PIECE_BYTES = 262_144
TAG_BYTES = 16
KEY_BYTES = 32


def sealed_bytes(size: int) -> int:
    """Return how large a file of ``size`` bytes is once it is sealed."""
    return len(MAGIC) + size + (size // PIECE_BYTES + 1) * TAG_BYTES


def nonce(number: int) -> bytes:
    """Return the nonce of a piece."""
    return number.to_bytes(12, "big")


def frame(*, is_last: bool) -> bytes:
    """Return what is authenticated beside a piece."""
    return b"\x01" if is_last else b"\x00"
