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


# --- pupil → room -------------------------------------------------------------------------------------------------


class Hello(Wire):
    """First message of a page: who it is (the name may be empty) and whether it stands in the room itself."""

    type: Literal["hello"] = "hello"
    name: Name = ""
    is_in_room: bool = False


class Reception(Wire):
    """What the page really gets, each 2 s: "n of N pupils hear and see you" is made of these."""

    type: Literal["reception"] = "reception"
    board_fps: float = Field(ge=0, description="board pictures presented a second")
    camera_fps: float = Field(ge=0)
    is_heard: bool = Field(description="sound packets arrive and the page plays them")
    loss_percent: float = Field(ge=0, le=100)
    rtt_ms: float | None = Field(default=None, ge=0)


class Bye(Wire):
    """The page is closed."""

    type: Literal["bye"] = "bye"


FromPupil = Annotated[Hello | Reception | Bye, Field(discriminator="type")]
FROM_PUPIL: TypeAdapter[Hello | Reception | Bye] = TypeAdapter(FromPupil)


# --- room → pupil -------------------------------------------------------------------------------------------------


class Notice(Wire):
    """The lesson as the pupil may know it: at once after ``hello`` and on every change."""

    type: Literal["notice"] = "notice"
    room: str = Field(max_length=120, description="name of the room")
    state: LessonState
    paused: bool
    on_air: OnAir
    frozen: bool = Field(default=False, description="the teacher holds the board's picture as it was")
    elapsed_s: float = Field(ge=0)
    viewers: int = Field(ge=0)
    stand_in: tuple[Literal["camera", "board", "sound"], ...] = Field(
        default=(), description="tracks whose device is away, so that a stand-in is sent"
    )


class Ended(Wire):
    """The lesson is over, or this viewer is shown out; the connection closes after it."""

    type: Literal["ended"] = "ended"
    reason: Literal["lesson-ended", "room-closing", "removed"]


FromRoom = Annotated[Notice | Ended, Field(discriminator="type")]
FROM_ROOM: TypeAdapter[Notice | Ended] = TypeAdapter(FromRoom)
