"""What the judge remembers of each room, school and territory, and of each cause there: slots, no policy of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from controller.fleet import LinkState
from controller.incidents.causes import (
    LINK,
    MISSED,
    SCHOOL_OFFLINE,
    TERRITORY_OFFLINE,
    Severity,
    Wish,
    hides,
    holds,
    is_fault,
    is_wished,
)
from controller.incidents.decisions import Key, Scope, Stored
from controller.incidents.flapping import Flaps
from controller.incidents.lesson_calendar import LessonCalendar, Planned, Urgency
from protocol.messages import CheckStatus, DeviceRole

REOPEN_S = 600.0
"""What is back within this was never over."""
UNSEEN_S = 7 * 86_400.0
"""An incident that no look could confirm for so long says nothing any more."""
JUDGED_KEPT = 12
"""Lessons of a long day: so far back the wall clock may be stepped and none is judged again."""
_ORDER: tuple[Scope, ...] = ("centre", "territory", "school", "room")
LessonPhase = Literal["idle", "running", "failed"]

RANKS: Mapping[CheckStatus, int | None] = {
    CheckStatus.OK: 0,
    CheckStatus.WARNING: 1,
    CheckStatus.CRITICAL: 2,
    CheckStatus.UNKNOWN: None,
}


class Condition:
    """One cause of one subject: what is seen of it, since when, and the incident that was made of it.

    ``rank`` is 0 well, 1 warning, 2 critical, None when nobody can tell.
    """

    __slots__ = (
        "_bad_s",
        "_critical_s",
        "_known",
        "_unknown_s",
        "asked_s",
        "closed_s",
        "covered_by",
        "flaps",
        "from_s",
        "good_s",
        "is_dismissed",
        "is_gone",
        "is_hidden",
        "is_open",
        "joined",
        "key",
        "muted_until_s",
        "owes",
        "rank",
        "role",
        "severity",
        "urgency",
        "was_told",
        "worst",
    )

    def __init__(self, key: Key, now_s: float) -> None:
        self.key = key
        self.role: DeviceRole | None = None
        self.rank: int | None = None
        self.worst = Severity.WARNING
        """The worst since it was last well."""
        self._known = 0
        self._bad_s = self._critical_s = self._unknown_s = self.good_s = now_s
        self.from_s = -math.inf
        """Evidence counts from here: before, something else explained it, or it could not be seen."""
        self.is_hidden = False
        self.is_gone = False
        self.is_dismissed = False
        """Somebody closed it by hand: it has to be well once before it can open again."""
        self.joined: Site | None = None
        """The outage that this room is part of."""
        self.covered_by: Key | None = None
        """The larger incident that this one is to close for."""
        self.asked_s: float | None = None
        """Since when it waits for others to have had time for a report."""
        self.is_open = False
        self.severity = Severity.WARNING
        self.urgency = Urgency.QUIET
        self.closed_s = -math.inf
        self.muted_until_s = -math.inf
        self.was_told = False
        self.owes = False
        """People were not told because of a mute, maintenance or flapping, and shall be when that ends."""
        self.flaps = Flaps(now_s)

    @classmethod
    def restored(cls, stored: Stored, now_s: float) -> Condition:
        """Return it as it was stored. What is true now has to be told first: it is neither bad nor well."""
        restored = cls(stored.key, now_s)
        restored.severity, restored.urgency, restored.was_told = stored.severity, stored.urgency, stored.was_told
        restored.is_open = stored.closed_s is None
        restored.closed_s = -math.inf if stored.closed_s is None else stored.closed_s
        restored.is_dismissed = stored.is_dismissed
        restored.muted_until_s = stored.muted_until_s
        restored.owes = restored.is_open and not stored.was_told and stored.urgency is not Urgency.QUIET
        if stored.is_flapping:
            restored.flaps = Flaps(now_s, is_flapping=True)
        return restored

    def note(self, rank: int | None, now_s: float, *, is_counted: bool) -> bool:
        """Take what is seen and return whether that is news. ``is_counted``: a change may count as flapping."""
        self.is_gone = False
        if rank == self.rank:
            return False
        is_seen_again = self.rank is None
        self.rank = rank
        if rank is None:
            self._unknown_s = now_s
            return True
        if rank == 0:
            self.good_s, self.is_dismissed, self.asked_s = now_s, False, None
        else:
            if self._known == 0:
                self._bad_s = now_s
            elif is_seen_again:
                self._leave_out(now_s - self._unknown_s, now_s)
            if rank == Severity.CRITICAL and self._known != Severity.CRITICAL:
                self._critical_s = now_s
            self.worst = Severity(rank) if self._known == 0 else max(self.worst, Severity(rank))
        if is_counted and (rank > 0) != (self._known > 0):
            self.flaps.change(now_s)
        self._known = rank
        return True

    def _leave_out(self, unseen_s: float, now_s: float) -> None:
        """Go on with the evidence where it was before nobody could tell: that is no evidence, and takes none away."""
        self._bad_s += unseen_s
        self._critical_s += unseen_s
        self.from_s = min(self.from_s + unseen_s, now_s)

    def opens_at_s(self, floor_s: float, *, in_lesson: bool) -> float:
        """Return when what is bad now will have held long enough; evidence before ``floor_s`` does not count."""
        begins_s = max(floor_s, self.from_s)
        at_s = max(begins_s, self._bad_s) + holds(self.key.cause, Severity.WARNING).opening_s(in_lesson=in_lesson)
        return min(at_s, self.critical_at_s(floor_s, in_lesson=in_lesson))

    def critical_at_s(self, floor_s: float, *, in_lesson: bool) -> float:
        """Return the same for its being critical; infinity when it is not."""
        if self.rank != Severity.CRITICAL:
            return math.inf
        held = holds(self.key.cause, Severity.CRITICAL)
        return max(floor_s, self.from_s, self._critical_s) + held.opening_s(in_lesson=in_lesson)

    @property
    def since_s(self) -> float:
        """When the evidence began; time in which nobody could tell is left out."""
        return max(self._bad_s, self.from_s)

    @property
    def clears_at_s(self) -> float:
        """When what is well now will have been so for the hold-up time."""
        return max(self.good_s, self.from_s) + holds(self.key.cause, self.severity).clear_s

    @property
    def unseen_at_s(self) -> float:
        return max(self._unknown_s, self.from_s) + UNSEEN_S

    @property
    def forgotten_at_s(self) -> float:
        """When nothing of it matters any more, given that it is neither bad nor open."""
        return max(self.closed_s + REOPEN_S, self.muted_until_s, self.flaps.forgotten_at_s())


class Subject:
    """Whatever incidents are of."""

    __slots__ = ("conditions", "due_s", "id", "maintained_until_s", "order", "scope")

    def __init__(self, scope: Scope, id: str) -> None:
        self.scope = scope
        self.id = id
        self.order = (_ORDER.index(scope), id)
        """The larger first: what they explain need not be asked again."""
        self.conditions: dict[str, Condition] = {}
        self.due_s = math.inf
        self.maintained_until_s = -math.inf

    def condition(self, cause: str, now_s: float) -> Condition:
        """Return a condition, made if need be."""
        condition = self.conditions.get(cause)
        if condition is None:
            condition = self.conditions[cause] = Condition(Key(self.scope, self.id, cause), now_s)
        return condition

    @property
    def in_lesson(self) -> bool:
        """Whether the shorter hold-down of a lesson goes."""
        return False

    @property
    def floor_s(self) -> float:
        """The end of maintenance: evidence counts from there."""
        return self.maintained_until_s


class Room(Subject):
    """A room: what it said, what it was asked, what is planned."""

    __slots__ = (
        "began_s",
        "calendar",
        "has_lesson",
        "is_failed",
        "judged",
        "judged_s",
        "link",
        "missed",
        "refused",
        "school",
        "territory",
        "wishes",
    )

    def __init__(self, id: str, school: Site, territory: str) -> None:
        super().__init__("room", id)
        self.territory = territory
        self.school = school
        self.link: LinkState = "unknown"
        self.has_lesson = False
        self.is_failed = False
        self.began_s = -math.inf
        """When the last lesson began that it told of."""
        self.calendar = LessonCalendar()
        self.judged_s: float | None = None
        """When the last lesson was to begin of which it was judged whether it did; None before there is a plan."""
        self.judged: tuple[str, ...] = ()
        """The last lessons judged: a plan that was converted anew has them at slightly other times."""
        self.refused: str | None = None
        self.missed: Planned | None = None
        """The lesson that was missed last."""
        self.wishes: frozenset[Wish] = frozenset()

    def remember(self, lesson: str) -> None:
        """Keep that a lesson was judged."""
        self.judged = (*self.judged[1 - JUDGED_KEPT :], lesson)

    @property
    def in_lesson(self) -> bool:
        return self.has_lesson

    @property
    def floor_s(self) -> float:
        return max(self.maintained_until_s, self.school.maintained_until_s)

    @property
    def is_there(self) -> bool:
        return self.link in ("online", "late")

    def explains(self) -> list[tuple[Condition, tuple[str, ...]]]:
        """Return what is wrong here that hides other causes, with how those begin."""
        return [
            (condition, beginnings)
            for condition in self.conditions.values()
            if condition.rank and (beginnings := hides(condition.key.cause, condition.role, condition.rank))
        ]

    def hider(
        self, condition: Condition, explains: list[tuple[Condition, tuple[str, ...]]]
    ) -> Condition | Literal["away", "wished"] | None:
        """Return what keeps a condition from being a fault of its own: another one, or nobody there, or a wish."""
        cause = condition.key.cause
        if cause not in (LINK, MISSED) and not self.is_there:
            return "away"
        if condition.rank == 0:
            return None
        if not is_fault(cause) or is_wished(cause, self.wishes):
            return "wished"
        rank = condition.rank or condition.severity
        for other, beginnings in explains:
            # A warning never hides something critical; what is no fault itself says that what it hides is none.
            is_enough = not is_fault(other.key.cause) or (other.rank or 0) >= rank
            if other is not condition and is_enough and cause.startswith(beginnings):
                return other
        return None


class Site(Subject):
    """A school or a territory: its rooms, and which of them are part of its outage."""

    __slots__ = ("cause", "members", "most", "rooms")

    def __init__(self, scope: Literal["school", "territory"], id: str) -> None:
        super().__init__(scope, id)
        self.cause = SCHOOL_OFFLINE if scope == "school" else TERRITORY_OFFLINE
        self.rooms: dict[str, Room] = {}
        self.members: dict[str, Room] = {}
        self.most = 0
        """How many members there were at once in this outage."""

    @property
    def key(self) -> Key:
        return Key(self.scope, self.id, self.cause)

    @property
    def outage(self) -> Condition | None:
        """What makes the site one incident; None while nothing does."""
        outage = self.conditions.get(self.cause)
        return outage if outage is not None and (outage.rank or outage.is_open or outage.is_dismissed) else None
