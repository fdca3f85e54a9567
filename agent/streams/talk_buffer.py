"""Opus packets as they come from a pupil → 20 ms of sound each 20 ms, at a steady distance behind what was said.

Late and lost packets, bursts and another clock are evened out here: what is played follows the pupil's own time line,
as late as its packets lately came, a little faster or slower when that changes. Pure: time is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ

Samples = NDArray[np.int16]
Decode = Callable[[bytes], Samples | None]

MARGIN_S = 0.03
"""Beyond the latest packet seen lately: loop and timer turn this late at times."""
LEAST_DELAY_S, MOST_DELAY_S = 0.04, 0.4
"""Later than the most, an answer in a conversation is no answer: what comes later is left out."""
FORGET_S = 5.0
"""The latest packet of so long, and of so long before that, is waited for."""
MOST_PACKETS = 60
"""More than a second that waits; the oldest go."""
MOST_PAYLOAD_BYTES = 4_000
"""120 ms of Opus at its highest rate (RFC 6716 §3.2.5)."""
NEW_LINE_S = 2.0
"""RTP times this far from what was expected are another time line: the sender began anew."""
SLOWER, FASTER = 0.01, 0.02
"""Share by which sound may be stretched or hurried: neither is heard in speech."""
STEADY_SAMPLES = 96
"""2 ms: closer to its place than this, sound is left as it is."""
CONCEALED_BLOCKS = 3
"""60 ms of a loss are filled from what was before, each quieter; after that a hole is less strange than a hum."""
JOIN_SAMPLES = 240
"""5 ms, over which sound is joined to what was made up."""
SILENT_S = 0.5
"""Without a packet for so long nobody speaks."""


@dataclass(slots=True)
class TalkCounts:
    """What became of a pupil's packets."""

    packets: int = 0
    late: int = 0
    """Came after their place was played, or too many at once."""
    unreadable: int = 0
    concealed: int = 0
    """Blocks that were made up."""


class TalkBuffer:
    """One pupil's sound. `put` as packets come, `take` each 20 ms. One thread."""

    def __init__(self, decode: Decode | None = None) -> None:
        self.counts = TalkCounts()
        self._decode = decode or opus_decoder()
        self._ssrc: int | None = None
        self.last_packet_s = -math.inf
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._packets: dict[int, bytes] = {}
        self._newest: int | None = None
        self._sound: Samples = np.zeros(0, np.int16)
        self._at: int | None = None
        """RTP time of the first sample of `_sound`, counted on past 32 bits."""
        self._earliest_s = self._earliest_before_s = math.inf
        self._latest_s = self._latest_before_s = -math.inf
        self._since_s = -math.inf
        self._made_up = 0
        self._before: Samples = np.zeros(BLOCK_SAMPLES, np.int16)
        self._must_join = False

    def put(self, ssrc: int, timestamp: int, payload: bytes, now_s: float) -> None:
        """Take a packet that arrived at ``now_s``; what cannot be used is counted."""
        self.counts.packets += 1
        if not 0 < len(payload) <= MOST_PAYLOAD_BYTES:
            self.counts.unreadable += 1
            return
        at = self._unwrapped(timestamp)
        if ssrc != self._ssrc or self._is_elsewhere(at, now_s):
            self._ssrc = ssrc
            self._begin_anew()
            at = timestamp
        self.last_packet_s = now_s
        self._newest = at if self._newest is None else max(self._newest, at)
        self._note(now_s - at / SAMPLE_RATE_HZ, now_s)
        if self._at is not None and at < self._at + len(self._sound):
            self.counts.late += 1
            return
        self._packets[at] = payload
        if len(self._packets) > MOST_PACKETS:
            del self._packets[min(self._packets)]
            self.counts.late += 1

    def take(self, now_s: float) -> Samples | None:
        """Return the next 20 ms, shape ``(960,)``; None while nobody speaks, and before the first word's place."""
        if self._newest is None or now_s - self.last_packet_s > SILENT_S:
            if self._newest is not None:
                self._begin_anew()
            return None
        wanted = self._wanted(now_s)
        if self._at is None:
            first = min(self._packets, default=self._newest)
            if wanted < first:
                return None
            self._at = first
        behind = wanted - self._at
        if abs(behind) > SAMPLE_RATE_HZ * MOST_DELAY_S:
            self._skip(wanted)
            behind = 0
        count = BLOCK_SAMPLES
        if behind < -BLOCK_SAMPLES // 2 and not self._has(count):
            return self._concealed()  # the way has become longer: wait here for what comes later now
        if abs(behind) > STEADY_SAMPLES:
            least, most = -round(BLOCK_SAMPLES * SLOWER), round(BLOCK_SAMPLES * FASTER)
            count += min(most, max(least, behind // 10))
        return self._resampled(self._next(count))

    @property
    def delay_s(self) -> float:
        """How far behind its earliest packets sound is played."""
        lateness_s = max(self._latest_s, self._latest_before_s) - min(self._earliest_s, self._earliest_before_s)
        if not math.isfinite(lateness_s):
            return LEAST_DELAY_S
        return min(MOST_DELAY_S, max(LEAST_DELAY_S, lateness_s + MARGIN_S))

    def _unwrapped(self, timestamp: int) -> int:
        if self._newest is None:
            return timestamp
        return self._newest + ((timestamp - self._newest + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)

    def _is_elsewhere(self, at: int, now_s: float) -> bool:
        if self._newest is None:
            return False
        passed = at - self._newest - (now_s - self.last_packet_s) * SAMPLE_RATE_HZ
        return abs(passed) > NEW_LINE_S * SAMPLE_RATE_HZ

    def _note(self, transit_s: float, now_s: float) -> None:
        if now_s - self._since_s > FORGET_S:
            self._earliest_before_s, self._latest_before_s = self._earliest_s, self._latest_s
            self._earliest_s, self._latest_s, self._since_s = math.inf, -math.inf, now_s
        self._earliest_s = min(self._earliest_s, transit_s)
        self._latest_s = max(self._latest_s, min(transit_s, self._earliest_s + MOST_DELAY_S))

    def _wanted(self, now_s: float) -> int:
        """Return the RTP time of what is to be played at ``now_s``."""
        earliest_s = min(self._earliest_s, self._earliest_before_s)
        return round((now_s - earliest_s - self.delay_s) * SAMPLE_RATE_HZ)

    def _skip(self, wanted: int) -> None:
        """Go on at the packet whose place is now: what is before is too late."""
        for at in [at for at in self._packets if at + BLOCK_SAMPLES <= wanted]:
            del self._packets[at]
            self.counts.late += 1
        self._at, self._sound = wanted, np.zeros(0, np.int16)
        self._must_join = True

    def _has(self, count: int) -> bool:
        assert self._at is not None
        return len(self._sound) >= count or self._at + len(self._sound) in self._packets

    def _next(self, count: int) -> Samples:
        assert self._at is not None
        while len(self._sound) < count:
            self._sound = np.concatenate((self._sound, self._decoded(self._at + len(self._sound))))
        samples, self._sound = self._sound[:count], self._sound[count:]
        self._at += count
        return samples

    def _decoded(self, wanted: int) -> Samples:
        """Return what is at this place of the time line, or what is made up for it."""
        first = min(self._packets, default=None)
        if first is not None and first - wanted < BLOCK_SAMPLES // 2:
            sound = self._decode(self._packets.pop(first))
            if sound is not None and len(sound):
                self._made_up = 0
                self._before = np.concatenate((self._before, sound))[-BLOCK_SAMPLES:]
                return self._joined(sound) if self._must_join else sound
            self.counts.unreadable += 1
        return self._concealed()

    def _concealed(self) -> Samples:
        """Return 20 ms like what was before: backwards, so that it goes on without a step, and ever quieter."""
        self.counts.concealed += 1
        self._made_up += 1
        self._must_join = True
        if self._made_up > CONCEALED_BLOCKS:
            self._before = np.zeros(BLOCK_SAMPLES, np.int16)
            return self._before
        fading = np.linspace(1.0, 0.5 if self._made_up < CONCEALED_BLOCKS else 0.0, len(self._before))
        self._before = (self._before[::-1] * fading).astype(np.int16)
        return self._before

    def _joined(self, sound: Samples) -> Samples:
        """Return sound that begins from silence: its start meets what was made up, or cut off."""
        self._must_join = False
        joined = sound.copy()
        count = min(JOIN_SAMPLES, len(joined))
        joined[:count] = (joined[:count] * np.linspace(0.0, 1.0, count)).astype(np.int16)
        return joined

    @staticmethod
    def _resampled(samples: Samples) -> Samples:
        if len(samples) == BLOCK_SAMPLES:
            return samples
        at = np.linspace(0, len(samples) - 1, BLOCK_SAMPLES)
        return np.interp(at, np.arange(len(samples)), samples).astype(np.int16)


def opus_decoder() -> Decode:
    """Return a function that decodes one Opus packet after the other to mono of 48 kHz; None for one it cannot read."""
    codec = av.CodecContext.create("libopus", "r")
    codec.format, codec.layout, codec.sample_rate = "s16", "mono", SAMPLE_RATE_HZ

    def decode(payload: bytes) -> Samples | None:
        try:
            frames = codec.decode(av.Packet(payload))
        except av.FFmpegError:
            return None
        parts = [frame.to_ndarray().reshape(-1) for frame in frames]
        return np.concatenate(parts) if parts else None

    return decode
