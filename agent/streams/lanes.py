"""The loop that each packet of each viewer goes through.

What is dear about twenty viewers is less the work than that each one's memory is fetched again for every 20 ms of
sound. So viewers who are given the same frames with the same headers are a column: what it has sent is counted and kept
once for all of them, and of a viewer the loop reads four values and writes none.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat

from agent.streams.clock import RoomClock
from agent.streams.datagrams import WORKBENCH, Burst, Headers, write_own
from agent.streams.encoders import EncodedFrame
from agent.streams.history import KEPT_BURSTS, KEPT_PACKETS, KEPT_S, History, Sent, Stretch
from agent.streams.wire_path import DirectPath, Numbers

log = logging.getLogger(__name__)

_Row = tuple[DirectPath, int, int, int]
"""Of a viewer: its way, the sequence number of its column's packet 0, its RTP time 0, its SSRC."""


@dataclass(frozen=True, slots=True)
class Track:
    """What the viewers of one track of a room have in common. ``on_packet`` hears when a burst begins to leave."""

    clock: RoomClock
    rate_hz: int
    now: Callable[[], float]
    on_packet: Callable[[], None]


class Column:
    """Lanes that are given the same; each lane is in one, if only by itself. Lives on the loop."""

    def __init__(self, track: Track, headers: Headers) -> None:
        self.headers = headers
        self.packets = 0
        """So many it has sent to each; the next one has this number."""
        self.payload_bytes = 0
        self.newest = (0, 0.0)
        """RTP time, counted from a viewer's RTP time 0, and time of capture of what left last."""
        self.log: deque[Sent] = deque(maxlen=KEPT_BURSTS)
        self._track = track
        self._members: dict[Lane, _Row] = {}
        self._rows: tuple[_Row, ...] | None = ()

    @property
    def is_empty(self) -> bool:
        """Say whether nobody is in it."""
        return not self._members

    def add(self, lane: Lane, row: _Row) -> None:
        """Let a lane in. For `Lane.join`."""
        self._members[lane], self._rows = row, None

    def remove(self, lane: Lane) -> None:
        """Let a lane out. For `Lane.join`."""
        del self._members[lane]
        self._rows = None

    def send(self, frame: EncodedFrame, burst: Burst, stamp_mono_s: float) -> None:
        """Send a burst of a frame to all. Never waits. ``burst`` has the shape of `headers`."""
        if self._rows is None:
            self._rows = tuple(self._members.values())
        track, count = self._track, self.packets
        now_s = track.now()
        frame_rtp = track.clock.rtp(stamp_mono_s, track.rate_hz)
        image, bench = self.headers.image(burst, track.clock.send_time(now_s)), WORKBENCH.packets
        layout = burst.layout
        place, packets, own_at = layout.place, layout.packets, layout.own_at
        is_told = False
        for path, first, origin_rtp, ssrc in self._rows:
            place[:] = image
            sequence, rtp = (first + count) & 0xFFFF, (origin_rtp + frame_rtp) & 0xFFFFFFFF
            if packets == 1:
                write_own(bench, own_at[0], sequence, rtp, ssrc)
            else:
                numbers: Iterable[int] = range(sequence, sequence + packets)
                if sequence + packets > 0x10000:
                    numbers = (number & 0xFFFF for number in numbers)
                # it returns None: any() is the loop over all packets
                any(map(write_own, repeat(bench), own_at, numbers, repeat(rtp), repeat(ssrc)))
            try:
                has_left = path.send_burst(WORKBENCH, layout)
            except Exception:  # of one viewer, whose page finds that nothing comes; the others are not to wait for it
                log.exception("A viewer cannot be sent to")
                path.close()
                continue
            if has_left and not is_told:
                is_told = True
                track.on_packet()
        self.log.append((count, packets, burst.first, frame, frame_rtp, now_s))
        while self.log[0][5] < now_s - KEPT_S:  # a frame that nobody can ask for any more is not kept in memory
            self.log.popleft()
        self.packets += packets
        self.payload_bytes += layout.payload_bytes
        self.newest = frame_rtp, stamp_mono_s


class Lane:
    """One track of one viewer: what its packets are finished with, and what is known of those that left."""

    def __init__(self, track: Track, path: DirectPath, numbers: Numbers, headers: Headers) -> None:
        self.track, self.headers = track, headers
        self._path, self._ssrc, self._origin_rtp = path, numbers.ssrc, numbers.origin_rtp
        self._history = History()
        self._column = Column(track, headers)
        self._is_alone = True
        self._first = self._packets = self._payload_bytes = self._begun = 0
        self._newest: tuple[int, float] | None = None
        self._enter(self._column, numbers.first_sequence, 0, 0)

    @property
    def sequence(self) -> int:
        """Of the next packet."""
        return (self._first + self._column.packets) & 0xFFFF

    @property
    def packets(self) -> int:
        """So many left."""
        return self._packets + self._column.packets

    @property
    def payload_bytes(self) -> int:
        """Of these packets."""
        return self._payload_bytes + self._column.payload_bytes

    @property
    def newest(self) -> tuple[int, float] | None:
        """RTP time and time of capture of the last packet; None before the first."""
        if self._column.packets == self._begun:
            return self._newest
        frame_rtp, mono_s = self._column.newest
        return self.rtp(frame_rtp), mono_s

    def rtp(self, frame_rtp: int) -> int:
        """Return the RTP time in this viewer's packets."""
        return (self._origin_rtp + frame_rtp) & 0xFFFFFFFF

    def send(self, frame: EncodedFrame, burst: Burst, stamp_mono_s: float) -> None:
        """Send a burst to this viewer, who is given nothing with others from now on."""
        self.part()
        self._column.send(frame, burst, stamp_mono_s)

    def join(self, column: Column) -> None:
        """Be given from now on what this column is given."""
        if column is not self._column:
            self._is_alone = False
            self._change(column)

    def part(self) -> None:
        """Be given from now on what `send` is."""
        if not self._is_alone:
            self._is_alone = True
            self._change(Column(self.track, self.headers))

    def rest(self) -> None:
        """Let go of all that was sent."""
        self._is_alone = True
        self._change(Column(self.track, self.headers))
        self._history.clear()

    def find(self, sequence: int, now_s: float) -> tuple[Sent, int] | None:
        """Return what left as ``sequence``, and which packet of its frame; None when it was not sent, or long ago."""
        if (self.sequence - 1 - sequence) & 0xFFFF >= KEPT_PACKETS:
            return None
        return self._history.find(sequence, now_s, self._stretch(now_s))

    def forget(self) -> None:
        """Let go of what nobody will ask for."""
        self._history.forget(self.track.now())

    def _change(self, column: Column) -> None:
        self._history.add(self._stretch(self.track.now()))
        self._newest = self.newest
        self._column.remove(self)
        self._enter(column, self.sequence, self.packets, self.payload_bytes)

    def _enter(self, column: Column, sequence: int, packets: int, payload_bytes: int) -> None:
        """Go on in a column from these numbers; what it has sent before is taken off."""
        self._column, self._begun = column, column.packets
        self._first = (sequence - column.packets) & 0xFFFF
        """Sequence number of the column's packet 0."""
        self._packets, self._payload_bytes = packets - column.packets, payload_bytes - column.payload_bytes
        column.add(self, (self._path, self._first, self._origin_rtp, self._ssrc))

    def _stretch(self, now_s: float) -> Stretch:
        return Stretch(self._column.log, self._first, self._begun, self._column.packets, now_s)
