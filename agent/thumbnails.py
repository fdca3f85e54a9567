"""Small pictures of the camera's views: for the panel's buttons, and for whoever has to say whether a view is right.

They are in memory alone, and no longer than the lesson: what is idle keeps no picture (DESIGN §6).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from agent.camera_views import CameraViews
from agent.lesson import Lesson
from agent.media import Frame
from agent.streams.encoders import Picture
from agent.streams.preview import to_jpeg
from protocol.lesson import RUNNING

LOOK_S = 0.5
EACH_S = 5.0
"""How old the thumbnail of the view at hand may be."""
THUMBNAIL_WIDTH_PX = 320
CHECK_WIDTH_PX = 960
"""Large enough that a face beside a mask is seen."""
STALE_S = 1.0


class Thumbnails:
    """Takes them while the camera stands on a view and pupils see it; masked like all that leaves."""

    def __init__(
        self,
        lesson: Lesson,
        views: CameraViews,
        on_change: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lesson = lesson
        self._views = views
        self._on_change = on_change
        self._clock = clock
        self._taken: dict[str, tuple[float, bytes]] = {}
        lesson.on_change(self._lesson_changed)

    async def run(self) -> None:
        """Take them until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._lesson.state not in RUNNING:
                continue
            if (frame := self._newest()) is not None:
                self._views.saw(frame)
            if self._views.turns:
                await self._take()

    def jpeg(self, view: str) -> bytes | None:
        """Return what the camera showed when it last stood on this view in this lesson."""
        taken = self._taken.get(view)
        return taken[1] if taken else None

    def version(self, view: str) -> str | None:
        """Return what changes when the picture does; None while there is none."""
        taken = self._taken.get(view)
        return f"{taken[0]:.3f}" if taken else None

    async def check_picture(self) -> bytes | None:
        """Return what the camera shows now under the masks of the view at hand, when that has to be looked at."""
        frame = self._fresh_frame()
        if frame is None or self._views.to_check is None:
            return None
        return await asyncio.to_thread(_jpeg, self._views.draft(frame), CHECK_WIDTH_PX)

    def _lesson_changed(self) -> None:
        if self._lesson.state not in RUNNING:
            self._taken.clear()

    async def _take(self) -> None:
        views, lesson = self._views, self._lesson
        view, began, publisher = views.at, views.arrived_mono_s, lesson.publisher
        if view is None or views.sight.cover is not None or lesson.paused or not lesson.on_air.camera:
            return
        now_s = self._clock()
        if view in self._taken and now_s - self._taken[view][0] < EACH_S:
            return
        frame = self._fresh_frame()
        if frame is None or frame.captured_mono_s < views.sight.since_mono_s:  # too early: it would be the stand-in
            return
        jpeg = await asyncio.to_thread(lambda: _jpeg(views.screen(frame), THUMBNAIL_WIDTH_PX))
        is_same = (views.at, views.arrived_mono_s, views.sight.cover) == (view, began, None)
        # else it may be the stand-in, or of a lesson that is over
        if is_same and lesson.state in RUNNING and lesson.publisher is publisher:
            self._taken[view] = (now_s, jpeg)
            self._on_change()

    def _newest(self) -> Frame | None:
        publisher = self._lesson.publisher
        frame = publisher.newest_frame("camera") if publisher else None
        return frame if frame is not None and self._clock() - frame.captured_mono_s <= STALE_S else None

    def _fresh_frame(self) -> Frame | None:
        frame = self._newest()
        return frame if frame is not None and self._views.can_be_looked_at(frame) else None


def _jpeg(frame: Frame, width_px: int) -> bytes:
    return to_jpeg(Picture(frame.captured_mono_s, lambda: frame), width_px)
