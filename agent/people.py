"""The pupils of the running lesson: joins `Audience`, which knows them, to the publisher, which reaches them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from agent.audience import Audience, Door
from protocol import channel
from protocol.errors import SignallingError
from protocol.panel import PanelAudience

if TYPE_CHECKING:
    from agent.streams.publisher import ViewerView

log = logging.getLogger(__name__)


class Reach(Protocol):
    """The part of the publisher that reaches pupils' connections."""

    def send(self, viewer: str, message: channel.FromRoom) -> None: ...
    def admit(self, viewer: str) -> None: ...
    def show_out(self, viewer: str, reason: str) -> None: ...
    def viewers_of(self, holder: str) -> Sequence[ViewerView]: ...


class People:
    """Who is in one lesson. ``on_change`` hears that the panel shows something else, ``on_door`` that `door` changed.

    ``on_removed`` hears of each pupil who is shown out for good, with the ticket's mark.
    """

    def __init__(
        self,
        door: Door,
        *,
        on_change: Callable[[], None],
        on_door: Callable[[], None],
        on_removed: Callable[[str | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audience = Audience(door)
        self._on_change, self._on_door, self._on_removed = on_change, on_door, on_removed
        self._clock = clock
        self._reach: Reach | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._door = door

    def reach_by(self, reach: Reach) -> None:
        """Say what reaches the pupils; once, before the first comes."""
        self._reach = reach

    def close(self) -> None:
        """Say nothing any more: the lesson is over."""
        self._reach = None
        if self._timer is not None:
            self._timer.cancel()

    @property
    def door(self) -> Door:
        return self._audience.door

    def view(self, *, is_code_old: bool) -> PanelAudience:
        """Return what the panel shows."""
        return self._audience.view(self._clock()).model_copy(update={"is_code_old": is_code_old})

    def pupil_of(self, viewer: str) -> str:
        return self._audience.pupil_of(viewer)

    # --- what the publisher tells ---------------------------------------------------------------------------------

    def check(self, holder: str | None) -> None:
        """Raise unless an offer of this holder is welcome: ``not-admitted``, ``lesson-locked``."""
        self._audience.check(holder)

    def admits(self, viewer: str, holder: str | None) -> bool:
        """Take note of a connection that stands, and say whether it gets media at once."""
        is_admitted = self._audience.arrive(viewer, holder, self._clock())
        self._changed()
        return is_admitted

    def heard(self, viewer: str, message: channel.FromPupil) -> None:
        """Take a message of the lesson channel."""
        if self._audience.hear(viewer, message, self._clock()):
            self._changed()

    def left(self, viewer: str) -> None:
        """Take note that a connection is gone."""
        self._audience.leave(viewer, self._clock())
        self._changed()

    # --- what the teacher does; LessonError ``pupil-not-found`` for one who is gone -----------------------------------

    def admit(self, pupil: str) -> None:
        self._let_in(self._audience.admit(pupil))

    def admit_all(self) -> None:
        self._let_in(self._audience.admit_all())

    def set_lobby(self, has_lobby: bool) -> None:
        self._let_in(self._audience.set_lobby(has_lobby))

    def set_locked(self, is_locked: bool) -> None:
        self._let_in(self._audience.set_locked(is_locked))

    def refuse(self, pupil: str) -> None:
        """Do not let in who knocks, nor again in this lesson."""
        holder, viewers = self._audience.send_away(pupil)
        self._show_out(holder, viewers, "refused")

    def remove(self, pupil: str) -> None:
        """Show a pupil out for the rest of the lesson."""
        holder, viewers = self._audience.send_away(pupil)
        self._on_removed(holder)
        self._show_out(holder, viewers, "removed")

    def take_hand(self, pupil: str) -> None:
        self._audience.take_hand(pupil)
        self._changed()

    def lower_hand(self, pupil: str) -> None:
        self._audience.lower_hand(pupil)
        self._changed()

    def lower_all(self) -> None:
        self._audience.lower_all()
        self._changed()

    def answered(self, pupil: str, question: str) -> None:
        self._audience.answer(pupil, question)
        self._changed()

    def settle(self, pupil: str) -> None:
        """Say no more that a pupil does not hear."""
        self._audience.settle(pupil)
        self._changed()

    def is_complaining(self, viewer: str) -> bool:
        """Say whether a connection's pupil says now that it does not hear, and did not choose so."""
        return self._audience.is_complaining(viewer, self._clock())

    # --- what the lamp finds --------------------------------------------------------------------------------------

    def hears_again(self, has_heard_since: Callable[[str, float], bool]) -> None:
        """Forget that a pupil said not to hear, once it surely has; as `Audience.hears_again`."""
        if self._audience.hears_again(has_heard_since):
            self._changed()

    # --- who speaks -----------------------------------------------------------------------------------------------

    def floor(self) -> tuple[str, str, str] | None:
        """Return mark, panel's id and name of the pupil whose microphone the room takes; None: nobody's."""
        return self._audience.floor()

    def may_speak(self, holder: str) -> bool:
        floor = self.floor()
        return floor is not None and floor[0] == holder

    def give_back(self, holder: str) -> None:
        """This pupil has spoken: its hand goes down. Fine when it has gone down."""
        floor = self.floor()
        if floor is not None and floor[0] == holder:
            self.lower_hand(floor[1])

    # --- carrying it out ------------------------------------------------------------------------------------------

    def _let_in(self, viewers: tuple[str, ...]) -> None:
        for viewer in viewers:
            self._act(viewer, lambda reach, viewer: reach.admit(viewer))
        self._changed()

    def _show_out(self, holder: str | None, viewers: tuple[str, ...], reason: str) -> None:
        """Close a pupil's connections, also those that were answered and do not stand yet."""
        of_holder = self._reach.viewers_of(holder) if self._reach is not None and holder is not None else ()
        for viewer in dict.fromkeys((*viewers, *(one.id for one in of_holder))):
            self._act(viewer, lambda reach, viewer: reach.show_out(viewer, reason))
        self._changed()

    def _act(self, viewer: str, act: Callable[[Reach, str], None]) -> None:
        if self._reach is None:
            return
        try:
            act(self._reach, viewer)
        except SignallingError:  # its line broke in this moment; the pupil's next connection stands as decided
            log.debug("A viewer was gone before the act", extra={"viewer": viewer})

    def _changed(self) -> None:
        if self._reach is None:
            return
        self._say()
        if self._audience.door != self._door:
            self._door = self._audience.door
            self._on_door()
        self._on_change()

    def _say(self) -> None:
        if self._reach is None:
            return
        now_s = self._clock()
        for viewer, message in self._audience.due(now_s):
            self._reach.send(viewer, message)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        next_s = self._audience.next_mono_s(now_s)
        if next_s is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.01, next_s - now_s), self._changed)
