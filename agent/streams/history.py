"""What was sent to a viewer a moment ago, for the packets it missed: numbers only, of frames that all viewers share."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.streams.encoders import EncodedFrame

KEPT_S = 1.5
"""A picture that is older has been given up by its viewer, or shown without."""
KEPT_PACKETS = 1000
"""Fewer than SRTP's window has (1024), which sends no older one again."""
KEPT_BURSTS = 100
"""Of ten packets at most: 1.2 MB at the most, of frames that are there once for all viewers."""

Sent = tuple[int, int, int, EncodedFrame, int, float]
"""A burst that left: the number of its first packet in its column, its number of packets, which packet of the frame was
its first; the frame, its RTP time, and when it left."""


class Stretch(NamedTuple):
    """What a viewer was sent with a column."""

    log: deque[Sent]
    first: int
    """Sequence number of the column's packet 0."""
    begun: int
    """Number of the first packet that this viewer was sent."""
    end: int
    """Number of the first one that it was not."""
    ended_mono_s: float


class History:
    """One viewer's one track."""

    def __init__(self) -> None:
        self._stretches: deque[Stretch] = deque(maxlen=KEPT_BURSTS)
        self.clear = self._stretches.clear

    def add(self, stretch: Stretch) -> None:
        """Keep what is over."""
        self._stretches.append(stretch)

    def forget(self, now_s: float) -> None:
        """Let go of the frames that were sent long ago."""
        while self._stretches and now_s - self._stretches[0].ended_mono_s > KEPT_S:
            self._stretches.popleft()

    def find(self, sequence: int, now_s: float, current: Stretch) -> tuple[Sent, int] | None:
        """Return what left as ``sequence``, and which packet of its frame; None when it was not sent, or long ago."""
        for log, first, begun, end, _ in (current, *reversed(self._stretches)):
            number = begun + ((sequence - first - begun) & 0xFFFF)
            if number >= end:
                continue
            for sent in reversed(log):
                at = number - sent[0]
                if 0 <= at < sent[1]:
                    return (sent, sent[2] + at) if now_s - sent[5] <= KEPT_S else None
        return None


@dataclass(slots=True)
class RepairBudget:
    """How many packets a viewer may have sent again: a bucket, so that a flood of requests costs the others nothing."""

    burst: int = 100
    rate_hz: float = 150.0
    """A camera of 1.5 Mb/s has some 130 packets a second; at 20 % loss 33 of them are asked for."""
    _tokens: float = field(init=False)
    _filled_mono_s: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def take(self, now_s: float) -> bool:
        """Take one packet from the budget, or return False."""
        if self._tokens < self.burst:
            self._tokens = min(float(self.burst), self._tokens + (now_s - self._filled_mono_s) * self.rate_hz)
        self._filled_mono_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
