"""What is wrong with a microphone, told from its sound.

A dead stream is told from a quiet room by the noise that every live microphone has. `hear` only keeps the block; the
work is done in `look`, on all blocks since the look before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from agent.health import sound_measures as measures
from agent.health.baseline import SoundBaseline
from agent.health.reading import Reading
from agent.health.sound_measures import LEAST_DBFS, SEGMENT_BLOCKS, Howl, Hum, Segment
from agent.media import BLOCK_S, AudioBlock
from protocol.messages import CheckStatus

OK, WARNING, CRITICAL = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL

KEPT_BLOCKS = 250
"""5 s: more than ever waits between two looks; then the oldest is dropped."""
WINDOW_BLOCKS = 500
"""10 s of 20 ms."""
WINDOW_SEGMENTS = WINDOW_BLOCKS // SEGMENT_BLOCKS
LATE_S = 0.3
STILL_SHARE = 0.999
DEAD_DBFS = -90.0
"""A muted microphone had -97; the quietest room through a good microphone -80."""
DEAD_BELOW_FLOOR_DB, DEAD_MOST_DBFS = 15.0, -80.0
"""With a baseline: so far below the room's own noise floor, and below the second, nothing is heard."""
GATED_RUNS, GATED_LOOKS = 5, 480
"""A microphone that fell into digital silence so often within so many looks (2 min), and came back, does so itself."""
QUIET_DBFS, QUIET_LEAST_DBFS, SPREAD_DB = -49.0, -64.0, 6.0
"""Root mean square of half a second of voice: near -30 when all is well. Below the least is another room; a fan's tone
does not stand out of its own quiet moments."""
VOICED_SHARE, VOICED_SEGMENTS = 0.2, 6
"""Chairs, pens and paper have no pitch, and a door is loud in any room: only half seconds of voice are judged."""
VOICE_QUANTILE = 0.6
"""Of their levels: a knock that rings counts as a voice at times, and is among the loudest."""
CLIPPED_SHARE, CLIPPED_SECONDS = 0.001, 3
"""Of samples, in so many of the last 10 s: a door that slams is one of them."""
DC_WARNING, DC_CRITICAL = 0.01, 0.03
NOISE_DBFS = -45.0
NOISE_STEADY_DB, NOISE_TONES = 2.0, 0.5
"""Steadier than voices at once, and less of single tones than music."""
ABOVE_FLOOR_DB = 6.0


class SoundChecks:
    """Hears one microphone. ``hear`` may be called in another thread than ``look``."""

    def __init__(self, baseline: SoundBaseline | None = None, *, has_switch: bool = False) -> None:
        self._baseline = baseline
        self._has_switch = has_switch or (baseline is not None and baseline.has_switch)
        self._heard: deque[AudioBlock] = deque(maxlen=KEPT_BLOCKS)
        self._ended_s: float | None = None
        self._levels = np.empty(0, np.float32)
        self._clipped: deque[float] = deque(maxlen=WINDOW_SEGMENTS)
        self._offsets: deque[float] = deque(maxlen=10)
        self._open: list[NDArray[np.int16]] = []
        self._segments: deque[Segment] = deque(maxlen=40)
        self._voices: deque[float | None] = deque(maxlen=WINDOW_SEGMENTS)
        """Of the last 10 s: the level of each half second of voice."""
        self._hum, self._howl = Hum(), Howl()
        self._gate = _Gate()
        self._new_segments = 0

    def hear(self, block: AudioBlock) -> None:
        """Take 20 ms of sound."""
        self._heard.append(block)

    def look(self, mono_s: float) -> tuple[Reading, ...]:
        """Return what was heard until ``mono_s`` (CLOCK_MONOTONIC, as the blocks'); 4 × a second."""
        blocks = [self._heard.popleft() for _ in range(len(self._heard))]
        if self._ended_s is None:
            self._ended_s = mono_s
        if not blocks:
            if mono_s - self._ended_s < LATE_S:
                return ()
            return (Reading("sound-dead", CRITICAL, round(mono_s - self._ended_s, 1), "s", "no-blocks"),)
        self._ended_s = blocks[-1].captured_mono_s + BLOCK_S
        sound = np.stack([block.samples for block in blocks])
        levels, means, stillness = measures.of_blocks(sound)
        level = float(10 * np.log10(np.mean(np.maximum(10 ** (levels / 10), 10 ** (LEAST_DBFS / 10)))))
        is_silent = self._is_silent(level, stillness)
        readings = list(self._judge_dead(level, is_silent))
        if is_silent:
            self._forget()  # what is heard after it is heard anew
            return tuple(readings)
        self._levels = np.concatenate((self._levels, levels))[-2 * WINDOW_BLOCKS :]
        for block, mean in zip(sound, means, strict=True):
            self._open.append(block)
            if len(self._open) == SEGMENT_BLOCKS:
                self._close_segment(float(mean))
        if self._new_segments >= 2:
            self._new_segments = 0
            readings.extend(self._slow())
        return tuple(readings)

    # --- dead or muted ------------------------------------------------------------------------------------------------

    def _is_silent(self, level: float, stillness: float) -> bool:
        if stillness >= STILL_SHARE or level < DEAD_DBFS:
            return True
        if self._baseline is None:
            return False
        return level < min(DEAD_MOST_DBFS, self._baseline.noise_floor_dbfs - DEAD_BELOW_FLOOR_DB)

    def _judge_dead(self, level: float, is_silent: bool) -> Iterator[Reading]:
        is_gated = self._gate.look(is_silent) or (self._baseline is not None and self._baseline.is_gated)
        value = round(level, 1)
        if self._has_switch:
            yield Reading("sound-dead", OK, value, "dBFS")
            yield Reading("sound-muted", WARNING if is_silent else OK, value, "dBFS")
        elif is_silent and is_gated:
            yield Reading("sound-dead", CheckStatus.UNKNOWN)
        else:
            yield Reading("sound-dead", CRITICAL if is_silent else OK, value, "dBFS")

    def _forget(self) -> None:
        self._levels = self._levels[:0]
        for kept in (self._clipped, self._offsets, self._segments, self._voices):
            kept.clear()
        self._open.clear()
        self._hum.forget()
        self._howl.forget()

    # --- the rest, each second ----------------------------------------------------------------------------------------

    def _close_segment(self, mean: float) -> None:
        samples = np.concatenate(self._open)
        self._open.clear()
        segment = measures.segment(samples)
        self._segments.append(segment)
        self._hum.take(segment)
        self._howl.take(segment)
        is_voice = measures.voiced_share(samples) >= VOICED_SHARE
        self._voices.append(segment.level if is_voice else None)
        self._clipped.append(segment.clipped)
        self._offsets.append(segment.mean)
        self._new_segments += 1

    def _slow(self) -> Iterator[Reading]:
        if len(self._segments) < 6:
            return
        clipped = [share > CLIPPED_SHARE for share in self._clipped]
        is_clipping = sum(clipped) >= CLIPPED_SECONDS
        yield Reading(
            "sound-clipping", WARNING if is_clipping else OK, round(100 * float(np.mean(self._clipped)), 2), "%"
        )
        offset = abs(float(np.mean(self._offsets)))
        status = CRITICAL if offset > DC_CRITICAL else WARNING if offset > DC_WARNING else OK
        yield Reading("sound-dc", status, round(100 * offset, 1), "%")
        yield self._howl.reading()
        if len(self._levels) < WINDOW_BLOCKS:
            return
        yield self._hum.reading()
        low = float(np.quantile(self._levels[-WINDOW_BLOCKS:], 0.1))
        yield self._judge_quiet(low)
        if len(self._segments) >= WINDOW_SEGMENTS:
            yield self._judge_noise(low)

    def _judge_quiet(self, low: float) -> Reading:
        voices = [level for level in self._voices if level is not None and level > QUIET_LEAST_DBFS]
        if len(voices) < VOICED_SEGMENTS:
            return Reading("sound-quiet", OK)
        level = float(np.quantile(voices, VOICE_QUANTILE))
        is_faint = level < QUIET_DBFS and level - low > SPREAD_DB
        return Reading("sound-quiet", WARNING if is_faint else OK, round(level, 1), "dBFS")

    def _judge_noise(self, low: float) -> Reading:
        most = NOISE_DBFS
        if self._baseline is not None:
            most = max(most, self._baseline.noise_floor_dbfs + ABOVE_FLOOR_DB)
        status = OK
        if low > most:
            segments = list(self._segments)[-WINDOW_SEGMENTS:]
            is_steady = measures.unsteadiness(segments) < NOISE_STEADY_DB
            status = WARNING if is_steady and measures.tonality(segments) < NOISE_TONES else OK
        return Reading("sound-noise", status, round(low, 1), "dBFS")


class _Gate:
    """Learns whether a microphone falls into digital silence by itself while nobody speaks, as some bars do."""

    def __init__(self) -> None:
        self._ends: deque[int] = deque(maxlen=GATED_RUNS)
        self._looks = 0
        self._run = 0

    def look(self, is_silent: bool) -> bool:
        """Take a look; return whether it is such a microphone."""
        self._looks += 1
        if is_silent:
            self._run += 1
        elif self._run:
            self._run = 0
            self._ends.append(self._looks)
        is_often = len(self._ends) == GATED_RUNS
        return is_often and self._ends[-1] - self._ends[0] <= GATED_LOOKS


def source_reading(*, is_moved: bool) -> Reading:
    """Return the reading of ``sound-wrong-source``: a sound server put another source in its place."""
    return Reading("sound-wrong-source", CRITICAL if is_moved else OK)
