"""The data channel ``tiles``: parts of the board as still pictures, from the room to one pupil's page.

The room opens it, unordered and reliable. One binary message is complete in itself: a header, and behind a part's the
picture (WebP). Numbers are big-endian.

| at | bytes | what |
| --- | --- | --- |
| 0 | 1 | version, 1 |
| 1 | 1 | kind: 0 the board begins anew, 1 a part of it, 2 the board goes on as a video |
| 2 | 1 | flags: 1 ink, 2 fine |
| 3 | 1 | nothing, 0 |
| 4 | 4 | scene: what is of an earlier one is not shown any more |
| 8 | 4 | number: counts a scene's messages from 0; of two that overlap the higher is shown, what is missing will come |
| 12 | 4 | captured: the room's monotonic clock in ms at the capture of what changed, modulo 2³² |
| 16 | 4 | behind: ms that the oldest change has waited which the page lacks after this message; 0: it lacks none |
| 20 | 2 | width of the board in pixels |
| 22 | 2 | height of the board |
| 24 | 2 | x of the part |
| 26 | 2 | y of the part |
| 28 | 2 | width of the part |
| 30 | 2 | height of the part |
| 32 | – | a WebP file of that size |

A message of a later version or of another kind is left alone. ``x``, ``y``, ``width`` and ``height`` are 0, and no
picture follows, unless the message is a part.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

LABEL = "tiles"
VERSION = 1
MAX_MESSAGE_BYTES = 16_384
"""What every browser takes in one message, whatever it says (RFC 8831 §6.6)."""
MAX_SIDE_PX = 4096
_HEADER = struct.Struct("!BBBxIIIIHHHHHH")
HEADER_BYTES = _HEADER.size
MAX_PICTURE_BYTES = MAX_MESSAGE_BYTES - HEADER_BYTES
_INK, _FINE = 1, 2
_WORD = 1 << 32


class Kind(IntEnum):
    """What a message is."""

    BEGIN = 0
    """The board begins anew: what was shown is gone."""
    PART = 1
    END = 2
    """The board goes on as a video; what was shown stays until that comes."""


@dataclass(frozen=True, slots=True)
class TileMessage:
    """One message. Raises ValueError for what does not fit into it."""

    kind: Kind
    scene: int
    number: int
    captured_ms: int
    behind_ms: int
    board_width_px: int
    board_height_px: int
    x_px: int = 0
    y_px: int = 0
    width_px: int = 0
    height_px: int = 0
    is_ink: bool = False
    is_fine: bool = False
    picture: bytes = b""

    def __post_init__(self) -> None:
        for name in ("scene", "number", "captured_ms", "behind_ms"):
            if not 0 <= getattr(self, name) < _WORD:
                raise ValueError(f"{name} {getattr(self, name)} is not of 32 bits")
        for name in ("board_width_px", "board_height_px"):
            if not 1 <= getattr(self, name) <= MAX_SIDE_PX:
                raise ValueError(f"{name} {getattr(self, name)} is not from 1 to {MAX_SIDE_PX}")
        if self.kind is not Kind.PART:
            if self.x_px or self.y_px or self.width_px or self.height_px or self.picture:
                raise ValueError(f"a message of kind {self.kind.name} has no part")
            return
        if min(self.x_px, self.y_px) < 0 or min(self.width_px, self.height_px) < 1:
            raise ValueError("the part is empty")
        if self.x_px + self.width_px > self.board_width_px or self.y_px + self.height_px > self.board_height_px:
            raise ValueError("the part is not within the board")
        if not 1 <= len(self.picture) <= MAX_PICTURE_BYTES:
            raise ValueError(f"a picture of {len(self.picture)} bytes; it has from 1 to {MAX_PICTURE_BYTES}")

    def pack(self) -> bytes:
        """Return the message's bytes."""
        header = _HEADER.pack(
            VERSION,
            self.kind,
            _INK * self.is_ink | _FINE * self.is_fine,
            self.scene,
            self.number,
            self.captured_ms,
            self.behind_ms,
            self.board_width_px,
            self.board_height_px,
            self.x_px,
            self.y_px,
            self.width_px,
            self.height_px,
        )
        return header + self.picture


def unpack(data: bytes) -> TileMessage:
    """Return what the bytes say. Raises ValueError for what is no message of this version."""
    if len(data) < HEADER_BYTES:
        raise ValueError(f"{len(data)} bytes; a header has {HEADER_BYTES}")
    version, kind, flags, *numbers = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"version {version}; this is {VERSION}")
    scene, number, captured_ms, behind_ms, board_width_px, board_height_px, x_px, y_px, width_px, height_px = numbers
    return TileMessage(
        Kind(kind),
        scene,
        number,
        captured_ms,
        behind_ms,
        board_width_px,
        board_height_px,
        x_px,
        y_px,
        width_px,
        height_px,
        is_ink=bool(flags & _INK),
        is_fine=bool(flags & _FINE),
        picture=bytes(data[HEADER_BYTES:]),
    )
