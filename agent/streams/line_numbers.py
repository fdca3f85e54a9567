"""One viewer's line in numbers, from what its senders count and what its reports say."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from agent.streams.adaptation import Numbers
from agent.streams.ladder import PACKET_BITS
from agent.streams.layers import TrackName
from agent.streams.senders import AiortcSender

SENT_OVER_S = 2.0
"""What is sent is averaged over this: a key frame alone is a burst."""
LEAST_PACKETS = 40
"""Of fewer packets no share is made: at 5 % loss in bursts a tenth and more of them is lost now and then."""
ESTIMABLE_BPS = 30_000
"""While fewer pictures are sent, the viewer's estimate is of another time."""
FRESH_S = 3.0
"""A browser says its estimate each second, while pictures come."""
RESTED_S = 4.0
"""What a report says of a track that rested for so long is of before: a still board rests for two."""
CAME_OVER_S, CAME_WITHIN_S = 0.8, 3.0
"""What came is counted between the newest report of a track and the next before it that is at least so far away, about
a second: over more it would be of before a line narrowed, or before a slide filled it. It is told for so long."""
HEARD_S, SOUND_HEARD_S = 3.0, 8.0
"""A browser reports of pictures each second or so, of sound alone at least each 7.5 s (RFC 3550 §6.2)."""


@dataclass(slots=True)
class _Told:
    lost: int
    highest: int


@dataclass(frozen=True, slots=True)
class _Came:
    """When a report came; sent: until the look after it."""

    at_s: float
    received: int
    packets: int
    payload_bytes: int


class LineNumbers:
    """Turns counters into what changed since the last look."""

    def __init__(self, senders: Mapping[TrackName, AiortcSender]) -> None:
        self._senders = senders
        self._told: dict[TrackName, _Told] = {}
        self._reports: dict[TrackName, object] = {}
        self._lost = self._expected = 0
        self._sent: deque[tuple[float, int]] = deque()
        self._falls = 0
        self._packets: dict[TrackName, tuple[int, float]] = {}
        """How many had left, and when the last one had."""
        self._resumed: set[TrackName] = set()
        self._came: dict[TrackName, deque[_Came]] = {}

    def look(self, falls: int, now_s: float, *, has_pictures: bool) -> Numbers:
        """Return the numbers; ``falls`` is how often feeds fell behind in all."""
        self._find_resumed(now_s)
        round_trips_s = self._take_reports()
        loss = None
        if self._expected >= LEAST_PACKETS:
            loss = min(1.0, max(0.0, self._lost / self._expected))
            self._lost = self._expected = 0
        sent_bps = self._sent_bps(now_s)
        estimates = [
            one.estimate_bps
            for one in self._senders.values()
            if one.estimate_bps is not None and now_s - one.estimated_mono_s <= FRESH_S
        ]
        heard = [one.reported_mono_s for one in self._senders.values() if one.reported_mono_s is not None]
        fell, self._falls = falls - self._falls, falls
        return Numbers(
            is_heard=bool(heard) and now_s - max(heard) <= (HEARD_S if has_pictures else SOUND_HEARD_S),
            estimate_bps=min(estimates) if estimates and sent_bps >= ESTIMABLE_BPS else None,
            sent_bps=sent_bps,
            came_bps=self._came_bps(now_s),
            loss=loss,
            round_trip_s=max(round_trips_s, default=None),
            falls=fell,
        )

    def _take_reports(self) -> list[float]:
        """Add what the newest reports say to the counters; return their round trips."""
        round_trips_s = []
        for track, sender in self._senders.items():
            report = sender.report
            if report is None or report is self._reports.get(track):
                continue
            self._reports[track] = report
            before = self._told.get(track)
            self._told[track] = _Told(report.packets_lost, report.highest_sequence)
            came = self._came.setdefault(track, deque())
            received = report.highest_sequence - report.packets_lost
            came.append(_Came(sender.report_came_mono_s, received, sender.packets, sender.payload_bytes))
            while len(came) > 2 and came[1].at_s <= came[-1].at_s - CAME_OVER_S:
                came.popleft()
            if before is None or report.highest_sequence == before.highest:
                continue
            if track in self._resumed:
                self._resumed.remove(track)
            else:
                self._lost += report.packets_lost - before.lost
                self._expected += max(0, report.highest_sequence - before.highest)
            if report.round_trip_s is not None:
                round_trips_s.append(report.round_trip_s)
        return round_trips_s

    def _came_bps(self, now_s: float) -> float | None:
        rates_bps = []
        for came in self._came.values():
            first, last = came[0], came[-1]
            if now_s - last.at_s > CAME_WITHIN_S or last.at_s - first.at_s < CAME_OVER_S:
                continue
            sent = max(1, last.packets - first.packets)
            packet_bits = 8 * (last.payload_bytes - first.payload_bytes) / sent + PACKET_BITS
            rates_bps.append(max(0, last.received - first.received) * packet_bits / (last.at_s - first.at_s))
        return sum(rates_bps) if rates_bps else None

    def _find_resumed(self, now_s: float) -> None:
        for track, sender in self._senders.items():
            packets, left_s = self._packets.get(track, (0, now_s))
            if sender.packets != packets:
                if packets and now_s - left_s > RESTED_S:
                    self._resumed.add(track)
                left_s = now_s
            self._packets[track] = (sender.packets, left_s)

    def _sent_bps(self, now_s: float) -> float:
        sent = sum(sender.payload_bytes for track, sender in self._senders.items() if track != "sound")
        self._sent.append((now_s, sent))
        while self._sent[0][0] < now_s - SENT_OVER_S:
            self._sent.popleft()
        since_s, before = self._sent[0]
        return 8 * (sent - before) / (now_s - since_s) if now_s - since_s >= SENT_OVER_S / 2 else 0.0
