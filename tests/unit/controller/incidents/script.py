"""One judge, told what a test says, at a time that only the test moves."""

from __future__ import annotations

from typing import TypeVar

from controller.incidents.causes import Finding
from controller.incidents.decisions import Decision, Key
from controller.incidents.judge import Judge
from controller.incidents.site import Heard
from protocol.messages import CheckStatus, DeviceRole

ROOM = "hugo-01"
ROLES = {"front": DeviceRole.CAMERA, "spare": DeviceRole.MICROPHONE}
"""Of the names that are devices; all others are checks."""
Kind = TypeVar("Kind")


def key(cause: str) -> Key:
    return Key("room", ROOM, cause)


class Script:
    """A room that is there, with the checks and devices that were named so far, and what was decided when."""

    def __init__(self, *, is_online: bool = True) -> None:
        self.now_s = 0.0
        self.history: list[tuple[float, Decision]] = []
        self.heard_s: float | None = None
        """When every room was last heard; None: now."""
        self.judge = Judge(lambda room: Heard(self.now_s if self.heard_s is None else self.heard_s, 10.0))
        self.judge.add(ROOM, "hugo", "075")
        self._findings: dict[str, Finding] = {}
        if is_online:
            self.judge.link(ROOM, "online", 0.0)

    def tell(self, **statuses: str) -> None:
        """Report what is named anew, a ``_`` for each ``-``, with all that was named before."""
        for word, status in statuses.items():
            name = word.replace("_", "-")
            role = ROLES.get(name)
            cause = f"check:{name}" if role is None else f"device:{name}"
            self._findings[cause] = Finding(cause, CheckStatus(status), role)
        self.judge.report(ROOM, self._findings.values(), self.now_s)

    def take_out(self, cause: str) -> None:
        """Report all but this from now on."""
        del self._findings[cause]
        self.judge.report(ROOM, self._findings.values(), self.now_s)

    def run(self, until_s: float) -> None:
        """Turn each second until then."""
        while self.now_s < until_s:
            self.now_s += 1
            self.turn()

    def turn(self) -> None:
        self.history += [(self.now_s, decision) for decision in self.judge.turn(self.now_s)]

    def of(self, kind: type[Kind]) -> list[tuple[float, Kind]]:
        return [(at_s, decision) for at_s, decision in self.history if isinstance(decision, kind)]
