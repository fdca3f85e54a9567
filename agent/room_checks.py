"""Everything that is looked at in the room: all of it for IT, what is wrong for the state, less for the panel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from protocol.messages import Check, CheckStatus

HEALTH_MOST = 64
WRONG_MOST = 32
"""As many as a `Health` and a `RoomState` take."""
_SEVERITY = {CheckStatus.CRITICAL: 0, CheckStatus.WARNING: 1, CheckStatus.UNKNOWN: 2, CheckStatus.OK: 3}
Told = Literal["all", "critical", "none"]
_CAUSES = {
    "host-load": ("host-throttled",),
    "layers-lowered": ("host-throttled", "host-load"),
    "picture-rate": ("host-throttled", "host-load", "layers-lowered"),
}
"""What follows from what: on the panel the first cause that is wrong is told in its place. IT sees both."""


@dataclass(frozen=True, slots=True)
class _Source:
    checks: Callable[[], tuple[Check, ...]]
    panel: Told


class RoomChecks:
    """Gathers; holds no check of its own. Ask on the loop.

    ``on_change`` listeners hear of each change of a status or a sentence, with whether a *critical* came or went: that
    is told the centre at once. A value that moves is no change: it goes with the next health.
    """

    def __init__(self) -> None:
        self._sources: list[_Source] = []
        self._listeners: list[Callable[[bool], None]] = []
        self._wrong: tuple[Check, ...] = ()
        self._shown: tuple[Check, ...] = ()

    def add(self, checks: Callable[[], tuple[Check, ...]], *, panel: Told = "none") -> None:
        """Look at what ``checks`` returns too. ``panel``: which of its faults matter to who teaches in the room."""
        self._sources.append(_Source(checks, panel))

    def on_change(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)

    def all(self) -> tuple[Check, ...]:
        """Return every check with its newest value, worst first if there are more than a message takes."""
        found = [check for source in self._sources for check in source.checks()]
        return tuple(found if len(found) <= HEALTH_MOST else _worst_first(found)[:HEALTH_MOST])

    def wrong(self) -> tuple[Check, ...]:
        """Return what is wrong, worst first, with the values of when each became so."""
        return self._wrong

    def for_panel(self) -> tuple[Check, ...]:
        """Return what is wrong and matters to who teaches here, worst first."""
        return self._shown

    def look(self) -> None:
        """Compare with what was; tell the listeners. Called by whatever changed a check, and in time."""
        before = {check.id: check for check in self._wrong}
        wrong: list[Check] = []
        shown: list[str] = []
        for source in self._sources:
            for check in source.checks():
                if check.status not in (CheckStatus.CRITICAL, CheckStatus.WARNING):
                    continue
                known = before.get(check.id)
                told = known if known is not None and _is_same(known, check) else check
                wrong.append(told)
                if source.panel == "all" or (source.panel == "critical" and check.status is CheckStatus.CRITICAL):
                    shown.append(told.id)
        now = tuple(_worst_first(wrong)[:WRONG_MOST])
        ids = {check.id for check in wrong}
        causes = {_cause(name, ids) for name in shown}
        self._shown = tuple(_worst_first(check for check in wrong if check.id in causes)[:WRONG_MOST])
        if now == self._wrong:
            return
        critical = _critical(self._wrong) != _critical(now)
        self._wrong = now
        for listener in self._listeners:
            listener(critical)


def _cause(name: str, wrong: Collection[str]) -> str:
    return next((cause for cause in _CAUSES.get(name, ()) if cause in wrong), name)


def _is_same(one: Check, other: Check) -> bool:
    return (one.status, one.message, one.remedy) == (other.status, other.message, other.remedy)


def _worst_first(checks: Iterable[Check]) -> list[Check]:
    return sorted(checks, key=lambda check: (_SEVERITY[check.status], check.since))


def _critical(checks: Iterable[Check]) -> set[str]:
    return {check.id for check in checks if check.status is CheckStatus.CRITICAL}
