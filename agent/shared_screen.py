"""The screen of a teacher's own computer in a lesson: who may send it, its connection, and when it ends.

Whoever used the code that the room was given for this is answered, and nobody else; one at a time. One code is good for
one share: it ends at either end, or when its page has been away for too long.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from agent.board_source import BoardSource
from agent.media import Frame
from agent.streams.screen import ScreenConnection
from protocol.errors import SignallingError
from protocol.messages import IceServer, ScreenTold
from protocol.panel import PanelScreen

log = logging.getLogger(__name__)

LOOK_S: Final = 0.25
SILENT_S: Final = 2.5
"""Nothing came for so long: the room's own board is shown. A screen on which nothing moves still comes once a second,
and its sender reports beside that."""
CONNECT_S: Final = 30.0
GONE_S: Final = 9.0
"""A connection over which nothing comes for so long is closed; its page makes another."""
LOST_MOST_S: Final = 60.0
"""So long the page may be away before the share is over: a computer that changes its network is back sooner."""
CHOOSE_MOST_S: Final = 300.0
"""Between typing the code, just in time, and having chosen what is shown."""
_MOST_ENDED = 32

End = Literal["room", "left", "lost", "replaced", "too-large", "unused"]
_CODES: dict[End, tuple[str, str]] = {
    "room": ("screen-stopped", "the share was stopped in the room; a new one wants a new code"),
    "replaced": ("screen-replaced", "another share has taken the place of this one"),
    "too-large": ("screen-too-large", "the shared picture is larger than a 4K screen"),
}


@dataclass(slots=True, eq=False)
class _Grant:
    """One code's share."""

    told: ScreenTold
    made_s: float
    sender: str = ""
    """The id of its newest connection, also of one that is gone."""
    connection: ScreenConnection | None = None
    has_shown: bool = False
    """A picture came over this connection."""
    lost_s: float | None = None


class SharedScreen:
    """Of one lesson. ``on_change`` hears of what the panel shows."""

    def __init__(
        self, board: BoardSource, *, on_change: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._board = board
        self._on_change = on_change
        self._clock = clock
        self._grant: _Grant | None = None
        self._ended: OrderedDict[str, End] = OrderedDict()
        self._shown: PanelScreen | None = None
        self._running = asyncio.Event()
        self._has_ended = False
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Serve whoever has a code until cancelled; then the connection is closed within half a second."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._running.set()
                while True:
                    await asyncio.sleep(LOOK_S)
                    self._look()
        finally:
            self._has_ended = True
            self._running.set()  # whoever waits to be let in hears that it is over
            grant, self._grant = self._grant, None
            self._board.give_back()
            if grant is not None and grant.connection is not None:
                await grant.connection.close()

    # --- what the room decides ------------------------------------------------------------------------------------

    def offer(self, told: ScreenTold) -> None:
        """Let whoever uses this code share a screen; what was before is over."""
        if self._grant is not None:
            self._end(self._grant, "replaced")
        self._grant = _Grant(told, self._clock())
        self._changed()

    def end(self) -> None:
        """Show the room's own board again; the code, used or not, is worth nothing any more."""
        if self._grant is not None:
            self._end(self._grant, "room")

    # --- signalling -----------------------------------------------------------------------------------------------

    async def accept(self, sender: str, sdp: str, ice_servers: Sequence[IceServer], holder: str) -> str:
        """Return the complete answer to an offer to share; the same holder's connection before is replaced.

        Raises SignallingError: ``screen-not-granted``, ``screen-stopped``, ``screen-replaced``, ``screen-too-large``,
        ``offer-invalid``, ``offer-too-large``, ``no-common-codec``, ``room-timeout``, ``lesson-ended``.
        """
        await self._running.wait()
        grant = self._granted(holder)
        connection = ScreenConnection(
            sender,
            sdp,
            ice_servers,
            on_frame=lambda frame: self._came(grant, connection, frame),
            on_gone=lambda one, reason: self._gone(grant, one, reason),
            spawn=self._spawn,
            clock=self._clock,
        )
        before, grant.connection, grant.sender = grant.connection, connection, sender
        grant.has_shown, grant.lost_s = False, None
        if before is not None:
            self._close(before)
        try:
            try:
                answer = await connection.answer()
            except SignallingError:  # also when it was closed meanwhile, and that is the reason to be told
                self._check_still(grant, connection)
                raise
            self._check_still(grant, connection)
        except BaseException:
            if grant.connection is connection:
                self._lose(grant)
            await connection.close()
            raise
        log.info("Another computer's screen is let in", extra={"viewer": sender})
        self._changed()
        return answer

    def _check_still(self, grant: _Grant, connection: ScreenConnection) -> None:
        self._granted(grant.told.holder)
        if grant.connection is not connection:
            raise SignallingError("the connection was closed meanwhile", code="viewer-not-found")

    def _granted(self, holder: str) -> _Grant:
        if self._has_ended:
            raise SignallingError("the lesson is over", code="lesson-ended")
        if self._grant is not None and self._grant.told.holder == holder:
            return self._grant
        code, message = "screen-not-granted", "the room knows of no such share; it wants a new code from the panel"
        if holder in self._ended:
            code, message = _CODES.get(self._ended[holder], (code, message))
        raise SignallingError(message, code=code)

    def knows(self, sender: str) -> bool:
        """Say whether this is the connection over which a screen comes, or came last."""
        return self._grant is not None and self._grant.sender == sender

    async def add_candidates(self, sender: str, candidates: Sequence[str], mid: str | None) -> None:
        """Give ICE more addresses. Raises SignallingError ``viewer-not-found``, ``candidate-invalid``."""
        connection = self._grant.connection if self._grant is not None and self.knows(sender) else None
        if connection is None:
            raise SignallingError("this screen is not shared any more", code="viewer-not-found")
        await connection.add_candidates(candidates, mid)

    def leave(self, sender: str) -> None:
        """Whoever shares has ended it; fine when it had ended already."""
        if self._grant is not None and self.knows(sender):
            self._end(self._grant, "left")

    # --- what the panel shows -------------------------------------------------------------------------------------

    def view(self) -> PanelScreen | None:
        """Return how it stands; None: no other computer is to be shown."""
        grant = self._grant
        if grant is None:
            return None
        if grant.lost_s is not None:
            return PanelScreen(state="lost")
        if grant.connection is not None:
            state: Literal["shown", "silent", "waiting"] = "silent" if grant.has_shown else "waiting"
            return PanelScreen(state="shown" if self._board.is_shared else state)
        left_s = grant.made_s + grant.told.life_s - self._clock()
        if left_s <= 0:
            return None
        return PanelScreen(state="offered", code=grant.told.code, address=grant.told.page, remaining_s=left_s)

    # --- what comes -----------------------------------------------------------------------------------------------

    def _came(self, grant: _Grant, connection: ScreenConnection, frame: Frame) -> None:
        if grant is self._grant and connection is grant.connection:
            grant.has_shown = True
            self._board.share(frame)
            self._changed()

    def _look(self) -> None:
        grant, now_s = self._grant, self._clock()
        if grant is None:
            return
        if grant.connection is None:
            if grant.lost_s is None and now_s - grant.made_s > grant.told.life_s + CHOOSE_MOST_S:
                self._end(grant, "unused")
            elif grant.lost_s is not None and now_s - grant.lost_s > LOST_MOST_S:
                self._end(grant, "lost")
        else:
            silent_s = now_s - grant.connection.heard_mono_s
            if silent_s > SILENT_S:
                self._board.give_back()
            if silent_s > (GONE_S if grant.connection.was_heard else CONNECT_S):
                self._gone(grant, grant.connection, "silent")
        self._changed()

    def _gone(self, grant: _Grant, connection: ScreenConnection, reason: str) -> None:
        if grant is not self._grant or connection is not grant.connection:
            return
        log.info("Another computer's screen is gone", extra={"viewer": connection.id, "reason": reason})
        if reason == "too-large":
            self._end(grant, "too-large")
        else:  # a goodbye too: whoever means it for good says so by `leave`
            self._lose(grant)

    def _lose(self, grant: _Grant) -> None:
        """The connection is gone, and its page may make another."""
        connection, grant.connection = grant.connection, None
        grant.lost_s = self._clock()
        self._board.give_back()
        if connection is not None:
            self._close(connection)
        self._changed()

    def _end(self, grant: _Grant, reason: End) -> None:
        self._grant = None
        self._ended[grant.told.holder] = reason
        while len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)
        self._board.give_back()
        if grant.connection is not None:
            log.info("A shared screen is let out", extra={"viewer": grant.connection.id, "reason": reason})
            self._close(grant.connection)
        self._changed()

    def _close(self, connection: ScreenConnection) -> None:
        connection.ended = True
        self._spawn(connection.close(), f"close screen {connection.id}")

    def _changed(self) -> None:
        """Tell of what the panel shows otherwise; the time that runs down it counts by itself."""
        view = self.view()
        shown = None if view is None else view.model_copy(update={"remaining_s": None})
        if shown != self._shown:
            self._shown = shown
            self._on_change()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._has_ended or self._group is None:
            work.close()
        else:
            self._group.create_task(work, name=name)
