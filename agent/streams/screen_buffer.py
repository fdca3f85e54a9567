"""VP8 in RTP packets (RFC 7741) as they come from a shared screen → whole pictures, in the order of decoding.

What is lost may be sent again for a moment; after that everything up to the next key picture is left out, and that is
asked for. Pure: time is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiortc.codecs.vpx import VpxPayloadDescriptor

from agent.streams.vp8 import is_key

HOLE_S = 0.3
"""A lost packet is waited for so long: two ways there and back of a slow line, and the sender's turn."""
ASK_EVERY_S = 0.5
"""A key picture of a full screen takes a line of 3 Mb/s about so long."""
MOST_PACKETS = 1_024
"""Of 1,200 bytes, 1.2 MB: three seconds at the highest rate, more than any key picture that a browser sends at it."""
MOST_BEFORE_KEY = 64
"""Packets that may overtake the first one of a key picture."""
_HALF = 1 << 15


@dataclass(frozen=True, slots=True)
class _Piece:
    """One packet: the part of a picture in it; empty in one that only probes the line."""

    data: bytes
    begins: bool
    ends: bool
    came_s: float


@dataclass(slots=True)
class ScreenCounts:
    """What became of the packets."""

    packets: int = 0
    unreadable: int = 0
    pictures: int = 0
    given_up: int = 0
    """Times that everything up to the next key picture was left out."""


class ScreenBuffer:
    """One sender's pictures. One thread."""

    def __init__(self) -> None:
        self.counts = ScreenCounts()
        self._ssrc: int | None = None
        self._pieces: dict[int, _Piece] = {}
        self._newest = 0
        self._next: int | None = None
        """The packet that comes next, by its sequence number counted on past 16 bits; None: the next key picture's."""
        self._asked_s = float("-inf")

    def put(self, ssrc: int, sequence: int, payload: bytes, *, ends: bool, now_s: float) -> list[bytes]:
        """Take a packet and return the pictures that are whole with it; ``ends`` is its marker bit."""
        self.counts.packets += 1
        if ssrc != self._ssrc:  # the sender began anew
            self._ssrc, self._newest, self._next = ssrc, sequence, None
            self._pieces.clear()
        number = self._newest + (sequence - self._newest + _HALF) % (2 * _HALF) - _HALF
        if abs(number - self._newest) > MOST_PACKETS:
            self._give_up()
        self._newest = max(self._newest, number) if self._pieces or self._next is not None else number
        piece = self._read(payload, ends, now_s)
        if piece is None or (self._next is not None and number < self._next):
            return []
        self._pieces[number] = piece
        if self._next is None:
            self._look_for_key(number)
        while len(self._pieces) > (MOST_BEFORE_KEY if self._next is None else MOST_PACKETS):
            del self._pieces[min(self._pieces)]
        return self._whole(now_s)

    def is_key_wanted(self, now_s: float) -> bool:
        """Say whether the sender is to be asked for a key picture now; each time counts as asking."""
        if self._next is not None or now_s - self._asked_s < ASK_EVERY_S:
            return False
        self._asked_s = now_s
        return True

    def begin_anew(self) -> None:
        """Leave out everything up to the next key picture: what was handed over could not be decoded."""
        self._give_up()

    def _read(self, payload: bytes, ends: bool, now_s: float) -> _Piece | None:
        if not payload:
            return _Piece(b"", begins=False, ends=False, came_s=now_s)
        try:
            descriptor, data = VpxPayloadDescriptor.parse(payload)
        except ValueError:
            self.counts.unreadable += 1
            return None
        begins = descriptor.partition_start == 1 and descriptor.partition_id == 0
        return _Piece(data, begins=begins, ends=ends, came_s=now_s)

    def _look_for_key(self, number: int) -> None:
        if self._pieces[number].begins and is_key(self._pieces[number].data):
            self._next = number
            self._pieces = {one: piece for one, piece in self._pieces.items() if one >= number}

    def _whole(self, now_s: float) -> list[bytes]:
        whole: list[bytes] = []
        while self._next is not None and self._next in self._pieces:
            picture = self._take()
            if picture is None:
                break
            if picture:
                whole.append(picture)
        self.counts.pictures += len(whole)
        if self._has_hole(now_s):
            self._give_up()
        return whole

    def _take(self) -> bytes | None:
        """Return the next picture, empty for a packet that was none; None while a packet of it is missing."""
        assert self._next is not None
        parts: list[bytes] = []
        number = self._next
        while (piece := self._pieces.get(number)) is not None:
            if piece.data and piece.begins == bool(parts):  # the end of the one before is lost, or this one's beginning
                self._give_up()
                return None
            number += 1
            parts += [piece.data] if piece.data else []
            if piece.ends or not parts:
                for taken in range(self._next, number):
                    del self._pieces[taken]
                self._next = number
                return b"".join(parts)
        return None

    def _has_hole(self, now_s: float) -> bool:
        if self._next is None:
            return False
        missing = self._next
        while missing in self._pieces:
            missing += 1
        behind = [piece.came_s for number, piece in self._pieces.items() if number > missing]
        return bool(behind) and now_s - min(behind) > HOLE_S

    def _give_up(self) -> None:
        if self._next is not None:
            self.counts.given_up += 1
        self._next = None
        self._pieces.clear()
