"""How a camera that turns follows people: at low speed, with a dead zone, and standing most of the time. Pure.

The camera says nothing of how far it turned, so this goes by what is seen: begin when somebody has left the middle, go
the slower the nearer they come to it, stop before they are there, for what is seen is some tenths of a second old.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.framing.people import Person

FAST, SLOW = 0.25, 0.06
"""Shares of the camera's top speed. A quarter is some 20° a second: who walks past at 3 m goes that fast."""
GAIN = 0.6
"""Share of the top speed for somebody a picture's width away."""
FASTER = 0.06
"""The most by which a look changes the speed upwards: it begins gently."""
HEAD_AT = 0.22
"""Where the head's top belongs, in heights of the picture from above."""
BEGIN, END = 0.15, 0.06
"""How far from the middle it begins, and how near it stops."""
SMALL, LARGE = 0.25, 0.6
"""Height of the upper body at which the camera comes nearer, or goes away; in between it leaves the zoom."""
GOOD = (0.32, 0.5)
ZOOM = 0.12
HOLD_S = 1.5
"""Not seen for so long, somebody may have gone the other way: the camera stands."""


@dataclass(slots=True)
class _Axis:
    """One axis: turning or not, and how fast."""

    speed: float = 0.0

    def steer(self, off: float) -> float:
        """Return the speed for how far it is to go, with its sign."""
        moves = self.speed != 0
        if abs(off) < (END if moves else BEGIN) or (moves and off * self.speed < 0):
            self.speed = 0.0
        else:
            wanted = min(FAST, max(SLOW, GAIN * abs(off)))
            self.speed = math.copysign(min(wanted, abs(self.speed) + FASTER), off)
        return self.speed


@dataclass(slots=True)
class Steering:
    """`saw` takes who is there and returns how to turn: pan, tilt, zoom as `CameraMoves.hold` takes them."""

    can_zoom: bool = False
    _pan: _Axis = field(default_factory=_Axis)
    _tilt: _Axis = field(default_factory=_Axis)
    _zoom: float = 0.0
    _seen_mono_s: float = -math.inf

    @property
    def is_turning(self) -> bool:
        return bool(self._pan.speed or self._tilt.speed or self._zoom)

    def saw(self, people: Sequence[Person], mono_s: float) -> tuple[float, float, float]:
        """Return the speeds from now on."""
        if not people:
            if mono_s - self._seen_mono_s > HOLD_S:
                self.stand()
            return (self._pan.speed, self._tilt.speed, self._zoom)
        self._seen_mono_s = mono_s
        left, right = min(one.x for one in people), max(one.x for one in people)
        pan = self._pan.steer((left + right) / 2 - 0.5)
        tilt = self._tilt.steer(HEAD_AT - min(one.top for one in people))
        self._zoom = self._zooming(people, right - left) if self.can_zoom else 0.0
        return (pan, tilt, self._zoom)

    def stand(self) -> None:
        """Turn no more."""
        self._pan.speed = self._tilt.speed = self._zoom = 0.0

    def _zooming(self, people: Sequence[Person], apart: float) -> float:
        """Return how to zoom: never nearer while it turns, and never when that would lose somebody."""
        upper = max(one.upper for one in people)
        low, high = GOOD
        if upper > LARGE or apart > 0.7 or (self._zoom < 0 and upper > high):
            return -ZOOM
        if self._pan.speed or self._tilt.speed or apart > 0.3:
            return 0.0
        if upper < SMALL or (self._zoom > 0 and upper < low):
            return ZOOM
        return 0.0
