"""What the pages of pupils and of IT get from the controller over HTTP, and what they send.

What a page sends, the panel's too, is a `Body`; answers may grow. Errors are RFC 9457 problem+json with a ``code``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from protocol.lesson import LessonState
from protocol.messages import (
    Check,
    CheckStatus,
    DeviceReport,
    IceServer,
    OnAir,
    Problem,
    Sign,
    Token,
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
    whip: str = Field(default="", description="path of the WHIP endpoint, for a pupil whose hand is taken")
    events: str = Field(description="path of the SSE of this lesson")
    ice_servers: tuple[IceServer, ...] = ()
    expires_at: AwareDatetime
    view: LessonView


class ScreenRequest(Body):
    """``POST /api/v1/screen``: the code that the panel shows to whoever wants to share a screen."""

    code: str = Field(max_length=32)


class ScreenAnswer(Wire):
    """The ticket of one share: ``token`` goes as Bearer to WHIP, and opens nothing else."""

    token: str
    whip: str = Field(description="path of the WHIP endpoint")
    ice_servers: tuple[IceServer, ...] = ()
    room_name: str


# --- IT, from the controller --------------------------------------------------------------------------------------


class SignIn(Body):
    """``POST /api/v1/session``."""

    name: str = Field(min_length=1, max_length=80)
    password: str = Field(min_length=1, max_length=200)
    code: str | None = Field(
        default=None, max_length=40, description="of the second step: the app's or a recovery code"
    )


class SessionView(Wire):
    """``GET /api/v1/session``: who is signed in."""

    name: str
    role: Literal["admin", "teacher", "viewer"]
    second_step: Literal["on", "off", "missing", "elsewhere"] = Field(
        default="off",
        description="missing: the centre wants one, and nothing else goes before; elsewhere: the provider's matter",
    )


class OidcView(Wire):
    """``GET /api/v1/oidc``: whether people sign in with another service too."""

    label: str | None = Field(description="what they call it; null: there is none")


class SecondStepSetUp(Wire):
    """``POST /api/v1/session/totp``: what an authenticator app needs."""

    secret: str = Field(description="base32, for an app without a camera")
    qr: str = Field(description="the same as a picture: an SVG in a data: address")
    pending: str = Field(description="to be sent back with the first code")


class SecondStepBegin(Body):
    """``PUT /api/v1/session/totp``."""

    pending: str = Field(min_length=1, max_length=400)
    code: str = Field(min_length=1, max_length=40)


class SecondStepEnd(Body):
    """``POST /api/v1/session/totp/end``."""

    code: str = Field(min_length=1, max_length=40)


class RecoveryCodes(Wire):
    """Answer to ``PUT /api/v1/session/totp``: shown this once; each opens the second step once."""

    codes: tuple[str, ...]


class GrantView(Wire):
    """A role, and where it holds."""

    role: Literal["admin", "teacher", "viewer"]
    scope: str


class AccountView(Wire):
    """An account; ``is_local``: it signs in with a password of this centre."""

    name: str
    grants: tuple[GrantView, ...]
    is_local: bool
    has_second_step: bool


class AccountsView(Wire):
    """``GET /api/v1/accounts``, by name."""

    accounts: tuple[AccountView, ...]


SCOPE = r"^(all|(territory|school|room):[a-z0-9][a-z0-9-]{0,47})$"
"""Where something is granted."""


class TokenBody(Body):
    """``POST /api/v1/tokens``."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^\S(.*\S)?$", description="what it is for")
    permissions: tuple[str, ...] = Field(min_length=1, max_length=16, description="read, lesson, room …; not accounts")
    scope: str = Field(
        default="all",
        pattern=SCOPE,
        description="where: all, or territory:, school:, room: with an id",
    )
    days: int = Field(default=90, ge=1, le=400)


class TokenView(Wire):
    """A token of a program; its text was told once, to whoever made it."""

    id: str
    name: str
    user: str = Field(description="whose it is: it may never do more than this account")
    permissions: tuple[str, ...]
    scope: str
    made_at: AwareDatetime
    expires_at: AwareDatetime
    used_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class TokensView(Wire):
    """``GET /api/v1/tokens``, newest first."""

    tokens: tuple[TokenView, ...]


class TokenMade(Wire):
    """Answer to ``POST /api/v1/tokens``."""

    token: str = Field(description="to be sent as Authorization: Bearer; told this once")
    view: TokenView


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
    recording: bool = False
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


class ProposeAnswer(ActAnswer):
    """``POST /api/v1/rooms/{room}/propose``: the room has it; how somebody there answers is a `ProposalAnswered`."""

    proposal: Token
