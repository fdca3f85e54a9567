"""What was sent to a viewer a moment ago, for the packets it missed: numbers only, of frames that all viewers share."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.streams.encoders import EncodedFrame

KEPT_S = 1.5
"""A picture that is older has been given up by its viewer, or shown without."""
KEPT_BURSTS = 100
"""Of ten packets at most: fewer than SRTP's window has (1024), which sends no older one again, and 1.2 MB at the most,
of frames that are there once for all viewers."""

Sent = tuple[int, int, int, EncodedFrame, int, float]
"""A burst that left: its first sequence number, its number of packets, which packet of the frame was its first; the
frame, its RTP time, and when it left. A plain tuple, as one is made for each burst and viewer."""


class History:
    """One viewer's one track. A frame that it still knows stays in memory, with its packets, for all viewers."""

    def __init__(self, kept_s: float = KEPT_S, kept_bursts: int = KEPT_BURSTS) -> None:
        self._kept_s = kept_s
        self._sent: deque[Sent] = deque(maxlen=kept_bursts)
        self.clear = self._sent.clear

    def add(self, sent: Sent) -> None:
        """Keep a burst; forget those that are too old now, or too many."""
        kept = self._sent
        kept.append(sent)
        long_ago_s = sent[5] - self._kept_s
        while kept[0][5] < long_ago_s:
            kept.popleft()

    def find(self, sequence: int, now_s: float) -> tuple[Sent, int] | None:
        """Return what left as ``sequence``, and which packet of its frame; None when it was not sent, or long ago."""
        for sent in reversed(self._sent):
            at = (sequence - sent[0]) & 0xFFFF
            if at < sent[1]:
                return (sent, sent[2] + at) if now_s - sent[5] <= self._kept_s else None
        return None


@dataclass(slots=True)
class RepairBudget:
    """How many packets a viewer may have sent again: a bucket, so that a flood of requests costs the others nothing."""

    burst: int = 100
    rate_hz: float = 150.0
    """A camera of 1.5 Mb/s has some 130 packets a second; at 20 % loss 33 of them are asked for."""
    _tokens: float = 100.0
    _filled_mono_s: float = float("-inf")

    def take(self, now_s: float) -> bool:
        """Take one packet from the budget, or return False."""
        if self._tokens < self.burst:
            self._tokens = min(float(self.burst), self._tokens + (now_s - self._filled_mono_s) * self.rate_hz)
        self._filled_mono_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
