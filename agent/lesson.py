"""The lesson: the table of states joined to devices and streams. The one owner of what happens in the room.

Panel and commands call ``start``, ``stop``, ``set_paused``, ``set_frozen``, ``set_on_air``, ``propose`` and
``answer_proposal``; all refuse with a LessonTransitionError what the present state does not take. ``run`` carries the
lessons out in turn.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

from agent import on_air
from agent.device_slot import DeviceChoice, DeviceSlot
from agent.devices.capture import CaptureHost
from agent.kept_lesson import BEAT_S, KeptLesson, LessonKeeper
from agent.media import FrameFilters
from agent.outbox import Outbox
from agent.streams.publisher import Publisher, StreamSettings, ViewerChange
from protocol.channel import Notice
from protocol.errors import LessonError, LessonTransitionError
from protocol.lesson import RUNNING, LessonEvent, LessonState, advance
from protocol.messages import (
    Access,
    DeviceBack,
    DeviceLost,
    DeviceRole,
    LessonEnded,
    LessonReport,
    LessonStarted,
    OnAir,
    Problem,
    ProposalAnswered,
    ProposalReport,
    Sign,
    Text,
    ViewerJoined,
    ViewerLeft,
)
from protocol.pages import PanelSummary

log = logging.getLogger(__name__)

PREPARE_MOST_S = 3.0
"""A device that shows nothing by then is missing, and the lesson begins without it (a cold start is given 3 s)."""
CLOSE_MOST_S = 2.0
"""Viewers are told and devices closed within this. Past it the agent is told apart from a healthy one: its heart for a
lesson's end stops, and the watchdog ends it."""

Origin = Literal["panel", "proposal", "resumed"]
_TRACKS: dict[DeviceRole, Literal["camera", "board", "sound"]] = {
    DeviceRole.CAMERA: "camera",
    DeviceRole.BOARD: "board",
    DeviceRole.MICROPHONE: "sound",
}
_MISSING = {
    DeviceRole.CAMERA: Text(fr="La caméra a manqué.", en="The camera was missing."),
    DeviceRole.MICROPHONE: Text(fr="Le micro a manqué.", en="The microphone was missing."),
    DeviceRole.BOARD: Text(fr="Le tableau a manqué.", en="The board was missing."),
}


@dataclass(slots=True)
class _Run:
    """What belongs to one lesson and is thrown away with it."""

    report: LessonReport
    publisher: Publisher
    began_mono_s: float
    taken_up_mono_s: float
    falls: int = 0
    stop_asked: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = "failed"
    viewers_most: int = 0
    roles_lost: set[DeviceRole] = field(default_factory=set)


class Lesson:
    """The room's lesson. ``on_change`` listeners are called, on the loop, when something a person can see changed."""

    def __init__(
        self,
        room_name: Callable[[], str],
        choices: Sequence[DeviceChoice],
        host: CaptureHost,
        streams: StreamSettings,
        outbox: Outbox,
        keeper: LessonKeeper,
        departures: on_air.Departures,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room_name = room_name
        self._host = host
        self._streams = streams
        self._outbox = outbox
        self._keeper = keeper
        self._departures = departures
        self._now = now
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._asked = asyncio.Event()
        self._run_now: _Run | None = None
        self._cut_off: _Run | None = None
        self._proposal_timer: asyncio.TimerHandle | None = None
        self._used_lessons: set[str] = set()
        self.slots = tuple(DeviceSlot(choice, host, self._device_changed) for choice in choices)
        self.filters = {"camera": FrameFilters(), "board": FrameFilters()}
        self.state = LessonState.IDLE
        self.paused = False
        self.frozen = False
        self.on_air = OnAir()
        self.muted_from_afar = False
        """Whether it was the centre that muted the sound, and nobody here has changed that since."""
        self.access: Access | None = None
        self.proposal: ProposalReport | None = None
        self.summary: PanelSummary | None = None
        self.problem: Problem | None = None
        self.interrupted: KeptLesson | None = None
        """A lesson that a power cut ended, and that somebody in the room may go on with."""

    # --- what others see ------------------------------------------------------------------------------------------

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every change that a person can see."""
        self._listeners.append(listener)

    @property
    def report(self) -> LessonReport | None:
        return self._run_now.report if self._run_now else None

    @property
    def elapsed_s(self) -> float | None:
        return self._clock() - self._run_now.began_mono_s if self._run_now else None

    @property
    def publisher(self) -> Publisher | None:
        """The publisher of the lesson that runs; None when no viewer is welcome."""
        return self._run_now.publisher if self._run_now and self.state in RUNNING else None

    def welcome(self) -> Publisher:
        """Return the publisher for a viewer who asks to come in, or raise why not."""
        publisher = self.publisher
        if publisher is None:
            raise LessonError(
                "the lesson in this room has not begun; ask again when it has",
                code="lesson-not-started",
                retryable=True,
            )
        return publisher

    def sign(self) -> Sign:
        """Return the on-air sign, from open devices and packets that left."""
        return on_air.sign(
            devices_open=sum(slot.is_held for slot in self.slots),
            last_packet_mono_s=self._departures.last_packet_mono_s,
            mono_s=self._clock(),
        )

    def missing(self) -> tuple[DeviceRole, ...]:
        """Return the roles whose device the running lesson goes without."""
        if self.state not in RUNNING:
            return ()
        return tuple(dict.fromkeys(slot.role for slot in self.slots if slot.problem is not None))

    def notice(self) -> Notice:
        """Return the lesson as a pupil may know it."""
        publisher = self._run_now.publisher if self._run_now else None
        return Notice(
            room=self._room_name(),
            state=self.state,
            paused=self.paused,
            frozen=self.frozen,
            on_air=self.on_air,
            elapsed_s=self.elapsed_s or 0.0,
            viewers=publisher.connected if publisher else 0,
            stand_in=tuple(_TRACKS[role] for role in self.missing() if role in _TRACKS),
        )

    # --- acts -----------------------------------------------------------------------------------------------------

    def start(self, origin: Origin = "panel") -> None:
        """Begin a lesson; devices open in the background. Raises LessonTransitionError when one runs already."""
        lesson = self.access.lesson if self.access else ""
        if not lesson or lesson in self._used_lessons:
            lesson = f"room-{secrets.token_hex(6)}"
        self._begin(LessonReport(id=lesson, started_at=self._now(), origin=origin), None)

    def take_up(self) -> None:
        """Go on with the lesson under which an earlier run of the agent fell, or have the panel ask. Once, at start."""
        kept = self._keeper.load()
        if kept is None:
            return
        verdict = self._keeper.verdict(kept)
        log.info("A lesson was left running", extra={"lesson": kept.lesson, "verdict": verdict})
        self.interrupted = kept
        if verdict == "resume":
            self.resume()
        elif verdict == "forget":
            self.drop_interrupted()

    def resume(self) -> None:
        """Go on with the interrupted lesson, paused and muted as it was. Raises LessonError when there is none."""
        kept = self.interrupted
        if kept is None:
            raise LessonError("there is no interrupted lesson to go on with", code="lesson-not-found")
        self._begin(LessonReport(id=kept.lesson, started_at=kept.started_at, origin="resumed"), kept)

    def drop_interrupted(self) -> None:
        """End the interrupted lesson for good."""
        kept, self.interrupted = self.interrupted, None
        if kept is not None:
            self._keeper.forget()
            duration_s = max(0.0, (kept.alive_at - kept.started_at).total_seconds())
            self._tell_ended(kept.lesson, "interrupted", duration_s, kept.viewers_most)
            self._changed()

    def leave(self) -> None:
        """The agent is told to stop: what `run` left running is over, and is not resumed."""
        run, self._cut_off = self._cut_off, None
        if run is not None:
            self._keeper.forget()
            self._tell_ended(run.report.id, "the agent stops", self._clock() - run.began_mono_s, run.viewers_most)

    def _begin(self, report: LessonReport, kept: KeptLesson | None) -> None:
        self._advance(LessonEvent.START)
        self._settle_proposal("accepted")
        if kept is None:
            self.drop_interrupted()
        self.interrupted = None
        self._used_lessons.add(report.id)
        self.paused = kept.paused if kept else False
        self.frozen = kept.frozen if kept else False
        self.on_air = kept.on_air if kept else OnAir()
        self.muted_from_afar = kept.muted_from_afar if kept else False
        self.summary = self.problem = None
        mono_s = self._clock()
        if kept is not None and kept.boot == self._keeper.boot:
            began_mono_s = kept.began_mono_s
        else:  # a new lesson, or one from before a reboot, whose monotonic times mean nothing now
            began_mono_s = mono_s - max(0.0, (self._now() - report.started_at).total_seconds())
        self._run_now = run = _Run(
            report=report,
            publisher=Publisher(
                self._streams,
                notice=self.notice,
                on_viewer=self._viewer_changed,
                on_packet=partial(self._departures.packet_left, report.id),
                filters=self.filters,
            ),
            began_mono_s=began_mono_s,
            taken_up_mono_s=mono_s,
            falls=self._keeper.falls(kept) if kept else 0,
            viewers_most=kept.viewers_most if kept else 0,
        )
        run.publisher.set_on_air(self.on_air, self.paused)
        run.publisher.set_frozen(self.frozen)
        self._departures.lesson_is(report.id)
        self._asked.set()
        self._keep()
        self._outbox.add(LessonStarted(lesson=report.id, origin=report.origin))
        log.info("Lesson begins", extra={"lesson": report.id, "origin": report.origin})
        self._changed()

    def _keep(self, *, is_over: bool = False) -> None:
        run = self._run_now
        if run is not None and (self.state in RUNNING or is_over):
            self._keeper.keep(
                KeptLesson(
                    boot=self._keeper.boot,
                    lesson=run.report.id,
                    started_at=run.report.started_at,
                    began_mono_s=run.began_mono_s,
                    taken_up_mono_s=run.taken_up_mono_s,
                    alive_mono_s=self._clock(),
                    alive_at=self._now(),
                    paused=self.paused,
                    frozen=self.frozen,
                    on_air=self.on_air,
                    muted_from_afar=self.muted_from_afar,
                    viewers_most=run.viewers_most,
                    falls=run.falls,
                    is_over=is_over,
                )
            )

    def stop(self, reason: str) -> None:
        """End the lesson. Raises LessonTransitionError when none runs."""
        if self.state is LessonState.ENDING:
            return
        self._advance(LessonEvent.END)
        self._keep(is_over=True)
        if self._run_now is None:  # it had failed: nothing is left to close
            self._advance(LessonEvent.CLOSED)
            self.problem = None
        else:
            self._run_now.reason = reason
            self._run_now.stop_asked.set()
        self._changed()

    def set_paused(self, paused: bool) -> None:
        """Send a standing picture and silence, or go on. Independent of mute."""
        self._must_run("pause")
        self.paused = paused
        self._on_air_changed()

    def set_frozen(self, frozen: bool) -> None:
        """Keep the board's last picture for pupils while the next is prepared, or show the board again."""
        self._must_run("freeze the board")
        self.frozen = frozen
        self._on_air_changed()

    def set_on_air(
        self,
        *,
        camera: bool | None = None,
        board: bool | None = None,
        sound: bool | None = None,
        from_afar: bool = False,
    ) -> None:
        """Let out, or hold back, camera, board and sound; None leaves as it is."""
        self._must_run("change what is on air")
        if sound is not None:
            self.muted_from_afar = from_afar and not sound and (self.on_air.sound or self.muted_from_afar)
        wanted = {"camera": camera, "board": board, "sound": sound}
        self.on_air = self.on_air.model_copy(
            update={name: value for name, value in wanted.items() if value is not None}
        )
        self._on_air_changed()

    def propose(self, proposal: str, actor: str, expires_s: float) -> None:
        """Ask the people in the room for a start; nobody opens a microphone from a distance (DESIGN §6)."""
        if self.state not in (LessonState.IDLE, LessonState.FAILED):
            raise LessonTransitionError(
                f"cannot propose a start while the lesson is {self.state}; wait until it is idle"
            )
        self._settle_proposal("expired")
        self.proposal = ProposalReport(id=proposal, actor=actor, expires_at=self._now() + timedelta(seconds=expires_s))
        self._proposal_timer = asyncio.get_running_loop().call_later(expires_s, self._proposal_ran_out)
        self._changed()

    def answer_proposal(self, proposal: str, *, accept: bool) -> None:
        """Accept (the lesson begins) or refuse what was proposed. Raises LessonError when it is no longer there."""
        if self.proposal is None or self.proposal.id != proposal:
            raise LessonError("there is no such proposal any more; it may have run out", code="proposal-none")
        if accept:
            self.start("proposal")
        else:
            self._settle_proposal("refused")
            self._changed()

    def set_access(self, access: Access | None) -> None:
        """Take the code and link that the centre made ahead."""
        self.access = access
        self._changed()

    def looked_different(self) -> None:
        """Tell the listeners that something changed by itself: a packet left, a page began or ceased to receive."""
        self._changed()

    # --- carrying it out ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Carry lessons out, one at a time, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            run = self._run_now
            assert run is not None
            try:
                await self._carry_out(run)
            except asyncio.CancelledError:
                self._cut_off, self._run_now = run, None  # `leave` says whether it is over
                raise
            except Exception:
                run.reason = "a fault in the agent"
                self.problem = Problem(code="internal", message="the lesson fell; press Start to begin again")
                log.exception("The lesson fell", extra={"lesson": run.report.id})
                self._advance(LessonEvent.FAULT)
            self._close(run)

    async def _carry_out(self, run: _Run) -> None:
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(run.publisher.run(), name="publisher")]
            work += [tasks.create_task(slot.run(run.publisher), name=f"device {slot.choice.id}") for slot in self.slots]
            prepare = tasks.create_task(self._leave_preparing(), name="prepare")
            beat = tasks.create_task(self._beat(), name="keep the lesson")
            if not self.slots:
                self._judge_devices()
            await run.stop_asked.wait()
            prepare.cancel()
            beat.cancel()
            await self._end(work)

    async def _end(self, work: list[asyncio.Task[None]]) -> None:
        for task in work:
            task.cancel()
        _, late = await asyncio.wait(work, timeout=CLOSE_MOST_S)
        if late:
            log.error("Parts of the lesson do not close", extra={"tasks": ", ".join(task.get_name() for task in late)})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self._keep()

    async def _leave_preparing(self) -> None:
        await asyncio.sleep(PREPARE_MOST_S)
        if self.state is LessonState.PREPARING:
            for slot in self.slots:
                if not slot.has_outcome:
                    slot.give_up_waiting(PREPARE_MOST_S)
            self._judge_devices()

    def _close(self, run: _Run) -> None:
        duration_s = self._clock() - run.began_mono_s
        self._run_now = None
        if self.access:  # whatever the lesson was called here: the centre ends the one whose code was shown meanwhile
            self._used_lessons.add(self.access.lesson)
        if self.state is LessonState.ENDING:
            self._advance(LessonEvent.CLOSED)
        problems = tuple(_MISSING[role] for role in _MISSING if role in run.roles_lost)
        self.summary = PanelSummary(
            lesson=run.report.id, duration_s=duration_s, viewers_most=run.viewers_most, problems=problems
        )
        self.paused, self.frozen, self.on_air, self.muted_from_afar = False, False, OnAir(), False
        self._keeper.forget()
        self._tell_ended(run.report.id, run.reason, duration_s, run.viewers_most)
        self._changed()

    def _tell_ended(self, lesson: str, reason: str, duration_s: float, viewers_most: int) -> None:
        self._outbox.add(
            LessonEnded(lesson=lesson, reason=reason[:80], duration_s=duration_s, viewers_most=viewers_most)
        )
        log.info("Lesson ended", extra={"lesson": lesson, "reason": reason})

    # --- what happens meanwhile -----------------------------------------------------------------------------------

    def _device_changed(self, slot: DeviceSlot) -> None:
        run = self._run_now
        if run is None or self.state not in RUNNING:
            return
        if slot.problem is not None and slot.role not in run.roles_lost:
            run.roles_lost.add(slot.role)
        if slot.problem is not None and not slot.is_told_lost:
            slot.is_told_lost = True
            self._outbox.add(DeviceLost(device=slot.choice.id, role=slot.role, problem=slot.problem))
        elif slot.is_working and slot.is_told_lost:
            slot.is_told_lost = False
            away_s = self._clock() - slot.lost_mono_s if slot.lost_mono_s is not None else 0.0
            self._outbox.add(DeviceBack(device=slot.choice.id, role=slot.role, away_s=away_s))
        self._judge_devices()
        self._changed()

    def _judge_devices(self) -> None:
        """Move between preparing, live and degraded as the devices stand."""
        lost = [slot for slot in self.slots if slot.problem is not None]
        if self.state is LessonState.PREPARING:
            if all(slot.has_outcome for slot in self.slots):
                self._advance(LessonEvent.READY_WITHOUT if lost or not self.slots else LessonEvent.READY)
                self._changed()
        elif self.state is LessonState.LIVE and lost:
            self._advance(LessonEvent.DEVICE_LOST)
        elif self.state is LessonState.DEGRADED and self.slots and not lost:
            self._advance(LessonEvent.DEVICES_BACK)

    def _viewer_changed(self, change: ViewerChange) -> None:
        run = self._run_now
        if run is None:
            return
        if change.kind == "joined":
            self._outbox.add(ViewerJoined(viewer=change.viewer))
        elif change.kind == "left":
            self._outbox.add(ViewerLeft(viewer=change.viewer, reason=change.reason[:80], stayed_s=change.stayed_s))
        run.viewers_most = max(run.viewers_most, run.publisher.connected)
        self._changed()

    def _on_air_changed(self) -> None:
        if self._run_now:
            self._run_now.publisher.set_on_air(self.on_air, self.paused)
            self._run_now.publisher.set_frozen(self.frozen)
        self._keep()
        self._changed()

    def _proposal_ran_out(self) -> None:
        self._settle_proposal("expired")
        self._changed()

    def _settle_proposal(self, outcome: Literal["accepted", "refused", "expired"]) -> None:
        if self._proposal_timer:
            self._proposal_timer.cancel()
            self._proposal_timer = None
        if self.proposal:
            accepted = outcome == "accepted"
            self._outbox.add(ProposalAnswered(proposal=self.proposal.id, accepted=accepted, reason=outcome))
            self.proposal = None

    def _must_run(self, act: str) -> None:
        if self.state not in RUNNING:
            raise LessonTransitionError(f"cannot {act} while the lesson is {self.state}; start it first")

    def _advance(self, event: LessonEvent) -> None:
        before = self.state
        self.state = advance(before, event)
        if before in RUNNING and self.state not in RUNNING:
            self._departures.lesson_is(None)
        if self.state is not before:
            log.info("Lesson state changed", extra={"from": before, "event": event, "to": self.state})

    def _changed(self) -> None:
        if self._run_now and self.state in RUNNING:
            self._run_now.publisher.tell_viewers()
        for listener in self._listeners:
            listener()
