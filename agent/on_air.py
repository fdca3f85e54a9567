"""The on-air sign, from two facts alone: a device is open for a lesson; a media packet left in the last second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from protocol.messages import Sign

PACKET_FRESH_S = 1.0
"""How long after a packet the sign stays (DESIGN §6)."""
STRAY_AFTER_S = 1.0
"""What was already on its way when a lesson ended is no alarm; goodbyes take less than this."""


def sign(*, devices_open: int, last_packet_mono_s: float | None, mono_s: float) -> Sign:
    """Return what the sign must show at ``mono_s`` (CLOCK_MONOTONIC, seconds)."""
    if last_packet_mono_s is not None and mono_s - last_packet_mono_s <= PACKET_FRESH_S:
        return Sign.LIVE
    return Sign.OPEN if devices_open else Sign.OFF


@dataclass(frozen=True, slots=True)
class Stray:
    """A media packet that left though its lesson was over, ``after_s`` after that."""

    lesson: str
    after_s: float


class Departures:
    """Every media packet that leaves this process, of whichever lesson its sender is. One for the life of the agent.

    It outlives publishers, so that a sender that was left over by a lesson is still seen. ``on_stray`` hears of each
    packet that has no lesson any more, on the loop, before another one can leave.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.last_packet_mono_s: float | None = None
        self._clock = clock
        self._lesson: str | None = None
        self._since_mono_s = clock()
        self._on_stray: Callable[[Stray], None] = lambda _: None

    def on_stray(self, listener: Callable[[Stray], None]) -> None:
        """Have ``listener`` hear of packets that leave without a lesson."""
        self._on_stray = listener

    def lesson_is(self, lesson: str | None) -> None:
        """Say which lesson may send from now on; None: none."""
        if lesson != self._lesson:
            self._lesson, self._since_mono_s = lesson, self._clock()

    def packet_left(self, lesson: str) -> None:
        """Hear that a packet of a sender of ``lesson`` left."""
        mono_s = self.last_packet_mono_s = self._clock()
        after_s = mono_s - self._since_mono_s
        if lesson != self._lesson and after_s > STRAY_AFTER_S:
            self._on_stray(Stray(lesson, after_s))
