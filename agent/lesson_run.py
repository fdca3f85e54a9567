"""What belongs to one lesson and is thrown away with it: publisher, pupils, sound, board, and their tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from agent import on_air
from agent.audience import Door
from agent.board_source import BoardSource
from agent.device_slot import DeviceSlot
from agent.kept_lesson import KeptLesson
from agent.lamp import Lamp, pictures_of
from agent.lesson_account import LessonAccount, PupilNow
from agent.levels import RoomLevels
from agent.media import FrameFilters
from agent.microphones import Change
from agent.people import People
from agent.room_sound import RoomSound
from agent.shared_screen import SharedScreen
from agent.streams.publisher import Publisher, StreamSettings, ViewerChange
from agent.talk import Talk
from protocol.channel import FromPupil, Notice
from protocol.messages import DeviceRole, LessonReport, OnAir

log = logging.getLogger(__name__)

CLOSE_MOST_S = 2.0
"""Viewers are told and devices closed within this. Past it the agent is told apart from a healthy one: its heart for a
lesson's end stops, and the watchdog ends it."""


class LessonRun:
    """One lesson's parts, made and joined; `carry_out` runs them once.

    ``kept`` is what an earlier run of the agent left of this lesson; ``door`` is for a new one. ``on_door`` hears when
    somebody was let in, out, or the door was locked, ``on_people`` each change in what pupils say, ``on_talk`` in who
    speaks, and ``on_change`` in all else that a person can see.
    """

    def __init__(
        self,
        report: LessonReport,
        settings: StreamSettings,
        slots: Sequence[DeviceSlot],
        departures: on_air.Departures,
        *,
        kept: KeptLesson | None,
        door: Door,
        falls: int,
        began_mono_s: float,
        clock: Callable[[], float],
        filters: Mapping[str, FrameFilters],
        hardware: str | None,
        notice: Callable[[], Notice],
        on_viewer: Callable[[ViewerChange], None],
        on_people: Callable[[], None],
        on_door: Callable[[], None],
        on_removed: Callable[[str | None], None],
        on_talk: Callable[[], None],
        on_microphone: Callable[[Change | None], None],
        on_change: Callable[[], None],
        is_dead: Callable[[str], bool],
        is_microphone_wrong: Callable[[], bool],
    ) -> None:
        self.report = report
        self.began_mono_s = began_mono_s
        self.taken_up_mono_s = clock()
        self.falls = falls
        self.stop_asked = asyncio.Event()
        self.reason = "failed"
        self.viewers_most = kept.viewers_most if kept else 0
        self.roles_lost: set[DeviceRole] = set()
        self.was_replaced = False
        """A spare microphone took over."""
        self.old_code: str | None = None
        """The code with which a removed pupil came in, until the centre has made another."""
        self._slots = slots
        self.people = People(
            kept.door if kept else door,
            on_change=on_people,
            on_door=on_door,
            on_removed=on_removed,
        )
        levels = RoomLevels()
        self.publisher = Publisher(
            settings,
            notice=notice,
            on_message=self._heard,
            admits=self.people.admits,
            on_viewer=on_viewer,
            on_packet=partial(departures.packet_left, report.id),
            on_programme=lambda block, is_open: levels.let_out(
                block.samples, block.voice, block.captured_mono_s, is_open=is_open
            ),
            farewell=lambda: "lesson-ended" if self.stop_asked.is_set() else "room-closing",
            filters=filters,
            hardware=hardware,
        )
        self.people.reach_by(self.publisher)
        self.board = BoardSource(self.publisher)
        self.sound = RoomSound(
            self.publisher,
            self.board,
            slots,
            levels=levels,
            wanted=kept.microphone if kept else None,
            is_dead=is_dead,
            on_change=on_microphone,
        )
        self.lamp = Lamp(
            levels,
            said_mono_s=self.publisher.said_mono_s,
            viewers=lambda: {view.id: pictures_of(view.sending) for view in self.publisher.viewers()},
            is_microphone_wrong=lambda: is_microphone_wrong() or self.sound.is_stranger(),
            on_change=on_change,
            on_look=self._looked,
            now=clock,
        )
        self.account = LessonAccount()
        """What went wrong for pupils."""
        self._is_let_out = True
        self._clock = clock
        self.talk = Talk(self.publisher, self.sound, self.people, on_change=on_talk, clock=clock)
        self.screen = SharedScreen(self.board, on_change=on_change, clock=clock)

    def _heard(self, viewer: str, message: FromPupil) -> None:
        self.people.heard(viewer, message)
        self.lamp.hear_from(viewer, message)

    def _looked(self) -> None:
        self.people.hears_again(self.lamp.has_heard_since)
        self.account.look(
            (
                PupilNow(
                    self.people.pupil_of(view.id),
                    self.lamp.verdict(view.id),
                    view.sending.why if view.sending else "best",
                    is_complaining=self.people.is_complaining(view.id),
                )
                for view in self.publisher.viewers()
                if view.is_connected and view.is_admitted and not view.is_in_room
            ),
            self._clock(),
            is_let_out=self._is_let_out,
        )

    def set_on_air(self, on_air: OnAir, *, paused: bool, frozen: bool) -> None:
        """Say what the teacher lets out."""
        self._is_let_out = on_air.sound and not paused
        self.publisher.set_on_air(on_air, paused)
        self.publisher.set_frozen(frozen)
        self.talk.set_on_air(on_air, paused)

    async def carry_out(self, beside: Mapping[str, Coroutine[Any, Any, None]]) -> None:
        """Run until ``stop_asked``; then close. ``beside`` runs with it, by name, and ends first."""
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(self.publisher.run(), name="publisher")]
            work.append(tasks.create_task(self.talk.run(), name="talk-back"))
            work.append(tasks.create_task(self.screen.run(), name="shared screen"))
            work += [tasks.create_task(slot.run(self.sound), name=f"device {slot.choice.id}") for slot in self._slots]
            others = [tasks.create_task(self.sound.run(), name="microphones")]
            others += [tasks.create_task(body, name=name) for name, body in beside.items()]
            others.append(tasks.create_task(self.lamp.run(), name="lamp"))
            await self.stop_asked.wait()
            for task in others:
                task.cancel()
            await _end(work)


async def _end(work: list[asyncio.Task[None]]) -> None:
    for task in work:
        task.cancel()
    _, late = await asyncio.wait(work, timeout=CLOSE_MOST_S)
    if late:
        log.error("Parts of the lesson do not close", extra={"tasks": ", ".join(task.get_name() for task in late)})
