"""The lesson: the table of states joined to devices and streams. The one owner of what happens in the room.

Panel and commands call ``start``, ``stop``, ``set_paused``, ``set_frozen``, ``set_on_air``, ``try_again``, ``propose``
and ``answer_proposal``; all refuse with a LessonTransitionError what the present state does not take. ``run`` carries
the lessons out in turn.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from agent import memory, on_air
from agent.audience import Door
from agent.device_slot import DeviceChoice, DeviceSlot
from agent.devices.capture import CaptureHost
from agent.kept_lesson import BEAT_S, KeptLesson, LessonKeeper
from agent.lesson_devices import LessonDevices
from agent.lesson_run import LessonRun
from agent.media import FrameFilters
from agent.microphones import Change, Microphones
from agent.outbox import Outbox
from agent.people import People
from agent.reception import Verdict
from agent.shared_screen import SharedScreen
from agent.start_proposal import StartProposal
from agent.streams.publisher import Publisher, StreamSettings, ViewerChange
from agent.talk import Talk
from protocol.channel import Notice
from protocol.errors import LessonError, LessonTransitionError
from protocol.lesson import RUNNING, LessonEvent, LessonState, advance
from protocol.messages import (
    STOPPED_FROM_AFAR,
    Access,
    DeviceBack,
    DeviceLost,
    DeviceReport,
    DeviceRole,
    LessonEnded,
    LessonReport,
    LessonStarted,
    MicrophoneChanged,
    OnAir,
    Problem,
    ProposalReport,
    Sign,
    Text,
    ViewerJoined,
    ViewerLeft,
    ViewerRemoved,
)
from protocol.panel import PanelAudience, PanelSummary

log = logging.getLogger(__name__)

PREPARE_MOST_S = 3.0
"""A device that shows nothing by then is missing, and the lesson begins without it (a cold start is given 3 s)."""
CLEAR_S = 8.0
"""After a lesson, until its memory is given back: whoever looks at it in time has let go by then."""

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
    DeviceRole.BOARD_SOUND: Text(fr="Le son du tableau a manqué.", en="The board's sound was missing."),
}
_RESUMED = Text(fr="La classe s’est interrompue, puis a repris.", en="The class was interrupted, and went on.")
_STOPPED = Text(fr="L’informatique a arrêté la classe.", en="IT stopped the class.")
_REPLACED = Text(
    fr="Le micro s’est arrêté ; un autre a pris sa place.", en="The microphone stopped; another took its place."
)


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
        has_lobby: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room_name = room_name
        self._host = host
        self._streams = streams
        self._outbox = outbox
        self._keeper = keeper
        self._departures = departures
        self._has_lobby = has_lobby
        self._now = now
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._people_listeners: list[Callable[[], None]] = []
        self._asked = asyncio.Event()
        self._run_now: LessonRun | None = None
        self._cut_off: LessonRun | None = None
        self._used_lessons: set[str] = set()
        self._proposal = StartProposal(outbox, on_change=self._changed, now=now)
        self._devices = LessonDevices([DeviceSlot(choice, host, self._device_changed) for choice in choices])
        self.slots = self._devices.slots
        self.microphones = self._devices.microphones
        """The room's own first."""
        self.filters = {"camera": FrameFilters(), "board": FrameFilters()}
        self.hardware: str | None = None
        """An encoder of the machine's own graphics, once it has been found to work."""
        self.is_dead: Callable[[str], bool] = lambda _: False
        """Whether health knows that a microphone which gives blocks gives nothing real, and was not switched off."""
        self.is_recorded: Callable[[], bool] = lambda: False
        """Whether what pupils are sent is recorded now."""
        self.is_microphone_wrong: Callable[[], bool] = lambda: False
        """Whether health knows that what the microphone gives is not the teacher: another source, or nothing real."""
        self.state = LessonState.IDLE
        self.paused = False
        self.frozen = False
        self.on_air = OnAir()
        self.muted_from_afar = False
        """Whether it was the centre that muted the sound, and nobody here has changed that since."""
        self.access: Access | None = None
        self.summary: PanelSummary | None = None
        self.problem: Problem | None = None
        self.interrupted: KeptLesson | None = None
        """A lesson that a power cut ended, and that somebody in the room may go on with."""

    # --- what others see ------------------------------------------------------------------------------------------

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every change that a person can see."""
        self._listeners.append(listener)

    def on_people(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every change in what pupils say, which the panel alone shows."""
        self._people_listeners.append(listener)

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
        """Return the publisher of the lesson that runs, or raise LessonError ``lesson-not-started``."""
        publisher = self.publisher
        if publisher is None:
            raise LessonError(
                "the lesson in this room has not begun; ask again when it has",
                code="lesson-not-started",
                retryable=True,
            )
        return publisher

    def invite(self, holder: str | None) -> Publisher:
        """Return the publisher for a viewer who asks to come in, or raise why not."""
        publisher = self.welcome()
        self.people("let a pupil in").check(holder)
        return publisher

    def people(self, act: str) -> People:
        """Return the pupils of the running lesson. Raises LessonTransitionError, with ``act``, when none runs."""
        return self._running(act).people

    def pupil_of(self, viewer: str) -> str:
        """Return the id under which the panel names the pupil of a connection; empty for none."""
        return self._run_now.people.pupil_of(viewer) if self._run_now else ""

    def audience(self) -> PanelAudience | None:
        """Return what pupils say and who may come in; None while no lesson runs."""
        run = self._run_now
        if run is None or self.state not in RUNNING:
            return None
        code = self.access.code if self.access else None
        return run.people.view(is_code_old=run.old_code is not None and run.old_code == code)

    @property
    def talk(self) -> Talk | None:
        """The talk-back of the lesson that runs."""
        return self._run_now.talk if self._run_now and self.state in RUNNING else None

    @property
    def has_loudspeaker(self) -> bool | None:
        """Whether a pupil who speaks is heard in the room; None while no lesson runs."""
        return self._run_now.sound.has_loudspeaker if self._run_now and self.state in RUNNING else None

    @property
    def screen(self) -> SharedScreen | None:
        """The shared screen of the lesson that runs."""
        return self._run_now.screen if self._run_now and self.state in RUNNING else None

    def shared_screen(self, act: str) -> SharedScreen:
        """Return the running lesson's shared screen. Raises LessonTransitionError, with ``act``, when none runs."""
        return self._running(act).screen

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
        return self._devices.missing()

    def device_reports(self) -> tuple[DeviceReport, ...]:
        """Return every device as the room sees it; what the lesson does well without is a warning at most."""
        return self._devices.reports(self.microphone_choice)

    @property
    def microphone_choice(self) -> Microphones | None:
        """The choice among the room's microphones, while a lesson runs and there are several."""
        return self._run_now.sound.microphones if self._run_now and self.state in RUNNING else None

    def hears(self, microphone: str) -> bool:
        """Say whether a microphone gives sound in the running lesson, by what is known of it now."""
        return self._run_now is not None and self._run_now.sound.is_alive(microphone)

    def reception(self, viewer: str) -> Verdict:
        """Return whether a viewer hears and sees the teacher, by what is known now."""
        return self._run_now.lamp.verdict(viewer) if self._run_now else Verdict()

    def notice(self) -> Notice:
        """Return the lesson as a pupil may know it."""
        publisher = self._run_now.publisher if self._run_now else None
        is_shared = self._run_now is not None and self._run_now.board.is_shared
        lacking = (_TRACKS[role] for role in self.missing() if role in _TRACKS)
        return Notice(
            room=self._room_name(),
            state=self.state,
            paused=self.paused,
            frozen=self.frozen,
            on_air=self.on_air,
            recording=self.is_recorded(),
            pupil_speaks=self._run_now is not None and self._run_now.talk.is_heard,
            elapsed_s=self.elapsed_s or 0.0,
            viewers=publisher.connected if publisher else 0,
            stand_in=tuple(track for track in lacking if not (track == "board" and is_shared)),
        )

    @property
    def proposal(self) -> ProposalReport | None:
        """A start that the centre proposes, and that somebody in the room may accept."""
        return self._proposal.report

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
        self._proposal.settle("accepted")
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
        self._run_now = run = LessonRun(
            report,
            self._streams,
            self.slots,
            self._departures,
            kept=kept,
            door=Door(has_lobby=self._has_lobby),
            falls=self._keeper.falls(kept) if kept else 0,
            began_mono_s=began_mono_s,
            clock=self._clock,
            filters=self.filters,
            hardware=self.hardware,
            notice=self.notice,
            on_viewer=self._viewer_changed,
            on_people=self._people_changed,
            on_door=self._keep,
            on_removed=self._pupil_removed,
            on_talk=self._talk_changed,
            on_microphone=self._microphone_changed,
            on_change=self._changed,
            is_dead=lambda microphone: self.is_dead(microphone),
            is_microphone_wrong=lambda: self.is_microphone_wrong(),
        )
        run.set_on_air(self.on_air, paused=self.paused, frozen=self.frozen)
        self._departures.lesson_is(report.id)
        self._asked.set()
        self._keep()
        self._outbox.add(LessonStarted(lesson=report.id, origin=report.origin))
        log.info("Lesson begins", extra={"lesson": report.id, "origin": report.origin})
        self._changed()

    def _keep(self, *, is_over: bool = False) -> None:
        run = self._run_now
        if run is not None and (self.state in RUNNING or is_over):
            microphones = run.sound.microphones
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
                    microphone=microphones.wanted if microphones else None,
                    door=run.people.door,
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

    def try_again(self, device: str) -> None:
        """Try a device that is away at once, also one that was set aside. Raises LessonError for an unknown name."""
        self._must_run("try a device again")
        self._devices.find(device).try_again()

    def choose_microphone(self, microphone: str) -> None:
        """Hear this one for the rest of the lesson. Raises DeviceNotFoundError, DeviceNotNowError."""
        self._running("change the microphone").sound.choose(microphone)
        self._keep()

    def decline_microphone(self, microphone: str) -> None:
        """Do not propose that one again in this lesson. Raises DeviceNotFoundError."""
        self._running("answer about a microphone").sound.decline(microphone)

    def propose(self, proposal: str, actor: str, expires_s: float) -> None:
        """Ask the people in the room for a start; nobody opens a microphone from a distance (DESIGN §6)."""
        if self.state not in (LessonState.IDLE, LessonState.FAILED):
            raise LessonTransitionError(
                f"cannot propose a start while the lesson is {self.state}; wait until it is idle"
            )
        self._proposal.make(proposal, actor, expires_s)
        self._changed()

    def answer_proposal(self, proposal: str, *, accept: bool) -> None:
        """Accept (the lesson begins) or refuse what was proposed. Raises LessonError when it is no longer there."""
        self._proposal.check(proposal)
        if accept:
            self.start("proposal")
        else:
            self._proposal.settle("refused")
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
                if not self._devices.needed():
                    self._judge_devices()
                beside = {"prepare": self._leave_preparing(), "keep the lesson": self._beat()}
                await run.carry_out(beside)
            except asyncio.CancelledError:
                self._cut_off, self._run_now = run, None  # `leave` says whether it is over
                raise
            except Exception:
                run.reason = "a fault in the agent"
                self.problem = Problem(code="internal", message="the lesson fell; press Start to begin again")
                log.exception("The lesson fell", extra={"lesson": run.report.id})
                self._advance(LessonEvent.FAULT)
            self._close(run)
            del run  # what the lesson had in memory would else wait for the next one
            asyncio.get_running_loop().call_later(CLEAR_S, self._clear)

    def _clear(self) -> None:
        if self._run_now is None:
            memory.clear()

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

    def _close(self, run: LessonRun) -> None:
        duration_s = self._clock() - run.began_mono_s
        run.people.close()
        self._run_now = None
        if self.access:  # whatever the lesson was called here: the centre ends the one whose code was shown meanwhile
            self._used_lessons.add(self.access.lesson)
        if self.state is LessonState.ENDING:
            self._advance(LessonEvent.CLOSED)
        problems = tuple(_MISSING[role] for role in _MISSING if role in run.roles_lost)
        problems += (_REPLACED,) if run.was_replaced else ()
        problems += run.account.problems()
        problems += (_RESUMED,) if run.report.origin == "resumed" else ()
        problems += (_STOPPED,) if run.reason == STOPPED_FROM_AFAR else ()
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
        run.roles_lost.update(self._devices.missing())
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
        """Move between preparing, live and degraded as the devices stand; the board's sound is in none of it."""
        is_lacking = self._devices.is_lacking()
        if self.state is LessonState.PREPARING:
            if all(slot.has_outcome for slot in self._devices.needed()):
                self._advance(LessonEvent.READY_WITHOUT if is_lacking else LessonEvent.READY)
                self._changed()
        elif self.state is LessonState.LIVE and is_lacking:
            self._advance(LessonEvent.DEVICE_LOST)
        elif self.state is LessonState.DEGRADED and not is_lacking:
            self._advance(LessonEvent.DEVICES_BACK)

    def _microphone_changed(self, change: Change | None) -> None:
        run = self._run_now
        if run is None or self.state not in RUNNING:
            return
        if change is not None:
            run.was_replaced |= change.reason == "lost"
            self._outbox.add(MicrophoneChanged(device=change.microphone, before=change.before, reason=change.reason))
        self._changed()

    def _viewer_changed(self, change: ViewerChange) -> None:
        run = self._run_now
        if run is None:
            return
        if change.kind == "left" or change.reason:  # the latter: gone before it was let in
            run.people.left(change.viewer)
        if change.kind == "joined":
            self._outbox.add(ViewerJoined(viewer=change.viewer))
        elif change.kind == "left":
            self._outbox.add(ViewerLeft(viewer=change.viewer, reason=change.reason[:80], stayed_s=change.stayed_s))
        run.viewers_most = max(run.viewers_most, run.publisher.connected)
        self._changed()

    def _people_changed(self) -> None:
        """Show it on the panel; pupils are told of each other by `People` alone, for a hand may go up at any time."""
        if self._run_now is not None:
            self._run_now.talk.rights_changed()
        self._tell_panel()

    def _talk_changed(self) -> None:
        self._tell_viewers()
        self._tell_panel()

    def _tell_panel(self) -> None:
        for listener in self._people_listeners:
            listener()

    def _pupil_removed(self, holder: str | None) -> None:
        run = self._run_now
        if run is not None:
            run.old_code = self.access.code if self.access else None
            self._outbox.add(ViewerRemoved(lesson=run.report.id, holder=holder))

    def _on_air_changed(self) -> None:
        if self._run_now:
            self._run_now.set_on_air(self.on_air, paused=self.paused, frozen=self.frozen)
        self._keep()
        self._changed()

    def _must_run(self, act: str) -> None:
        self._running(act)

    def _running(self, act: str) -> LessonRun:
        if self.state not in RUNNING or self._run_now is None:
            raise LessonTransitionError(f"cannot {act} while the lesson is {self.state}; start it first")
        return self._run_now

    def _advance(self, event: LessonEvent) -> None:
        before = self.state
        self.state = advance(before, event)
        if before in RUNNING and self.state not in RUNNING:
            self._departures.lesson_is(None)
        if self.state is not before:
            log.info("Lesson state changed", extra={"from": before, "event": event, "to": self.state})

    def _tell_viewers(self) -> None:
        if self._run_now and self.state in RUNNING:
            self._run_now.publisher.tell_viewers()

    def _changed(self) -> None:
        self._tell_viewers()
        for listener in self._listeners:
            listener()
