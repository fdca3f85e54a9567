"""The messages between a room and the centre. Each topic has one model (`protocol.topics`).

On the wire unknown fields are ignored: changes are additive and the version is in the topic. ``…_at`` is an aware UTC
datetime by the sender's clock; the centre judges age by its own monotonic time of arrival, never by these.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from protocol.facts import (
    STOPPED_FROM_AFAR as STOPPED_FROM_AFAR,
)
from protocol.facts import (
    DeviceBack as DeviceBack,
)
from protocol.facts import (
    DeviceLost as DeviceLost,
)
from protocol.facts import (
    Fact as Fact,
)
from protocol.facts import (
    LessonEnded as LessonEnded,
)
from protocol.facts import (
    LessonStarted as LessonStarted,
)
from protocol.facts import (
    LessonWarned as LessonWarned,
)
from protocol.facts import (
    LookAnswered as LookAnswered,
)
from protocol.facts import (
    MicrophoneChanged as MicrophoneChanged,
)
from protocol.facts import (
    ProposalAnswered as ProposalAnswered,
)
from protocol.facts import (
    RepairTried as RepairTried,
)
from protocol.facts import (
    SelfTestDone as SelfTestDone,
)
from protocol.facts import (
    SelfTestNumber as SelfTestNumber,
)
from protocol.facts import (
    SelfTestState as SelfTestState,
)
from protocol.facts import (
    SendingStopped as SendingStopped,
)
from protocol.facts import (
    SettingsRefused as SettingsRefused,
)
from protocol.facts import (
    SettingsTaken as SettingsTaken,
)
from protocol.facts import (
    TimetableRefused as TimetableRefused,
)
from protocol.facts import (
    UpdateDone as UpdateDone,
)
from protocol.facts import (
    ViewerJoined as ViewerJoined,
)
from protocol.facts import (
    ViewerLeft as ViewerLeft,
)
from protocol.facts import (
    ViewerRemoved as ViewerRemoved,
)
from protocol.lesson import LessonState
from protocol.numbers import HealthNumbers
from protocol.remote import LookReport, UpdateReport
from protocol.settings import SettingsError
from protocol.timetable import LessonBeginning, PlannedLesson, TimetableReport
from protocol.wire import (
    Args as Args,
)
from protocol.wire import (
    CheckStatus as CheckStatus,
)
from protocol.wire import (
    DeviceRole as DeviceRole,
)
from protocol.wire import (
    Id as Id,
)
from protocol.wire import (
    Problem as Problem,
)
from protocol.wire import (
    Sentence as Sentence,
)
from protocol.wire import (
    Text as Text,
)
from protocol.wire import (
    Token as Token,
)
from protocol.wire import (
    Wire as Wire,
)

PROTO = 2
"""What a birth says of its sender: 1 is of 2026. 2: takes a `Health` without ``checks``, and knows the timetable."""

# --- status: birth and death --------------------------------------------------------------------------------------


class DeathReason(StrEnum):
    """Why a room or controller is no longer there."""

    LOST = "lost"
    """The line went; published by the broker as last will."""
    SHUTDOWN = "shutdown"
    FAILED = "failed"
    """The program fell with an error."""
    UPDATE = "update"
    REBOOT = "reboot"
    REVOKED = "revoked"
    """The centre threw it out: its certificate is revoked."""
    SETTINGS = "settings"
    """To begin anew with other settings."""


class RoomStatus(Wire):
    """Birth (``online`` true) or death; a death with another ``sid`` than the last birth's is ignored."""

    online: bool
    sid: Token = Field(description="made anew for each connection")
    reason: DeathReason | None = None
    boot: str | None = Field(default=None, max_length=64, description="the kernel's boot id")
    agent: str | None = Field(default=None, max_length=32, description="version of the agent")
    proto: int = PROTO
    certificate_ends_at: AwareDatetime | None = None
    at: AwareDatetime


class ControllerStatus(Wire):
    """Birth or death of one controller instance."""

    online: bool
    sid: Token
    reason: DeathReason | None = None
    version: str | None = Field(default=None, max_length=32)
    proto: int = Field(default=1, description="a centre that does not say it is of 1: it drops a short `Health`")
    at: AwareDatetime


# --- state: what is -----------------------------------------------------------------------------------------------


class DeviceReport(Wire):
    """One device as the room sees it now."""

    id: Id
    role: DeviceRole
    name: str = Field(max_length=120)
    driver: str = Field(max_length=40)
    is_open: bool = Field(description="open for a lesson, now")
    status: CheckStatus
    since: AwareDatetime
    problem: Problem | None = None
    in_use: bool | None = Field(default=None, description="of several microphones: this is the one that pupils hear")


class OnAir(Wire):
    """What the teacher lets out. ``sound`` false is muted. Independent of ``paused`` and of the lesson's state."""

    camera: bool = True
    board: bool = True
    sound: bool = True


class Sign(StrEnum):
    """The on-air sign: driven by open devices and packets that left, never by a variable (DESIGN §6)."""

    OFF = "off"
    OPEN = "open"
    """A device is open for a lesson and nobody receives: "ouvert, personne"."""
    LIVE = "live"
    """A media packet left in the last second: "en direct, 8"."""


class LessonReport(Wire):
    """The lesson that runs in the room."""

    id: Token
    started_at: AwareDatetime
    origin: Literal["panel", "proposal", "resumed", "timetable"] = "panel"
    plan: Token | None = Field(default=None, description="the planned lesson that it is")


class ProposalReport(Wire):
    """A start proposed from afar that waits for somebody in the room."""

    id: Token
    actor: str = Field(max_length=80)
    expires_at: AwareDatetime


class Check(Wire):
    """One thing that is looked at."""

    id: Id
    status: CheckStatus
    since: AwareDatetime
    value: float | None = None
    unit: str | None = Field(default=None, max_length=16)
    message: Text | None = None
    remedy: Text | None = None


class RoomState(Wire):
    """Everything the room reports as true, on change, retained."""

    sid: Token
    state: LessonState
    lesson: LessonReport | None = None
    paused: bool = False
    frozen: bool = Field(default=False, description="the teacher holds the board's picture as it was")
    recording: bool = Field(default=False, description="what pupils are sent is recorded in the room, now")
    on_air: OnAir = OnAir()
    sign: Sign = Sign.OFF
    viewers: int = Field(default=0, ge=0)
    devices: tuple[DeviceReport, ...] = Field(default=(), max_length=32)
    checks: tuple[Check, ...] = Field(
        default=(),
        max_length=32,
        description="what is wrong: warning and critical, worst first, with the value of when it became so",
    )
    proposal: ProposalReport | None = None
    config_rev: int | None = None
    settings_rev: int | None = Field(default=None, description="of the settings that the room runs with")
    settings_error: SettingsError | None = None
    timetable: TimetableReport | None = None
    update: UpdateReport | None = None
    look: LookReport | None = None
    problem: Problem | None = Field(default=None, description="why the lesson failed, or the config was refused")
    at: AwareDatetime


# --- health: numbers ----------------------------------------------------------------------------------------------


class TrackHealth(Wire):
    """Numbers of one track over the last period."""

    captured_hz: float = Field(ge=0, description="pictures, or 20 ms blocks, that the device gave a second")
    encoded_hz: float = Field(ge=0, description="of what is sent; 0 while nobody watches")
    bitrate_bps: int = Field(ge=0, description="of the encoder, before any viewer")
    is_stand_in: bool = False


class Health(Wire):
    """Numbers, each 10 s, in a lesson each 3 s; never stored one by one."""

    sid: Token
    seq: int = Field(ge=0)
    uptime_s: float = Field(ge=0)
    cpu_percent: float = Field(ge=0, description="of one core, the agent with its children")
    memory_mb: float = Field(ge=0, description="proportional set size of the agent with its children")
    viewers: int = Field(ge=0)
    tracks: dict[str, TrackHealth] = Field(default_factory=dict)
    numbers: HealthNumbers = HealthNumbers()
    checks: tuple[Check, ...] | None = Field(
        default=(), max_length=64, description="all, with values; None: as in the last that had them"
    )


# --- config: what shall be ----------------------------------------------------------------------------------------


class Access(Wire):
    """How pupils get into the room's next or present lesson. It exists before Start; the room keeps it on disk."""

    lesson: Token
    code: str = Field(pattern=r"^[A-HJKMNP-TV-Z2-9]{4}-[A-HJKMNP-TV-Z2-9]{4}$")
    link: str = Field(max_length=300, description="the standing link, absolute")


class RoomConfig(Wire):
    """What the centre wishes of a room."""

    name: str = Field(max_length=120)
    access: Access | None = None
    school: str = Field(default="", max_length=120, description="its name")
    settings: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="tables over those of the room's own file; held against `protocol.settings.problems` by who writes "
        "and by the room, and not here, so that a mistake there costs nobody the code of the lesson",
    )
    settings_rev: int = Field(default=0, ge=0, description="grows with the settings alone")
    start: LessonBeginning = "press"
    lessons: tuple[PlannedLesson, ...] = Field(default=(), max_length=60, description="of the next 7 days, by time")
    help: str = Field(default="", max_length=120, description="whom the panel names for help")


class ConfigDocument(Wire):
    """Desired state: whole, never a difference; idempotent by ``rev``."""

    rev: int = Field(ge=0)
    epoch: int = Field(default=0, ge=0, description="of the lease under which it was published")
    config: RoomConfig


# --- events: facts ------------------------------------------------------------------------------------------------


class Event(Wire):
    """A fact with an id. It stays in the room's outbox until the centre has stored it and said so."""

    id: Token
    at: AwareDatetime
    fact: Fact


# --- commands and requests: one envelope --------------------------------------------------------------------------


class Command(Wire):
    """One act, either way. ``deadline`` is in the centre's time, in seconds since 1970."""

    id: Token
    deadline: float
    args: dict[str, Any] = Field(default_factory=dict)


class Answer(Wire):
    """What came of a command: ``ok`` with a result, or an error."""

    ok: bool
    result: dict[str, Any] = Field(default_factory=dict)
    error: Problem | None = None


class IceServer(Wire):
    """As in W3C's RTCIceServer."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


class RtcOffer(Args):
    """``cmd/rtc.offer`` → `RtcAnswer`."""

    viewer: Token
    sdp: str = Field(max_length=65_536)
    ice_servers: tuple[IceServer, ...] = ()
    holder: Token | None = Field(
        default=None, description="the same for all connections of one ticket, and nothing else; absent: not known"
    )


class RtcPublish(Args):
    """``cmd/rtc.publish`` → `RtcAnswer`: somebody wants to send to the room.

    A ``voice`` is a pupil's, and only the holder whose hand is taken is answered; ``shared`` is the screen of another
    computer, and only the holder of `ScreenTold` is. Their ``rtc.candidate`` and ``rtc.close`` are those of a viewer.
    """

    viewer: Token
    sdp: str = Field(max_length=65_536)
    ice_servers: tuple[IceServer, ...] = ()
    holder: Token = Field(description="the same as in the `RtcOffer` of this ticket, or as in `ScreenTold`")
    what: Literal["voice", "shared"] = "voice"


class RtcAnswer(Wire):
    sdp: str


class RtcCandidate(Args):
    """``cmd/rtc.candidate`` → {}; candidates as in ``a=candidate:`` lines, without the ``a=``."""

    viewer: Token
    candidates: tuple[str, ...] = Field(max_length=64)
    mid: str | None = Field(default=None, max_length=16)
    is_last: bool = False


class RtcClose(Args):
    """``cmd/rtc.close`` → {}."""

    viewer: Token
    reason: str = Field(default="left", max_length=80)


class RtcRelay(Args):
    """``cmd/rtc.relay`` → {}: may the holder of this ticket play the lesson from the media server now?

    Refused with ``relay-off``, or ``viewer-not-found`` when it is not in class.
    """

    holder: Token


class LessonStop(Args):
    """``cmd/lesson.stop`` → {}."""

    actor: str = Field(max_length=80)


class LessonPropose(Args):
    """``cmd/lesson.propose`` → {}; somebody in the room accepts it, or it runs out."""

    proposal: Token
    actor: str = Field(max_length=80)
    expires_s: float = Field(default=120, ge=5, le=900)


class LessonMute(Args):
    """``cmd/lesson.mute`` → {}: hold back what is named. There is no way to say that something be let out again."""

    actor: str = Field(max_length=80)
    camera: Literal[False] | None = None
    board: Literal[False] | None = None
    sound: Literal[False] | None = None

    @model_validator(mode="after")
    def _some(self) -> LessonMute:
        if self.camera is self.board is self.sound is None:
            msg = "name camera, board or sound"
            raise ValueError(msg)
        return self


class CheckSeen(Args):
    """``cmd/check.seen`` → {}: somebody at the centre has seen an alarm that stays until then; fine when there is none.

    So far this is the check ``on-air``.
    """

    check: Id
    actor: str = Field(max_length=80)


class SelfTestRun(Args):
    """``cmd/selftest.run`` → `SelfTestNumbers`: test the room; its panel announces it, and may stop it.

    Refused while a lesson runs. The answer takes some 15 s.
    """

    actor: str = Field(max_length=80)


class SelfTestNumbers(Wire):
    """A self-test as the centre may know it: no picture, no sound, no words."""

    state: Literal["done", "stopped"]
    elapsed_s: float = Field(ge=0)
    steps: tuple[SelfTestNumber, ...] = Field(default=(), max_length=32)


class EventAck(Args):
    """``cmd/event.ack`` → {}: the centre has stored these."""

    ids: tuple[Token, ...] = Field(max_length=500)


COMMANDS: dict[str, type[Args]] = {
    "rtc.offer": RtcOffer,
    "rtc.publish": RtcPublish,
    "rtc.candidate": RtcCandidate,
    "rtc.close": RtcClose,
    "rtc.relay": RtcRelay,
    "lesson.stop": LessonStop,
    "lesson.propose": LessonPropose,
    "lesson.mute": LessonMute,
    "check.seen": CheckSeen,
    "selftest.run": SelfTestRun,
    "event.ack": EventAck,
}
"""Every ``cmd/{name}`` with the model of its arguments."""


class TimeAsked(Args):
    """``req/time`` → `TimeTold`: the room learns the offset of its clock at each connection."""

    padding: str = Field(default="", max_length=65_536, description="means nothing: how long it takes is measured")


class TimeTold(Wire):
    now: float = Field(description="the centre's time, seconds since 1970")


class IceAsked(Args):
    """``req/ice`` → `IceTold`: the room tries its ICE servers before a pupil depends on them."""


class IceTold(Wire):
    ice_servers: tuple[IceServer, ...] = Field(default=(), max_length=16)


class UploadAsked(Args):
    """``req/upload`` → `UploadTold`: the room hands a sealed file over (`protocol.shared_file`)."""

    size_bytes: int = Field(ge=1, description="once sealed")
    purpose: Literal["recording", "snapshot", "sound"] = "recording"
    request: Token | None = Field(default=None, description="of the look that it answers")


class UploadTold(Wire):
    """Where to send it, by tus 1.0.0 (HEAD and PATCH), with ``token`` as Bearer, and where people then get it."""

    upload: str = Field(max_length=300, description="absolute address")
    token: str = Field(max_length=64)
    page: str = Field(max_length=300, description="absolute; the key is added as its fragment, which no server sees")
    expires_at: AwareDatetime


class ScreenAsked(Args):
    """``req/screen`` → `ScreenTold`: somebody in the room wants to share the screen of another computer."""


class ScreenTold(Wire):
    """A code that is good for one share in this room; an older one of the room that was not used is void."""

    code: str = Field(max_length=16, description="as people see it: ABCD-EFGH")
    page: str = Field(max_length=300, description="absolute address where the code is typed")
    holder: Token = Field(description="as `RtcPublish` will name whoever used the code")
    life_s: float = Field(gt=0, le=3600, description="so long the code can be used")


REQUESTS: dict[str, type[Args]] = {
    "time": TimeAsked,
    "ice": IceAsked,
    "upload": UploadAsked,
    "screen": ScreenAsked,
}
"""Every ``req/{name}`` with the model of its arguments."""


def utc(seconds: float) -> datetime:
    """Return seconds since 1970 as the aware datetime that messages carry."""
    return datetime.fromtimestamp(seconds, UTC)
