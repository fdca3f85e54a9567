"""A start that somebody at the centre proposes and somebody in the room answers, while it has not run out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from agent.outbox import Outbox
from protocol.errors import LessonError
from protocol.messages import ProposalAnswered, ProposalReport


class StartProposal:
    """At most one at a time; how it ended goes to the outbox. ``on_change`` hears that it ran out. On the loop."""

    def __init__(self, outbox: Outbox, *, on_change: Callable[[], None], now: Callable[[], datetime]) -> None:
        self.report: ProposalReport | None = None
        self._outbox = outbox
        self._on_change = on_change
        self._now = now
        self._timer: asyncio.TimerHandle | None = None

    def make(self, proposal: str, actor: str, expires_s: float) -> None:
        """Take a proposal in place of an earlier one."""
        self.settle("expired")
        self.report = ProposalReport(id=proposal, actor=actor, expires_at=self._now() + timedelta(seconds=expires_s))
        self._timer = asyncio.get_running_loop().call_later(expires_s, self._ran_out)

    def check(self, proposal: str) -> None:
        """Raise LessonError ``proposal-none`` unless this one still stands."""
        if self.report is None or self.report.id != proposal:
            raise LessonError("there is no such proposal any more; it may have run out", code="proposal-none")

    def settle(self, outcome: Literal["accepted", "refused", "expired"]) -> None:
        """End it, if there is one."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.report:
            accepted = outcome == "accepted"
            self._outbox.add(ProposalAnswered(proposal=self.report.id, accepted=accepted, reason=outcome))
            self.report = None

    def _ran_out(self) -> None:
        self.settle("expired")
        self._on_change()
