"""RTCP of a viewer, beside the tasks and queues that aiortc has for it.

aiortc wakes a task up for each report of each track; twenty viewers' reports then cost as much as their pictures.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from agent.streams.wire import TakenSender
from agent.streams.wire_path import DirectPath

LEAST_INTERVAL_S, INTERVAL_SPREAD_S = 0.5, 1.0
"""A second between reports, spread so that those of many viewers do not fall together (RFC 3550 §6.2); as aiortc."""


class ViewerRtcp:
    """Sends the sender reports of all tracks of a viewer as one packet (RFC 8108 §5), until its path is closed.

    ``call_at`` calls back at an instant of ``now``. Before the senders are started.
    """

    def __init__(
        self,
        path: DirectPath,
        senders: Sequence[TakenSender],
        call_at: Callable[[float, Callable[[], None]], None],
        now: Callable[[], float],
    ) -> None:
        self._path, self._senders = path, senders
        self._call_at, self._now = call_at, now
        for sender in senders:
            sender.report_with_others()
        self._wait()

    def _wait(self) -> None:
        interval_s = LEAST_INTERVAL_S + INTERVAL_SPREAD_S * random.random()  # noqa: S311  # no secret
        self._call_at(self._now() + interval_s, self._report)

    def _report(self) -> None:
        if self._path.is_direct is None:
            return  # closed, for good
        reports = b"".join([sender.sender_report() for sender in self._senders])
        if reports:
            self._path.send_rtcp(reports)
        self._wait()
