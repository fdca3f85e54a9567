"""What the panel shows, made from the lesson and the line to the centre."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from agent.auto_framing import AutoFraming
from agent.lesson import Lesson
from agent.room_recording import RoomRecording
from agent.streams.publisher import ViewerView
from protocol.channel import Sending
from protocol.lesson import LessonState
from protocol.messages import Check, DeviceRole
from protocol.panel import (
    PanelInterrupted,
    PanelMicrophone,
    PanelMicrophones,
    PanelProposal,
    PanelView,
    PanelViewer,
    SelfTestView,
    Step,
)

_STEP_IDS: dict[DeviceRole, Literal["camera", "microphone", "board"]] = {
    DeviceRole.CAMERA: "camera",
    DeviceRole.MICROPHONE: "microphone",
    DeviceRole.BOARD: "board",
}
"""What Start waits for; the board's sound comes when it comes."""


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
    checks: tuple[Check, ...] = (),
    normal_at: datetime | None = None,
    framing: AutoFraming | None = None,
    selftest: SelfTestView | None = None,
    recording: RoomRecording | None = None,
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
        audience=lesson.audience(),
        talk=lesson.talk.view() if lesson.talk else None,
        has_loudspeaker=lesson.has_loudspeaker,
        screen=lesson.screen.view() if lesson.screen else None,
        steps=_steps(lesson),
        devices=lesson.device_reports(),
        missing=lesson.missing(),
        checks=checks,
        normal_at=normal_at,
        microphones=_microphones(lesson),
        framing=framing.view() if framing else None,
        access=lesson.access,
        centre=centre.state,
        centre_since=centre.since,
        proposal=_proposal(lesson),
        interrupted=_interrupted(lesson),
        summary=lesson.summary,
        problem=lesson.problem,
        selftest=selftest,
        recording=recording.view() if recording else None,
    )


def _viewers(lesson: Lesson, mono_s: float) -> tuple[PanelViewer, ...]:
    publisher = lesson.publisher
    if publisher is None:
        return ()
    return tuple(
        _viewer(viewer, lesson, mono_s)
        for viewer in publisher.viewers()
        if viewer.is_admitted or not viewer.is_connected  # who knocks is in `audience`
    )


def _viewer(viewer: ViewerView, lesson: Lesson, mono_s: float) -> PanelViewer:
    verdict = lesson.reception(viewer.id)
    return PanelViewer(
        viewer=viewer.id,
        name=viewer.name,
        joined_s=mono_s - viewer.joined_mono_s,
        is_connected=viewer.is_connected,
        is_in_room=viewer.is_in_room,
        hearing=verdict.hearing,
        why_deaf=verdict.why_deaf,
        sees=verdict.sees,
        why_blind=verdict.why_blind,
        pupil=lesson.pupil_of(viewer.id),
        sending=None if viewer.sending is None else Sending(**asdict(viewer.sending)),
    )


def _steps(lesson: Lesson) -> tuple[Step, ...]:
    if lesson.state is not LessonState.PREPARING:
        return ()
    missing = lesson.missing()
    return tuple(
        Step(
            id=_STEP_IDS[slot.role],
            state="done" if slot.is_working else "waiting" if slot.role not in missing else "failed",
        )
        for slot in lesson.slots
        if slot.role in _STEP_IDS and not slot.choice.is_spare
    )


def _microphones(lesson: Lesson) -> PanelMicrophones | None:
    choice = lesson.microphone_choice
    if choice is None:
        return None
    return PanelMicrophones(
        all=tuple(
            PanelMicrophone(
                id=slot.choice.id,
                name=slot.name,
                is_alive=lesson.hears(slot.choice.id),
                is_in_use=slot.choice.id == choice.in_use,
            )
            for slot in lesson.microphones
        ),
        wanted=choice.wanted,
        proposal=choice.proposal,
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
