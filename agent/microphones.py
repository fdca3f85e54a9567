"""Which of the room's microphones is heard: the wanted one, another while it is dead, a better one only when asked.

Pure: `Microphones.look` is told what is, several times a second, and says what changes. Only a microphone of the room's
configuration is ever heard, and only two things change which one by themselves: the death of the one that is heard, and
the return of the wanted one. A better one is proposed, once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.ear import Hearing
from protocol.errors import DeviceNotFoundError, DeviceNotNowError

DEAD_S = 0.4
"""Without a block for this long a microphone is dead: a tenth of a second after the mixer's silence has begun."""
DEAD_SEEN_S = 0.09
"""...and it is seen so at two looks: after the loop stood still, a look may come before the blocks that wait."""
OPENING_S = 3.0
"""A device that is being opened is waited for so long before another one is heard instead (a cold start)."""
STEADY_S = 5.0
"""The wanted one must be back for this long before it is heard again."""
STEADY_MOST_S = 300.0
"""Each time it dies again soon after it was taken back, the wait doubles, up to this."""
RETURN_MOST_S = 30.0
"""It is taken back in a pause; after this, without one."""
LOOSE_S = 60.0
"""One that lived for this long since it was taken back has no loose contact."""
MUCH_CLEARER_DB = 10.0
"""Half the noise and twice the voice, at least: what a person hears at once."""
MUCH_LOUDER_DB = 12.0
NOT_WORSE_DB = 3.0
SPEECH_LEAST_DBFS = -45.0
SPEECH_LEAST_DB = 15.0
BETTER_S = 5.0
"""Its last 30 s have to be better at each look for so long."""

Reason = Literal["lost", "back", "chosen", "proposed"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One microphone at one look."""

    is_alive: bool
    is_opening: bool = False
    """It was asked for, and has neither given anything nor failed."""
    is_quiet: bool = False
    hearing: Hearing | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Another microphone is heard from now on."""

    microphone: str
    before: str
    reason: Reason


class Microphones:
    """The choice for one lesson. ``names`` are the configured ones, the room's own first."""

    def __init__(self, names: Sequence[str], now_s: float, *, wanted: str | None = None) -> None:
        self._names = tuple(names)
        self.wanted = wanted if wanted in self._names else self._names[0]
        """The configuration's, until somebody in the room chose another."""
        self.in_use = self.wanted
        self.proposal: str | None = None
        """One that hears much better than the one in use, until somebody answers."""
        self._began_s = now_s
        self._dead_since_s: float | None = None
        self._alive_since_s: float | None = None
        self._taken_back_s = -math.inf
        self._steady_s = STEADY_S
        self._better_since_s: dict[str, float] = {}
        self._declined: set[str] = set()
        self._seen: Mapping[str, Seen] = {}

    def look(self, seen: Mapping[str, Seen], now_s: float) -> Change | None:
        """Take in how every microphone is now; return what changes, if anything does."""
        self._seen = seen
        wanted = seen[self.wanted]
        if not wanted.is_alive:
            self._alive_since_s = None
        elif self._alive_since_s is None:
            self._alive_since_s = now_s
        self._weigh(now_s)
        return self._leave_the_dead(now_s) or self._take_back(now_s)

    def choose(self, name: str, now_s: float) -> Change | None:
        """Hear this one because somebody in the room says so; it is the wanted one for the rest of the lesson.

        Raises DeviceNotFoundError or DeviceNotNowError.
        """
        self._must_know(name)
        if name not in self._seen or not self._seen[name].is_alive:
            raise DeviceNotNowError(f'microphone "{name}" gives no sound now; check it, or take another')
        reason: Reason = "proposed" if name == self.proposal else "chosen"
        if name != self.in_use:
            self._declined.add(self.in_use)  # who leaves it knows it
        self.wanted, self._steady_s, self._alive_since_s = name, STEADY_S, now_s
        return self._hear(name, reason) if name != self.in_use else None

    def decline(self, name: str) -> None:
        """Not that one: it is not proposed again in this lesson. Raises DeviceNotFoundError."""
        self._must_know(name)
        self._declined.add(name)
        if self.proposal == name:
            self.proposal = None

    def _must_know(self, name: str) -> None:
        if name not in self._names:
            there = ", ".join(f'"{known}"' for known in self._names)
            raise DeviceNotFoundError(f'no microphone "{name[:64]}" is configured; there are: {there}')

    # --- what changes by itself -----------------------------------------------------------------------------------

    def _leave_the_dead(self, now_s: float) -> Change | None:
        mine = self._seen[self.in_use]
        if mine.is_alive or (mine.is_opening and now_s - self._began_s < OPENING_S):
            self._dead_since_s = None
            return None
        if self._dead_since_s is None:
            self._dead_since_s = now_s
        living = [name for name in self._names if self._seen[name].is_alive]
        if not living or now_s - self._dead_since_s < DEAD_SEEN_S:
            return None
        if self.in_use == self.wanted:
            is_loose = now_s - self._taken_back_s < LOOSE_S
            self._steady_s = min(STEADY_MOST_S, self._steady_s * 2) if is_loose else STEADY_S
        return self._hear(max(living, key=self._rank), "lost")

    def _take_back(self, now_s: float) -> Change | None:
        if self.in_use == self.wanted or self._alive_since_s is None:
            return None
        back_s = now_s - self._alive_since_s
        if back_s < self._steady_s:
            return None
        is_pause = self._seen[self.wanted].is_quiet and self._seen[self.in_use].is_quiet
        if not is_pause and back_s < max(RETURN_MOST_S, self._steady_s):
            return None
        self._taken_back_s = now_s
        return self._hear(self.wanted, "back")

    def _hear(self, name: str, reason: Reason) -> Change:
        before, self.in_use = self.in_use, name
        self.proposal, self._dead_since_s = None, None
        self._better_since_s.clear()
        return Change(name, before, reason)

    def _rank(self, name: str) -> tuple[int, int]:
        """Return how good a stand-in is: the clearest in steps that a person hears, then the configuration's order."""
        hearing = self._seen[name].hearing
        return (0 if hearing is None else round(hearing.clarity_db / 6), -self._names.index(name))

    # --- what is proposed -----------------------------------------------------------------------------------------

    def _weigh(self, now_s: float) -> None:
        if self.proposal is not None and not self._seen[self.proposal].is_alive:
            self.proposal = None
        mine = self._seen[self.in_use]
        for name in self._names:
            other = self._seen[name]
            if name == self.in_use or not other.is_alive or not _is_better(other.hearing, mine.hearing):
                self._better_since_s.pop(name, None)
            else:
                self._better_since_s.setdefault(name, now_s)
        if self.proposal is None and mine.is_alive and self.in_use == self.wanted:
            better = [
                name
                for name, since_s in self._better_since_s.items()
                if now_s - since_s >= BETTER_S and name not in self._declined
            ]
            self.proposal = max(better, key=self._rank, default=None)


def _is_better(other: Hearing | None, mine: Hearing | None) -> bool:
    """Say whether it is worth a question: much clearer, or much louder and as clear; and speech, not noise."""
    if other is None or mine is None:
        return False
    if other.level_dbfs < SPEECH_LEAST_DBFS or other.clarity_db < SPEECH_LEAST_DB:
        return False
    clearer_db, louder_db = other.clarity_db - mine.clarity_db, other.level_dbfs - mine.level_dbfs
    return (clearer_db >= MUCH_CLEARER_DB and louder_db >= -MUCH_LOUDER_DB) or (
        louder_db >= MUCH_LOUDER_DB and clearer_db >= -NOT_WORSE_DB
    )
