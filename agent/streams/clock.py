"""One clock for a room: capture time (CLOCK_MONOTONIC) ↔ RTP time of each track ↔ NTP time.

Every track's RTP time is the same straight line through the room's monotonic clock, so that two tracks captured at one
instant carry the same NTP time in their sender reports (RFC 3550 §6.4.1) and a browser can put lips and voice in step.
"""

from __future__ import annotations

import time

VIDEO_RATE_HZ = 90_000
"""RTP clock of H.264 (RFC 6184 §8.2.1)."""
SOUND_RATE_HZ = 48_000
"""RTP clock of Opus (RFC 7587 §4.1)."""

_NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 5905 §6)."""


class RoomClock:
    """Turns the monotonic instant of capture into RTP and NTP time.

    The distance between the monotonic and the wall clock is taken once: a wall clock that is set during a lesson must
    not tear sound and picture apart.
    """

    def __init__(self, epoch_mono_s: float | None = None, epoch_unix_s: float | None = None) -> None:
        self.epoch_mono_s = time.monotonic() if epoch_mono_s is None else epoch_mono_s
        self._unix_minus_mono_s = (time.time() if epoch_unix_s is None else epoch_unix_s) - self.epoch_mono_s

    def rtp(self, mono_s: float, rate_hz: int) -> int:
        """Return the RTP time of an instant, 32 bits; an instant before the epoch wraps as RTP does."""
        return round((mono_s - self.epoch_mono_s) * rate_hz) & 0xFFFFFFFF

    def ntp(self, mono_s: float) -> int:
        """Return the NTP time of an instant: 32 bits of seconds since 1900 and 32 bits of fraction."""
        seconds = mono_s + self._unix_minus_mono_s + _NTP_EPOCH_S
        whole = int(seconds)
        return (whole << 32) | int((seconds - whole) * (1 << 32))

    def send_time(self, mono_s: float) -> int:
        """Return the time of sending as packets carry it: 24 bits, 6 of seconds and 18 of fraction (abs-send-time)."""
        return int((mono_s + self._unix_minus_mono_s + _NTP_EPOCH_S) * (1 << 18)) & 0xFFFFFF

    def mono_from_ntp(self, ntp: int) -> float:
        """Return the instant of an NTP time."""
        return (ntp >> 32) + (ntp & 0xFFFFFFFF) / (1 << 32) - _NTP_EPOCH_S - self._unix_minus_mono_s

    def sample(self, mono_s: float) -> int:
        """Return the number of the sound sample that was captured at an instant; negative before the epoch."""
        return round((mono_s - self.epoch_mono_s) * SOUND_RATE_HZ)

    def mono_of_sample(self, sample: int) -> float:
        """Return the instant of a sound sample."""
        return self.epoch_mono_s + sample / SOUND_RATE_HZ
