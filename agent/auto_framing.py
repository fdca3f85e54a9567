"""Auto-framing in a lesson: who is in the camera's picture decides what part of it is sent, or how the camera turns.

It looks at what leaves the room and at nothing else: masked, only in a lesson, only while the camera is on air and
somebody looks. Off, paused or in trouble it shows what the camera shows. The detector is imported when it is first
turned on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from agent.camera_moves import CameraMoves
from agent.media import Frame, FrameFilters
from protocol.errors import DeviceError, LessonTransitionError
from protocol.panel import FramingDoing, PanelFraming

if TYPE_CHECKING:
    from agent.framing.people import Person
    from agent.framing.planner import Planner
    from agent.framing.steering import Steering
    from agent.framing.watcher import Detector, WatchCounts, Watcher

log = logging.getLogger(__name__)

JOIN_S = 1.0


class FramingSettings(BaseModel):
    """``[framing]``: without the table there is no auto-framing, and nothing of it is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["crop", "ptz"]
    at_start: bool = False
    """Whether a lesson begins with it turned on."""


def make_detector() -> Detector:
    """Load the detector; takes some tens of ms and 50 MB."""
    from agent.framing.detector import PersonDetector

    return PersonDetector()


class AutoFraming:
    """One room's. Everything is called on the loop, but for the frame filter, which is put last of all.

    ``may_follow``, asked in any thread, says whether the picture may be framed now; while not, all of it is shown.
    ``on_change`` hears of what a person can see.
    """

    def __init__(
        self,
        settings: FramingSettings,
        filters: FrameFilters,
        moves: CameraMoves | None,
        *,
        on_change: Callable[[], None] = lambda: None,
        may_follow: Callable[[], bool] = lambda: True,
        make: Callable[[], Detector] = make_detector,
    ) -> None:
        self._settings = settings
        self._moves = moves
        self._on_change = on_change
        self._may_follow = may_follow
        self._make = make
        self._lock = threading.Lock()
        """Of the planner: frames are made in the encoders' threads."""
        self._planner: Planner | None = None
        self._steering: Steering | None = None
        self._watcher: Watcher | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_lesson = False
        self._has_failed = False
        self._is_followed = False
        """With a camera that turns: whether anybody is there to be followed."""
        self._told: FramingDoing = "off"
        filters.add(self._shown, is_last=True)

    @property
    def doing(self) -> FramingDoing:
        """What it does now."""
        if self._watcher is None:
            return "failed" if self._has_failed else "off"
        if not self._may_follow() or (self._moves is not None and self._moves.is_a_persons):
            return "waiting"
        if self._steering is not None:
            return "following" if self._is_followed else "wide"
        return self._planner.doing if self._planner is not None else "wide"

    def view(self) -> PanelFraming:
        """Return what the panel shows of it."""
        return PanelFraming(mode=self._settings.mode, is_on=self._watcher is not None, doing=self.doing)

    def lesson_is(self, is_running: bool) -> None:
        """Hear whether a lesson runs. Each begins as the room is configured, whatever was turned in the last."""
        if is_running == self._is_lesson:
            return
        self._is_lesson = is_running
        self._end()
        self._has_failed = False
        with self._lock:
            self._planner = None
        if is_running and self._settings.at_start:
            self._begin()

    def turn(self, *, is_on: bool) -> None:
        """Turn it on or off. Raises LessonTransitionError outside of a lesson."""
        if not self._is_lesson:
            raise LessonTransitionError("cannot frame by itself while no lesson runs; start one first")
        if is_on:
            self._begin()
        else:
            self._end()
            self._has_failed = False
        self._tell()

    # --- its life -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._watcher is not None:
            return
        from agent.framing.planner import Planner
        from agent.framing.steering import Steering
        from agent.framing.watcher import Watcher

        self._has_failed = self._is_followed = False
        self._loop = asyncio.get_running_loop()
        if self._settings.mode == "ptz":
            self._steering = Steering()
        else:
            with self._lock:
                self._planner = self._planner or Planner()
        watcher = Watcher(
            self._make, lambda people, at: self._seen(watcher, people, at), lambda e: self._fell(watcher, e)
        )
        self._watcher = watcher
        watcher.start()
        log.info("Auto-framing begins", extra={"mode": self._settings.mode})

    def _end(self) -> None:
        """Look no more; what is shown goes back to the whole picture by itself."""
        watcher, self._watcher = self._watcher, None
        if watcher is None:
            return
        watcher.stop()
        with self._lock:
            if self._planner is not None:
                self._planner.rest()
        if self._steering is not None:
            self._steering = None
            self._turn_camera((0.0, 0.0, 0.0))
        log.info("Auto-framing ends", extra={"looks": watcher.counts.looks, "busy_s": round(watcher.counts.busy_s, 2)})

    def close(self) -> WatchCounts | None:
        """End it with the agent; return what it did since it was turned on. Waits a moment, for the look at hand."""
        watcher = self._watcher
        self._end()
        if watcher is None:
            return None
        watcher.join(JOIN_S)
        return watcher.counts

    # --- what happens meanwhile -----------------------------------------------------------------------------------

    def _shown(self, frame: Frame) -> Frame:
        """The frame filter. Any thread."""
        watcher, may_follow = self._watcher, self._may_follow()
        if watcher is not None and may_follow:
            watcher.show(frame)
        with self._lock:
            planner = self._planner
            if planner is None:
                return frame
            if not may_follow:
                planner.cut()
                return frame
            planner.fit(frame.width_px)
            view = planner.view(frame.captured_mono_s)
        from agent.framing.crop import crop

        return crop(frame, view)

    def _seen(self, watcher: Watcher, people: Sequence[Person], mono_s: float) -> None:
        """In the watcher's thread."""
        with self._lock:
            if self._planner is not None and self._watcher is watcher:
                self._planner.saw(people, mono_s)
        self._post(watcher, lambda: self._steer(people, mono_s))

    def _fell(self, watcher: Watcher, error: BaseException) -> None:
        """In the watcher's thread, its last act."""
        log.error("Auto-framing fell; the whole picture is shown", exc_info=error)
        self._post(watcher, self._give_up)

    def _post(self, watcher: Watcher, act: Callable[[], None]) -> None:
        def do() -> None:
            if self._watcher is watcher:
                act()

        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(do)
        except RuntimeError:  # the loop is closed: the agent is gone
            return

    def _give_up(self) -> None:
        self._end()
        self._has_failed = True
        self._tell()

    def _steer(self, people: Sequence[Person], mono_s: float) -> None:
        steering, moves = self._steering, self._moves
        if steering is not None and moves is not None:
            info = moves.info
            self._is_followed = bool(people)
            if moves.is_a_persons or not self._may_follow() or info is None or "pan-tilt" not in info.capabilities:
                steering.stand()
            else:
                steering.can_zoom = "zoom" in info.capabilities
                was_turning = steering.is_turning
                speeds = steering.saw(people, mono_s)
                if any(speeds) or was_turning:
                    self._turn_camera(speeds)
        self._tell()

    def _turn_camera(self, speeds: tuple[float, float, float]) -> None:
        if self._moves is None or self._moves.info is None:
            return
        try:
            self._moves.follow(*speeds)
        except DeviceError as error:
            log.debug("The camera does not follow", extra={"reason": error.message})

    def _tell(self) -> None:
        if self.doing != self._told:
            self._told = self.doing
            self._on_change()
