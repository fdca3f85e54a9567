"""Which microphone is heard: histories on a scripted clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ear import Hearing
from agent.microphones import (
    DEAD_SEEN_S,
    OPENING_S,
    RETURN_MOST_S,
    STEADY_MOST_S,
    STEADY_S,
    Change,
    Microphones,
    Seen,
)
from protocol.errors import DeviceNotFoundError, DeviceNotNowError

LOOK_S = 0.1
ALIVE = Seen(is_alive=True)
QUIET = Seen(is_alive=True, is_quiet=True)
DEAD = Seen(is_alive=False)
OPENING = Seen(is_alive=False, is_opening=True)
CLEAR = Seen(is_alive=True, hearing=Hearing(-25.0, -60.0))
DULL = Seen(is_alive=True, hearing=Hearing(-42.0, -55.0))


class Classroom:
    """A desk microphone and two spares, looked at ten times a second. ``heard`` holds (time, change)."""

    def __init__(self, **seen: Seen) -> None:
        self.now_s = 0.0
        self.seen = {"desk": ALIVE, "ceiling": ALIVE, "headset": ALIVE, **seen}
        self.choice = Microphones(("desk", "ceiling", "headset"), 0.0)
        self.heard: list[tuple[float, Change]] = []

    def go(self, seconds: float, **seen: Seen) -> None:
        self.seen.update(seen)
        for _ in range(round(seconds / LOOK_S)):
            self.now_s += LOOK_S
            change = self.choice.look(self.seen, self.now_s)
            if change is not None:
                self.heard.append((round(self.now_s, 1), change))

    def story(self) -> list[tuple[float, str, str]]:
        return [(at_s, change.microphone, change.reason) for at_s, change in self.heard]


def test_a_dead_one_is_replaced_at_the_second_look_by_the_first_spare_that_lives() -> None:
    room = Classroom()
    room.go(10)
    room.go(5, desk=DEAD, ceiling=DEAD)
    assert room.story() == [(10.2, "headset", "lost")]


def test_the_clearest_of_the_living_takes_over() -> None:
    room = Classroom()
    room.go(5, desk=DEAD, ceiling=DULL, headset=CLEAR)
    assert room.story() == [(0.2, "headset", "lost")]


def test_one_look_that_came_before_the_waiting_blocks_changes_nothing() -> None:
    room = Classroom()
    for _ in range(20):
        room.go(LOOK_S, desk=DEAD)
        room.go(LOOK_S, desk=ALIVE)
    assert room.story() == []


def test_a_slow_opening_is_waited_for_and_a_failed_one_is_not() -> None:
    room = Classroom(desk=OPENING)
    room.go(2)
    assert room.story() == []
    room.go(1, desk=DEAD)
    assert room.story() == [(2.2, "ceiling", "lost")]
    slow = Classroom(desk=OPENING)
    slow.go(5)
    [(at_s, name, reason)] = slow.story()
    assert (name, reason) == ("ceiling", "lost")
    assert at_s == pytest.approx(OPENING_S + LOOK_S, abs=0.11)


def test_with_no_other_alive_nothing_changes_until_one_is() -> None:
    room = Classroom(ceiling=DEAD, headset=DEAD)
    room.go(5, desk=DEAD)
    assert room.choice.in_use == "desk"
    room.go(1, headset=ALIVE)
    assert room.story() == [(5.1, "headset", "lost")]


def test_the_wanted_one_is_taken_back_in_a_pause_once_it_was_steady() -> None:
    room = Classroom()
    room.go(1, desk=DEAD)
    room.go(STEADY_S + 2, desk=ALIVE)
    assert len(room.heard) == 1, "somebody is speaking"
    room.go(1, ceiling=QUIET)
    assert len(room.heard) == 1, "the one that is back still hears a word"
    room.go(1, desk=QUIET)
    assert room.story()[1] == (9.1, "desk", "back")


def test_it_is_taken_back_without_a_pause_in_the_end() -> None:
    room = Classroom()
    room.go(1, desk=DEAD)
    room.go(60, desk=ALIVE)
    at_s, name, reason = room.story()[1]
    assert (name, reason) == ("desk", "back")
    assert at_s == pytest.approx(1 + RETURN_MOST_S, abs=0.3)


def test_a_loose_contact_is_trusted_less_each_time() -> None:
    room = Classroom(ceiling=QUIET)
    for _ in range(300):
        room.go(6, desk=QUIET)
        room.go(1, desk=DEAD)
    waits = [at_s for at_s, name, _ in room.story() if name == "desk"]
    assert len(waits) <= 1, "six seconds of life are steady once only"
    room = Classroom(ceiling=QUIET)
    backs = []
    for _ in range(12):
        room.go(1, desk=DEAD)
        lost_s = room.now_s
        while room.choice.in_use != "desk":
            room.go(LOOK_S, desk=QUIET)
        backs.append(round(room.now_s - lost_s, 1))
        room.go(1)
    assert backs == sorted(backs)
    assert backs[0] == pytest.approx(STEADY_S, abs=0.3)
    assert backs[1] == pytest.approx(2 * STEADY_S, abs=0.3)
    assert backs[-1] == pytest.approx(STEADY_MOST_S, abs=0.3)


def test_a_better_one_is_asked_about_once_and_never_taken_by_itself() -> None:
    room = Classroom(desk=DULL)
    room.go(600, ceiling=CLEAR)
    assert (room.choice.proposal, room.story()) == ("ceiling", [])
    room.choice.decline("ceiling")
    room.go(600)
    assert (room.choice.proposal, room.story()) == (None, [])
    room.go(10, headset=CLEAR)
    assert room.choice.proposal == "headset", "that is another question"
    room.go(1, headset=DEAD)
    assert room.choice.proposal is None


def test_what_is_proposed_can_be_taken_and_stays_the_wanted_one() -> None:
    room = Classroom(desk=DULL)
    room.go(20, ceiling=CLEAR)
    change = room.choice.choose("ceiling", room.now_s)
    assert change == Change("ceiling", "desk", "proposed")
    room.go(60)
    room.go(1, ceiling=DEAD)
    room.go(20, ceiling=Seen(is_alive=True, is_quiet=True), desk=QUIET)
    assert room.story()[-1][1:] == ("ceiling", "back")


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (Hearing(-42, -55), Hearing(-36, -55)),  # a little louder
        (Hearing(-60, -70), Hearing(-50, -75)),  # a room where nobody speaks
        (Hearing(-45, -55), Hearing(-20, -30)),  # loud noise
        (Hearing(-25, -60), Hearing(-42, -55)),
        (None, Hearing(-25, -60)),
        (Hearing(-42, -55), None),
    ],
)
def test_what_is_not_much_better_is_no_question(mine: Hearing | None, other: Hearing | None) -> None:
    room = Classroom(desk=Seen(is_alive=True, hearing=mine))
    room.go(120, ceiling=Seen(is_alive=True, hearing=other))
    assert room.choice.proposal is None


def test_a_moment_s_better_sound_is_no_question() -> None:
    room = Classroom(desk=DULL)
    for _ in range(20):
        room.go(3, ceiling=CLEAR)
        room.go(1, ceiling=DULL)
    assert room.choice.proposal is None


def test_what_the_teacher_chose_is_not_argued_with() -> None:
    room = Classroom(desk=CLEAR, ceiling=DULL)
    room.go(30)
    assert room.choice.choose("ceiling", room.now_s) == Change("ceiling", "desk", "chosen")
    room.go(120)
    assert (room.choice.in_use, room.choice.proposal) == ("ceiling", None)


def test_what_is_not_there_cannot_be_chosen() -> None:
    room = Classroom(ceiling=DEAD)
    room.go(1)
    with pytest.raises(DeviceNotNowError, match='microphone "ceiling" gives no sound now'):
        room.choice.choose("ceiling", room.now_s)
    acts: list[Callable[[], object]] = [
        lambda: room.choice.choose("phone", room.now_s),
        lambda: room.choice.decline("phone"),
    ]
    for act in acts:
        with pytest.raises(DeviceNotFoundError, match='no microphone "phone" is configured; there are: "desk"'):
            act()
    assert (room.choice.in_use, room.choice.wanted) == ("desk", "desk")


def test_a_lesson_goes_on_with_the_one_that_was_chosen() -> None:
    assert Microphones(("desk", "ceiling"), 0.0, wanted="ceiling").in_use == "ceiling"
    assert Microphones(("desk", "ceiling"), 0.0, wanted="sold").in_use == "desk"


_HEARINGS = st.none() | st.builds(Hearing, st.floats(-90, 0), st.floats(-75, -20))
_SEEN = st.builds(Seen, st.booleans(), st.booleans(), st.booleans(), _HEARINGS)
_MOMENTS = st.lists(
    st.tuples(
        st.integers(1, 80),
        st.fixed_dictionaries({"desk": _SEEN, "ceiling": _SEEN, "headset": _SEEN}),
        st.sampled_from(("", "", "choose", "decline")),
        st.sampled_from(("desk", "ceiling", "headset")),
    ),
    max_size=40,
)


@given(_MOMENTS)
def test_it_changes_only_from_the_dead_to_the_living_or_back_to_a_steady_one(
    moments: list[tuple[int, Mapping[str, Seen], str, str]],
) -> None:
    """Whatever happens: never without need, never to one that nobody configured, never a better one by itself."""
    choice, now_s = Microphones(("desk", "ceiling", "headset"), 0.0), 0.0
    alive_since: dict[str, float | None] = dict.fromkeys(("desk", "ceiling", "headset"))
    dead_since: dict[str, float | None] = dict.fromkeys(alive_since)
    for looks, seen, act, name in moments:
        for _ in range(looks):
            now_s += LOOK_S
            for one, how in seen.items():
                alive_since[one] = (alive_since[one] or now_s) if how.is_alive else None
                dead_since[one] = None if how.is_alive else (dead_since[one] or now_s)
            before, wanted = choice.in_use, choice.wanted
            change = choice.look(seen, now_s)
            if change is None:
                assert choice.in_use == before
                continue
            assert (change.before, change.microphone) == (before, choice.in_use)
            assert seen[choice.in_use].is_alive
            assert choice.in_use != before
            if change.reason == "lost":
                died_s = dead_since[before]
                assert died_s is not None
                assert now_s - died_s >= DEAD_SEEN_S
            else:
                lived_s = alive_since[wanted]
                assert (change.reason, choice.in_use) == ("back", wanted)
                assert lived_s is not None
                assert now_s - lived_s >= STEADY_S - 1e-6
        if act == "choose" and seen[name].is_alive:
            choice.choose(name, now_s)
        elif act == "decline":
            choice.decline(name)
        assert choice.proposal is None or choice.proposal != choice.in_use
