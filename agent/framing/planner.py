"""Which part of the picture is shown: follows people as a calm hand would. Pure: no picture, no clock.

What makes people sick is a picture that jerks, hunts or never rests. So:

* it rests: somebody who stands, writes and turns stays within a dead zone, and the picture does not move at all;
* it goes gently: all edges of the shown part go through one critically damped filter, with the bounds below;
* it does not chase: who walks is shown from farther away until they stand, and so is who is far from the shown part;
* it is never surprised: nobody there, or several too far apart, is the whole picture, slowly.

The filter is linear, so the edges keep what their aims have: never outside the picture, always of its shape; and
whatever the aims do, an edge never goes faster than `SPEED_MOST` nor changes its speed by more than `ACCELERATION_MOST`
(the impulse response ω²t·e^-ωt has the peak ω/e, and its slope the total variation 2ω²(1 + e^-2); an edge has at most
`1 - share_least` to go). tests/unit/framing/test_planner.py holds both.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.framing.people import Person

CALM = 1.2
"""ω of the filter, 1/s: nine tenths of a way in 3.2 s. Slower loses who walks at 1 m/s, faster is seen as a jerk."""
SHARE_LEAST = 0.5
"""The shown part's least width, as a share of the picture's: of 1280×720, 640×360. Less would be more blur than teacher
after enlarging, and every step of theirs twice as fast."""
WIDTH_LEAST_PX = 640
"""Nor narrower than this, whatever the camera: pupils see it on 1280."""
SPEED_MOST = CALM / math.e * (1 - SHARE_LEAST)
"""Of any edge and of the middle, in pictures a second: 0.22. A quarter of a picture, mostly less, reaches 0.11."""
ACCELERATION_MOST = CALM**2 * (1 + math.exp(-2)) * (1 - SHARE_LEAST)
"""In pictures a second, each second: 0.82."""
WIDE_FROM = 0.85
"""A part that would be larger than this is the whole picture: so small a step would be seen and show nothing more."""
UPPER_BODIES = 1.8
"""Height of the shown part for one person, in upper bodies (head to hips): from above the head to below the knees."""
HEADROOM = 0.16
"""Of the shown part's height, above the head."""
DEAD = (0.14, 0.14)
"""How far from its place somebody may go, in widths and heights of the shown part, before the picture follows."""
DEAD_SIZE = 1.25
"""How much larger or smaller the part should be, before it becomes so."""
WALK_SPEED = 0.06
"""Pictures a second: faster is walking. A step to the side and back within `WALK_S` is none."""
WALK_S = 0.7
WALKING_SHARE = 0.8
"""Who walks is shown from at least so far away."""
LEAD_S = 1.5
"""Who walks is expected where they will be then: the picture needs about that long to get there."""
REST_S = 1.2
"""Somebody stands who has not walked for so long; only then does the picture come near."""
HOLD_S = 4.0
"""Nobody there any more: so long the picture waits before it shows everything."""


@dataclass(frozen=True, slots=True)
class View:
    """The shown part: its left and top edge and its size, in shares of the picture; the size is of both sides."""

    left: float
    top: float
    share: float

    @property
    def right(self) -> float:
        return self.left + self.share

    @property
    def bottom(self) -> float:
        return self.top + self.share


WIDE = View(0.0, 0.0, 1.0)
Doing = Literal["wide", "following"]


class Planner:
    """Says what to show. `saw` takes who is there, `view` the shown part at an instant; times never go back."""

    def __init__(self) -> None:
        self._share_least = SHARE_LEAST
        self._motion = _Motion()
        self._aim = WIDE
        self._seen_mono_s = -math.inf
        self._walked_mono_s = -math.inf
        self._has_walked = False
        """Shown from far away since they walked."""
        self._trail: deque[tuple[float, float]] = deque()
        """When, and where the middle of all of them was."""
        self._count = 0

    @property
    def aim(self) -> View:
        """Where the picture goes."""
        return self._aim

    @property
    def doing(self) -> Doing:
        """Whether a part is shown, or everything; what is on its way counts as arrived."""
        return "wide" if self._aim.share >= 1 else "following"

    def view(self, mono_s: float) -> View:
        """Return what is shown at an instant; an instant before the last one asked for is that one."""
        return self._motion.at(mono_s)

    def fit(self, width_px: int) -> None:
        """Hear how wide the camera's picture is."""
        self._share_least = min(1.0, max(SHARE_LEAST, WIDTH_LEAST_PX / width_px))

    def rest(self) -> None:
        """Go back to the whole picture, gently, from what was shown last."""
        self._trail.clear()
        self._seen_mono_s = self._walked_mono_s = -math.inf
        self._go(WIDE, -math.inf)

    def cut(self) -> None:
        """Show the whole picture now: it is another one."""
        self.rest()
        self._motion = _Motion()

    def saw(self, people: Sequence[Person], mono_s: float) -> None:
        """Take who is there now."""
        if not people:
            self._trail.clear()
            if mono_s - self._seen_mono_s > HOLD_S:
                self._go(WIDE, mono_s)
            return
        self._seen_mono_s = mono_s
        speed = self._speed(people, mono_s)
        if abs(speed) > WALK_SPEED:
            self._walked_mono_s, self._has_walked = mono_s, True
            self._go(self._around(people, speed * LEAD_S, WALKING_SHARE), mono_s)
            return
        near = self._around(people, 0.0, 0.0)
        if mono_s - self._walked_mono_s < REST_S:
            return
        if self._has_walked or not self._is_good(near):
            self._has_walked = not self._touches(near)
            self._go(WIDE if self._has_walked else near, mono_s)

    def _speed(self, people: Sequence[Person], mono_s: float) -> float:
        """Return how fast they go across, as far as one can say; somebody who comes or leaves is no speed."""
        x = sum(one.x for one in people) / len(people)
        if len(people) != self._count:
            self._count = len(people)
            self._trail.clear()
        self._trail.append((mono_s, x))
        while len(self._trail) > 2 and mono_s - self._trail[1][0] >= WALK_S:
            self._trail.popleft()
        since_s = mono_s - self._trail[0][0]
        return (x - self._trail[0][1]) / since_s if since_s >= WALK_S * 0.75 else 0.0

    def _around(self, people: Sequence[Person], lead: float, share_least: float) -> View:
        """Return the part that shows all of them, and where they will be."""
        upper = max(one.upper for one in people)
        top, hips = min(one.top for one in people), max(one.hips for one in people)
        side = upper * 0.5
        left = min(one.x for one in people) - side + min(lead, 0.0)
        right = max(one.x for one in people) + side + max(lead, 0.0)
        share = max(upper * UPPER_BODIES, (hips - top) / (1 - HEADROOM), right - left, share_least, self._share_least)
        if share >= WIDE_FROM:
            return WIDE
        return _within((left + right) / 2 - share / 2, top - share * HEADROOM, share)

    def _is_good(self, near: View) -> bool:
        """Whether the aim is as good as what would be chosen now: a choice that changes all the time is no calm."""
        aim = self._aim
        if (aim.share >= 1) != (near.share >= 1):
            return False
        across = abs((aim.left + aim.right - near.left - near.right) / 2)
        down = abs((aim.top + aim.bottom - near.top - near.bottom) / 2)
        size = max(aim.share / near.share, near.share / aim.share)
        return size <= DEAD_SIZE and across <= DEAD[0] * aim.share and down <= DEAD[1] * aim.share

    def _touches(self, near: View) -> bool:
        """Whether one may go there directly: at least half of it is shown already."""
        aim = self._aim
        shared = min(aim.right, near.right) - max(aim.left, near.left)
        return shared >= near.share / 2

    def _go(self, aim: View, mono_s: float) -> None:
        if aim != self._aim:
            self._motion.aim(aim, mono_s)
            self._aim = aim


def _within(left: float, top: float, share: float) -> View:
    return View(min(max(left, 0.0), 1 - share), min(max(top, 0.0), 1 - share), share)


ARRIVED = 5e-5
"""Of the picture, and of it a second: nearer and slower is there, and from then on nothing moves. A fifteenth of a
pixel of 1280."""


class _Motion:
    """Left edge, top edge and size, each through the same critically damped filter; exact for any step of time."""

    def __init__(self) -> None:
        self._aim = (0.0, 0.0, 1.0)
        self._place = (0.0, 0.0, 1.0)
        self._speed = (0.0, 0.0, 0.0)
        self._mono_s = -math.inf

    def aim(self, view: View, mono_s: float) -> None:
        self.at(mono_s)
        self._aim = (view.left, view.top, view.share)

    def at(self, mono_s: float) -> View:
        if mono_s > self._mono_s:
            step_s = mono_s - self._mono_s
            self._mono_s = mono_s
            if math.isfinite(step_s):
                fade = math.exp(-CALM * step_s)
                places, speeds = [], []
                for aim, place, speed in zip(self._aim, self._place, self._speed, strict=True):
                    off = place - aim
                    drift = speed + CALM * off
                    places.append(aim + (off + drift * step_s) * fade)
                    speeds.append((speed - CALM * drift * step_s) * fade)
                if all(map(self._is_there, self._aim, places, speeds)):
                    places, speeds = list(self._aim), [0.0, 0.0, 0.0]
                self._place = (places[0], places[1], places[2])
                self._speed = (speeds[0], speeds[1], speeds[2])
        return View(*self._place)

    @staticmethod
    def _is_there(aim: float, place: float, speed: float) -> bool:
        return abs(place - aim) < ARRIVED and abs(speed) < ARRIVED
