"""The lesson's table of states: state and event give the next state, without I/O.

Pause and mute are facts beside the table (`messages.OnAir`, ``paused``): they change what is sent, never the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from protocol.errors import LessonTransitionError


class LessonState(StrEnum):
    """Where the room stands. What is already true in each is said under it."""

    IDLE = "idle"
    """No device is open for a lesson and nothing is sent."""
    PREPARING = "preparing"
    """The teacher pressed Start; devices are being opened; viewers may already connect."""
    LIVE = "live"
    """Everything the room has configured is being sent."""
    DEGRADED = "degraded"
    """The lesson runs, and at least one configured device is missing."""
    ENDING = "ending"
    """Stop was asked; viewers are being told and devices closed."""
    FAILED = "failed"
    """The lesson could not go on; Start tries anew."""


class LessonEvent(StrEnum):
    """What can happen to a lesson."""

    START = "start"
    READY = "ready"
    READY_WITHOUT = "ready-without"
    DEVICE_LOST = "device-lost"
    DEVICES_BACK = "devices-back"
    END = "end"
    CLOSED = "closed"
    FAULT = "fault"


S, E = LessonState, LessonEvent

TRANSITIONS: Mapping[LessonState, Mapping[LessonEvent, LessonState]] = {
    S.IDLE: {E.START: S.PREPARING},
    S.PREPARING: {
        E.READY: S.LIVE,
        E.READY_WITHOUT: S.DEGRADED,
        E.DEVICE_LOST: S.PREPARING,
        E.DEVICES_BACK: S.PREPARING,
        E.END: S.ENDING,
        E.FAULT: S.FAILED,
    },
    S.LIVE: {E.DEVICE_LOST: S.DEGRADED, E.END: S.ENDING, E.FAULT: S.FAILED},
    S.DEGRADED: {E.DEVICE_LOST: S.DEGRADED, E.DEVICES_BACK: S.LIVE, E.END: S.ENDING, E.FAULT: S.FAILED},
    S.ENDING: {E.CLOSED: S.IDLE, E.DEVICE_LOST: S.ENDING, E.DEVICES_BACK: S.ENDING, E.FAULT: S.FAILED},
    S.FAILED: {E.START: S.PREPARING, E.END: S.ENDING},
}

RUNNING = frozenset({S.PREPARING, S.LIVE, S.DEGRADED})
"""States in which a viewer is welcome."""


def advance(state: LessonState, event: LessonEvent) -> LessonState:
    """Return the state after ``event``, or raise LessonTransitionError saying what the state accepts."""
    row = TRANSITIONS[state]
    if event not in row:
        accepted = ", ".join(row)
        raise LessonTransitionError(f"cannot {event} while the lesson is {state}; it takes: {accepted}")
    return row[event]
