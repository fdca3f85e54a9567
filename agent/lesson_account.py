"""What went wrong for pupils in one lesson, and for how long: some sentences for the teacher after it. Pure.

What a pupil chose is no fault: a page muted by hand, less data by wish, a device that shows no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from agent.reception import OWN_CHOICE, Verdict
from agent.streams.ladder import Why
from protocol.messages import Text

DEAF_LEAST_S = 10.0
"""Shorter is a line that broke and came back: nothing that the teacher could have done."""
LOWERED_LEAST_S = 30.0
"""Each connection begins lower and finds in this time what its line carries."""
LOOK_MOST_S = 1.0
"""What lies further between two looks was not seen."""


@dataclass(frozen=True, slots=True)
class PupilNow:
    """How one connection of a pupil is at a look. ``is_complaining``: it said that it does not hear."""

    pupil: str
    verdict: Verdict
    why: Why
    is_complaining: bool = False

    @property
    def is_deaf(self) -> bool:
        if self.verdict.why_deaf in OWN_CHOICE:
            return False
        return self.is_complaining or self.verdict.hearing == "not-heard"


class LessonAccount:
    """Told of each look at the pupils; `problems` is what came of it."""

    def __init__(self) -> None:
        self._looked_s: float | None = None
        self._pupils: set[str] = set()
        self._deaf_s: defaultdict[str, float] = defaultdict(float)
        self._slow_s: defaultdict[str, float] = defaultdict(float)
        """Pictures lowered for the pupil's own line."""
        self._room_s: defaultdict[Why, float] = defaultdict(float)
        """Pictures lowered for what the room is short of, whoever it met."""

    def look(self, pupils: Iterable[PupilNow], now_s: float, *, is_let_out: bool) -> None:
        """Take in how all in class are but those in the room itself. ``is_let_out``: the teacher lets sound out."""
        passed_s = 0.0 if self._looked_s is None else min(now_s - self._looked_s, LOOK_MOST_S)
        self._looked_s = now_s
        seen = tuple(pupils)
        self._pupils.update(one.pupil for one in seen)
        if is_let_out:
            hearing = {one.pupil for one in seen if not one.is_deaf}
            for pupil in {one.pupil for one in seen} - hearing:
                self._deaf_s[pupil] += passed_s
        for pupil in {one.pupil for one in seen if one.why == "line"}:
            self._slow_s[pupil] += passed_s
        for why in {one.why for one in seen} & {"machine", "uplink"}:
            self._room_s[why] += passed_s

    def problems(self) -> tuple[Text, ...]:
        """Return a sentence for each kind of thing that lasted, what concerns hearing first."""
        found = []
        deaf = [seconds for seconds in self._deaf_s.values() if seconds >= DEAF_LEAST_S]
        if deaf:
            found.append(_deaf(len(deaf), len(self._pupils), max(deaf)))
        found += [_lowered(why, self._room_s[why]) for why in _BECAUSE if self._room_s[why] >= LOWERED_LEAST_S]
        slow = [seconds for seconds in self._slow_s.values() if seconds >= LOWERED_LEAST_S]
        if slow:
            found.append(_slow(len(slow), len(self._pupils), max(slow)))
        return tuple(found)


_BECAUSE: dict[Why, Text] = {
    "machine": Text(fr="l’ordinateur de la salle avait trop à faire", en="the room's computer had too much to do"),
    "uplink": Text(fr="la connexion de la salle était pleine", en="the room's connection was full"),
}


def _deaf(count: int, of: int, most_s: float) -> Text:
    time = _time(most_s)
    if count == 1:
        return Text(
            fr=f"1 élève sur {of} ne vous a pas entendu pendant {time}.",
            en=f"1 pupil of {of} did not hear you for {time}.",
        )
    return Text(
        fr=f"{count} élèves sur {of} ne vous ont pas entendu, jusqu’à {time}.",
        en=f"{count} pupils of {of} did not hear you, for up to {time}.",
    )


def _lowered(why: Why, seconds: float) -> Text:
    because, time = _BECAUSE[why], _time(seconds)
    return Text(
        fr=f"Les images ont été réduites pendant {time}\u00a0: {because.fr}.",
        en=f"Pictures were reduced for {time}: {because.en}.",
    )


def _slow(count: int, of: int, most_s: float) -> Text:
    time = _time(most_s)
    if count == 1:
        return Text(
            fr=f"1 élève sur {of} a reçu des images réduites pendant {time}\u00a0: sa connexion était faible.",
            en=f"1 pupil of {of} received reduced pictures for {time}: the pupil's connection was weak.",
        )
    return Text(
        fr=f"{count} élèves sur {of} ont reçu des images réduites, jusqu’à {time}\u00a0: leur connexion était faible.",
        en=f"{count} pupils of {of} received reduced pictures, for up to {time}: their connections were weak.",
    )


def _time(seconds: float) -> str:
    return f"{seconds:.0f}\u00a0s" if seconds < 60 else f"{seconds / 60:.0f}\u00a0min"
