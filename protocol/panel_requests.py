"""What the room's panel sends to the agent over HTTP, one body for each press. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from protocol.messages import Id
from protocol.pages import Body


class PauseBody(Body):
    """``POST /api/lesson/pause``."""

    paused: bool


class FreezeBody(Body):
    """``POST /api/lesson/freeze``: the board's last picture stays for pupils, or the board is shown again."""

    frozen: bool


class FramingBody(Body):
    """``POST /api/lesson/framing``: the camera's picture follows people by itself, or shows what the camera shows."""

    on: bool


class RecordingBody(Body):
    """``POST /api/recording``: record what pupils are sent, or end it."""

    on: bool


class RecordedBody(Body):
    """``POST /api/recording/delete``."""

    id: str = Field(max_length=32)


class ShareBody(Body):
    """``POST /api/recording/share``: send it to the centre and make a link."""

    id: str = Field(max_length=32)
    language: Literal["fr", "en"] = "fr"


class OnAirBody(Body):
    """``POST /api/lesson/on-air``: only what is given changes. ``sound`` false mutes."""

    camera: bool | None = None
    board: bool | None = None
    sound: bool | None = None


class RetryBody(Body):
    """``POST /api/device/retry``: try a device at once whose driver was set aside."""

    device: Id


class MicrophoneBody(Body):
    """``POST /api/lesson/microphone``: hear this one. ``…/microphone/not-now``: do not propose it again."""

    id: str = Field(max_length=64)


Press = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
"""Made anew by the page for each time that somebody holds a button."""
PresetName = Annotated[str, StringConstraints(min_length=1, max_length=48)]
_Speed = Annotated[float, Field(ge=-1, le=1)]


class HoldBody(Body):
    """``POST /api/camera/hold``: a button is held; said again each 0.2 s, or the camera stops after half a second."""

    press: Press
    pan: _Speed = Field(default=0, description="share of the top speed, -1 left … 1 right")
    tilt: _Speed = Field(default=0, description="-1 down … 1 up")
    zoom: _Speed = Field(default=0, description="-1 wide … 1 narrow")


class ReleaseBody(Body):
    """``POST /api/camera/release``: the button is let go; a hold of the same press that comes late is not followed."""

    press: Press


class RecallBody(Body):
    """``POST /api/camera/recall``: go to a preset. ``to_check``: to look at it, while pupils see a stand-in."""

    preset: PresetName
    to_check: bool = False


class StoreBody(Body):
    """``POST /api/camera/store``: make the present view this preset."""

    preset: PresetName


class ConfirmBody(Body):
    """``POST /api/camera/confirm``: somebody in the room looked at this view and found it right."""

    view: PresetName


PupilId = Annotated[str, StringConstraints(pattern=r"^p[0-9]{1,9}$")]


class PupilBody(Body):
    """``POST /api/audience/admit``, ``…/refuse``, ``…/take``, ``…/lower`` and ``…/remove``: this pupil."""

    pupil: PupilId


class AnsweredBody(Body):
    """``POST /api/audience/answered``: this question is answered, aloud as a rule."""

    pupil: PupilId
    id: str = Field(max_length=36)


class LobbyBody(Body):
    """``POST /api/audience/lobby``: newcomers wait until they are let in, or come in at once."""

    on: bool


class LockBody(Body):
    """``POST /api/audience/lock``: nobody new comes in, or the door is open again."""

    on: bool


class SelfTestBody(Body):
    """``POST /api/selftest``: test the room; ``…/stop`` ends it, ``…/close`` puts its result away."""

    asked_by: Literal["panel", "doctor"] = "panel"


class UnlockBody(Body):
    """``POST /api/unlock``: the PIN, for names and code."""

    pin: str = Field(min_length=1, max_length=32)


class ProposalBody(Body):
    """``POST /api/proposal``."""

    id: str = Field(max_length=64)
    accept: bool
