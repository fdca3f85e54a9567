"""The camera beyond its pictures: turned, looked after on its views, masked. Joins the parts and holds no policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from agent import camera_words as words
from agent.camera_moves import CameraMoves, PtzChoice
from agent.camera_views import FIXED, CameraViews, made_for
from agent.lesson import Lesson
from agent.masks import Mask
from agent.streams.standin import StandIns
from agent.thumbnails import Thumbnails
from agent.view_memory import ViewMemory
from protocol.lesson import RUNNING
from protocol.messages import Check, CheckStatus, Text

TURNING, VIEWS = "camera-turning", "camera-views"
MOVED = "picture-moved"
"""The check of the signal by which a camera that was pushed is known (`agent.health.specs`)."""


class RoomCamera:
    """Make it before other frame filters are added: masks are drawn on the whole picture, and first.

    ``on_change`` hears of what the panel shows, ``on_check`` of a check that changed.
    """

    def __init__(
        self,
        choice: PtzChoice | None,
        masks: Sequence[Mask],
        lesson: Lesson,
        state_dir: Path,
        *,
        on_change: Callable[[], None],
        on_check: Callable[[], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lesson = lesson
        self._on_change = on_change
        self._on_check = on_check
        self._now = now
        self._checks: tuple[Check, ...] = ()
        self._has_moved = False
        memory = ViewMemory(state_dir / "camera-views.json", made_for(choice, masks))
        stand_in = partial(StandIns().picture, "camera", "covered")
        self.views = CameraViews(choice, masks, memory, stand_in, on_change=self._changed)
        self.moves = CameraMoves(choice, watcher=self.views) if choice else None
        self.thumbnails = Thumbnails(lesson, self.views, on_change)
        if self.views.guards:
            lesson.filters["camera"].add(self.views.screen)
        lesson.on_change(self._lesson_changed)
        self._look_at_checks()

    async def run(self) -> None:
        """Keep the camera connected, and take thumbnails, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.thumbnails.run(), name="thumbnails")
            if self.moves is not None:
                tasks.create_task(self.moves.run(), name="camera moves")

    @property
    def is_turning(self) -> bool:
        """Whether the picture moves because it was asked for: no fault of the camera's."""
        return self.moves is not None and (self.moves.is_turning or self.views.heading is not None)

    def hear(self, checks: Sequence[Check]) -> None:
        """Hear what the signal's checks say; a picture that has become another one voids what somebody looked at.

        Only that it became so, once in a lesson: who looks again and says that the view is right is believed, also
        when the camera has been on another view meanwhile, of which the check says nothing.
        """
        status = next((check.status for check in checks if check.id == MOVED), CheckStatus.UNKNOWN)
        if status is CheckStatus.UNKNOWN:
            return
        has_moved = status is not CheckStatus.OK
        if has_moved and not self._has_moved:
            self.picture_moved()
        self._has_moved = has_moved

    def picture_moved(self) -> None:
        """The picture is another one though nothing was turned: somebody moved the camera itself."""
        self.views.moved_by_hand()

    def checks(self) -> tuple[Check, ...]:
        """Return what the room reports of the camera's motor and of its views."""
        return self._checks

    def _lesson_changed(self) -> None:
        is_watched = self._lesson.state in RUNNING
        if is_watched != self.views.is_watched:
            self.views.is_watched, self._has_moved = is_watched, False
            if self.moves is not None:
                self.moves.look_soon()

    def _changed(self) -> None:
        self._look_at_checks()
        self._on_change()

    def _look_at_checks(self) -> None:
        found: list[tuple[str, CheckStatus, Text | None, Text | None]] = []
        if self.moves is not None:
            problem = self.moves.problem
            if self.moves.info is not None:
                found.append((TURNING, CheckStatus.OK, None, None))
            elif problem is None:
                found.append((TURNING, CheckStatus.UNKNOWN, words.UNKNOWN, None))
            else:
                told = words.MESSAGES.get(problem.code, words.OTHER)
                found.append((TURNING, CheckStatus.WARNING, told, words.REMEDY))
        if self.views.guards:
            found.append((VIEWS, *self._state_of_views()))
        before = {check.id: check for check in self._checks}
        checks = []
        for check_id, status, message, remedy in found:
            old = before.get(check_id)
            since = old.since if old is not None and old.status is status else self._now()
            checks.append(Check(id=check_id, status=status, since=since, message=message, remedy=remedy))
        is_news = tuple(checks) != self._checks
        self._checks = tuple(checks)
        if is_news and before:
            self._on_check()

    def _state_of_views(self) -> tuple[CheckStatus, Text | None, Text | None]:
        views = self.views
        names = [name for name in self.moves.choice.presets if views.is_guarded(name)] if self.moves else [FIXED]
        doubtful = [name for name in names if not views.is_right(name)]
        if not doubtful:
            return CheckStatus.OK, None, None
        has_moved = any(views.has_moved(name) for name in doubtful)
        return CheckStatus.WARNING, words.MOVED if has_moved else words.TO_CHECK, words.LOOK
