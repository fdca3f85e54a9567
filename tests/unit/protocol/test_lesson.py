"""The lesson's table and its refusals."""

from __future__ import annotations

import pytest

from protocol.errors import LessonTransitionError
from protocol.lesson import RUNNING, TRANSITIONS, LessonEvent, LessonState, advance

S, E = LessonState, LessonEvent


def _reachable(start: LessonState) -> set[LessonState]:
    seen, todo = {start}, [start]
    while todo:
        for state in TRANSITIONS[todo.pop()].values():
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return seen


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(LessonState)


@pytest.mark.parametrize("state", LessonState)
def test_idle_can_be_reached_from_every_state(state: LessonState) -> None:
    assert S.IDLE in _reachable(state)


def test_every_state_can_be_reached_from_idle() -> None:
    assert _reachable(S.IDLE) == set(LessonState)


def test_refusal_names_the_state_the_event_and_what_is_accepted() -> None:
    with pytest.raises(LessonTransitionError, match="cannot end while the lesson is idle; it takes: start"):
        advance(S.IDLE, E.END)


def test_a_whole_lesson() -> None:
    state, seen = S.IDLE, []
    for event in (E.START, E.READY_WITHOUT, E.DEVICES_BACK, E.DEVICE_LOST, E.END, E.CLOSED):
        state = advance(state, event)
        seen.append(state)
    assert seen == [S.PREPARING, S.DEGRADED, S.LIVE, S.DEGRADED, S.ENDING, S.IDLE]


@pytest.mark.parametrize("state", LessonState)
def test_a_lesson_that_runs_can_always_be_ended(state: LessonState) -> None:
    assert (E.END in TRANSITIONS[state]) == (state in RUNNING or state is S.FAILED)
