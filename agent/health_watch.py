"""Watches the signal itself: in a lesson 4 × a second, as the devices gave it; while idle a short look now and then.

What a mute, a pause or a frozen board does to what pupils get is nothing here: it was asked for. A device that is lost
says so itself (`agent.device_slot`), and its checks are silent meanwhile: one cause is told once. Only a microphone in
whose place a sound server put another one is a check too, for IT has to mend that.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from agent.baselines import Baselines
from agent.device_slot import DeviceChoice, DeviceSlot
from agent.health.reading import Reading
from agent.health.sound import source_reading
from agent.health.specs import SPECS
from agent.health.tracker import Tracker
from agent.health_settings import HealthSettings
from agent.idle_look import IdleLook
from agent.lesson import Lesson
from agent.media import AudioBlock, Frame
from agent.normal_state import record
from agent.watched import PREFIXES, Recorded, Watched
from protocol.errors import DeviceError, DeviceMovedError, LessonTransitionError
from protocol.lesson import RUNNING, LessonState
from protocol.messages import Check, CheckStatus, DeviceRole

LOOK_S = 0.25
RECORD_S = 4.0
"""Enough for a quiet floor and a picture without noise; a person waits for it."""
LET_GO_S = 5.0
PLUG_SETTLE_S, PLUG_PAUSE_S = 1.0, 10.0
"""From a plug to the look that it causes: a sound server takes it up meanwhile. And from one look to the next, however
often something is plugged in: a bad contact must not keep the camera open."""


async def _unheard(microphone: DeviceChoice) -> float | None:
    return None


MICROPHONE_WRONG = ("sound-dead", "sound-muted", "sound-wrong-source")
"""With one of these, pupils hear the room, and never the teacher."""


class HealthWatch:
    """Owns the checks of camera, board and microphone. ``run`` lives until cancelled; the rest is called on its loop.

    ``on_news`` hears of each look. ``is_turning`` says whether the camera turns now, ``is_tested`` whether a test of
    the room has the devices, ``preset`` on which view the camera stands: "" for one that does not turn, None on none.
    ``loop_gain_db`` plays something in the room and says how loud a microphone heard it, if it did.
    """

    def __init__(
        self,
        settings: HealthSettings,
        lesson: Lesson,
        idle_look: IdleLook,
        baselines: Baselines,
        *,
        on_news: Callable[[], None] = lambda: None,
        is_turning: Callable[[], bool] = lambda: False,
        is_tested: Callable[[], bool] = lambda: False,
        preset: Callable[[], str | None] = lambda: "",
        loop_gain_db: Callable[[DeviceChoice], Awaitable[float | None]] = _unheard,
        record_s: float = RECORD_S,
        plug_s: tuple[float, float] = (PLUG_SETTLE_S, PLUG_PAUSE_S),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._lesson = lesson
        self._idle_look = idle_look
        self._baselines = baselines
        self._on_news = on_news
        self._is_turning = is_turning
        self._is_tested = is_tested
        self._preset = preset
        self._loop_gain_db = loop_gain_db
        self._record_s = record_s
        self._plug_settle_s, self._plug_pause_s = plug_s
        self._clock = clock
        self._now = now
        self._tracker = Tracker()
        self._watched: dict[str, Watched] = {}
        self._seen_preset: str | None = ""
        self._heard: str | None = None
        self._idle_checks: tuple[Check, ...] = ()
        self._recorded: dict[str, Recorded] = {}
        self._recording: asyncio.Task[None] | None = None
        self._idle: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._plugged = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        for slot in lesson.slots:
            slot.tap = partial(self._take, slot.choice.id)
        lesson.on_change(self._lesson_changed)
        lesson.is_dead = self.is_dead
        lesson.is_microphone_wrong = self.is_microphone_wrong

    def checks(self) -> tuple[Check, ...]:
        """Return every check of the signal as it stands."""
        return (*self._tracker.checks(), *self._idle_checks)

    def is_dead(self, microphone: str) -> bool:
        """Whether a microphone gives blocks and nothing real in them, and was not switched off.

        Only where the room's configuration says that it has no switch: who switched a microphone off must not be heard
        by another.
        """
        watched = self._watched.get(microphone)
        has_no_switch = self._settings.microphone_has_switch is False
        return has_no_switch and watched is not None and watched.is_dead(self._clock())

    def is_microphone_wrong(self) -> bool:
        """Whether what the heard microphone gives is known not to be the teacher: nothing, or another source."""
        return any(
            check.id in MICROPHONE_WRONG and check.status in (CheckStatus.CRITICAL, CheckStatus.WARNING)
            for check in self._tracker.checks()
        )

    def board_size(self) -> tuple[int, int] | None:
        """Return width and height of the board's newest picture; None while there is none."""
        sizes = (one.size for one in self._watched.values() if one.choice.role is DeviceRole.BOARD)
        return next(sizes, None)

    @property
    def normal_at(self) -> datetime | None:
        """When somebody last recorded how the room is normally."""
        return self._baselines.made_at

    @property
    def _is_idle(self) -> bool:
        return self._lesson.state in (LessonState.IDLE, LessonState.FAILED)

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(), name="health of the signal")
                if self._settings.idle_look_min:
                    tasks.create_task(self._idle_looks(), name="health while idle")
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _lesson_changed(self) -> None:
        self._changed.set()
        if not self._is_idle:
            self.give_way()  # Start waits for nothing

    # --- in a lesson ----------------------------------------------------------------------------------------------

    def _take(self, device: str, data: Frame | AudioBlock) -> None:
        for taker in (self._watched.get(device), self._recorded.get(device)):
            if taker is not None:
                taker.take(data)

    async def _watch(self) -> None:
        while True:
            if self._lesson.state in RUNNING:
                await self.look()
                await asyncio.sleep(LOOK_S)
                continue
            self._drop(list(self._watched))
            self._changed.clear()
            await self._changed.wait()

    async def look(self) -> None:
        """Look at every device that works, off the loop; `run` does so 4 × a second in a lesson."""
        if self._idle_checks:
            self._idle_checks = ()
        self._drop([id for id in self._watched if not self._slot(id).is_working])
        if self._preset() != self._seen_preset:
            self._seen_preset = self._preset()
            self._drop([id for id, one in self._watched.items() if one.choice.role is DeviceRole.CAMERA])
        heard = self._in_use()
        if heard != self._heard:
            self._heard = heard
            self._tracker.forget(PREFIXES[DeviceRole.MICROPHONE])
        for slot in self._lesson.slots:
            if slot.is_working and slot.choice.id not in self._watched and slot.choice.role in PREFIXES:
                self._watched[slot.choice.id] = self.watched(slot.choice)
                return  # it has nothing yet; the next look has
        looked_at = list(self._watched.values())
        is_turning, mono_s = self._is_turning(), self._clock()
        loop = asyncio.get_running_loop()
        readings = await loop.run_in_executor(
            self._thread, lambda: [one.look(mono_s, is_turning=is_turning) for one in looked_at]
        )
        for one, found in zip(looked_at, readings, strict=True):
            is_of_interest = one.choice.role is not DeviceRole.MICROPHONE or one.choice.id == heard
            if is_of_interest and self._watched.get(one.choice.id) is one:
                self._tracker.take(self._of_interest(found), mono_s, self._now())
        self._tracker.take(self._source(heard), mono_s, self._now())
        self._on_news()

    def _source(self, heard: str | None) -> list[Reading]:
        """Return whether pupils hear the source that was configured; its driver has found out."""
        slot = next((slot for slot in self._lesson.slots if slot.choice.id == heard), None)
        if slot is None:
            return []
        is_moved = slot.problem is not None and slot.problem.code == DeviceMovedError.default_code
        return [source_reading(is_moved=is_moved)] if is_moved or slot.is_working else []

    def _in_use(self) -> str | None:
        """Return the microphone that pupils hear; the checks of sound are of that one."""
        several = self._lesson.microphone_choice
        if several is not None:
            return several.in_use
        return next((slot.choice.id for slot in self._lesson.slots if slot.choice.role is DeviceRole.MICROPHONE), None)

    def _of_interest(self, readings: Sequence[Reading]) -> list[Reading]:
        """Leave out what nobody cares about while the teacher holds the sound back."""
        is_held = self._lesson.paused or not self._lesson.on_air.sound
        return [
            Reading(one.check, CheckStatus.UNKNOWN) if is_held and not SPECS[one.check].while_muted else one
            for one in readings
        ]

    def watched(self, choice: DeviceChoice) -> Watched:
        """Return a new look at a device, with what is normal for it."""
        preset = self._preset()
        return Watched(
            choice,
            camera=None if preset is None else self._baselines.camera(choice.id, preset),
            microphone=self._baselines.microphone(choice.id),
            has_switch=self._settings.microphone_has_switch,
        )

    def _drop(self, devices: Sequence[str]) -> None:
        for device in devices:
            prefix = self._watched.pop(device).prefix
            if prefix != PREFIXES[DeviceRole.MICROPHONE] or device == self._heard:
                self._tracker.forget(prefix)
        if devices:
            self._on_news()

    def _slot(self, device: str) -> DeviceSlot:
        return next(slot for slot in self._lesson.slots if slot.choice.id == device)

    # --- while idle -----------------------------------------------------------------------------------------------

    def plugged(self) -> None:
        """Look soon, if no lesson runs: something was plugged in or out, and a lesson's devices see to themselves."""
        if self._is_idle:
            self._plugged.set()

    async def _idle_looks(self) -> None:
        looked_s = -math.inf
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(60 * self._settings.idle_look_min):
                    await self._plugged.wait()
                    await asyncio.sleep(max(self._plug_settle_s, looked_s + self._plug_pause_s - self._clock()))
            if not self._is_idle:
                self._plugged.clear()
                continue
            if self._is_tested() or self._recording is not None:
                continue
            self._plugged.clear()
            self._idle = asyncio.create_task(self.look_while_idle(), name="idle look")
            try:
                await asyncio.wait({self._idle})
                if not self._idle.cancelled():
                    self._idle.result()
            finally:
                self._idle.cancel()
                await asyncio.wait({self._idle}, timeout=LET_GO_S)
                self._idle = None
                looked_s = self._clock()

    def give_way(self) -> None:
        """End an idle look: somebody needs the devices, and what it would find of them now is nobody's fault."""
        if self._idle is not None:
            self._idle.cancel()

    def _idle_slots(self) -> list[DeviceSlot]:
        """Return camera and microphone."""
        return [slot for slot in self._lesson.slots if slot.choice.role in IdleLook.ROLES]

    async def look_while_idle(self) -> None:
        """Open camera and microphone for a moment, tell what was found, and close them."""
        slots = self._idle_slots()
        found = await self._idle_look.look([self.watched(slot.choice) for slot in slots], self._thread)
        for slot in slots:
            outcome = found.outcomes.get(slot.choice.id)
            if outcome is not None:
                slot.found(outcome.error, outcome.name)
        before = {check.id: check for check in self._idle_checks}
        self._idle_checks = tuple(_as_since(check, before.get(check.id)) for check in found.checks)
        self._lesson.looked_different()
        self._on_news()

    # --- how the room is normally ---------------------------------------------------------------------------------

    async def calibrate(self) -> None:
        """Record how the empty, lit room looks and sounds: some seconds of signal, of which numbers are kept.

        For a person in the room alone. Raises LessonTransitionError when a lesson starts or ends meanwhile, and the
        DeviceError of what cannot be recorded; what could be is kept all the same. Asked twice, it records once.
        """
        if self._recording is None:
            self._recording = asyncio.create_task(self._calibrate(), name="record the normal state")
            self._recording.add_done_callback(self._recorded_it)
        await asyncio.shield(self._recording)

    def _recorded_it(self, task: asyncio.Task[None]) -> None:
        self._recording = None
        if not task.cancelled():
            task.exception()  # told to whoever asked, who may be gone

    async def _calibrate(self) -> None:
        state = self._lesson.state
        in_lesson = state in RUNNING
        if self._is_tested():
            raise LessonTransitionError("cannot record the room's normal state while it is tested; wait a moment")
        if state is LessonState.ENDING:
            raise LessonTransitionError("cannot record the room's normal state while a lesson ends; wait a moment")
        recorded = {
            slot.choice.id: Recorded(slot.choice) for slot in self._idle_slots() if slot.is_working or not in_lesson
        }
        preset, failed = self._preset(), None
        loop_gains_db: dict[str, float | None] = {}
        if in_lesson:
            self._recorded = recorded
            try:
                await asyncio.sleep(self._record_s)
            finally:
                self._recorded = {}
        else:
            loop_gains_db, failed = await self._record_idle(recorded)
        if (self._lesson.state in RUNNING) != in_lesson:
            raise LessonTransitionError("a lesson began or ended meanwhile; record the room's normal state again")
        if preset != self._preset():
            preset = None  # it turned meanwhile
        try:
            if recorded or failed is None:
                await record(
                    recorded, loop_gains_db, self._baselines, self._settings, preset, self._thread, self._now()
                )
        finally:
            self._drop(list(self._watched))  # looked at anew, with what is normal now
            self._lesson.looked_different()
        if failed is not None:
            raise failed

    async def _record_idle(self, recorded: dict[str, Recorded]) -> tuple[dict[str, float | None], DeviceError | None]:
        """Open the devices, and then play something in the room; return how loud its microphone heard it.

        What cannot be opened is taken out of ``recorded``; of those the first error is returned.
        """
        if self._idle is not None:
            self._idle.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(LET_GO_S):
                    await asyncio.wait({self._idle})
        outcomes = await self._idle_look.hold(recorded.values(), self._record_s)
        failed = None
        for id, outcome in outcomes.items():
            if outcome.error is not None:
                del recorded[id]
                failed = failed or outcome.error
        own = [one.choice for one in recorded.values() if one.choice.role is DeviceRole.MICROPHONE]
        return {choice.id: await self._loop_gain_db(choice) for choice in own if not choice.is_spare}, failed


def _as_since(check: Check, before: Check | None) -> Check:
    """Return a check with the time since which it has been so."""
    is_same = before is not None and before.status is check.status
    return check.model_copy(update={"since": before.since}) if before is not None and is_same else check
