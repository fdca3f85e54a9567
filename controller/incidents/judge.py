"""What becomes of what rooms report: incidents that open, grow and close. Pure: time is passed in, decisions come out.

The inputs only note what is so, each by itself; `Judge.turn` decides, once a second. So the order in which inputs of
one moment arrive does not matter. A turn looks at the subjects of which something changed and at those whose time has
come: each has one entry in a heap, and nothing goes over all rooms.

Nothing is hidden from a page by any of this: links and checks are shown as they are, at once. The incident waits.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from controller.fleet import LinkState
from controller.incidents.causes import DEVICE, LINK, MISSED, Finding, Severity, Wish
from controller.incidents.decisions import (
    Close,
    CloseReason,
    Decision,
    Escalate,
    Flapping,
    Key,
    Open,
    Reopen,
    Stored,
    Tell,
)
from controller.incidents.flapping import Flaps
from controller.incidents.lesson_calendar import LessonCalendar, Urgency
from controller.incidents.missed import MISSED_S, judge_lessons, take_back
from controller.incidents.outages import Outages
from controller.incidents.registry import Registry
from controller.incidents.site import Heard
from controller.incidents.subjects import RANKS, REOPEN_S, Condition, LessonPhase, Room, Site, Subject
from protocol.messages import CheckStatus

SETTLE_S = 15.0
"""After incidents were taken over from another controller, or from the database, nothing opens for so long."""
TAKE_OVER_S = 120.0
"""So long nobody may have judged: until a lease ran out, or a centre was started again, and what it takes to load."""
LOOK_AGAIN_S = 60.0
"""How often it is asked of an open incident of many rooms whether it is more urgent now."""
_WORST = (CheckStatus.OK, CheckStatus.UNKNOWN, CheckStatus.WARNING, CheckStatus.CRITICAL)
_OF_LINK: Mapping[LinkState, CheckStatus] = {
    "online": CheckStatus.OK,
    "late": CheckStatus.WARNING,
    "offline": CheckStatus.CRITICAL,
    "unknown": CheckStatus.UNKNOWN,
    "off": CheckStatus.UNKNOWN,
}
_OF_RANK = (CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL)
# Who said goodbye was heard to say it.
_LINK_RANKS: Mapping[LinkState, int | None] = {
    "online": 0,
    "off": 0,
    "offline": Severity.CRITICAL,
    "unknown": None,
    "late": None,
}


class Shown(NamedTuple):
    """A room as pages show it: its link, or that it is in maintenance, and the worst of what is wrong."""

    link: LinkState | Literal["maintenance"]
    status: CheckStatus


class Judge:
    """Every registered room, what is wrong with it, and what was made of that. ``heard`` is the fleet's memory.

    Times are seconds of one steady clock, and never go back.
    """

    def __init__(self, heard: Callable[[str], Heard | None]) -> None:
        self._registry = Registry()
        self._outages = Outages(self._registry, heard)
        self._settled_s = -math.inf
        self._heap: list[tuple[float, int, Subject]] = []
        self._pushed = 0

    # --- what is registered -----------------------------------------------------------------------------------------

    def add(self, room: str, school: str, territory: str) -> None:
        """Register a room, or move it."""
        known = self._registry.rooms.get(room)
        if known is not None:
            if (known.school.id, known.territory) == (school, territory):
                return
            self._part(known)
        self._registry.add(room, school, territory)

    def retire(self, room: str, now_s: float) -> None:
        """Forget a room; what is open of it closes."""
        known = self._registry.rooms.pop(room, None)
        if known is None:
            return
        self._part(known)
        for condition in known.conditions.values():
            if condition.is_open:
                self._close(known, condition, "retired", now_s)
        known.due_s = math.inf
        self._registry.news.discard(known)

    def restore(self, stored: Iterable[Stored], missed: Iterable[tuple[str, str]], now_s: float) -> None:
        """Go on with incidents that are open, or were closed within `REOPEN_S`, after lessons counted as ``missed``.

        Those are rooms with the lesson, of the last `MISSED_S` and `TAKE_OVER_S`. All rooms are registered already, and
        nothing is told of them yet. Nothing opens, and no lesson is judged, for `SETTLE_S`, until rooms were heard. An
        incident of what is not registered closes.
        """
        self._settled_s = now_s + SETTLE_S
        for room, lesson in missed:
            if room in self._registry.rooms:
                self._registry.rooms[room].remember(lesson)
        for one in stored:
            subject = self._registry.find(one.key)
            if subject is None:
                if one.closed_s is None:
                    self._registry.decisions.append(Close(one.key, "retired", tell=False))
                continue
            if isinstance(subject, Site) and one.closed_s is None:
                for id in one.rooms:
                    if id in subject.rooms:
                        self._outages.take_in(subject, subject.rooms[id], now_s)
            condition = Condition.restored(one, now_s)
            if one.key.cause in subject.conditions:
                condition.joined = subject.conditions[one.key.cause].joined
            subject.conditions[one.key.cause] = condition
            self._registry.news.add(subject)

    def _part(self, room: Room) -> None:
        for site in self._registry.sites(room):
            del site.rooms[room.id]
            if room.id in site.members:
                self._outages.let_go(site, room)

    # --- what is so -------------------------------------------------------------------------------------------------

    def link(self, room: str, link: LinkState, now_s: float) -> None:
        """Take the fleet's word for whether a room is there."""
        known = self._registry.rooms.get(room)
        if known is None or known.link == link:
            return
        known.link = link
        condition = known.conditions.get(LINK)
        is_still_well = link == "late" and condition is not None and condition.rank == 0
        if (link == "offline" or condition is not None) and not is_still_well:
            self._registry.note(known, LINK, _LINK_RANKS[link], now_s)
        self._registry.news.add(known)

    def report(self, room: str, findings: Iterable[Finding], now_s: float) -> None:
        """Take everything that is looked at in a room, as it is now.

        What is not named cannot be told; but a device that is not named is not configured any more.
        """
        known = self._registry.rooms.get(room)
        if known is None:
            return
        conditions = known.conditions
        named = set()
        for cause, status, role in findings:
            if status is CheckStatus.OK and cause not in conditions:
                continue
            named.add(cause)
            rank = RANKS[status]
            if rank or cause in conditions:
                self._registry.note(known, cause, rank, now_s)
                conditions[cause].role = role
        for cause, condition in conditions.items():
            if cause not in named and cause not in (LINK, MISSED):
                self._registry.note(known, cause, None, now_s)
                if condition.is_open and cause.startswith(DEVICE):
                    condition.is_gone = True
                    self._registry.news.add(known)

    def wish(self, room: str, wishes: Iterable[Wish], now_s: float) -> None:
        """Take what somebody in the room has put off on purpose."""
        known = self._registry.rooms.get(room)
        if known is not None and known.wishes != (wanted := frozenset(wishes)):
            known.wishes = wanted
            self._registry.news.add(known)

    def lesson(self, room: str, phase: LessonPhase, now_s: float, *, began_s: float | None = None) -> None:
        """Take whether a lesson runs; ``began_s`` if it began before now, out of our hearing."""
        known = self._registry.rooms.get(room)
        if known is None or (known.has_lesson, known.is_failed) == (phase == "running", phase == "failed"):
            return
        if phase == "running":
            known.began_s = now_s if began_s is None else began_s
            if MISSED in known.conditions:
                self._registry.note(known, MISSED, 0, now_s)
            take_back(self._registry, known)
        known.has_lesson, known.is_failed = phase == "running", phase == "failed"
        self._registry.news.add(known)

    def refuse(self, room: str, lesson: str) -> None:
        """Take that somebody in the room refused a planned lesson."""
        if room in self._registry.rooms:
            self._registry.rooms[room].refused = lesson

    def plan(self, room: str, calendar: LessonCalendar, now_s: float) -> None:
        """Take a room's lessons and its school's hours, in place of what was planned before.

        Of a room that was not planned yet, lessons that were missed before now are another's to count; but just after
        `restore` that one may have been gone when it was time.
        """
        known = self._registry.rooms.get(room)
        if known is None:
            return
        known.calendar = calendar
        if known.judged_s is None:
            known.judged_s = now_s - MISSED_S - (TAKE_OVER_S if now_s < self._settled_s else 0.0)
        self._registry.news.add(known)

    def find(self, findings: Iterable[Finding], now_s: float) -> None:
        """Take what is wrong with the centre itself; what is not named stays as it was."""
        for cause, status, _ in findings:
            if RANKS[status] or cause in self._registry.centre.conditions:
                self._registry.note(self._registry.centre, cause, RANKS[status], now_s)

    def broker(self, *, is_there: bool, now_s: float) -> None:
        """Take whether we are connected to the broker."""
        self._outages.broker(is_there=is_there, now_s=now_s)

    def maintain(self, scope: Literal["room", "school"], subject: str, until_s: float, now_s: float) -> None:
        """Open nothing of a room or a school, and tell nobody, until ``until_s``; now ends it."""
        of: Room | Site | None = (self._registry.rooms if scope == "room" else self._registry.schools).get(subject)
        if of is None:
            return
        of.maintained_until_s = max(now_s, until_s)
        self._registry.news.add(of)
        if isinstance(of, Site):
            self._registry.news.update(of.rooms.values())

    def mute(self, key: Key, until_s: float, now_s: float) -> None:
        """Tell nobody of this until then, whether it is open already or not; the past un-mutes."""
        subject = self._registry.find(key)
        if subject is not None:
            subject.condition(key.cause, now_s).muted_until_s = until_s
            self._registry.news.add(subject)

    def dismiss(self, key: Key) -> None:
        """Close an incident because somebody says so. It opens again only after it was well once."""
        subject = self._registry.find(key)
        condition = subject.conditions.get(key.cause) if subject is not None else None
        if subject is not None and condition is not None and condition.is_open:
            condition.is_dismissed = True
            self._registry.news.add(subject)

    # --- what is asked ----------------------------------------------------------------------------------------------

    def shown(self, room: str, now_s: float) -> Shown:
        """Return how pages show a room; KeyError for one that is not registered."""
        known = self._registry.rooms[room]
        found = [_OF_LINK[known.link]]
        if known.is_there:
            explains = known.explains()
            found += [
                _OF_RANK[condition.rank]
                for condition in known.conditions.values()
                if condition.rank and condition.key.cause != LINK and known.hider(condition, explains) is None
            ]
        is_maintained = known.floor_s > now_s
        return Shown("maintenance" if is_maintained else known.link, max(found, key=_WORST.index))

    @property
    def next_s(self) -> float:
        """When the next turn is due if nothing changes; infinity for never."""
        while self._heap and self._heap[0][2].due_s != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def turn(self, now_s: float) -> list[Decision]:
        """Decide what is due. Call it each second, and at will."""
        while self._heap and self._heap[0][0] <= now_s:
            due_s, _, subject = heapq.heappop(self._heap)
            if subject.due_s == due_s:
                subject.due_s = math.inf
                self._registry.news.add(subject)
        self._outages.begin_turn()
        while self._registry.news:
            batch = sorted(self._registry.news, key=lambda subject: subject.order)
            self._registry.news.clear()
            for subject in batch:
                self._evaluate(subject, now_s)
        decisions, self._registry.decisions = self._registry.decisions, []
        return decisions

    # --- what is decided --------------------------------------------------------------------------------------------

    def _evaluate(self, subject: Subject, now_s: float) -> None:
        """Look at every condition of a subject, and set the clock for the next time."""
        due_s = math.inf
        explains: list[tuple[Condition, tuple[str, ...]]] = []
        if isinstance(subject, Room):
            due_s = judge_lessons(self._registry, subject, now_s, self._settled_s)
            explains = subject.explains()
        elif isinstance(subject, Site):
            self._outages.weigh(subject, now_s)
        else:
            due_s = self._outages.listen(now_s)
        for cause in sorted(subject.conditions):
            condition = subject.conditions.get(cause)
            if condition is not None:
                due_s = min(due_s, self._step(subject, condition, explains, now_s))
        if due_s != subject.due_s:
            subject.due_s = due_s
            if due_s != math.inf:
                self._push(due_s, subject)

    def _push(self, due_s: float, subject: Subject) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (due_s, self._pushed, subject))
        if len(self._heap) > 2 * self._registry.size:
            # A time that was put off or brought forward stays behind until then, which may be in a week.
            self._heap = list({entry[2]: entry for entry in self._heap if entry[0] == entry[2].due_s}.values())
            heapq.heapify(self._heap)

    def _step(
        self,
        subject: Subject,
        condition: Condition,
        explains: list[tuple[Condition, tuple[str, ...]]],
        now_s: float,
    ) -> float:
        """Take one condition as far as it goes now; return when it may go further."""
        hider: Condition | str | None = None
        if isinstance(subject, Room):
            hider = "blind" if self._registry.is_blind else subject.hider(condition, explains)
        if condition.is_hidden != (hider is not None):
            condition.is_hidden, condition.from_s = hider is not None, now_s
        if isinstance(subject, Room) and condition.joined is not None:
            return self._step_member(subject, condition, condition.joined, now_s)
        if condition.is_open:
            return self._step_open(subject, condition, hider, now_s)
        if now_s < subject.floor_s:
            condition.flaps = Flaps(now_s)  # what is plugged in and out at maintenance is no flapping
        is_flapping = condition.flaps.look(now_s)
        if condition.is_dismissed:
            return math.inf
        if hider is None and (condition.rank or is_flapping):
            return self._step_closed(subject, condition, now_s)
        if condition.rank:
            return math.inf
        if now_s < condition.forgotten_at_s:
            return condition.forgotten_at_s
        del subject.conditions[condition.key.cause]
        return math.inf

    def _step_closed(self, subject: Subject, condition: Condition, now_s: float) -> float:
        if isinstance(subject, Room) and condition.key.cause == LINK:
            return self._step_link(subject, condition, now_s)
        if isinstance(subject, Room) and subject.link == "late":
            return math.inf
        opens_s = max(subject.floor_s, self._settled_s)
        if not condition.flaps.is_flapping:
            opens_s = max(opens_s, condition.opens_at_s(subject.floor_s, in_lesson=subject.in_lesson))
        if now_s < opens_s:
            return opens_s
        return self._open(subject, condition, now_s)

    def _step_link(self, room: Room, condition: Condition, now_s: float) -> float:
        opens_s = max(room.floor_s, self._settled_s, self._outages.returned_s)
        if not condition.flaps.is_flapping and self._outages.of(room) is None:
            opens_s = max(opens_s, condition.opens_at_s(room.floor_s, in_lesson=room.in_lesson))
        if now_s < opens_s:
            return opens_s
        ask_s = self._outages.ask(room, condition, now_s)
        return self._open(room, condition, now_s) if ask_s is None else ask_s

    def _open(self, subject: Subject, condition: Condition, now_s: float) -> float:
        is_again = now_s - condition.closed_s < REOPEN_S
        condition.is_open = True
        is_flapping = condition.flaps.is_flapping
        is_critical = condition.critical_at_s(subject.floor_s, in_lesson=subject.in_lesson) <= now_s
        severity = condition.worst if is_flapping else Severity.CRITICAL if is_critical else Severity.WARNING
        urgency = self._registry.urgency(subject, now_s)
        if is_again:
            severity, urgency = max(severity, condition.severity), max(urgency, condition.urgency)
        condition.severity, condition.urgency = severity, urgency
        tell = self._may_tell(subject, condition, now_s)
        condition.was_told = tell
        rooms: tuple[str, ...] = ()
        if isinstance(subject, Room):
            rooms = (subject.id,)
        elif isinstance(subject, Site):
            rooms = tuple(sorted(subject.members))
        key = condition.key
        self._registry.decisions.append(
            Reopen(key, severity, urgency, rooms, tell, is_flapping)
            if is_again
            else Open(key, severity, urgency, condition.since_s, rooms, tell, is_flapping)
        )
        self._registry.news.add(subject)  # it may cover what is open already
        return math.inf

    def _step_open(self, subject: Subject, condition: Condition, hider: Condition | str | None, now_s: float) -> float:
        if condition.is_gone:
            return self._close(subject, condition, "gone", now_s)
        if condition.is_dismissed:
            return self._close(subject, condition, "by-hand", now_s)
        if isinstance(hider, Condition) and hider.is_open:
            condition.covered_by = hider.key
        if condition.covered_by is not None:
            return self._close(subject, condition, "covered", now_s, by=condition.covered_by)
        if hider is not None or (isinstance(subject, Room) and subject.link == "late"):
            return math.inf
        due_s = min(self._step_flapping(subject, condition, now_s), self._step_worse(subject, condition, now_s))
        if condition.owes:
            quiet_until_s = max(condition.muted_until_s, subject.floor_s, self._settled_s)
            if now_s < quiet_until_s:
                due_s = min(due_s, quiet_until_s)
            elif condition.rank != 0 and not (condition.flaps.is_flapping and condition.was_told):
                condition.owes, condition.was_told = False, True
                self._registry.decisions.append(Tell(condition.key))
        if condition.rank is None:
            if now_s >= condition.unseen_at_s:
                return self._close(subject, condition, "unseen", now_s)
            return min(due_s, condition.unseen_at_s)
        if condition.rank == 0 and not condition.flaps.is_flapping:
            if now_s >= condition.clears_at_s:
                return self._close(subject, condition, "recovered", now_s)
            return min(due_s, condition.clears_at_s)
        return due_s

    def _step_flapping(self, subject: Subject, condition: Condition, now_s: float) -> float:
        was_flapping = condition.flaps.is_flapping
        is_flapping = condition.flaps.look(now_s)
        if is_flapping != was_flapping:
            tell = is_flapping and self._may_tell(subject, condition, now_s)
            condition.was_told = condition.was_told or tell
            self._registry.decisions.append(Flapping(condition.key, is_flapping, tell))
        return condition.flaps.calm_at_s() if is_flapping else math.inf

    def _step_worse(self, subject: Subject, condition: Condition, now_s: float) -> float:
        """Tell what is worse than it ever was in this incident; return when it may be."""
        severity, due_s = condition.severity, math.inf
        if severity is Severity.WARNING:
            due_s = condition.critical_at_s(subject.floor_s, in_lesson=subject.in_lesson)
            if now_s >= due_s:
                severity, due_s = Severity.CRITICAL, math.inf
        urgency = max(condition.urgency, self._registry.urgency(subject, now_s))
        if (severity, urgency) != (condition.severity, condition.urgency):
            condition.severity, condition.urgency = severity, urgency
            tell = False
            if condition.flaps.is_flapping and condition.was_told:
                condition.owes = True
            else:
                tell = self._may_tell(subject, condition, now_s)
            condition.was_told = condition.was_told or tell
            self._registry.decisions.append(Escalate(condition.key, severity, urgency, tell))
        if isinstance(subject, Room):
            return min(due_s, subject.calendar.rises_at_s(now_s, urgency))
        return due_s if urgency is Urgency.URGENT else min(due_s, now_s + LOOK_AGAIN_S)

    def _close(
        self, subject: Subject, condition: Condition, reason: CloseReason, now_s: float, *, by: Key | None = None
    ) -> float:
        tell = condition.was_told and by is None and self._may_tell(subject, condition, now_s)
        self._registry.decisions.append(Close(condition.key, reason, tell, by))
        condition.is_open = condition.was_told = condition.owes = condition.is_gone = False
        condition.covered_by, condition.closed_s = None, now_s
        condition.is_dismissed = reason == "by-hand" and condition.rank != 0
        if isinstance(subject, Site) and not condition.is_dismissed:
            self._outages.release(subject, now_s)
        self._registry.news.add(subject)
        return math.inf

    def _may_tell(self, subject: Subject, condition: Condition, now_s: float) -> bool:
        if condition.urgency is Urgency.QUIET:
            return False
        condition.owes = now_s < max(condition.muted_until_s, subject.floor_s)
        return not condition.owes

    def _step_member(self, room: Room, condition: Condition, site: Site, now_s: float) -> float:
        """Let a room go from an outage once it was back for the hold-up time."""
        if condition.is_open:
            self._close(room, condition, "covered", now_s, by=site.key)
        if condition.rank != 0 or self._registry.is_blind:
            return math.inf
        if now_s >= condition.clears_at_s:
            self._outages.let_go(site, room)
            return math.inf
        return condition.clears_at_s
