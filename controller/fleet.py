"""Rooms as last reported, with the age of the report. Pure: clocks are passed in, nothing is sent from here.

Whether a room is alive is known from three things that are independent: its birth and death, the age of what it last
said by our own monotonic clock, and our own connection to the broker. While that is away, and for a while after it is
back, a silent room is *unknown* and not *offline*: we are the ones who cannot see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from protocol.lesson import RUNNING
from protocol.messages import Check, CheckStatus, DeathReason, Health, RoomState, RoomStatus
from protocol.pages import RoomView

LinkState = Literal["online", "late", "offline", "unknown", "off"]

LATE_S, OFFLINE_S = 25.0, 35.0
"""Health comes each 10 s: two missed, three missed and a margin."""
LESSON_LATE_S, LESSON_OFFLINE_S = 6.0, 9.0
"""In a lesson it comes each 3 s."""
GRACE_S = 90.0
"""After our connection is back: rooms come back within their longest back-off of 60 s and its jitter."""
_WANTED = frozenset({DeathReason.SHUTDOWN, DeathReason.UPDATE, DeathReason.REBOOT})

_CPU_STEP_PERCENT, _MEMORY_STEP_MB = 5.0, 16.0
"""Numbers of health that moved less are not worth a message to every open IT page."""
_WORST = (CheckStatus.OK, CheckStatus.UNKNOWN, CheckStatus.WARNING, CheckStatus.CRITICAL)


@dataclass(slots=True)
class _Room:
    id: str
    territory: str
    name: str
    school: str = ""
    link: LinkState = "unknown"
    link_since: datetime | None = None
    heard_mono: float | None = None
    reported_mono: float | None = None
    sid: str | None = None
    death: RoomStatus | None = None
    was_seen: bool = False
    state: RoomState | None = None
    health: Health | None = None
    agent: str | None = None
    shown_cpu: float = 0.0
    shown_memory: float = 0.0
    rev: int = 0


class Fleet:
    """Every registered room. ``on_change(room)`` is called whenever its view, apart from ages, changed."""

    def __init__(
        self,
        mono: Callable[[], float],
        now: Callable[[], datetime],
        on_change: Callable[[str], None] = lambda room: None,
    ) -> None:
        self._mono = mono
        self._now = now
        self._on_change = on_change
        self._rooms: dict[str, _Room] = {}
        self._broker_since: float | None = None
        self.rev = 0
        """Grows with every change; `changed_since` goes by it."""

    # --- what is registered -------------------------------------------------------------------------------------

    def add(self, room: str, territory: str, name: str, school: str = "") -> None:
        """Register a room, or rename or move it."""
        known = self._rooms.get(room)
        if known is None:
            known = self._rooms[room] = _Room(room, territory, name, link_since=self._now())
        elif (known.territory, known.name, known.school) == (territory, name, school):
            return
        known.territory, known.name, known.school = territory, name, school
        self._changed(known)

    def __contains__(self, room: object) -> bool:
        return room in self._rooms

    def __len__(self) -> int:
        return len(self._rooms)

    def ids(self) -> Iterable[str]:
        return self._rooms.keys()

    def territory(self, room: str) -> str:
        """Return the room's territory; KeyError for a room that is not registered."""
        return self._rooms[room].territory

    def school(self, room: str) -> str:
        """Return the room's school; KeyError for a room that is not registered."""
        return self._rooms[room].school

    def name(self, room: str) -> str:
        return self._rooms[room].name

    def restore(
        self, room: str, state: RoomState | None, health: Health | None, agent: str | None, at: datetime
    ) -> None:
        """Put back what was stored before we were restarted; the broker's retained messages are newer."""
        known = self._rooms[room]
        known.state, known.health, known.agent, known.was_seen = state, health, agent, True
        known.reported_mono = self._mono() - max(0.0, (self._now() - at).total_seconds())

    # --- what is reported ---------------------------------------------------------------------------------------

    def broker_connected(self) -> None:
        """Our connection to the broker is there: the grace window begins."""
        self._broker_since = self._mono()
        self.tick()

    def broker_lost(self) -> None:
        """Our connection is gone: we know nothing of any room."""
        self._broker_since = None
        self.tick()

    def status(self, room: str, status: RoomStatus, *, retained: bool = False) -> None:
        """Take a birth or death. A death of another connection than the last birth's is ignored."""
        known = self._rooms[room]
        if status.online:
            known.sid, known.death, known.was_seen = status.sid, None, True
            known.agent = status.agent or known.agent
            if not retained:
                self._hear(known)
        elif known.sid is None or known.sid == status.sid:
            known.sid, known.death, known.was_seen = status.sid, status, True
        else:
            return
        self._relink(known)
        self._changed(known)

    def report(self, room: str, state: RoomState, *, retained: bool = False) -> None:
        """Take a state document."""
        known = self._rooms[room]
        is_new = known.state != state
        known.state, known.was_seen = state, True
        if not retained:
            self._hear(known)
        elif known.reported_mono is None:
            known.reported_mono = self._mono() - max(0.0, (self._now() - state.at).total_seconds())
        if self._relink(known) or is_new:
            self._changed(known)

    def measure(self, room: str, health: Health) -> None:
        """Take numbers. Those of a connection that has died are late and say nothing."""
        known = self._rooms[room]
        if known.death is not None and known.death.sid == health.sid:
            return
        if health.checks is None and known.health is not None:
            health = health.model_copy(update={"checks": known.health.checks})
        before = _checks(known)
        known.health, known.death, known.was_seen = health, None, True
        now = _checks(known)
        checked = now is not before and _told(now) != _told(before)
        self._hear(known)
        moved = (
            abs(health.cpu_percent - known.shown_cpu) >= _CPU_STEP_PERCENT
            or abs(health.memory_mb - known.shown_memory) >= _MEMORY_STEP_MB
        )
        if self._relink(known) or moved or checked:
            self._changed(known)

    def hear(self, room: str) -> None:
        """The room said something else (an event, a request, an answer): it is alive."""
        known = self._rooms[room]
        if known.death is None:
            self._hear(known)
            if self._relink(known):
                self._changed(known)

    def tick(self) -> None:
        """Look at the age of every room; call it each second. 0.5 ms for 5,000 rooms."""
        for known in self._rooms.values():
            if self._relink(known):
                self._changed(known)

    # --- what is asked ------------------------------------------------------------------------------------------

    def link(self, room: str) -> LinkState:
        return self._rooms[room].link

    def is_reachable(self, room: str) -> bool:
        """Whether a command has a chance: the room is there, or we have just come back and cannot know yet."""
        known = self._rooms[room]
        return known.link in ("online", "late") or (
            known.link == "unknown" and self._broker_since is not None and known.was_seen
        )

    def is_online(self, room: str) -> bool:
        return self._rooms[room].link in ("online", "late")

    @property
    def has_broker(self) -> bool:
        return self._broker_since is not None

    def state(self, room: str) -> RoomState | None:
        return self._rooms[room].state

    def running_lesson(self, room: str) -> str | None:
        """Return the lesson that the room last reported as open to viewers."""
        state = self._rooms[room].state
        return state.lesson.id if state is not None and state.lesson is not None and state.state in RUNNING else None

    def health(self, room: str) -> Health | None:
        return self._rooms[room].health

    def agent(self, room: str) -> str | None:
        return self._rooms[room].agent

    def changed_since(self, rev: int) -> list[str]:
        """Return the rooms whose view changed after ``rev``."""
        return [known.id for known in self._rooms.values() if known.rev > rev]

    def view(self, room: str) -> RoomView:
        """Return the room as IT sees it now; KeyError for a room that is not registered."""
        known = self._rooms[room]
        state, health = known.state, known.health
        is_stale = known.link not in ("online", "late") and (state is not None or health is not None)
        age_s = None if known.reported_mono is None else round(self._mono() - known.reported_mono, 1)
        return RoomView(
            id=known.id,
            name=known.name,
            territory=known.territory,
            link=known.link,
            link_since=known.link_since or self._now(),
            reported_age_s=age_s,
            is_stale=is_stale,
            status=_status(known, is_stale=is_stale),
            state=state.state if state else None,
            lesson=state.lesson.id if state and state.lesson else None,
            lesson_started_at=state.lesson.started_at if state and state.lesson else None,
            paused=state.paused if state else False,
            frozen=state.frozen if state else False,
            recording=state.recording if state else False,
            on_air=state.on_air if state else None,
            sign=state.sign if state else None,
            viewers=state.viewers if state else 0,
            devices=state.devices if state else (),
            checks=_checks(known),
            agent=known.agent,
            cpu_percent=health.cpu_percent if health else None,
            memory_mb=health.memory_mb if health else None,
            problem=state.problem if state else None,
            proposal=state.proposal.id if state and state.proposal else None,
        )

    # --- inside -------------------------------------------------------------------------------------------------

    def _hear(self, known: _Room) -> None:
        known.heard_mono = known.reported_mono = self._mono()

    def _relink(self, known: _Room) -> bool:
        link = self._link(known)
        if link == known.link:
            return False
        known.link, known.link_since = link, self._now()
        return True

    def _link(self, known: _Room) -> LinkState:
        if self._broker_since is None or not known.was_seen:
            return "unknown"
        if known.death is not None:
            return "off" if known.death.reason in _WANTED else "offline"
        now = self._mono()
        if known.heard_mono is None or known.heard_mono < self._broker_since:
            return "unknown" if now - self._broker_since < GRACE_S else "offline"
        in_lesson = known.state is not None and known.state.lesson is not None
        late_s, offline_s = (LESSON_LATE_S, LESSON_OFFLINE_S) if in_lesson else (LATE_S, OFFLINE_S)
        age_s = now - known.heard_mono
        if age_s <= late_s:
            return "online"
        return "late" if age_s <= offline_s else "offline"

    def _changed(self, known: _Room) -> None:
        self.rev += 1
        known.rev = self.rev
        if known.health is not None:
            known.shown_cpu, known.shown_memory = known.health.cpu_percent, known.health.memory_mb
        self._on_change(known.id)


def _checks(known: _Room) -> tuple[Check, ...]:
    """Return the checks of the last health that had them; before the first one what is wrong, from the state."""
    if known.health is not None and known.health.checks is not None:
        return known.health.checks
    return known.state.checks if known.state is not None else ()


def _told(checks: tuple[Check, ...]) -> list[tuple[object, ...]]:
    """Return what makes checks another view: a value that moves with every report is none, or 5,000 rooms chatter."""
    return [(check.id, check.status, check.message, check.remedy) for check in checks]


def _status(known: _Room, *, is_stale: bool) -> CheckStatus:
    """Return the worst of link, devices and checks; those of a room that is not there say nothing."""
    of_link: dict[LinkState, CheckStatus] = {
        "online": CheckStatus.OK,
        "late": CheckStatus.WARNING,
        "offline": CheckStatus.CRITICAL,
        "unknown": CheckStatus.UNKNOWN,
        "off": CheckStatus.UNKNOWN,
    }
    found = [of_link[known.link]]
    if not is_stale:
        # What a check cannot tell (nobody speaks: is the voice loud enough?) makes no room unknown.
        found += [check.status for check in _checks(known) if check.status is not CheckStatus.UNKNOWN]
    if not is_stale and known.state is not None:
        found += [device.status for device in known.state.devices]
        if known.state.problem is not None:
            found.append(CheckStatus.CRITICAL)
    return max(found, key=_WORST.index)
