"""Who is in the picture: answers of single looks, each at one tile, put together over time. No picture, no clock.

Somebody is known by where they stand, and forgotten a moment after they were last seen there. Nothing else is known of
them, and nothing is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

EDGE = 0.1
"""Of a tile's width. Two tiles of 16:9 overlap by a little more than their two edges."""
TRUSTED_LOOKS = 2
"""Seen once may be a coat on its hook that looked like somebody for a moment."""
MISSED_LOOKS = 3
"""A turned back or a raised arm hides somebody from a look or two."""
FORGET_S = 6.0
"""Not looked for that long (the looks go elsewhere first): gone."""
NEAR = 0.7
"""In heights of the upper body: how far from where they were expected somebody may be found."""
SMOOTHING = 0.6
"""Share of a new answer: single answers differ by some two in a hundred while nobody moves."""
HASTE = 0.25
"""Share of a new answer in their speed. With `SMOOTHING` it is an alpha-beta filter without overshoot."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the picture, in shares of its width and height; square in pixels."""

    left: float
    top: float
    width: float
    height: float

    def holds(self, x: float) -> bool:
        """Whether somebody at ``x`` would be seen whole in it; its edges cut people in half, and then it errs."""
        margin = self.width * EDGE
        return (self.left <= 0 or self.left + margin <= x) and (
            self.left + self.width >= 1 or x <= self.left + self.width - margin
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Where somebody is, in shares of the picture: the middle of head and shoulders, the head's top, the hips."""

    x: float
    top: float
    hips: float
    score: float = 1.0

    @property
    def upper(self) -> float:
        """Height of the upper body; somebody who bends down does not get smaller than this."""
        return max(self.hips - self.top, 0.02)


@dataclass(slots=True)
class _Known:
    person: Person
    seen_mono_s: float
    speed: float = 0.0
    """Across, in pictures a second."""
    looks: int = 1
    missed: int = 0

    def expected(self, mono_s: float) -> Person:
        """Where they are now if they go on; half a second ahead at most."""
        ahead_s = min(0.5, max(0.0, mono_s - self.seen_mono_s))
        return replace(self.person, x=self.person.x + self.speed * ahead_s)

    def found(self, one: Person, mono_s: float) -> None:
        """Take where they were found."""
        expected = self.expected(mono_s)
        self.speed += HASTE * (one.x - expected.x) / max(mono_s - self.seen_mono_s, 0.1)
        self.person = Person(
            _mean(expected.x, one.x), _mean(expected.top, one.top), _mean(expected.hips, one.hips), one.score
        )
        self.seen_mono_s, self.looks, self.missed = mono_s, self.looks + 1, 0


class People:
    """Keeps who is there. `saw` takes one look, `there` says who can be trusted to be there."""

    def __init__(self, aspect: float) -> None:
        self._aspect = aspect
        """Width of the picture over its height: what a share of the one is in shares of the other."""
        self._known: list[_Known] = []

    def saw(self, found: Sequence[Person], tile: Tile, mono_s: float) -> None:
        """Take what a look at a tile found."""
        left = [one for one in found if tile.holds(one.x)]
        for known in self._known:
            expected = known.expected(mono_s)
            near = [one for one in left if self._is_near(expected, one)]
            if near:
                one = min(near, key=lambda other: abs(other.x - expected.x))
                left.remove(one)
                known.found(one, mono_s)
            elif tile.holds(expected.x):
                known.missed += 1
                known.speed /= 2
        self._known += [_Known(one, mono_s) for one in left]
        self._known = [
            known
            for known in self._known
            if known.missed < (MISSED_LOOKS if known.looks >= TRUSTED_LOOKS else 1)
            and mono_s - known.seen_mono_s <= FORGET_S
        ]

    def there(self) -> tuple[Person, ...]:
        """Return who is there, those whom we have known longest first."""
        return tuple(known.person for known in self._known if known.looks >= TRUSTED_LOOKS)

    def guesses(self) -> tuple[Person, ...]:
        """Return who is there or was seen once: where to look again."""
        return tuple(known.person for known in self._known)

    def _is_near(self, before: Person, now: Person) -> bool:
        across, down = (now.x - before.x) * self._aspect, now.top - before.top
        return bool((across**2 + down**2) ** 0.5 <= NEAR * max(before.upper, now.upper) + 0.03)


def _mean(before: float, now: float) -> float:
    return before + (now - before) * SMOOTHING


def wide_tiles(aspect: float) -> tuple[Tile, ...]:
    """Return squares of the picture's height that together hold its whole width: two for 16:9 and 4:3."""
    if aspect <= 1:
        return (Tile(0.0, 0.0, 1.0, aspect),)
    width = 1 / aspect
    count = max(2, -(-int(aspect * 1000) // 1000))
    return tuple(Tile(index * (1 - width) / (count - 1), 0.0, width, 1.0) for index in range(count))


class Looks:
    """Chooses the tile of each look: where somebody is, most of the time, and the whole width in turn."""

    ELSEWHERE_EACH = 3

    def __init__(self, aspect: float) -> None:
        self._aspect = aspect
        self._wide = wide_tiles(aspect)
        self._turn = 0
        self._next_wide = 0
        self._next_person = 0

    def tile(self, guesses: Sequence[Person]) -> Tile:
        """Return where to look now."""
        self._turn += 1
        if not guesses or self._turn % self.ELSEWHERE_EACH == 0:
            self._next_wide = (self._next_wide + 1) % len(self._wide)
            return self._wide[self._next_wide]
        self._next_person = (self._next_person + 1) % len(guesses)
        return self._around(guesses[self._next_person])

    def _around(self, person: Person) -> Tile:
        """Return a square around somebody; small ones are found more surely from near."""
        height = min(1.0, max(0.5, person.upper * 3.5))
        width = min(1.0, height / self._aspect)
        middle = (person.top + person.hips) / 2 + person.upper * 0.25
        return Tile(
            min(max(person.x - width / 2, 0.0), 1 - width),
            min(max(middle - height / 2, 0.0), 1 - height),
            width,
            height,
        )
