"""The room's sound as it leaves: the mixer with its timer, mute and pause, and the level meter."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_SAMPLES, AudioBlock
from agent.streams.clock import RoomClock
from agent.streams.mixer import BOARD_SOUND, PUPIL, Mixed, Mixer
from agent.streams.picture_track import StandInReason

SILENCE_DBFS = -120.0
METER_BLOCKS = 5
"""100 ms."""


class Programme:
    """Mixes what is pushed and hands over a block each 20 ms, sound or silence. Lives on the loop.

    ``on_block`` hears of each block whether the teacher lets it out.
    """

    def __init__(
        self,
        clock: RoomClock,
        silence_after_s: float,
        *,
        on_block: Callable[[Mixed, bool], None],
        call_at: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
        now: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._now = now
        self._silence_after_s = silence_after_s
        self._mixer = Mixer(clock, self._now(), silence_after_s)
        self._on_block = on_block
        self._call_at = call_at
        self._is_on_air, self._is_paused, self._is_running = True, False, False
        self._open_since_mono_s = self._board_since_mono_s = -math.inf
        self._is_board_let_out = True
        self._is_pupil_let_in = False
        self._microphone: str | None = None
        self._silence: NDArray[np.int16] = np.zeros(BLOCK_SAMPLES, np.int16)
        self._silence.flags.writeable = False
        self._meter: deque[tuple[float, int]] = deque(maxlen=METER_BLOCKS)
        self._timer: asyncio.TimerHandle | None = None
        self._names: set[str] = set()

    def start(self) -> None:
        """Begin the steady flow, from now."""
        self._mixer = Mixer(self._clock, self._now(), self._silence_after_s)
        self._mixer.set_board(self._is_board_let_out)
        self._mixer.set_pupil(self._is_pupil_let_in)
        if self._microphone is not None:
            self._mixer.hear(self._microphone)
        self._is_running = True
        self._advance()

    def stop(self) -> None:
        """End the flow."""
        self._is_running = False
        if self._timer is not None:
            self._timer.cancel()

    def push(self, source: str, block: AudioBlock) -> None:
        """Take 20 ms of a named source."""
        if source == BOARD_SOUND and block.captured_mono_s < self._board_since_mono_s:
            return
        if self._is_running:
            if source not in (BOARD_SOUND, PUPIL):
                self._names.add(source)
            self._mixer.push(source, block, self._now())
            self._advance()

    def set_on_air(self, is_on_air: bool, is_paused: bool) -> None:
        """Say whether the teacher lets the sound out: from now on, and nothing that was said before."""
        was_open, is_open = self._is_open, is_on_air and not is_paused
        self._is_on_air, self._is_paused = is_on_air, is_paused
        if is_open and not was_open:
            self._open_since_mono_s = self._now()

    def hear(self, microphone: str) -> None:
        """Of several microphones, hear this one from now on."""
        self._microphone = microphone
        self._mixer.hear(microphone)

    def set_board(self, is_let_out: bool) -> None:
        """Say whether the board's sound is let out, from now on; within the whole that `set_on_air` lets out."""
        if is_let_out and not self._is_board_let_out:
            self._board_since_mono_s = self._now()
        self._is_board_let_out = is_let_out
        self._mixer.set_board(is_let_out)

    def set_pupil(self, is_let_in: bool) -> None:
        """Say whether a pupil speaks: pushed as `PUPIL`, and part of the whole from now on."""
        self._is_pupil_let_in = is_let_in
        self._mixer.set_pupil(is_let_in)

    @property
    def reason(self) -> StandInReason | None:
        """Why silence is sent; None while a source is heard."""
        if self._is_paused:
            return "paused"
        if not self._is_on_air:
            return "off"
        return "away" if self.is_away else None

    @property
    def is_away(self) -> bool:
        """No source gives sound; neither board nor pupil counts, for it is the room's voice that is missing."""
        now_s = self._now()
        return not any(self._mixer.is_heard(name, now_s) for name in self._names)

    @property
    def blocks_in(self) -> int:
        """Blocks that the room's microphones gave."""
        return sum(self._mixer.source_counts(name).blocks for name in self._names)

    @property
    def blocks_lost(self) -> int:
        """Of these, not played: they came too late."""
        return sum(self._mixer.source_counts(name).late for name in self._names)

    @property
    def gaps(self) -> int:
        """Times a source stopped giving."""
        return self._mixer.counts.gaps

    def level(self) -> tuple[float, float]:
        """Return RMS and peak in dBFS of the last 100 ms that left, without board and pupil."""
        if not self._meter:
            return SILENCE_DBFS, SILENCE_DBFS
        power = sum(square for square, _ in self._meter) / len(self._meter)
        return _dbfs(math.sqrt(power)), _dbfs(max(peak for _, peak in self._meter))

    @property
    def _is_open(self) -> bool:
        return self._is_on_air and not self._is_paused

    def _advance(self) -> None:
        for block in self._mixer.take(self._now()):
            # sound is mixed up to 0.3 s after it was said
            is_open = self._is_open and block.captured_mono_s >= self._open_since_mono_s
            if not is_open:
                block = Mixed(self._silence, block.captured_mono_s, block.sequence, self._silence, self._silence)
            samples = block.voice.astype(np.float64)
            self._meter.append((float(np.mean(samples * samples)), int(np.abs(samples).max())))
            self._on_block(block, is_open)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._call_at(self._mixer.deadline_s(), self._advance)


def _dbfs(amplitude: float) -> float:
    return max(SILENCE_DBFS, 20 * math.log10(amplitude / 32_768)) if amplitude > 0 else SILENCE_DBFS
