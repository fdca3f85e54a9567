"""The room's line to the network is finite: what all pupils together may be sent, and when a media server has to help.

Pure: time and numbers are passed in. The share of each shrinks before anybody is refused; `share_bps` is for whoever
chooses a viewer's layers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

KEPT_FREE = 0.85
"""Of what got through a full line: the rest is for what is sent again, signalling, and other people of the school."""
FULL_LOSS = 0.05
"""Lost of the voice, on more than half of the ways at once: then it is the line that they share."""
FEWEST_VIEWERS = 3
"""With fewer, a pupil's own line and the room's cannot be told apart."""
WINDOW_S = 5.0
"""A browser reports of the voice as often."""
TRUSTED_S = 60.0
"""After a full line: then it is believed to carry a little more, and more again, until it is full or does it all."""
GROWTH = 1.05
GROWTH_EACH_S = 10.0
STEADY_S = 60.0
"""To the media server at once, when somebody would be refused; back, or there again, only after as long."""
BACK_SHARE = 0.8
"""Of the budget that the pupils may need before they are taken back: one more must not send them away again."""


@dataclass(frozen=True, slots=True)
class WayNumbers:
    """What is known of the way to one viewer, counted since it connected."""

    viewer: str
    sent_bytes: int
    packets_lost: int
    highest_sequence: int


class Uplink:
    """The budget of one lesson. ``budget_bps`` is the configured one; None: learnt from what the viewers report.

    ``least_bps`` is what a viewer with the lowest layers takes, ``most_bps`` one with the best.
    """

    def __init__(self, budget_bps: int | None, *, least_bps: int, most_bps: int) -> None:
        self._configured_bps = budget_bps
        self._least_bps, self._most_bps = least_bps, most_bps
        self._learnt_bps: float | None = None
        self._full_mono_s = self._grown_mono_s = 0.0
        self._looks: deque[tuple[float, dict[str, WayNumbers]]] = deque()
        self._wants_relay = False
        self._changed_mono_s = float("-inf")
        self._fits_since_s: float | None = None

    @property
    def budget_bps(self) -> int | None:
        """What all viewers together may be sent; None while nothing bounds it."""
        if self._configured_bps is not None:
            return self._configured_bps
        return None if self._learnt_bps is None else int(self._learnt_bps)

    def share_bps(self, viewers: int) -> float:
        """Return what one of so many viewers may be sent; infinity while nothing bounds it."""
        budget = self.budget_bps
        return math.inf if budget is None else budget / max(1, viewers)

    def holds(self, viewers: int, budget_share: float = 1.0, *, beside_relay: bool = False) -> bool:
        """Say whether so many viewers fit, each with the lowest layers; ``beside_relay``: and the best once."""
        budget = self.budget_bps
        taken_bps = viewers * self._least_bps + (self._most_bps if beside_relay else 0)
        return budget is None or taken_bps <= budget * budget_share

    def wants_relay(self, now_s: float, viewers: int) -> bool:
        """Say whether so many viewers need the media server; call it each second, and for one who asks to come in."""
        if self.holds(viewers, BACK_SHARE if self._wants_relay else 1.0):
            if not self._wants_relay:
                return False
            if self._fits_since_s is None:
                self._fits_since_s = now_s
            if min(now_s - self._fits_since_s, now_s - self._changed_mono_s) >= STEADY_S:
                self._wants_relay, self._changed_mono_s = False, now_s
        else:
            self._fits_since_s = None
            if not self._wants_relay and now_s - self._changed_mono_s >= STEADY_S:
                self._wants_relay, self._changed_mono_s = True, now_s
        return self._wants_relay

    def hear(self, now_s: float, ways: Sequence[WayNumbers]) -> None:
        """Learn from what the viewers report, if no budget is configured; call it each second."""
        if self._configured_bps is not None:
            return
        now = {way.viewer: way for way in ways}
        self._looks.append((now_s, now))
        while self._looks[0][0] < now_s - WINDOW_S:
            self._looks.popleft()
        then_s, then = self._looks[0]
        if now_s - then_s < WINDOW_S * 0.8:
            return
        pairs = [(then[viewer], way) for viewer, way in now.items() if viewer in then]
        if self._is_full(pairs):
            arrived = sum(way.sent_bytes - before.sent_bytes for before, way in pairs) * 8 / (now_s - then_s)
            lowest = float(self._least_bps * FEWEST_VIEWERS)  # not less than the class that it was learnt from
            self._learnt_bps = max(lowest, arrived * KEPT_FREE)
            self._full_mono_s = self._grown_mono_s = now_s
            self._looks.clear()
        elif self._learnt_bps is not None and now_s - self._full_mono_s >= TRUSTED_S:
            if now_s - self._grown_mono_s >= GROWTH_EACH_S:
                self._learnt_bps *= GROWTH
                self._grown_mono_s = now_s
            if self._learnt_bps >= self._most_bps * max(1, len(ways)):
                self._learnt_bps = None

    @staticmethod
    def _is_full(pairs: Sequence[tuple[WayNumbers, WayNumbers]]) -> bool:
        if len(pairs) < FEWEST_VIEWERS:
            return False
        shares = []
        for before, way in pairs:
            sent = way.highest_sequence - before.highest_sequence
            shares.append((way.packets_lost - before.packets_lost) / sent if sent > 0 else 0.0)
        return sum(share > FULL_LOSS for share in shares) * 2 > len(shares)
