"""One viewer's tiles: what is sent next and when, so that little waits on the line and the ink never long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from agent.streams.tile_encoder import EncodedPart
from agent.streams.tiles import BoardView, Holdings, Part
from protocol.tiles import Kind, TileMessage

BUDGET_BPS = 36_000
"""What a line of 64 kb/s has left, with headers: the sound in its low layer takes 23 kb/s, reports 3, and a
twentieth stays free, or all of it would wait in a full queue and the sound be lost there."""
IN_FLIGHT_S = 0.3
"""Nothing more is handed over while as much as leaves in this time is not acknowledged: no ink overtakes what waits in
a network's queue, and the voice has only just begun."""
QUEUED_S = 0.25
"""The same once the way there and back is known: so much of the tiles may wait in a queue, for the sound waits there
too."""
LOOK_S = 0.05
"""How often a line that is full is looked at."""
CREDIT_S = 0.2
"""A line that was silent may be given this much at once."""
PACKET_OVERHEAD_BYTES, PACKET_BYTES = 93, 1160
"""Headers of IPv4, UDP, DTLS and SCTP around each so many bytes (aiortc.rtcsctptransport.USERDATA_MAX_LENGTH)."""
_WORD = 1 << 32


class TileLine(Protocol):
    """The way to one viewer's page."""

    @property
    def is_open(self) -> bool:
        """Messages can be sent."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """What was handed over and is not acknowledged yet."""
        ...

    @property
    def round_trip_s(self) -> float | None:
        """How long the way there and back was of late; None before it was measured."""
        ...

    def send(self, message: bytes) -> None:
        """Hand a message over. Never blocks."""
        ...

    def next_scene(self) -> int:
        """Return a number higher than of any scene before, also of feeds before."""
        ...

    def forget(self) -> None:
        """Take back whatever has not left yet."""
        ...


class TileFeed:
    """Sends one viewer the board as tiles. Lives on the loop.

    ``ask`` has a part made, which comes back through `take_part`. One at a time: so each is cut out of the newest
    picture at the instant at which the line has room for it.
    """

    def __init__(
        self,
        line: TileLine,
        *,
        ask: Callable[[TileFeed, Part], None],
        now: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self.bytes_sent = 0
        self.parts_sent = 0
        self._line = line
        self._ask = ask
        self._now = now
        self._call_later = call_later
        self._view: BoardView | None = None
        self._holdings: Holdings | None = None
        self._size: tuple[int, int] | None = None
        self._scene = self._number = 0
        self._is_asking = False
        self._due_s = float("-inf")
        self._base_s: float | None = None
        """The least of the round trips: the line's own, without a queue."""
        self._timer: asyncio.TimerHandle | None = None

    def take_board(self, view: BoardView) -> None:
        """Hear what is on the board now."""
        if (view.width_px, view.height_px) != self._size:
            self._size = (view.width_px, view.height_px)
            self._holdings = None
            self._begin()
        if self._holdings is None:
            self._holdings = Holdings(view)
        self._view = view
        self.go()

    def take_part(self, made: EncodedPart) -> None:
        """Take the part that was asked for."""
        self._is_asking = False
        if self._holdings is None or self._view is None or (made.board_width_px, made.board_height_px) != self._size:
            return self.go()
        self._holdings.sent(made.part, made.change, is_fine=made.is_fine)
        since_s = self._holdings.waiting_since_mono_s(self._view)
        self._send(
            Kind.PART,
            captured_mono_s=made.captured_mono_s,
            behind_s=0.0 if since_s is None else self._now() - since_s,
            part=made.part,
            picture=made.picture,
        )
        self.parts_sent += 1
        return self.go()

    def begin_scene(self) -> None:
        """Something else is shown: what was of the board before is not sent any more, and taken from the page."""
        self._line.forget()
        self._view = self._holdings = None
        self._is_asking = False
        if self._size is not None:
            self._begin()

    def stop(self) -> None:
        """Send nothing more; the page keeps its picture until the video comes."""
        self.close()
        self._line.forget()
        if self._size is not None:
            self._send(Kind.END)
        self._view = self._holdings = None

    def close(self) -> None:
        """Stop the timer: the viewer is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def go(self) -> None:
        """Ask for the next part, if there is one and the line has room; else look again when it may have."""
        self.close()
        if self._is_asking or self._view is None or self._holdings is None:
            return
        now_s = self._now()
        part = self._holdings.next_part(self._view, now_s)
        if part is None:
            settled_s = self._holdings.next_settled_mono_s(self._view)
            if settled_s is not None:
                self._timer = self._call_later(max(LOOK_S, settled_s - now_s), self.go)
        elif now_s < self._due_s:
            self._timer = self._call_later(self._due_s - now_s, self.go)
        elif not self._line.is_open or self._line.waiting_bytes > BUDGET_BPS / 8 * self._in_flight_s():
            self._timer = self._call_later(LOOK_S, self.go)
        else:
            self._is_asking = True
            self._ask(self, part)

    def _in_flight_s(self) -> float:
        round_trip_s = self._line.round_trip_s
        if round_trip_s is not None:
            self._base_s = round_trip_s if self._base_s is None else min(round_trip_s, self._base_s)
        return IN_FLIGHT_S if self._base_s is None else self._base_s + QUEUED_S

    def _begin(self) -> None:
        self._scene = self._line.next_scene()
        self._number = 0
        self._send(Kind.BEGIN)

    def _send(
        self,
        kind: Kind,
        *,
        captured_mono_s: float | None = None,
        behind_s: float = 0.0,
        part: Part | None = None,
        picture: bytes = b"",
    ) -> None:
        assert self._size is not None
        if not self._line.is_open:
            return
        place = (0, 0, 0, 0) if part is None else (part.x_px, part.y_px, part.width_px, part.height_px)
        now_s = self._now()
        message = TileMessage(
            kind,
            self._scene,
            self._number,
            int((now_s if captured_mono_s is None else captured_mono_s) * 1000) % _WORD,
            min(_WORD - 1, max(0, int(behind_s * 1000))),
            *self._size,
            *place,
            is_ink=part is not None and part.is_ink,
            is_fine=part is not None and part.is_fine,
            picture=picture,
        ).pack()
        self._number += 1
        self._line.send(message)
        on_line = len(message) + -(-len(message) // PACKET_BYTES) * PACKET_OVERHEAD_BYTES
        self.bytes_sent += on_line
        self._due_s = max(self._due_s, now_s - CREDIT_S) + on_line * 8 / BUDGET_BPS
