"""What the panel shows, made from the lesson and the line to the centre."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from agent.lesson import Lesson
from protocol.lesson import LessonState
from protocol.messages import DeviceRole
from protocol.pages import PanelInterrupted, PanelProposal, PanelView, PanelViewer, Step

RECEPTION_FRESH_S = 5.0
"""A page reports its reception each 2 s; two missed and we no longer say that it receives."""
_STEP_IDS: dict[DeviceRole, Literal["camera", "microphone", "board"]] = {
    DeviceRole.CAMERA: "camera",
    DeviceRole.MICROPHONE: "microphone",
    DeviceRole.BOARD: "board",
}


@dataclass(frozen=True, slots=True)
class CentreLine:
    """How the room stands with the centre."""

    state: Literal["connected", "no-controller", "away"] = "away"
    since: datetime | None = None


def panel_view(
    room: str,
    room_name: str,
    lesson: Lesson,
    centre: CentreLine,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> PanelView:
    """Return everything the panel shows now."""
    return PanelView(
        room=room,
        room_name=room_name,
        state=lesson.state,
        elapsed_s=lesson.elapsed_s,
        paused=lesson.paused,
        frozen=lesson.frozen,
        on_air=lesson.on_air,
        muted_from_afar=lesson.muted_from_afar,
        sign=lesson.sign(),
        viewers=_viewers(lesson, clock()),
        steps=_steps(lesson),
        devices=tuple(slot.report() for slot in lesson.slots),
        missing=lesson.missing(),
        access=lesson.access,
        centre=centre.state,
        centre_since=centre.since,
        proposal=_proposal(lesson),
        interrupted=_interrupted(lesson),
        summary=lesson.summary,
        problem=lesson.problem,
    )


def _viewers(lesson: Lesson, mono_s: float) -> tuple[PanelViewer, ...]:
    publisher = lesson.publisher
    if publisher is None:
        return ()
    shown = []
    for viewer in publisher.viewers():
        reception = viewer.reception
        fresh = reception is not None and mono_s - (viewer.reception_mono_s or 0.0) <= RECEPTION_FRESH_S
        shown.append(
            PanelViewer(
                viewer=viewer.id,
                name=viewer.name,
                joined_s=mono_s - viewer.joined_mono_s,
                is_connected=viewer.is_connected,
                is_receiving=bool(fresh and reception and reception.board_fps + reception.camera_fps > 0),
                is_heard=bool(fresh and reception and reception.is_heard),
            )
        )
    return tuple(shown)


def _steps(lesson: Lesson) -> tuple[Step, ...]:
    if lesson.state is not LessonState.PREPARING:
        return ()
    return tuple(
        Step(
            id=_STEP_IDS[slot.role],
            state="failed" if slot.problem is not None else "done" if slot.is_working else "waiting",
        )
        for slot in lesson.slots
        if slot.role in _STEP_IDS
    )


def _interrupted(lesson: Lesson) -> PanelInterrupted | None:
    kept = lesson.interrupted
    if kept is None:
        return None
    return PanelInterrupted(lesson=kept.lesson, started_at=kept.started_at, interrupted_at=kept.alive_at)


def _proposal(lesson: Lesson) -> PanelProposal | None:
    if lesson.proposal is None:
        return None
    remaining_s = (lesson.proposal.expires_at - datetime.now(UTC)).total_seconds()
    return PanelProposal(id=lesson.proposal.id, actor=lesson.proposal.actor, remaining_s=max(0.0, remaining_s))
