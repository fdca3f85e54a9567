"""What is wrong with a picture, told from the picture: camera and board."""

from __future__ import annotations

from typing import Literal

from agent.health.baseline import CameraBaseline
from agent.health.board_picture import BoardLooks
from agent.health.camera_picture import Asked, CameraLooks
from agent.health.reading import Reading
from agent.media import Frame
from protocol.messages import CheckStatus

__all__ = ["Asked", "PictureChecks"]

_LATE_S = {"camera": (1.0, 3.0), "board": (12.0, 30.0)}
"""From which age the newest picture is a warning, and critical. A still board is sent again each 5 s only."""


class PictureChecks:
    """Looks at one camera's or board's newest picture, 4 × a second, in a thread; holds what it saw before.

    ``see`` may be called in another thread than ``look``.
    """

    def __init__(
        self, role: Literal["camera", "board"], baseline: CameraBaseline | None = None, asked: Asked | None = None
    ) -> None:
        self._role = role
        self._looks = CameraLooks(baseline, asked) if role == "camera" else BoardLooks()
        self._last: Frame | None = None
        self._began_s: float | None = None

    def see(self, frame: Frame) -> None:
        """Take each picture as it comes, and keep little of it."""
        if isinstance(self._looks, CameraLooks):
            self._looks.see(frame)

    def look(self, frame: Frame | None, mono_s: float, *, is_turning: bool = False) -> tuple[Reading, ...]:
        """Return what the newest picture shows; None: there has been none yet.

        The same frame again is no new picture. ``mono_s`` is CLOCK_MONOTONIC, as the frame's. ``is_turning``: the
        camera was told to move and may still do so. A check that did not look this time has no reading.
        """
        if self._began_s is None:
            self._began_s = mono_s
        came = self._came(frame, mono_s)
        if frame is None or (self._last is not None and _is_same(frame, self._last)):
            return (came,)
        self._last = frame
        return (came, *self._looks.look(frame, mono_s, is_turning=is_turning))

    def _came(self, frame: Frame | None, mono_s: float) -> Reading:
        assert self._began_s is not None
        newest_s = self._began_s if frame is None else frame.captured_mono_s
        age_s = max(0.0, mono_s - newest_s)
        late_s, lost_s = _LATE_S[self._role]
        status = CheckStatus.OK
        if age_s >= late_s:
            status = CheckStatus.CRITICAL if age_s >= lost_s else CheckStatus.WARNING
        id = "picture-no-frames" if self._role == "camera" else "board-picture-no-frames"
        return Reading(id, status, round(age_s, 1), "s")


def _is_same(one: Frame, other: Frame) -> bool:
    return one is other or (one.sequence == other.sequence and one.captured_mono_s == other.captured_mono_s)
