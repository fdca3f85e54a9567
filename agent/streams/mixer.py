"""N named sources of sound → one programme of 20 ms blocks on the room's steady timeline.

The programme's block *n* holds what was captured in the 20 ms from sample 960 n of the room's clock. It leaves as soon
as every source that lives has given its part, or when the wait is over: then what is missing is silence, and counted.
Pure: time is passed in; `agent.streams.publisher` owns the timer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock
from agent.streams.clock import RoomClock

FIRST_WAIT_S = 0.06
"""How long a block is waited for at first: PulseAudio hands over up to 50 ms at once."""
MARGIN_S = 0.015
"""Beyond the latest arrival seen lately: the loop of a busy machine turns this late at times."""
FORGET_S = 10.0
"""A late arrival is remembered this long, so that one hiccup does not make the whole lesson late."""
DRIFT_SAMPLES = 96
"""2 ms: a source further than this from its capture times is moved back, a sample in each block (0.1 %, not heard)."""
JUMP_SAMPLES = SAMPLE_RATE_HZ // 25
"""40 ms: a source this far from where it should be has lost or repeated sound; it is placed anew."""
OFFSET_SMOOTHING = 0.02
"""Share of a new block in the smoothed distance: capture times jitter by milliseconds, clocks drift by µs a block."""
MAX_AHEAD_S = 0.5
"""Sound from further in the future than this is a fault of the source's clock and is not kept."""


@dataclass(slots=True)
class SourceCounts:
    """What became of one source's sound."""

    blocks: int = 0
    late: int = 0
    """Blocks that came after their place in the programme had left; not played."""
    jumps: int = 0
    """Times the source had lost or repeated sound."""
    stretched: int = 0
    """Samples put in or taken out against drift."""


@dataclass(slots=True)
class _Source:
    parts: list[tuple[int, NDArray[np.int16]]] = field(default_factory=list)
    next_sample: int | None = None
    offset: float = 0.0
    gave: bool = False
    heard_s: float = -math.inf
    lateness_s: float = FIRST_WAIT_S - MARGIN_S
    lateness_at_s: float = -math.inf
    counts: SourceCounts = field(default_factory=SourceCounts)


@dataclass(slots=True)
class MixerCounts:
    """What the programme went through."""

    blocks: int = 0
    silent_blocks: int = 0
    """Blocks into which no source gave anything."""
    gaps: int = 0
    """Times a source that was heard before stopped giving."""


class Mixer:
    """Mixes sources onto the room's timeline. One thread."""

    def __init__(self, clock: RoomClock, now_s: float, silence_after_s: float) -> None:
        self.counts = MixerCounts()
        self._clock = clock
        self._silence_after_s = silence_after_s
        self._sources: dict[str, _Source] = {}
        self._next_block = clock.sample(now_s) // BLOCK_SAMPLES
        self._wait_s = FIRST_WAIT_S

    def source_counts(self, name: str) -> SourceCounts:
        """Return the counts of a source; zeros for one never heard."""
        return self._sources[name].counts if name in self._sources else SourceCounts()

    def is_heard(self, name: str, now_s: float) -> bool:
        """Say whether a source gave sound within the time after which it counts as silent."""
        source = self._sources.get(name)
        return source is not None and now_s - source.heard_s < self._silence_after_s

    def push(self, name: str, block: AudioBlock, now_s: float) -> None:
        """Take a block that arrived at ``now_s`` and find its place."""
        source = self._sources.setdefault(name, _Source())
        source.counts.blocks += 1
        source.heard_s = now_s
        captured = self._clock.sample(block.captured_mono_s)
        if captured > self._clock.sample(now_s + MAX_AHEAD_S):
            source.counts.late += 1
            return
        self._note_lateness(source, now_s - block.captured_mono_s - BLOCK_S, now_s)
        samples = self._in_place(source, block.samples, captured)
        assert source.next_sample is not None
        start = source.next_sample
        source.next_sample = start + len(samples)
        missed = self._next_block * BLOCK_SAMPLES - start
        if missed >= len(samples):
            source.counts.late += 1
            return
        source.parts.append((start + max(0, missed), samples[max(0, missed) :]))

    def take(self, now_s: float) -> list[AudioBlock]:
        """Return the blocks of the programme that are complete or were waited for long enough, in order."""
        out = []
        while self._is_complete(now_s) or now_s >= self.deadline_s():
            out.append(self._mix())
        return out

    def deadline_s(self) -> float:
        """Return when the next block leaves, complete or not."""
        return self._clock.mono_of_sample((self._next_block + 1) * BLOCK_SAMPLES) + self._wait_s

    def _note_lateness(self, source: _Source, lateness_s: float, now_s: float) -> None:
        if lateness_s >= source.lateness_s or now_s - source.lateness_at_s > FORGET_S:
            source.lateness_s, source.lateness_at_s = max(0.0, lateness_s), now_s
            latest_s = max(s.lateness_s for s in self._sources.values() if now_s - s.heard_s < FORGET_S)
            self._wait_s = min(latest_s + MARGIN_S, self._silence_after_s)

    def _in_place(self, source: _Source, samples: NDArray[np.int16], captured: int) -> NDArray[np.int16]:
        """Set the source's next sample for a block, and return it, a sample longer or shorter against drift."""
        if source.next_sample is None:
            source.next_sample = captured
            return samples
        distance = captured - source.next_sample
        if abs(distance) > JUMP_SAMPLES:
            source.counts.jumps += 1
            source.next_sample, source.offset = captured, 0.0
            return samples
        source.offset += (distance - source.offset) * OFFSET_SMOOTHING
        if abs(source.offset) < DRIFT_SAMPLES:
            return samples
        step = 1 if source.offset > 0 else -1
        source.offset -= step
        source.counts.stretched += 1
        return _resampled(samples, len(samples) + step)

    def _is_complete(self, now_s: float) -> bool:
        end = (self._next_block + 1) * BLOCK_SAMPLES
        living = [s for s in self._sources.values() if now_s - s.heard_s < self._silence_after_s]
        return bool(living) and all(s.next_sample is not None and s.next_sample >= end for s in living)

    def _mix(self) -> AudioBlock:
        start = self._next_block * BLOCK_SAMPLES
        mixed = np.zeros(BLOCK_SAMPLES, np.int32)
        given = False
        for source in self._sources.values():
            kept, gives = [], False
            for at, samples in source.parts:
                begin, end = max(at - start, 0), min(at + len(samples) - start, BLOCK_SAMPLES)
                if begin < end:
                    mixed[begin:end] += samples[begin + start - at : end + start - at]
                    gives = True
                if at + len(samples) > start + BLOCK_SAMPLES:
                    kept.append((at, samples))
            self.counts.gaps += source.gave and not gives
            given, source.gave, source.parts = given or gives, gives, kept
        self.counts.blocks += 1
        self.counts.silent_blocks += not given
        block = AudioBlock(
            np.clip(mixed, -32_768, 32_767).astype(np.int16), self._clock.mono_of_sample(start), self._next_block
        )
        self._next_block += 1
        return block


def _resampled(samples: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """Stretch or shrink a block to ``length`` samples by straight lines between neighbours."""
    at = np.linspace(0, len(samples) - 1, length)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.int16)
