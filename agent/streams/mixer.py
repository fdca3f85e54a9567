"""N named sources of sound → one programme of 20 ms blocks on the room's steady timeline.

The programme's block *n* holds what was captured in the 20 ms from sample 960 n of the room's clock. It leaves as soon
as every source that lives has given its part, or when the wait is over: then what is missing is silence, and counted.
Of several microphones one is heard (`Mixer.hear`); the board's sound, if there is one, makes way for it.
Pure: time is passed in; `agent.streams.publisher` owns the timer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock
from agent.streams.clock import RoomClock
from agent.streams.ducker import Ducker
from agent.streams.limiter import Limiter

BOARD_SOUND = "board"
"""The name of the source that makes way for all others. No microphone's source is called so."""
PUPIL = "pupil"
"""The name of the source that the pupil who speaks is; the programme is mixed a second time without it."""
FIRST_WAIT_S = 0.06
"""How long a block is waited for at first: PulseAudio hands over up to 50 ms at once."""
MARGIN_S = 0.015
"""Beyond the latest arrival seen lately: the loop of a busy machine turns this late at times."""
FORGET_S = 10.0
"""The latest arrival of so long, and of so long before that, is waited for: one hiccup does not make the whole lesson
late."""
DRIFT_SAMPLES = 96
"""2 ms: a source further than this from its capture times is moved back, a sample in each block (0.1 %, not heard)."""
JUMP_SAMPLES = SAMPLE_RATE_HZ // 25
"""40 ms: a source this far from where it should be has lost or repeated sound; it is placed anew."""
OFFSET_SMOOTHING = 0.02
"""Share of a new block in the smoothed distance: capture times jitter by milliseconds, clocks drift by µs a block."""
EDGE_SAMPLES = 240
"""5 ms: what begins or ends in the middle of a block is faded over so much; a sound that is cut off clicks."""
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


@dataclass(frozen=True, slots=True)
class Mixed(AudioBlock):
    """A block of the programme. ``voice`` is what the room's microphone gave: what the teacher's meter shows.

    ``without_pupil`` is for whoever must not hear the pupil who speaks: that pupil, and a recording.
    """

    voice: NDArray[np.int16]
    without_pupil: NDArray[np.int16]

    def before_pupil(self) -> AudioBlock:
        """Return the programme without the pupil who speaks."""
        return AudioBlock(self.without_pupil, self.captured_mono_s, self.sequence)


@dataclass(slots=True)
class _Source:
    parts: list[tuple[int, NDArray[np.int16]]] = field(default_factory=list)
    next_sample: int | None = None
    offset: float = 0.0
    gave: bool = False
    is_cut: bool = False
    """Its sound ended, and what comes next begins from silence."""
    heard_s: float = -math.inf
    latest_s: float = FIRST_WAIT_S - MARGIN_S
    """The largest lateness since `since_s`."""
    latest_before_s: float = 0.0
    since_s: float = -math.inf
    counts: SourceCounts = field(default_factory=SourceCounts)
    is_open: bool = True
    """What it gives is taken."""
    gain: float = 1.0
    target: float = 1.0
    """The gain at the end of the next block in which it gives; on the way to 0 an open source is only listened for."""
    is_leaving: bool = False
    """It fades out with its next block, and is closed then."""

    def gives(self, start: int) -> bool:
        """Say whether there is any of it in the block that begins at this sample."""
        return any(at < start + BLOCK_SAMPLES and at + len(samples) > start for at, samples in self.parts)

    def fills(self, start: int) -> bool:
        """Say whether the whole block is there."""
        is_through = self.next_sample is not None and self.next_sample >= start + BLOCK_SAMPLES
        return is_through and bool(self.parts) and self.parts[0][0] <= start

    def note(self, lateness_s: float, now_s: float) -> None:
        """Remember how late a block came."""
        if now_s - self.since_s > FORGET_S:
            self.latest_before_s, self.latest_s, self.since_s = self.latest_s, 0.0, now_s
        self.latest_s = max(self.latest_s, lateness_s)

    def open(self, gain: float) -> None:
        """Take what it gives from now on; one that was closed begins anew at this gain."""
        if not self.is_open:
            self.parts, self.next_sample, self.gave, self.is_cut, self.offset = [], None, False, False, 0.0
            self.is_open, self.gain, self.target = True, gain, gain
        self.is_leaving = False

    def leave(self) -> None:
        """Fade out over one block, and take nothing more after that."""
        self.is_leaving, self.target = True, 0.0

    def close(self) -> None:
        self.is_open, self.is_leaving, self.gave, self.parts, self.heard_s = False, False, False, [], -math.inf


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
        self._microphone: str | None = None
        self._microphones: set[str] = set()
        self._ducker = Ducker()
        self._limiter = Limiter()
        self._limiter_without_pupil = Limiter()

    def source_counts(self, name: str) -> SourceCounts:
        """Return the counts of a source; zeros for one never heard."""
        return self._sources[name].counts if name in self._sources else SourceCounts()

    def is_heard(self, name: str, now_s: float) -> bool:
        """Say whether a source gave sound within the time after which it counts as silent."""
        source = self._sources.get(name)
        return source is not None and now_s - source.heard_s < self._silence_after_s

    def hear(self, name: str) -> None:
        """Of all sources ever named here, the microphones, hear this one from now on, and no other.

        One that is heard fades into the new one over one block, as soon as that gives; without a gap as long as both
        are pushed. What else is pushed of it is not taken.
        """
        if name == self._microphone:
            return
        is_first = self._microphone is None
        self._microphone = name
        self._microphones.add(name)
        self._sources.setdefault(name, _Source(is_open=False)).open(1.0 if is_first else 0.0)

    def set_board(self, is_let_out: bool) -> None:
        """Let the board's sound out, or fade it out over one block and take nothing more of it."""
        self._let(BOARD_SOUND, is_let_out)

    def set_pupil(self, is_let_in: bool) -> None:
        """Let a pupil's voice in, or fade it out over one block and take nothing more of it."""
        self._let(PUPIL, is_let_in)

    def _let(self, name: str, is_let_out: bool) -> None:
        source = self._sources.setdefault(name, _Source(is_open=False, gain=0.0, target=0.0))
        if is_let_out:
            source.open(0.0)
            source.target = 1.0
        elif source.is_open:
            source.leave()

    def push(self, name: str, block: AudioBlock, now_s: float) -> None:
        """Take a block that arrived at ``now_s`` and find its place."""
        source = self._sources.setdefault(name, _Source())
        if not source.is_open or source.is_leaving:
            return
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

    def take(self, now_s: float) -> list[Mixed]:
        """Return the blocks of the programme that are complete or were waited for long enough, in order."""
        out = []
        while self._is_complete(now_s) or now_s >= self.deadline_s():
            out.append(self._mix())
        return out

    def deadline_s(self) -> float:
        """Return when the next block leaves, complete or not."""
        return self._clock.mono_of_sample((self._next_block + 1) * BLOCK_SAMPLES) + self._wait_s

    def _note_lateness(self, source: _Source, lateness_s: float, now_s: float) -> None:
        source.note(lateness_s, now_s)
        latest_s = max(
            max(one.latest_s, one.latest_before_s) for one in self._sources.values() if now_s - one.heard_s < FORGET_S
        )
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
        living = [
            source
            for source in self._sources.values()
            if now_s - source.heard_s < self._silence_after_s and not source.is_leaving
        ]
        return bool(living) and all(s.next_sample is not None and s.next_sample >= end for s in living)

    def _mix(self) -> Mixed:
        start = self._next_block * BLOCK_SAMPLES
        self._turn(start)
        voice = np.zeros(BLOCK_SAMPLES, np.float32)
        apart: dict[str, NDArray[np.float32]] = {}
        given = False
        for name, source in self._sources.items():
            samples = self._cut(source, start)
            self.counts.gaps += source.gave and samples is None and not source.is_leaving
            source.gave = samples is not None
            given = given or source.gave
            if samples is not None and name in (BOARD_SOUND, PUPIL):
                apart[name] = samples
            elif samples is not None:
                voice += samples
            if source.is_leaving:
                source.close()
        room, board, pupil = voice, apart.get(BOARD_SOUND), apart.get(PUPIL)
        if board is not None:
            voices = voice if pupil is None else voice + pupil
            gains = np.linspace(*self._ducker.gains(voices, board), BLOCK_SAMPLES, dtype=np.float32)
            room = voice + board * gains
        self.counts.blocks += 1
        self.counts.silent_blocks += not given
        whole = self._limiter.apply(room if pupil is None else room + pupil)
        block = Mixed(
            whole,
            self._clock.mono_of_sample(start),
            self._next_block,
            whole if not apart else np.clip(voice, -32_768, 32_767).astype(np.int16),
            whole if pupil is None else self._limiter_without_pupil.apply(room),
        )
        self._next_block += 1
        return block

    def _turn(self, start: int) -> None:
        """Let the microphone that is to be heard take over once it gives, or the one before it gives no more."""
        if self._microphone is None:
            return
        mine = self._sources[self._microphone]
        others = [self._sources[name] for name in self._microphones if name != self._microphone]
        others = [source for source in others if source.is_open]
        if mine.fills(start) or not any(source.target and source.gives(start) for source in others):
            mine.target = 1.0
            for source in others:
                source.leave()

    def _cut(self, source: _Source, start: int) -> NDArray[np.float32] | None:
        """Take what a source gave for the block that begins at ``start``, at its gain; None when it gave nothing."""
        block: NDArray[np.float32] | None = None
        kept = []
        first, last = BLOCK_SAMPLES, 0
        for at, samples in source.parts:
            begin, end = max(at - start, 0), min(at + len(samples) - start, BLOCK_SAMPLES)
            if begin < end:
                block = np.zeros(BLOCK_SAMPLES, np.float32) if block is None else block
                block[begin:end] += samples[begin + start - at : end + start - at]
                first, last = min(first, begin), max(last, end)
            if at + len(samples) > start + BLOCK_SAMPLES:
                kept.append((at, samples))
        source.parts = kept
        if block is not None:
            _fade_edges(block[first:last], begins=first > 0 or source.is_cut, ends=last < BLOCK_SAMPLES)
        source.is_cut = last < BLOCK_SAMPLES and (source.is_cut or source.gave or block is not None)
        if block is not None and (source.gain != 1.0 or source.target != 1.0):
            block *= np.linspace(source.gain, source.target, BLOCK_SAMPLES, dtype=np.float32)
            source.gain = source.target
        return block


def _fade_edges(sound: NDArray[np.float32], *, begins: bool, ends: bool) -> None:
    """Let sound come from silence, or end in it, without a step."""
    ramp = np.linspace(0.0, 1.0, min(EDGE_SAMPLES, len(sound)), dtype=np.float32)
    if begins:
        sound[: len(ramp)] *= ramp
    if ends:
        sound[len(sound) - len(ramp) :] *= ramp[::-1]


def _resampled(samples: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """Stretch or shrink a block to ``length`` samples by straight lines between neighbours."""
    at = np.linspace(0, len(samples) - 1, length)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.int16)
