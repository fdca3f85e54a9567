"""What the room's panel shows: sent by the agent over HTTP, whole in `PanelView`. Answers may grow."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import AwareDatetime, Field

from protocol.channel import Sending
from protocol.lesson import LessonState
from protocol.messages import Access, Check, DeviceReport, DeviceRole, OnAir, Problem, SelfTestState, Sign, Text, Wire


class Step(Wire):
    """One thing that Start does, as it is done."""

    id: Literal["camera", "microphone", "board"]
    state: Literal["waiting", "done", "failed"]


Hearing = Literal["heard", "not-heard", "nothing-said", "unknown"]
"""Proved; proved not to; the room was silent for long; the page cannot tell what it plays, or has not told yet."""
WhyDeaf = Literal["muted", "blocked", "volume-0", "no-sound", "silent", "other-sound", "no-report", "microphone"]
"""What the page says of itself; no packets arrive; what it plays is silence, or another sound than the microphone's;
the page says nothing any more; the room's microphone is known to be wrong."""
WhyBlind = Literal["no-picture", "not-sent", "no-report"]


class PanelViewer(Wire):
    """One pupil on the panel's list; the name came over the lesson channel and goes nowhere else."""

    viewer: str
    name: str
    joined_s: float = Field(description="seconds since it connected")
    is_connected: bool
    is_in_room: bool = Field(default=False, description="it stands in the room itself, muted, and is not counted")
    hearing: Hearing = Field(description="by what its page played, compared with what the microphone heard")
    why_deaf: WhyDeaf | None = None
    sees: bool | None = Field(description="pictures move on its page; null before it has told anything")
    why_blind: WhyBlind | None = None
    pupil: str = Field(default="", description="who it is beside its connections, as in `PanelAudience`")
    sending: Sending | None = Field(default=None, description="what it is sent and why; None before it is let in")


class PanelKnock(Wire):
    """Somebody who waits in the lobby."""

    pupil: str
    name: str
    since_s: float


class PanelHand(Wire):
    """A hand that is up; the one that is called first, then in the order in which they were raised."""

    pupil: str
    name: str
    since_s: float
    is_taken: bool = False


class PanelQuestion(Wire):
    """A written question that waits for its answer."""

    pupil: str
    id: str = Field(description="the page's own, one of a kind for its pupil alone")
    name: str
    text: str
    since_s: float


ReactionKind = Literal["yes", "no", "lost", "slower", "applause"]


class PanelReaction(Wire):
    """How many pupils showed this in the last seconds."""

    kind: ReactionKind
    count: int


class PanelTrouble(Wire):
    """A pupil touched *Je n'entends pas*; ``found`` is what its page found when it checked itself."""

    pupil: str
    found: str


class PanelAudience(Wire):
    """What pupils say and who may come in, while a lesson runs."""

    has_lobby: bool = Field(default=False, description="newcomers wait until somebody here lets them in")
    is_locked: bool = Field(default=False, description="nobody new comes in")
    is_code_old: bool = Field(
        default=False, description="somebody was removed, and the centre has not made another code yet"
    )
    knocking: tuple[PanelKnock, ...] = ()
    hands: tuple[PanelHand, ...] = ()
    questions: tuple[PanelQuestion, ...] = ()
    reactions: tuple[PanelReaction, ...] = ()
    troubles: tuple[PanelTrouble, ...] = ()


class PanelTalk(Wire):
    """The pupil whose hand is taken. ``POST /api/audience/lower`` ends it."""

    pupil: str
    name: str
    state: Literal["invited", "waiting", "heard", "no-loudspeaker", "paused"] = Field(
        description="invited: its microphone is not connected; waiting: connected, and nothing has come for a moment"
    )


class PanelScreen(Wire):
    """The screen of another computer that is, or may be, shown in the board's place. ``POST /api/screen/end`` ends it.

    ``code``, ``address`` and ``remaining_s`` are there while it is offered; the code is left out behind a PIN.
    """

    state: Literal["offered", "waiting", "shown", "silent", "lost"] = Field(
        description="waiting: connected, and no picture yet; silent: nothing comes for a moment, and the room's own "
        "board is shown; lost: not connected any more, its page tries again"
    )
    code: str | None = None
    address: str | None = None
    remaining_s: float | None = None


class PanelSummary(Wire):
    """One line after the lesson."""

    lesson: str
    duration_s: float
    viewers_most: int
    problems: tuple[Text, ...] = ()


class PanelProposal(Wire):
    id: str
    actor: str
    remaining_s: float


class PanelMicrophone(Wire):
    """One of the room's microphones, as people there call it."""

    id: str
    name: str
    is_alive: bool
    is_in_use: bool = Field(description="what pupils hear")


class PanelMicrophones(Wire):
    """The choice in a running lesson, where the room has several."""

    all: tuple[PanelMicrophone, ...]
    wanted: str = Field(description="the room's own, or the one that somebody here chose; it is heard when it lives")
    proposal: str | None = Field(default=None, description="one that hears much better; nobody has answered yet")


class PanelInterrupted(Wire):
    """A lesson that a power cut ended: somebody in the room says whether it goes on."""

    lesson: str
    started_at: AwareDatetime
    interrupted_at: AwareDatetime = Field(description="when it was last seen running")


CoverReason = Literal["moving", "adrift", "unchecked", "moved", "unknown"]
"""Why pupils see a stand-in in the camera's place: it turns; it stands on no view of its own; nobody has looked at this
view yet; the camera was moved, so that somebody has to look again; it does not say where it looks."""


class PanelPreset(Wire):
    """A stored view that a button goes to."""

    name: str
    is_current: bool = Field(description="the camera stands there")
    is_heading: bool = Field(default=False, description="the camera is on its way there")
    picture: str | None = Field(
        default=None, description="changes with the picture of `/api/camera/preset/{name}.jpg`; None: there is none yet"
    )


ClassPreset = Literal["none", "offered", "locked", "unchecked", "moved", "unsupported"]


class PanelPtz(Wire):
    """The camera that turns."""

    is_connected: bool
    problem: Problem | None = None
    can_turn: bool = False
    can_zoom: bool = False
    can_store: bool = False
    presets: tuple[PanelPreset, ...] = ()
    class_preset: ClassPreset = Field(
        default="none",
        description="none: not configured; locked: behind the PIN; unchecked, moved: somebody has to look at it first",
    )


class PanelMasks(Wire):
    """What is withheld of the camera's picture."""

    cover: CoverReason | None = Field(default=None, description="why pupils see a stand-in; None: they see the picture")
    to_check: str | None = Field(
        default=None, description="the view at hand, which somebody in the room has to look at before pupils see it"
    )


FramingDoing = Literal["off", "wide", "following", "waiting", "failed"]
"""Off; everything is shown, for nobody, or too many too far apart, are seen; somebody is followed; a person turned the
camera, or its picture is withheld; it does not work here."""


class PanelFraming(Wire):
    """The camera's picture that follows people by itself."""

    mode: Literal["crop", "ptz"] = Field(description="crop: a part of the picture is shown; ptz: the camera turns")
    is_on: bool
    doing: FramingDoing


RECORDING_ID_PATTERN = re.compile(r"[a-z0-9]{4,32}")


class PanelShare(Wire):
    """A link to one recording, through the centre."""

    state: Literal["waiting", "sending", "ready", "failed"]
    percent: int = Field(ge=0, le=100, description="of it is at the centre")
    link: str | None = Field(default=None, description="whoever has it can see the recording until it runs out")
    expires_at: AwareDatetime | None = None
    problem: Problem | None = None


class PanelRecorded(Wire):
    """One recording on the room's disk."""

    id: str
    began_at: AwareDatetime | None = Field(description="None: it cannot be read, and can be deleted")
    duration_s: float
    size_bytes: int
    is_whole: bool = Field(description="false: it was cut off, and is kept up to there")
    deleted_at: AwareDatetime = Field(description="when its time is over; sooner, oldest first, when room is needed")
    share: PanelShare | None = Field(default=None, description="None: no link was asked for")


class PanelRemoved(Wire):
    """A recording that the room deleted by itself."""

    began_at: AwareDatetime | None
    reason: Literal["age", "size", "disk"] = Field(
        description="its time was over; all together were too large; the lesson needs the disk"
    )


class PanelRecording(Wire):
    """Recording in this room."""

    is_running: bool
    elapsed_s: float | None = None
    problem: Problem | None = Field(default=None, description="why the last one of this lesson ended by itself")
    all: tuple[PanelRecorded, ...] = Field(default=(), description="newest first; none while the PIN is asked for")
    removed: tuple[PanelRemoved, ...] = Field(default=(), description="in this run of the agent, newest first")


class SelfTestStep(Wire):
    """One step of a self-test, as it goes."""

    id: str = Field(max_length=48)
    name: Text
    state: SelfTestState = "waiting"
    value: float | None = None
    unit: str | None = Field(default=None, max_length=16)
    message: Text | None = None
    remedy: Text | None = None


class SelfTestView(Wire):
    """The self-test that runs, or the last one until it is put away. ``GET /api/selftest``; part of `PanelView`."""

    id: str
    kind: Literal["whole", "quiet"] = Field(description="quiet: beside Start, only what is neither heard nor seen")
    asked_by: Literal["panel", "doctor", "centre", "start"]
    state: Literal["announced", "running", "done", "stopped"]
    began_at: AwareDatetime
    elapsed_s: float | None = Field(default=None, description="once it is over")
    steps: tuple[SelfTestStep, ...]


class PanelView(Wire):
    """Everything the panel shows. ``GET /api/panel``; data of the SSE event ``panel``, sent on change."""

    room: str
    room_name: str
    state: LessonState
    elapsed_s: float | None = None
    paused: bool = False
    frozen: bool = Field(default=False, description="the teacher holds the board's picture as it was")
    on_air: OnAir = OnAir()
    muted_from_afar: bool = Field(default=False, description="it was the centre that muted the sound")
    sign: Sign = Sign.OFF
    viewers: tuple[PanelViewer, ...] = ()
    audience: PanelAudience | None = Field(default=None, description="None: no lesson runs")
    talk: PanelTalk | None = Field(default=None, description="the pupil whose hand is taken; None: nobody")
    has_loudspeaker: bool | None = Field(
        default=None, description="false: only the other pupils would hear one who speaks; None: no lesson runs"
    )
    screen: PanelScreen | None = Field(default=None, description="None: no other computer is to be shown")
    steps: tuple[Step, ...] = ()
    devices: tuple[DeviceReport, ...] = ()
    missing: tuple[DeviceRole, ...] = Field(default=(), description="what the running lesson goes without")
    checks: tuple[Check, ...] = Field(
        default=(), description="what is wrong and matters to who teaches here: warning and critical, worst first"
    )
    normal_at: AwareDatetime | None = Field(
        default=None, description="when somebody here last recorded how the room looks and sounds normally"
    )
    microphones: PanelMicrophones | None = None
    ptz: PanelPtz | None = Field(default=None, description="None: the camera does not turn")
    masks: PanelMasks | None = Field(default=None, description="None: nothing is ever withheld")
    framing: PanelFraming | None = Field(default=None, description="None: the room is not configured for it")
    recording: PanelRecording | None = Field(default=None, description="None: this room does not record")
    access: Access | None = None
    pin: Literal["none", "locked", "open"] = Field(
        default="none", description="locked: names, code and link are left out until the PIN is typed"
    )
    centre: Literal["connected", "no-controller", "away"] = "away"
    centre_since: AwareDatetime | None = None
    proposal: PanelProposal | None = None
    interrupted: PanelInterrupted | None = None
    summary: PanelSummary | None = None
    problem: Problem | None = None
    selftest: SelfTestView | None = None


class PanelLevel(Wire):
    """Sound meter; data of the SSE event ``level``, ten a second while the microphone is open."""

    rms_dbfs: float
    peak_dbfs: float
    pupil_dbfs: float | None = Field(default=None, description="of the pupil who speaks; None: nobody does")
