"""What the pages get and send over HTTP: the pupil's page and IT's from the controller, the panel from the agent.

Bodies that a page sends refuse unknown fields; answers may grow. Errors are RFC 9457 problem+json with a ``code``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from protocol.lesson import LessonState
from protocol.messages import (
    Access,
    Check,
    CheckStatus,
    DeviceReport,
    DeviceRole,
    IceServer,
    OnAir,
    Problem,
    Sign,
    Text,
    Wire,
)


class Body(BaseModel):
    """Base of what a page sends: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProblemJson(Wire):
    """RFC 9457: ``application/problem+json``."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    retry_after_s: float | None = None


# --- pupil, from the controller -----------------------------------------------------------------------------------


class JoinRequest(Body):
    """``POST /api/v1/join``: exactly one of code and link.

    The code may be typed in lower case, with spaces or with letters that look alike.
    """

    code: str | None = Field(default=None, max_length=32)
    link: str | None = Field(default=None, max_length=128, description="the secret part of a standing link")

    @model_validator(mode="after")
    def _one(self) -> JoinRequest:
        if (self.code is None) == (self.link is None):
            msg = "give either code or link"
            raise ValueError(msg)
        return self


class LessonView(Wire):
    """The lesson as somebody with a ticket may know it; also the data of the SSE event ``lesson``."""

    lesson: str
    room: str
    room_name: str
    room_online: bool
    phase: Literal["waiting", "open", "ended"] = Field(description="open: an offer is welcome now")
    state: LessonState
    paused: bool = False


class JoinAnswer(Wire):
    """The ticket: ``token`` goes as Bearer to WHEP and to the lesson's live events."""

    token: str
    whep: str = Field(description="path of the WHEP endpoint")
    events: str = Field(description="path of the SSE of this lesson")
    ice_servers: tuple[IceServer, ...] = ()
    expires_at: AwareDatetime
    view: LessonView


# --- IT, from the controller --------------------------------------------------------------------------------------


class SignIn(Body):
    """``POST /api/v1/session``."""

    name: str = Field(min_length=1, max_length=80)
    password: str = Field(min_length=1, max_length=200)


class SessionView(Wire):
    """``GET /api/v1/session``: who is signed in."""

    name: str
    role: Literal["admin", "viewer"]


class RoomView(Wire):
    """One room as last reported, with its age. Item of ``GET /api/v1/rooms``; data of the SSE ``room``."""

    id: str
    name: str
    territory: str
    link: Literal["online", "late", "offline", "unknown", "off"]
    link_since: AwareDatetime
    reported_age_s: float | None = Field(default=None, description="since the room last said anything; None: never")
    is_stale: bool = Field(description="true after a death: what follows was true, and may not be any more")
    status: CheckStatus = Field(description="worst of its devices, its checks and its link")
    state: LessonState | None = None
    lesson: str | None = None
    lesson_started_at: AwareDatetime | None = None
    paused: bool = False
    frozen: bool = False
    on_air: OnAir | None = None
    sign: Sign | None = None
    viewers: int = 0
    devices: tuple[DeviceReport, ...] = ()
    checks: tuple[Check, ...] = ()
    agent: str | None = None
    cpu_percent: float | None = None
    memory_mb: float | None = None
    problem: Problem | None = None
    proposal: str | None = None


class RoomsView(Wire):
    """``GET /api/v1/rooms``."""

    at: AwareDatetime
    rooms: tuple[RoomView, ...]
    cursor: str = Field(default="", description="for `GET /api/v1/events?since=`: only what changes after this list")


class EventView(Wire):
    """One line of what happened. Item of ``GET /api/v1/rooms/{room}/events``; data of the SSE ``event``."""

    id: str
    room: str
    kind: str
    at: AwareDatetime
    fact: dict[str, object]


class EventsView(Wire):
    events: tuple[EventView, ...]


class SeenBody(Body):
    """``POST /api/v1/rooms/{room}/seen``: an alarm that stays until somebody has seen it."""

    check: str = Field(max_length=48)


class ActAnswer(Wire):
    """What came of a button: ``POST /api/v1/rooms/{room}/stop``, ``…/mute``, ``…/propose``
    and ``…/seen``."""

    ok: Literal[True] = True


# --- panel, from the agent ----------------------------------------------------------------------------------------


class Step(Wire):
    """One thing that Start does, as it is done."""

    id: Literal["camera", "microphone", "board"]
    state: Literal["waiting", "done", "failed"]


class PanelViewer(Wire):
    """One pupil on the panel's list; the name came over the lesson channel and goes nowhere else."""

    viewer: str
    name: str
    joined_s: float = Field(description="seconds since it connected")
    is_connected: bool
    is_receiving: bool = Field(description="its page says that picture and sound arrive")
    is_heard: bool


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


class PanelInterrupted(Wire):
    """A lesson that a power cut ended: somebody in the room says whether it goes on."""

    lesson: str
    started_at: AwareDatetime
    interrupted_at: AwareDatetime = Field(description="when it was last seen running")


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
    steps: tuple[Step, ...] = ()
    devices: tuple[DeviceReport, ...] = ()
    missing: tuple[DeviceRole, ...] = Field(default=(), description="what the running lesson goes without")
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


class PanelLevel(Wire):
    """Sound meter; data of the SSE event ``level``, ten a second while the microphone is open."""

    rms_dbfs: float
    peak_dbfs: float


class PauseBody(Body):
    """``POST /api/lesson/pause``."""

    paused: bool


class FreezeBody(Body):
    """``POST /api/lesson/freeze``: the board's last picture stays for pupils, or the board is shown again."""

    frozen: bool


class OnAirBody(Body):
    """``POST /api/lesson/on-air``: only what is given changes. ``sound`` false mutes."""

    camera: bool | None = None
    board: bool | None = None
    sound: bool | None = None


class UnlockBody(Body):
    """``POST /api/unlock``: the PIN, for names and code."""

    pin: str = Field(min_length=1, max_length=32)


class ProposalBody(Body):
    """``POST /api/proposal``."""

    id: str = Field(max_length=64)
    accept: bool
