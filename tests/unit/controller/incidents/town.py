"""Schools whose rooms report to a real fleet, whose words go to a real judge; a clock that only `Town.run` moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from controller.fleet import Fleet
from controller.incidents.decisions import Decision, Key, Open
from controller.incidents.judge import Judge
from controller.incidents.site import Heard
from protocol.lesson import LessonState
from protocol.messages import DeathReason, Health, LessonReport, RoomState, RoomStatus

BEGIN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
IDLE_S, LESSON_S = 10, 3
Kind = TypeVar("Kind")


@dataclass(slots=True)
class _Room:
    phase_s: int
    period_s: int = IDLE_S
    is_cut: bool = False
    heard_s: float | None = None


class Town:
    """Rooms named ``{school}-{n}``, in the territory ``075`` unless said otherwise."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.history: list[tuple[float, Decision]] = []
        self.fleet = Fleet(lambda: self.now_s, self._at, self._changed)
        self.judge = Judge(self._heard)
        self.rooms: dict[str, _Room] = {}
        self._news: dict[str, None] = {}
        self.is_broker_frozen = False
        self.fleet.broker_connected()

    def _at(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now_s)

    def _changed(self, room: str) -> None:
        self._news[room] = None

    def _heard(self, room: str) -> Heard | None:
        known = self.rooms[room]
        return None if known.heard_s is None else Heard(known.heard_s, known.period_s)

    def build(self, school: str, rooms: int, *, territory: str = "075") -> list[str]:
        """Add a school's rooms, reporting at times of their own."""
        ids = [f"{school}-{n:02d}" for n in range(rooms)]
        for n, id in enumerate(ids):
            self.rooms[id] = _Room(phase_s=n * 7)
            self.fleet.add(id, territory, id)
            self.judge.add(id, school, territory)
            self.fleet.status(id, RoomStatus(online=True, sid="s1", agent="1", at=self._at()))
        return ids

    def teach(self, rooms: Iterable[str]) -> None:
        """Begin a lesson in each."""
        for id in rooms:
            self.rooms[id].period_s = LESSON_S
            self.fleet.report(id, self._state(id))
            self.judge.lesson(id, "running", self.now_s)

    def _state(self, id: str) -> RoomState:
        in_lesson = self.rooms[id].period_s == LESSON_S
        lesson = LessonReport(id="l-1", started_at=BEGIN) if in_lesson else None
        return RoomState(
            sid="s1", state=LessonState.LIVE if in_lesson else LessonState.IDLE, lesson=lesson, at=self._at()
        )

    def cut(self, rooms: Iterable[str]) -> None:
        for id in rooms:
            self.rooms[id].is_cut = True

    def mend(self, rooms: Iterable[str]) -> None:
        for id in rooms:
            self.rooms[id].is_cut = False

    def switch_off(self, rooms: Iterable[str]) -> None:
        """Let them say goodbye, and nothing more."""
        for id in rooms:
            self.rooms[id].is_cut = True
            self.fleet.status(
                id, RoomStatus(online=False, sid="s1", agent="1", at=self._at(), reason=DeathReason.SHUTDOWN)
            )

    def lose_broker(self) -> None:
        self.is_broker_frozen = True
        self.fleet.broker_lost()
        self.judge.broker(is_there=False, now_s=self.now_s)

    def find_broker(self) -> None:
        self.is_broker_frozen = False
        self.fleet.broker_connected()
        self.judge.broker(is_there=True, now_s=self.now_s)

    def run(self, seconds: int) -> None:
        """Let time go by, a second and a turn at a time."""
        for _ in range(seconds):
            self.now_s += 1
            for id, room in self.rooms.items():
                if not room.is_cut and not self.is_broker_frozen and (self.now_s + room.phase_s) % room.period_s == 0:
                    room.heard_s = self.now_s
                    self.fleet.measure(
                        id, Health(sid="s1", seq=0, uptime_s=1, cpu_percent=10, memory_mb=100, viewers=0)
                    )
            self.fleet.tick()
            for id in self._news:
                self.judge.link(id, self.fleet.link(id), self.now_s)
            self._news.clear()
            self.history += [(self.now_s, decision) for decision in self.judge.turn(self.now_s)]

    def of(self, kind: type[Kind]) -> list[tuple[float, Kind]]:
        return [(at_s, decision) for at_s, decision in self.history if isinstance(decision, kind)]

    @property
    def opened(self) -> list[Key]:
        return [decision.key for _, decision in self.of(Open)]
