"""The lesson channel: what a pupil's page and the room say to each other over the WebRTC data channel ``lesson``.

JSON text, one message each, told apart by ``type``. Names live only here, in the agent's memory and on the pupils'
own connections, for as long as the lesson (DESIGN §4).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter

from protocol.lesson import LessonState
from protocol.messages import OnAir, Wire

LABEL = "lesson"
MAX_MESSAGE_BYTES = 16_384

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)]
LevelDbfs = Annotated[int, Field(ge=-127, le=0)]
Source = Literal["room", "media-server"]
"""Where a page's sound and pictures come from."""
Output = Literal["playing", "blocked", "muted", "volume-0"]
"""Let out; held back by the browser until the page is touched; muted here; let out at volume 0."""


# --- pupil → room -------------------------------------------------------------------------------------------------


class Hello(Wire):
    """First message of a page: who it is (the name may be empty) and whether it stands in the room itself."""

    type: Literal["hello"] = "hello"
    name: Name = ""
    is_in_room: bool = False


class Reception(Wire):
    """What the page really gets, each second: "7 of 8 pupils hear and see you" is made of these."""

    type: Literal["reception"] = "reception"
    board_fps: float = Field(ge=0, description="board pictures presented a second")
    camera_fps: float = Field(ge=0)
    is_heard: bool = Field(description="sound packets arrive and the page plays them")
    loss_percent: float = Field(ge=0, le=100)
    rtt_ms: float | None = Field(default=None, ge=0)
    output: Output = Field(default="playing", description="what becomes of the sound here")
    levels_dbfs: tuple[LevelDbfs, ...] = Field(
        default=(), max_length=25, description="RMS of the sound that was played, 40 ms each, oldest first"
    )
    played_rtp: int | None = Field(
        default=None, ge=0, lt=1 << 32, description="RTP time of what was played at the end of the last level"
    )


class Wish(Wire):
    """How much the pupil wants to be sent, and what first."""

    type: Literal["wish"] = "wish"
    use: Literal["automatic", "save-data", "sound-only"] = "automatic"
    reads_lips: bool = Field(default=False, description="the camera at 25 pictures a second before all else")


class Hand(Wire):
    """The pupil raises a hand, or takes it down."""

    type: Literal["hand"] = "hand"
    is_raised: bool


class Question(Wire):
    """A written question. The page makes the id, so that one sent again is still one question."""

    type: Literal["question"] = "question"
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,36}$")]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Reaction(Wire):
    """One tap; shown on the panel for some seconds and counted nowhere."""

    type: Literal["reaction"] = "reaction"
    kind: Literal["yes", "no", "lost", "slower", "applause"]


class CannotHear(Wire):
    """One tap *Je n'entends pas*, with what the page found when it checked itself."""

    type: Literal["cannot-hear"] = "cannot-hear"
    found: Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,24}$")]


class CanHear(Wire):
    """Takes back `CannotHear`: the pupil tapped that it hears again, or its page found that what was wrong is over."""

    type: Literal["can-hear"] = "can-hear"


class PlaysFrom(Wire):
    """Where the page's sound and pictures really come from, on each change; the room sends media or rests by it.

    ``room`` also when the media server gives nothing: then the room sends again.
    """

    type: Literal["plays-from"] = "plays-from"
    source: Source


class Bye(Wire):
    """The page is closed."""

    type: Literal["bye"] = "bye"


FromPupil = Hello | Reception | Wish | Hand | Question | Reaction | CannotHear | CanHear | PlaysFrom | Bye
FROM_PUPIL: TypeAdapter[FromPupil] = TypeAdapter(Annotated[FromPupil, Field(discriminator="type")])


# --- room → pupil -------------------------------------------------------------------------------------------------


class Notice(Wire):
    """The lesson as the pupil may know it: at once after ``hello`` and on every change."""

    type: Literal["notice"] = "notice"
    room: str = Field(max_length=120, description="name of the room")
    state: LessonState
    paused: bool
    on_air: OnAir
    frozen: bool = Field(default=False, description="the teacher holds the board's picture as it was")
    recording: bool = Field(default=False, description="what pupils are sent is recorded in the room, now")
    pupil_speaks: bool = Field(default=False, description="the other pupils hear one whose hand is taken, now")
    elapsed_s: float = Field(ge=0)
    viewers: int = Field(ge=0)
    stand_in: tuple[Literal["camera", "board", "sound"], ...] = Field(
        default=(), description="tracks whose device is away, so that a stand-in is sent"
    )


class You(Wire):
    """What concerns this pupil alone: at once after ``hello`` and on every change. Always the whole of it."""

    type: Literal["you"] = "you"
    is_admitted: bool = Field(default=True, description="false: knocked, and waits in the lobby without any media")
    hand: Literal["down", "raised", "taken"] = "down"
    place: int | None = Field(default=None, ge=1, description="of the raised hand in the queue")
    may_speak: bool = Field(default=False, description="the hand is taken: the page may ask for the microphone")


class Talk(Wire):
    """How it stands with the pupil who speaks: to that pupil alone, on every change while its microphone is connected.

    ``heard``: the room's loudspeaker plays it. ``no-loudspeaker``: the room has none, only the other pupils hear it.
    """

    type: Literal["talk"] = "talk"
    state: Literal["waiting", "heard", "no-loudspeaker", "paused", "ended"]
    is_room_muted: bool = Field(default=False, description="the room's sound is held back: no other pupil hears it")
    reason: Literal["teacher", "left", "lost", "time"] | None = Field(default=None, description="why it has ended")


class QuestionState(Wire):
    """What became of a question."""

    type: Literal["question-state"] = "question-state"
    id: str
    state: Literal["received", "answered", "refused"]


class Sending(Wire):
    """What the room sends this pupil, and why not more."""

    type: Literal["sending"] = "sending"
    sound: str | None = Field(description="name of the layer; None: nothing of the track")
    board: str | None = Field(description="name of the layer, or `tiles`")
    camera: str | None
    why: Literal["best", "line", "wish", "machine", "uplink", "decoder"]


class Caption(Wire):
    """A sentence that is said; one with the same id takes the place of the one before until it is final."""

    type: Literal["caption"] = "caption"
    id: int = Field(ge=0)
    text: str = Field(max_length=300)
    language: str = Field(default="fr", max_length=16)
    is_final: bool = True


class PlayFrom(Wire):
    """Where to get sound and pictures from now on. Without this it is the room.

    ``media-server``: the page offers twice to ``/whep/{room}``, with ``?stream=lesson`` for sound and camera and with
    ``?stream=board``, beside the connection it has, and says `PlaysFrom` when both arrive.
    """

    type: Literal["play-from"] = "play-from"
    source: Source


class Ended(Wire):
    """The lesson is over, or this viewer is shown out; the connection closes after it.

    ``refused``: not let in from the lobby. ``misused``: too much of what came was not of its form.
    """

    type: Literal["ended"] = "ended"
    reason: Literal["lesson-ended", "room-closing", "removed", "refused", "misused"]


FromRoom = Notice | You | Talk | QuestionState | Sending | Caption | PlayFrom | Ended
FROM_ROOM: TypeAdapter[FromRoom] = TypeAdapter(Annotated[FromRoom, Field(discriminator="type")])
