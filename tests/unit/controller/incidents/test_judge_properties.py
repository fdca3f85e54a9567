"""Whatever happens, in whatever order: what may be said of every history."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.fleet import LinkState
from controller.incidents.causes import LINK, Finding, Severity, Wish, holds
from controller.incidents.decisions import Close, Decision, Escalate, Join, Key, Leave, Open, Reopen, Stored
from controller.incidents.judge import SETTLE_S, Judge
from controller.incidents.lesson_calendar import Urgency
from controller.incidents.site import Heard
from protocol.messages import CheckStatus, DeviceRole

ROOMS = tuple(f"{school}-{n}" for school in ("hugo", "zola", "sand") for n in range(3))
CAUSES = ("check:picture-black", "check:picture-rate", "check:host-load", "check:host-disk", "device:front")
STATUSES = (CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL, CheckStatus.UNKNOWN)
LINKS: tuple[LinkState, ...] = ("online", "late", "offline", "unknown", "off")
WISHES: tuple[Wish, ...] = ("camera", "sound")

_room = st.sampled_from(ROOMS)
_act = st.one_of(
    st.tuples(st.just("link"), _room, st.sampled_from(LINKS)),
    st.tuples(st.just("report"), _room, st.tuples(*[st.sampled_from(STATUSES)] * len(CAUSES))),
    st.tuples(st.just("lesson"), _room, st.sampled_from(["idle", "running"])),
    st.tuples(st.just("wish"), _room, st.sets(st.sampled_from(WISHES))),
    st.tuples(st.just("school"), st.sampled_from(["hugo", "zola", "sand"]), st.sampled_from(["offline", "online"])),
    st.tuples(st.just("broker"), st.booleans()),
    st.tuples(st.just("maintain"), _room, st.sampled_from([0.0, 120.0])),
    st.tuples(st.just("dismiss"), _room, st.sampled_from([*CAUSES, LINK])),
)
_script = st.lists(st.tuples(st.sampled_from([0, 0, 1, 5, 15, 40, 70, 310]), _act), max_size=40)
Act = tuple[Any, ...]


class World:
    """A judge and what it was told."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.links: dict[str, LinkState] = dict.fromkeys(ROOMS, "online")
        self.silent_s: dict[str, float] = {}
        self.statuses: dict[tuple[str, str], list[tuple[float, CheckStatus | str]]] = {}
        self.history: list[tuple[float, Decision]] = []
        self.judge = Judge(lambda room: Heard(self.silent_s.get(room, self.now_s), 10.0))
        for room in ROOMS:
            self.judge.add(room, room.split("-")[0], "075")
            self.judge.link(room, "online", 0.0)

    def do(self, act: Act) -> None:
        kind, *of = act
        if kind == "school":
            for room in ROOMS:
                if room.startswith(of[0]):
                    self.link(room, of[1])
        elif kind == "link":
            self.link(*of)
        elif kind == "report":
            room, statuses = of
            findings = []
            for cause, status in zip(CAUSES, statuses, strict=True):
                role = DeviceRole.CAMERA if cause.startswith("device:") else None
                findings.append(Finding(cause, status, role))
                self.note(room, cause, status)
            self.judge.report(room, findings, self.now_s)
        elif kind == "broker":
            self.judge.broker(is_there=of[0], now_s=self.now_s)
        elif kind == "maintain":
            self.judge.maintain("room", of[0], self.now_s + of[1], self.now_s)
        elif kind == "dismiss":
            self.judge.dismiss(Key("room", of[0], of[1]))
        else:
            getattr(self.judge, kind)(*of, self.now_s)

    def link(self, room: str, link: LinkState) -> None:
        if link in ("online", "late"):
            self.silent_s.pop(room, None)
        else:
            self.silent_s.setdefault(room, self.now_s)
        self.links[room] = link
        self.note(room, LINK, link)
        self.judge.link(room, link, self.now_s)

    def note(self, room: str, cause: str, status: CheckStatus | str) -> None:
        self.statuses.setdefault((room, cause), []).append((self.now_s, status))

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 1
            self.turn()

    def turn(self) -> None:
        self.history += [(self.now_s, decision) for decision in self.judge.turn(self.now_s)]

    def held_s(self, room: str, cause: str, allowed: Sequence[object], unseen: Sequence[object] = ()) -> float:
        """Return for how long what was told of a cause has been among ``allowed``, but for times of ``unseen``."""
        held_s = 0.0
        told = [(0.0, "online" if cause == LINK else CheckStatus.UNKNOWN), *self.statuses.get((room, cause), [])]
        for (at_s, status), (until_s, _) in pairwise([*told, (self.now_s, None)]):
            if status in allowed:
                held_s += until_s - at_s
            elif status not in unseen:
                held_s = 0.0
        return held_s


def play(script: Sequence[tuple[int, Act]]) -> World:
    world = World()
    for wait_s, act in script:
        if wait_s:
            world.run(wait_s)
        world.do(act)
    world.run(400)
    return world


BAD = (CheckStatus.WARNING, CheckStatus.CRITICAL)


@settings(max_examples=150, deadline=None)
@given(_script)
def test_one_cause_has_one_incident_and_each_decision_fits_the_last(script: list[tuple[int, Act]]) -> None:
    """And a room is part of at most one outage, or has a lost link of its own, never both."""
    open_ones: set[Key] = set()
    parts: dict[str, Key] = {}
    for _, decision in play(script).history:
        if isinstance(decision, Open | Reopen):
            assert decision.key not in open_ones
            open_ones.add(decision.key)
            if decision.key.scope in ("school", "territory"):
                for room in decision.rooms:
                    parts[room] = decision.key
        elif isinstance(decision, Join):
            assert decision.key in open_ones
            assert parts.setdefault(decision.room, decision.key) == decision.key
        elif isinstance(decision, Leave):
            assert parts.pop(decision.room) == decision.key
        elif isinstance(decision, Escalate):
            assert decision.key in open_ones
        elif isinstance(decision, Close):
            open_ones.remove(decision.key)
            parts = {room: key for room, key in parts.items() if key != decision.key}
    for room, key in parts.items():
        assert key in open_ones
        assert Key("room", room, LINK) not in open_ones


@settings(max_examples=150, deadline=None)
@given(_script)
def test_nothing_opens_without_evidence_and_what_recovers_was_seen_well(script: list[tuple[int, Act]]) -> None:
    world, in_lesson = World(), dict.fromkeys(ROOMS, False)
    for wait_s, act in [*script, (400, ("link", ROOMS[0], "online"))]:
        for _ in range(wait_s):
            world.now_s += 1
            for decision in world.judge.turn(world.now_s):
                check(world, decision, in_lesson)
        if act[0] == "lesson":
            in_lesson[act[1]] = act[2] == "running"
        world.do(act)


def check(world: World, decision: Decision, in_lesson: dict[str, bool]) -> None:
    """Hold what the judge decided against what it was told."""
    if not isinstance(decision, Open | Reopen | Close) or decision.key.scope != "room":
        return
    room, cause = decision.key.subject, decision.key.cause
    if isinstance(decision, Close):
        if decision.reason == "recovered":
            least_s = holds(cause, Severity.CRITICAL).clear_s
            assert world.held_s(room, cause, [CheckStatus.OK, "online", "off", "late"]) >= least_s
        return
    if decision.is_flapping:
        return
    if cause == LINK:
        assert world.links[room] == "offline"
        held_s = world.held_s(room, cause, ["offline"], ["late", "unknown"])
        assert held_s >= (15 if in_lesson[room] else 60)
        return
    assert world.links[room] == "online"
    unseen = [CheckStatus.UNKNOWN]
    critical_s = world.held_s(room, cause, [CheckStatus.CRITICAL], unseen)
    held = holds(cause, Severity.CRITICAL).opening_s(in_lesson=in_lesson[room])
    assert critical_s >= held or world.held_s(room, cause, BAD, unseen) >= 300


@settings(max_examples=100, deadline=None)
@given(_script, st.randoms(use_true_random=False))
def test_the_order_of_one_moment_does_not_matter(script: list[tuple[int, Act]], random: Random) -> None:
    """Of inputs about different things: the later of two about the same one stands."""
    at_s, moments = 0, []
    for wait_s, act in script:
        at_s += wait_s
        moments.append((at_s, act))
    shuffled: list[tuple[int, Act]] = []
    plain: list[tuple[int, Act]] = []
    before_s = 0
    for moment_s, group in groupby(moments, key=lambda moment: moment[0]):
        last: dict[object, Act] = {}
        for _, act in group:
            last[_subject(act)] = act
        acts = list(last.values())
        other = list(acts)
        random.shuffle(other)
        plain += [(moment_s - before_s if n == 0 else 0, act) for n, act in enumerate(acts)]
        shuffled += [(moment_s - before_s if n == 0 else 0, act) for n, act in enumerate(other)]
        before_s = moment_s
    assert play(plain).history == play(shuffled).history


def _subject(act: Act) -> object:
    """Return what an input is about; a school's cut is about the links of its rooms."""
    if act[0] == "school":
        return ("link", act[1])
    if act[0] == "link":
        return ("link", act[1].split("-")[0])
    return act[:1] if act[0] == "broker" else act[:2]


@settings(max_examples=60, deadline=None)
@given(_script)
def test_who_takes_over_ends_where_the_first_would(script: list[tuple[int, Act]]) -> None:
    """Open incidents, stored and taken up by another judge that is told what is so, open none that is open already."""
    first = play(script)
    stored: dict[Key, Stored] = {}
    parts: dict[Key, set[str]] = {}
    for at_s, decision in first.history:
        if isinstance(decision, Open | Reopen):
            stored[decision.key] = Stored(decision.key, decision.severity, decision.urgency, decision.tell)
            parts[decision.key] = set(decision.rooms)
        elif isinstance(decision, Join):
            parts[decision.key].add(decision.room)
        elif isinstance(decision, Leave):
            parts[decision.key].discard(decision.room)
        elif isinstance(decision, Close):
            one = stored[decision.key]
            is_dismissed = decision.reason == "by-hand"
            stored[decision.key] = Stored(
                one.key, one.severity, one.urgency, one.was_told, closed_s=at_s, is_dismissed=is_dismissed
            )
    kept = [
        Stored(one.key, one.severity, Urgency.NORMAL, one.was_told, one.closed_s, rooms=tuple(parts[one.key]))
        for one in stored.values()
        if one.closed_s is None
    ]
    judge = Judge(lambda room: Heard(first.silent_s.get(room, now_s), 10.0))
    now_s = first.now_s
    for room in ROOMS:
        judge.add(room, room.split("-")[0], "075")
    judge.restore(kept, [], now_s)
    for room in ROOMS:
        judge.link(room, first.links[room], now_s)
    open_ones = {one.key for one in kept}
    for _ in range(int(SETTLE_S) + 400):
        now_s += 1
        for decision in judge.turn(now_s):
            if isinstance(decision, Open | Reopen):
                assert decision.key not in open_ones
                open_ones.add(decision.key)
            elif isinstance(decision, Close):
                open_ones.remove(decision.key)
