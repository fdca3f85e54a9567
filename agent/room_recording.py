"""Recording in the room: the teacher's press, its end with the lesson or the disk, and how long recordings stay.

Nothing here is in the lesson's way: what fails ends the recording, with a sentence on the panel, and no more.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from agent.lesson import Lesson
from agent.recording_retention import CLOCK_WAS_WRONG_BEFORE, RecordingSettings, to_remove
from agent.recordings import Mp4, Recording, Recordings
from agent.sharing import Sharing
from agent.streams.publisher import Publisher
from agent.streams.recorder import Recorder
from protocol.errors import EstradeError, LessonTransitionError, RecordingError
from protocol.messages import Problem
from protocol.panel import PanelRecorded, PanelRecording, PanelRemoved

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0
LOOK_RECORDING_S: Final = 5.0
"""A recording takes 2 MB of the disk in this time at most."""
CLOSE_S: Final = 2.0
"""For what is left to be stored when the agent leaves; a disk that hangs longer is not waited for."""
MOST_REMOVED: Final = 5
"""Sentences about recordings that went by themselves."""


@dataclass(slots=True)
class _Running:
    """One recording as it is made."""

    id: str
    lesson: str
    publisher: Publisher
    recorder: Recorder
    detach: Callable[[], None]
    is_paused: bool
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class RoomRecording:
    """Records the lessons of one room, when asked to, and keeps what was recorded for as long as it may."""

    def __init__(
        self,
        settings: RecordingSettings,
        recordings: Recordings,
        lesson: Lesson,
        sharing: Sharing,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._recordings = recordings
        self._lesson = lesson
        self._sharing = sharing
        self._now = now
        self._running: _Running | None = None
        self._ending: list[_Running] = []
        self._act = asyncio.Lock()
        self._look_now = asyncio.Event()
        self._listed: list[Recording] = []
        self._removed: deque[PanelRemoved] = deque(maxlen=MOST_REMOVED)
        self._problem: Problem | None = None
        self._problem_lesson = ""
        lesson.is_recorded = lambda: self._running is not None
        lesson.on_change(self._lesson_changed)

    async def run(self) -> None:
        """Keep the disk in order until cancelled; a recording that runs then is stored to its end."""
        try:
            await self._look()
            self._tell_of_cut()
            while True:
                period_s = LOOK_S if self._running is None else LOOK_RECORDING_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(period_s):
                        await self._look_now.wait()
                self._look_now.clear()
                await self._close_ended()
                await self._look()
        finally:
            self._end()
            await self._close_ended()

    # --- acts -----------------------------------------------------------------------------------------------------

    async def turn(self, *, is_on: bool) -> None:
        """Begin to record what pupils are sent, or end it; what is so already stays so.

        Raises LessonTransitionError without a lesson, RecordingError ``recording-disk-full`` and ``recording-failed``.
        """
        async with self._act:
            if not is_on:
                self._end()
            elif self._running is None:
                await self._begin()

    async def delete(self, recording_id: str) -> None:
        """Delete a recording for good. Raises RecordingError."""
        self._must_be_over(recording_id)
        await asyncio.to_thread(self._recordings.delete, recording_id)
        self._sharing.forget(recording_id)
        log.info("A recording was deleted by hand", extra={"recording": recording_id})
        await self._look()

    async def open(self, recording_id: str, language: str) -> Mp4:
        """Open a recording as MP4. Raises RecordingError."""
        self._must_be_over(recording_id)
        return await asyncio.to_thread(self._recordings.open, recording_id, language)

    async def share(self, recording_id: str, language: str) -> None:
        """Have a recording sent to the centre and a link made. Raises RecordingError."""
        mp4 = await self.open(recording_id, language)
        mp4.close()
        self._sharing.share(recording_id, language)

    def link(self, recording_id: str) -> str | None:
        """Return the link to a recording, once there is one."""
        shared = self._sharing.view(recording_id)
        return None if shared is None else shared.link

    def view(self) -> PanelRecording:
        """Return what the panel shows of it."""
        running = self._running
        return PanelRecording(
            is_running=running is not None,
            elapsed_s=running.recorder.seconds if running else None,
            problem=self._problem,
            all=tuple(
                PanelRecorded(
                    id=one.id,
                    began_at=one.about.began_at if one.about else None,
                    duration_s=one.duration_s,
                    size_bytes=one.size_bytes,
                    is_whole=one.is_whole,
                    deleted_at=self._settings.deleted_at(one),
                    share=self._sharing.view(one.id),
                )
                for one in self._listed
            ),
            removed=tuple(reversed(self._removed)),
        )

    # --- one recording --------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        publisher, report = self._lesson.publisher, self._lesson.report
        if publisher is None or report is None:
            raise LessonTransitionError(f"cannot record while the lesson is {self._lesson.state}; start it first")
        await self._look()
        if await asyncio.to_thread(self._free_bytes) < self._settings.floor_bytes:
            raise RecordingError(
                f"less than {self._settings.free_floor_gb:g} GB of the disk are free", code="recording-disk-full"
            )
        try:
            file = await asyncio.to_thread(self._recordings.create, report.id)
        except OSError as error:
            raise _as_recording_error(error) from None
        loop = asyncio.get_running_loop()

        def on_failed(error: Exception) -> None:
            loop.call_soon_threadsafe(self._failed, file.id, error)

        recorder = Recorder(file, time.monotonic(), board=publisher.board_shown, on_failed=on_failed)
        if self._lesson.publisher is not publisher:
            await asyncio.to_thread(file.close)
            await asyncio.to_thread(self._recordings.delete, file.id)
            raise LessonTransitionError("cannot record: the lesson ended meanwhile")
        detach = publisher.record(recorder.tracks)
        self._running = _Running(file.id, report.id, publisher, recorder, detach, self._lesson.paused)
        self._problem = None
        recorder.start()
        log.info("Recording begins", extra={"recording": file.id, "lesson": report.id})
        self._look_now.set()
        self._lesson.looked_different()

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.detach()
        running.recorder.stop()
        self._ending.append(running)
        log.info("Recording ended", extra={"recording": running.id, "lesson": running.lesson})
        self._look_now.set()
        self._lesson.looked_different()

    async def _close_ended(self) -> None:
        for running in tuple(self._ending):
            await asyncio.to_thread(running.recorder.join, CLOSE_S)
            self._ending.remove(running)

    def _failed(self, recording_id: str, error: Exception) -> None:
        """Hear that a recorder stopped by itself; the lesson hears nothing of it."""
        told = _as_recording_error(error)
        self._say(told, self._running.lesson if self._running else self._problem_lesson)
        if self._running is not None and self._running.id == recording_id:
            self._end()
        else:
            self._lesson.looked_different()

    def _lesson_changed(self) -> None:
        running = self._running
        report = self._lesson.report
        if report is not None and report.id != self._problem_lesson:
            self._problem = None
        if running is None:
            return
        if self._lesson.publisher is not running.publisher:
            self._end()
        elif self._lesson.paused != running.is_paused:
            running.is_paused = self._lesson.paused
            running.recorder.mark("pause" if running.is_paused else "resume")

    def _say(self, error: EstradeError, lesson: str) -> None:
        self._problem = Problem(code=error.code, message=error.message[:500])
        self._problem_lesson = lesson

    def _tell_of_cut(self) -> None:
        """Say that a lesson which was taken up after a fall is no longer recorded: its recorder fell too."""
        report = self._lesson.report
        if report is None or self._running is not None:
            return
        if any(one.about and one.about.lesson == report.id and not one.is_whole for one in self._listed):
            fallen = RecordingError("the recording ended when the room's program fell", code="recording-cut")
            self._say(fallen, report.id)
            self._lesson.looked_different()

    def _must_be_over(self, recording_id: str) -> None:
        if any(one.id == recording_id for one in (self._running, *self._ending) if one is not None):
            raise RecordingError("this recording is still being made", code="recording-not-found")

    # --- the disk -------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Take out what has to go, list what is left, and end a recording that the disk has no room for."""
        try:
            listed, removed, free_bytes = await asyncio.to_thread(self._tidy)
        except OSError as error:
            log.warning("The recordings cannot be looked through", extra={"reason": error.strerror})
            return
        for recording_id, one in removed:
            self._sharing.forget(recording_id)
            self._removed.append(one)
        is_news = listed != self._listed or bool(removed)
        self._listed = listed
        running = self._running
        if running is not None and free_bytes < self._settings.floor_bytes:
            full = RecordingError("the disk has no more room for the recording", code="recording-disk-full")
            self._say(full, running.lesson)
            self._end()
        elif is_news:
            self._lesson.looked_different()

    def _tidy(self) -> tuple[list[Recording], list[tuple[str, PanelRemoved]], float]:
        now = self._now()
        known = self._recordings.all()
        if now >= CLOCK_WAS_WRONG_BEFORE and any(one.kept_since < CLOCK_WAS_WRONG_BEFORE for one in known):
            for one in known:
                if one.kept_since < CLOCK_WAS_WRONG_BEFORE:
                    self._recordings.keep_from(one.id, now)
            known = self._recordings.all()
        removed = []
        for one, reason in to_remove(known, self._settings, now=now, free_bytes=self._free_bytes()):
            try:
                self._recordings.delete(one.id)
            except RecordingError as error:
                log.warning("A recording is not deleted", extra={"recording": one.id, "reason": error.message})
                continue
            known.remove(one)
            log.info("A recording was deleted", extra={"recording": one.id, "reason": reason})
            told = PanelRemoved(began_at=one.about.began_at if one.about else None, reason=reason)
            removed.append((one.id, told))
        return known, removed, self._free_bytes()

    def _free_bytes(self) -> float:
        folder = self._recordings.folder
        return float(shutil.disk_usage(folder if folder.exists() else folder.parent).free)


def _as_recording_error(error: Exception) -> RecordingError:
    if isinstance(error, RecordingError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RecordingError("the disk is full", code="recording-disk-full")
    reason = error.strerror if isinstance(error, OSError) else type(error).__name__
    return RecordingError(f"the recording cannot be stored ({reason})")
