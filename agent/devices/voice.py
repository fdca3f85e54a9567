"""The microphone's voice made clean: echo of what is played taken out, noise lowered, level evened (WebRTC's APM).

The echo canceller is told what sounds in the room by the time at which it sounds. So it need not know how much the
sound server holds back on either side: what is left to find is the way from loudspeaker to microphone.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ

FRAME_SAMPLES = 480
"""10 ms, what the APM works in."""

LEAD_S = 0.06
"""The echo canceller hears of a sound so long before it can come back: time stamps of sound servers are not exact, what
others play is told late, and an echo that came before its cause could not be cancelled."""

SPARE_SAMPLES = 480
"""A source that was told too late is set back by 10 ms more than it had to be, so that it stays in time."""

SLIP_SAMPLES = 1440
"""Beyond 30 ms between a sound's own even pace and the clock, its place is set anew, which costs the echo canceller a
second; below, the canceller follows by itself, and `LEAD_S` leaves room for it."""

SLIP_GAIN = 0.05
SETTLED_BLOCKS = 25
"""The first times of a stream are its worst: after half a second its place is set by the mean of them."""

RING_SAMPLES = 4 * SAMPLE_RATE_HZ
"""What is played is known before it sounds, and what is recorded after: half a second on either side is plenty."""


class Pace:
    """Gives sample after sample its place on the clock: without a gap as long as the clock does not say otherwise."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._off = 0.0
        self._count = 0

    def place(self, mono_s: float, count: int) -> int:
        """Return the place of the first of ``count`` samples that were timed at ``mono_s``."""
        measured = round(mono_s * SAMPLE_RATE_HZ)
        if self._next is None or abs(measured - self._next) > 10 * SLIP_SAMPLES:
            self._next, self._off, self._count = measured, 0.0, 0
        self._count += 1
        self._off += max(SLIP_GAIN, 1 / self._count) * (measured - self._next - self._off)
        has_slipped = self._count > SETTLED_BLOCKS and abs(self._off) > SLIP_SAMPLES
        if self._count == SETTLED_BLOCKS or has_slipped:
            self._next, self._off = self._next + round(self._off), 0.0
        at = self._next
        self._next = at + count
        return at


class Reference:
    """What sounds in the room, everything together, by the clock. For any thread.

    What is told after the microphone has gone past its time is set back, that source's rest with it. That is still
    before its echo: a block is given to the loudspeaker before it sounds, and the microphone's is read after.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ring = np.zeros(RING_SAMPLES, np.float32)
        self._paces: dict[str, Pace] = {}
        self._set_back: dict[str, int] = {}
        self._cleared = 0

    def add(self, source: str, samples: NDArray[np.int16], mono_s: float) -> None:
        """Add what of this source sounds from ``mono_s`` on."""
        with self._lock:
            at = self._paces.setdefault(source, Pace()).place(mono_s, len(samples)) + self._set_back.get(source, 0)
            late = self._cleared - at
            if late > RING_SAMPLES // 2 or late < -RING_SAMPLES // 2:
                return  # nothing to do with this microphone's time
            if late > 0:
                self._set_back[source] = self._set_back.get(source, 0) + late + SPARE_SAMPLES
                at += late + SPARE_SAMPLES
            self._ring[np.arange(at, at + len(samples)) % RING_SAMPLES] += samples

    def take(self, at: int, count: int) -> NDArray[np.int16]:
        """Return what sounds at this place of the clock, and forget everything up to there."""
        with self._lock:
            if not 0 <= at - self._cleared < RING_SAMPLES // 2:
                self._ring[:] = 0
                self._cleared = at
            places = np.arange(self._cleared, at + count) % RING_SAMPLES
            taken = np.clip(self._ring[places[-count:]], -32768, 32767).astype(np.int16)
            self._ring[places] = 0
            self._cleared = at + count
        return taken


class Voice:
    """The processing of one microphone. `clean` runs on the microphone's thread."""

    def __init__(self, *, cancels_echo: bool, suppresses_noise: bool, evens_gain: bool) -> None:
        self.reference: Reference | None = Reference() if cancels_echo else None
        self._pace = Pace()
        self._apm: Any = None
        if cancels_echo or suppresses_noise or evens_gain:
            from livekit.rtc import AudioProcessingModule

            self._apm = AudioProcessingModule(
                echo_cancellation=cancels_echo,
                noise_suppression=suppresses_noise,
                high_pass_filter=False,
                auto_gain_control=evens_gain,
            )

    def clean(self, samples: NDArray[np.int16], mono_s: float) -> NDArray[np.int16]:
        """Return a block cleaned, shape ``(960,)``; ``mono_s`` is when its first sample was heard."""
        if self._apm is None:
            return samples
        heard = self._pace.place(mono_s, len(samples)) + round(LEAD_S * SAMPLE_RATE_HZ)
        cleaned = []
        for start in range(0, BLOCK_SAMPLES, FRAME_SAMPLES):
            if self.reference is not None:
                self._apm.process_reverse_stream(_frame(self.reference.take(heard + start, FRAME_SAMPLES)))
                self._apm.set_stream_delay_ms(round(LEAD_S * 1000))
            frame = _frame(samples[start : start + FRAME_SAMPLES])
            self._apm.process_stream(frame)
            cleaned.append(np.frombuffer(frame.data, np.int16))
        return np.concatenate(cleaned)


def _frame(samples: NDArray[np.int16]) -> Any:
    """Return 10 ms as the APM takes them; it writes what comes of them into it."""
    from livekit.rtc import AudioFrame

    return AudioFrame(bytearray(samples.tobytes()), SAMPLE_RATE_HZ, 1, FRAME_SAMPLES)
