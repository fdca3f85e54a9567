"""Who is sent the same bursts, and what of them is known.

What is dear about twenty viewers is less the work than that each one's memory is fetched again for every 20 ms of
sound. So viewers who are given the same frames with the same headers are a column: what it has sent is counted and kept
once for all of them, and the loop over them (``fan_loop.c``) reads one line of a packed array for each.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agent.streams.clock import RoomClock
from agent.streams.datagrams import Burst, Headers
from agent.streams.encoders import EncodedFrame
from agent.streams.fan_loop import Rows
from agent.streams.history import KEPT_BURSTS, KEPT_PACKETS, KEPT_S, History, Sent, Stretch
from agent.streams.pacing import LATE_S
from agent.streams.wire_path import PROTECT, DirectPath, Numbers

log = logging.getLogger(__name__)

SPREAD_S = 0.02
"""In which a large picture leaves to those in step: before the next one is there."""

_Member = tuple[DirectPath, int, int, int]
"""Of a viewer: its way, the sequence number of its column's packet 0, its RTP time 0, its SSRC."""


@dataclass(frozen=True, slots=True)
class Track:
    """What the viewers of one track of a room have in common.

    ``on_packet`` hears that a burst left; ``call_at`` calls back at an instant of ``now``.
    """

    clock: RoomClock
    rate_hz: int
    now: Callable[[], float]
    on_packet: Callable[[], None]
    call_at: Callable[[float, Callable[[], None]], None]


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
        self._members: dict[Lane, _Member] = {}
        self._rows: Rows | None = None
        """None: to be packed anew."""
        self._direct: list[DirectPath] = []
        """Whose these rows are."""
        self._relayed: list[_Member] = []
        """Who has no socket of ours."""
        self._waiting: deque[tuple[EncodedFrame, Burst, float]] = deque()
        self._due_mono_s = self._step_s = 0.0
        """When the next of these leaves, and how long after it the one behind it."""

    @property
    def is_empty(self) -> bool:
        """Say whether nobody is in it."""
        return not self._members

    def add(self, lane: Lane, member: _Member) -> None:
        """Let a lane in. For `Lane.join`."""
        self._members[lane] = member
        member[0].listen(self._forget_rows)
        self._forget_rows()

    def remove(self, lane: Lane) -> None:
        """Let a lane out. For `Lane.join`."""
        self._members.pop(lane)[0].ignore(self._forget_rows)
        self._forget_rows()

    def _forget_rows(self) -> None:
        self._rows = None

    def _pack_rows(self) -> Rows:
        direct = [member for member in self._members.values() if member[0].is_direct]
        self._relayed = [member for member in self._members.values() if member[0].is_direct is False]
        self._direct = [path for path, *_ in direct]
        self._rows = Rows(
            PROTECT, self.headers.shape.tag, tuple([path.row(first, rtp, ssrc) for path, first, rtp, ssrc in direct])
        )
        return self._rows

    def leave(self, frame: EncodedFrame, stamp_mono_s: float) -> None:
        """Send a frame to all, what is more than a burst spread over `SPREAD_S`. Never waits."""
        self.flush()
        first, *others = frame.bursts(self.headers.shape)
        self.send(frame, first, stamp_mono_s)
        if others:
            self._waiting.extend((frame, burst, stamp_mono_s) for burst in others)
            self._step_s = SPREAD_S / len(others)
            self._leave_later(self._track.now())

    def _leave_later(self, after_mono_s: float) -> None:
        self._due_mono_s = after_mono_s + self._step_s
        self._track.call_at(self._due_mono_s, self._leave_next)

    def _leave_next(self) -> None:
        now_s, due_mono_s = self._track.now(), self._due_mono_s
        if self._waiting and now_s >= due_mono_s:  # else it has left, and another call will come
            self.send(*self._waiting.popleft())
            if self._waiting:
                self._leave_later(now_s if now_s - due_mono_s > LATE_S else due_mono_s)

    def flush(self) -> None:
        """Send what waits at once: the next frame comes, or somebody comes or goes in the middle of this one."""
        while self._waiting:
            self.send(*self._waiting.popleft())

    def drop(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def send(self, frame: EncodedFrame, burst: Burst, stamp_mono_s: float) -> None:
        """Send a burst of a frame to all. Never waits. ``burst`` has the shape of `headers`."""
        rows = self._pack_rows() if self._rows is None else self._rows
        track, count, layout = self._track, self.packets, burst.layout
        now_s = track.now()
        frame_rtp = track.clock.rtp(stamp_mono_s, track.rate_hz)
        image = self.headers.image(burst, track.clock.send_time(now_s))
        left = len(rows) + len(self._relayed)
        for row, lost, trouble in rows.send(image, layout.packed_sizes, count & 0xFFFF, frame_rtp & 0xFFFFFFFF):
            self._direct[row].hear(lost, trouble)
            left -= self._direct[row].is_direct is None
        for path, first, origin_rtp, ssrc in self._relayed:
            try:
                rtp = (origin_rtp + frame_rtp) & 0xFFFFFFFF
                for packet in self.headers.own(image, layout, first + count, rtp, ssrc):
                    path.send_packet(packet)
            except Exception:  # of one viewer, whose page finds that nothing comes; the others are not to wait for it
                log.exception("A viewer cannot be sent to")
                path.close()
                left -= 1
        if left:
            track.on_packet()
        self.log.append((count, layout.packets, burst.first, frame, frame_rtp, now_s))
        while self.log[0][5] < now_s - KEPT_S:  # a frame that nobody can ask for any more is not kept in memory
            self.log.popleft()
        self.packets += layout.packets
        self.payload_bytes += layout.payload_bytes
        self.newest = frame_rtp, stamp_mono_s


class Lane:
    """One track of one viewer: what its packets are finished with, and what is known of those that left."""

    def __init__(
        self, track: Track, path: DirectPath, numbers: Numbers, headers: Headers, pace_bps: Callable[[], float]
    ) -> None:
        self.track, self.headers, self.pace_bps = track, headers, pace_bps
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
            column.flush()
            self._is_alone = False
            self._change(column)

    def part(self, *, is_over: bool = False) -> None:
        """Be given from now on what `send` is, after the rest of a frame that is leaving; not if it ``is_over``."""
        if not self._is_alone:
            if not is_over:
                self._column.flush()
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
