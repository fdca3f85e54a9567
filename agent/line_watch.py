"""Looks at the room's line each 5 s of a lesson, by what its viewers report of what reaches them.

And whether the media server that is to help where the line is full does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from agent.health.line import LineChecks, ViewerNumbers
from agent.health.tracker import Tracker
from agent.lesson import Lesson
from agent.streams.publisher import Publisher, ViewerView
from protocol.messages import Check, CheckStatus, Text

LOOK_S = 5.0
"""A browser reports of the voice as often."""
MEDIA_SERVER = "media-server"
MEDIA_SERVER_REMEDY = Text(
    fr="Rien à faire pendant le cours. L’assistance vérifie le serveur de diffusion et l’adresse de [relay].",
    en="Nothing to do during the lesson. IT looks at the media server and at the addresses of [relay].",
)


class LineWatch:
    """Owns the checks of the line. ``run`` lives until cancelled; ``on_news`` hears, on the loop, of each look."""

    def __init__(
        self,
        lesson: Lesson,
        wanted_bps: float,
        *,
        on_news: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lesson = lesson
        self._wanted_bps = wanted_bps
        self._on_news = on_news
        self._clock = clock
        self._now = now
        self._judge = LineChecks(wanted_bps)
        self._tracker = Tracker()
        self._publisher: Publisher | None = None
        self._unserved_since: datetime | None = None

    def checks(self) -> tuple[Check, ...]:
        """Return what is known; while no lesson runs, or too few pupils say anything, nothing is."""
        known = tuple(check for check in self._tracker.checks() if check.status is not CheckStatus.UNKNOWN)
        return known + self._media_server()

    def _media_server(self) -> tuple[Check, ...]:
        """Return the check of the media server while it is wanted and does not take what the room publishes."""
        relay = self._publisher.relay if self._publisher is not None else None
        if relay is None or relay.problem is None or self._unserved_since is None:
            return ()
        why = relay.problem.message
        message = Text(
            fr=f"Le serveur de diffusion ne prend pas le cours\u00a0; la ligne de la salle sert seule ({why}).",
            en=f"The media server does not take the lesson; the room's line alone serves the pupils ({why}).",
        )
        since = self._unserved_since
        return (
            Check(
                id=MEDIA_SERVER, status=CheckStatus.WARNING, since=since, message=message, remedy=MEDIA_SERVER_REMEDY
            ),
        )

    async def run(self) -> None:
        """Look in time, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Look once. A lesson that is over leaves nothing."""
        publisher = self._lesson.publisher
        if publisher is not self._publisher:
            self._publisher, self._judge, self._tracker = publisher, LineChecks(self._wanted_bps), Tracker()
            self._unserved_since = None
            self._on_news()
        if publisher is None:
            return
        if publisher.relay is None or publisher.relay.problem is None:
            self._unserved_since = None
        elif self._unserved_since is None:
            self._unserved_since = self._now()
        numbers = [found for view in publisher.viewers() if (found := numbers_of(view)) is not None]
        mono_s = self._clock()
        self._tracker.take(self._judge.look(numbers, mono_s), mono_s, self._now())
        self._on_news()


def numbers_of(view: ViewerView) -> ViewerNumbers | None:
    """Return what a viewer reports; nothing of one in the room itself, for no line is between."""
    line = view.line
    if line is None or view.is_in_room or not view.is_connected:
        return None
    return ViewerNumbers(
        view.id,
        line.sound.packets_lost,
        line.sound.highest_sequence,
        line.sound.jitter_s,
        line.sound.round_trip_s,
        line.estimate_bps,
        line.sent_bytes,
    )
