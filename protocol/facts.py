"""Facts: what happened in a room, told again until the centre has stored it; it stores those it does not know too."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from protocol.wire import DeviceRole, Id, Problem, Sentence, Token, Wire

SelfTestState = Literal["waiting", "running", "ok", "warning", "failed", "skipped"]


class SelfTestNumber(Wire):
    """What one step of a self-test measured."""

    id: Id
    state: SelfTestState
    value: float | None = None
    unit: str | None = Field(default=None, max_length=16)


class LessonStarted(Wire):
    kind: Literal["lesson.started"] = "lesson.started"
    lesson: Token
    origin: str = Field(max_length=16)


STOPPED_FROM_AFAR = "stopped from the centre"
"""The reason of `LessonEnded` after `LessonStop`; by whom is in the centre's own record of acts. Pages look for it."""


class LessonEnded(Wire):
    kind: Literal["lesson.ended"] = "lesson.ended"
    lesson: Token
    reason: str = Field(max_length=80)
    duration_s: float = Field(ge=0)
    viewers_most: int = Field(ge=0)


class DeviceLost(Wire):
    kind: Literal["device.lost"] = "device.lost"
    device: Id
    role: DeviceRole
    problem: Problem


class DeviceBack(Wire):
    kind: Literal["device.back"] = "device.back"
    device: Id
    role: DeviceRole
    away_s: float = Field(ge=0)


class MicrophoneChanged(Wire):
    """Pupils hear the room by another of its microphones from now on."""

    kind: Literal["microphone.changed"] = "microphone.changed"
    device: Id
    before: Id
    reason: Literal["lost", "back", "chosen", "proposed"] = Field(
        description="the one before died; the wanted one is back; somebody here chose it, or took what was proposed"
    )


class ViewerJoined(Wire):
    """No name, no address: only that somebody came."""

    kind: Literal["viewer.joined"] = "viewer.joined"
    viewer: Token


class ViewerLeft(Wire):
    kind: Literal["viewer.left"] = "viewer.left"
    viewer: Token
    reason: str = Field(max_length=80)
    stayed_s: float = Field(ge=0)


class ViewerRemoved(Wire):
    """Somebody in the room showed a pupil out: the ticket is void for this lesson, and its code is turned over."""

    kind: Literal["viewer.removed"] = "viewer.removed"
    lesson: Token
    holder: Token | None = Field(default=None, description="the ticket's mark, as in `RtcOffer`; None: had no ticket")


class ProposalAnswered(Wire):
    kind: Literal["proposal.answered"] = "proposal.answered"
    proposal: Token
    accepted: bool
    reason: Literal["accepted", "refused", "expired"]


class SendingStopped(Wire):
    """A media packet left though no lesson ran; the agent stopped the sending by ending itself."""

    kind: Literal["sending.stopped"] = "sending.stopped"
    lesson: Token = Field(description="whose sender it was")
    after_s: float = Field(ge=0, description="since that lesson was over")


class RepairTried(Wire):
    """The room tried to bring a device back by itself."""

    kind: Literal["repair.tried"] = "repair.tried"
    device: Id
    step: Literal["restart-capture", "usb-reset", "restart-agent", "wake-board"]
    outcome: Literal["done", "failed", "refused", "unsupported"]
    after_s: float = Field(ge=0, description="since the device was lost")


class SelfTestDone(Wire):
    """The test before a planned lesson, in numbers."""

    kind: Literal["selftest.done"] = "selftest.done"
    plan: Token | None = Field(default=None, description="the planned lesson it was made for")
    state: Literal["ok", "warning", "failed", "skipped"]
    steps: tuple[SelfTestNumber, ...] = Field(default=(), max_length=32)


class TimetableRefused(Wire):
    """Somebody in the room refused the start that the timetable counted down to."""

    kind: Literal["timetable.refused"] = "timetable.refused"
    plan: Token


class LookAnswered(Wire):
    """What came of a look that was asked for from afar."""

    kind: Literal["look.answered"] = "look.answered"
    request: Token
    accepted: bool
    reason: Literal["accepted", "refused", "expired", "failed"]


class SettingsTaken(Wire):
    """The room runs with these settings and found nothing worse than before."""

    kind: Literal["settings.taken"] = "settings.taken"
    rev: int = Field(ge=0)


class SettingsRefused(Wire):
    """The room went back to the settings before these."""

    kind: Literal["settings.refused"] = "settings.refused"
    rev: int = Field(ge=0)
    code: str = Field(max_length=64)
    message: Sentence


class UpdateDone(Wire):
    """An update came to its end, whichever."""

    kind: Literal["update.done"] = "update.done"
    version: str = Field(max_length=32)
    outcome: Literal["done", "turned-back", "failed"]


class LessonWarned(Wire):
    """The room was told that its lesson ends by the timetable in a moment."""

    kind: Literal["lesson.warned"] = "lesson.warned"
    lesson: Token


Fact = Annotated[
    LessonStarted
    | LessonEnded
    | DeviceLost
    | DeviceBack
    | MicrophoneChanged
    | ViewerJoined
    | ViewerLeft
    | ViewerRemoved
    | ProposalAnswered
    | SendingStopped
    | RepairTried
    | SelfTestDone
    | TimetableRefused
    | LookAnswered
    | SettingsTaken
    | SettingsRefused
    | UpdateDone
    | LessonWarned,
    Field(discriminator="kind"),
]
