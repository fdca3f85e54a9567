"""What one viewer is sent, by what its line takes, what its device decodes, what it wishes and what the room affords.

Pure: numbers and time are passed in. Down fast, up slowly (ADR 0013): a line that shows trouble loses a rung of the
ladder within two looks; a rung is tried again after a while, and each time that failed the while doubles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent.streams.ladder import TILES, Choice, Layers, Rung, Why, rungs
from protocol.channel import Wish

OVERUSE_SHARE = 0.9
"""The viewer says that less of what is sent reaches it: it answers a growing queue with 0.85 of what came."""
FIT_SHARE = 0.95
"""Of the viewer's estimate is used."""
DELAYED_S, BLOATED_S = 0.08, 0.3
"""Above the line's own round trip: packets wait in a queue; it is ours, and long."""
DELAY_STAYS_S = 1.5
"""A round trip is taken for the line's until the next one is told: a browser reports of a track each second or so."""
BASE_DRIFT = 1.002
"""A round trip's least is forgotten this slowly, each look: a line may become a longer one."""
LEAST_BASE_S = 0.01
"""Of nothing no share is forgotten; a line as short as that is not told from this one."""
LOSSY, LOSSY_OVER = 0.06, 0.02
"""Share of packets lost from which on sound is sent robust, and below which no longer."""
TROUBLE_LOSS, CLEAN_LOSS = 0.10, 0.03
"""Share of packets lost that costs a rung, and with which a line may be given more."""
STUBBORN = 0.6
"""A loss that stays at this share of what it was, although less is sent, is the line's own and not ours. Two reports in
a row must say so once the queue has drained: the first may count packets of before, and an average alone keeps them."""
FLOODED_LOSS = 0.5
"""No line loses as much by itself: what came is what it carries."""
LOSS_SMOOTHING, CALM_SMOOTHING = 0.3, 0.05
CALM_SPREAD = 2.0
"""A line is clean while it loses at most so many times what it loses on average with nothing waiting in it."""
PATIENCE = 2
"""Looks that must agree that there is trouble, each by news of it: a single one is a burst."""
SETTLE_S = 1.5
"""After a step down, before the next: what waits in the line has to drain."""
FIRST_TRY_S, MOST_TRY_S = 5.0, 300.0
"""A line is clean this long before more is tried; after trials that failed, at most this long."""
FAR_TRY_S, FAR_SHARE = 60.0, 2.0
"""A line that carries less than half of the board's least video, tried with that alone, gets tiles for a minute at
least: each attempt costs seconds of the sound. Where the line can be tried without, it is, each minute at least."""
SURE_TRY_S = 2.0
"""The same where the viewer's estimate already covers it by a fifth."""
SURE_SHARE = 1.2
HOLDS_S = 10.0
"""A rung that held this long, or as long as it was waited for, is tried sooner the next time."""
ROBUST_STAYS_S = 15.0
UNDECODED_S = 3.0
"""A whole board picture came and none was shown: a page reports each second, a still board is sent each two."""
UNDECODED_REPORTS = 2


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is known of a viewer's line at one look. Shares are of 1; None: nothing new was said since the last look."""

    is_heard: bool
    """RTCP came since the last look."""
    estimate_bps: float | None
    """What the viewer thinks that it could receive of pictures: at least this much, while little is sent."""
    sent_bps: float
    """Pictures sent, over the last seconds."""
    came_bps: float | None
    """What reached the viewer of all tracks, headers included, as its reports count it. Bursts that still wait are not
    in it: a full line carries as much."""
    loss: float | None
    round_trip_s: float | None
    falls: int
    """Times since the last look that the sender could not keep up."""


class Adaptation:
    """Chooses for one viewer. ``layers`` are what its connection takes."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._wish = Wish()
        self._without = (0, 0)
        self._undecoded = 0
        """Boards, from the best on, that the viewer's device does not decode."""
        self._level_bps = math.inf
        """What the line carries, as far as it was tried."""
        self._share_bps = math.inf
        self.wants_trial_bps: float | None = None
        """What the line should be found to carry before video takes the place of tiles (`line_trial`)."""
        self._changed_s = -math.inf
        self._clean_since_s: float | None = None
        self._held_s = -math.inf
        self._waits_s: dict[Rung, float] = {}
        """How long the line must be clean before a rung is tried; doubled by each trouble on it."""
        self._troubled = 0
        self._base_s: float | None = None
        self._delay_s = 0.0
        """Above the line's own round trip."""
        self._delayed_s = -math.inf
        """When that was told."""
        self._loss = self._newest_loss = 0.0
        self._calm_loss = 0.0
        self._loss_then: float | None = None
        """What a rung was given up for, while it is not known whose that loss is."""
        self._loss_stayed: float | None = None
        """What was lost by the one report so far that says that it stays."""
        self._left: Rung | None = None
        """What was given up last, for no more than trouble: nothing said what the line carries."""
        self._own_loss = 0.0
        """Loss that the line has whatever is sent."""
        self._robust_until_s = -math.inf
        self._board_since_s: float | None = None
        self._is_board_seen = False
        self._unseen_reports = 0
        self._make_ladder()

    # --- what is told ---------------------------------------------------------------------------------------------

    def wish(self, wish: Wish) -> None:
        """Hear what the pupil wants."""
        self._wish = wish
        self._make_ladder()

    def limit(self, cameras: int, boards: int) -> None:
        """Hear how many of the best layers of camera and board the machine cannot afford now."""
        if (cameras, boards) != self._without:
            self._without = cameras, boards
            self._make_ladder()

    def share(self, share_bps: float) -> None:
        """Hear what the room's own line has for this viewer."""
        self._share_bps = share_bps

    def thin(self, carries_bps: float) -> None:
        """Hear that a line was found to carry no more than this before anything was sent over it."""
        self._level_bps = self._rungs[self._fitting(FIT_SHARE * carries_bps)].cost_bps

    def tried(self, carries_bps: float | None, now_s: float) -> None:
        """Hear what the line carries, as `wants_trial_bps` asked; None: only sending more can tell."""
        wanted_bps, self.wants_trial_bps = self.wants_trial_bps, None
        at = self._at()
        if wanted_bps is None or at == 0:
            return
        if carries_bps is None or carries_bps >= wanted_bps:
            self._go_up(now_s)
        else:
            above = self._rungs[at - 1]
            self._clean_since_s = None
            self._waits_s[above] = min(FAR_TRY_S, 2 * self._wait_s(above))

    def board_began(self, now_s: float) -> None:
        """Hear that another layer of the board is sent from now on, beginning with a whole picture."""
        self._board_since_s, self._is_board_seen, self._unseen_reports = now_s, False, 0

    def received(self, board_fps: float, camera_fps: float, now_s: float) -> None:
        """Hear what the page shows. One in the background shows nothing at all, which says nothing of its decoder.

        So a board counts as not decoded only beside a camera that is.
        """
        if board_fps > 0:
            self._is_board_seen = True
        sent = self.choice(now_s)
        if self._is_board_seen or self._board_since_s is None or sent.camera is None or camera_fps == 0:
            return
        if sent.board != self._layers.board[self._undecoded].name:
            return
        self._unseen_reports += 1
        smaller = len(self._layers.board) - 1 - self._undecoded
        if now_s - self._board_since_s >= UNDECODED_S and self._unseen_reports >= UNDECODED_REPORTS and smaller > 0:
            self._undecoded += 1
            self._board_since_s = None
            self._make_ladder()

    def look(self, numbers: Numbers, now_s: float) -> Choice:
        """Take the line's numbers, each half second or so, and return what to send from now on."""
        self._take_round_trip(numbers.round_trip_s, now_s)
        delay_s = self._delay_s
        self._take_loss(numbers.loss, now_s, is_calm=numbers.round_trip_s is not None and delay_s <= DELAYED_S)
        is_lossy = self._loss_then is None and self._loss > max(TROUBLE_LOSS, 1.5 * self._own_loss)
        estimate_bps = numbers.estimate_bps
        is_overused = estimate_bps is not None and estimate_bps < OVERUSE_SHARE * numbers.sent_bps
        is_waiting = delay_s > (DELAYED_S if is_overused else BLOATED_S)
        is_losing = is_lossy or (is_overused and self._loss > self._clean_loss())
        is_loss_news = numbers.loss is not None and numbers.loss > self._clean_loss()
        is_troubled = is_waiting or is_losing
        if not is_troubled:
            self._troubled = 0
        elif (is_waiting and numbers.round_trip_s is not None) or (is_losing and is_loss_news):
            self._troubled += 1
        if (self._troubled >= PATIENCE or numbers.falls) and now_s - self._changed_s >= SETTLE_S:
            carried_bps = None
            if is_waiting and is_overused and estimate_bps is not None:
                came_bps = (numbers.came_bps or 0.0) / (1 - self._lost_by_itself())
                carried_bps = max(estimate_bps, came_bps)
            if carried_bps is None and is_lossy and self._newest_loss >= FLOODED_LOSS:
                carried_bps = numbers.sent_bps * (1 - self._newest_loss)
            self._go_down(carried_bps, now_s, is_lossy=is_lossy)
        elif not is_troubled and not numbers.falls and numbers.is_heard and self._is_clean(delay_s):
            self._stay_or_go_up(estimate_bps, now_s)
        else:
            self._clean_since_s = None
        return self.choice(now_s)

    # --- what is chosen -------------------------------------------------------------------------------------------

    def choice(self, now_s: float) -> Choice:
        """Return what to send now."""
        rung = self._rungs[self._at()]
        is_robust = rung.sound is not None and now_s < self._robust_until_s and rung.sound == self._layers.sound[0].name
        why: Why = "best"
        if self._at() > 0:
            why = "line" if self._fitting(self._level_bps) == self._at() else "uplink"
        elif self._wish.use != "automatic":
            why = "wish"
        elif self._undecoded and self._undecoded >= self._without[1]:
            why = "decoder"
        elif any(self._without):
            why = "machine"
        sound = self._layers.sound[1].name if is_robust and len(self._layers.sound) > 1 else rung.sound
        return Choice(sound, rung.board, rung.camera, why)

    def _make_ladder(self) -> None:
        cameras, boards = self._without
        self._rungs = rungs(self._layers.without(cameras, max(boards, self._undecoded)), self._wish)

    def _at(self) -> int:
        """Which rung both lines carry, the viewer's and the room's."""
        return self._fitting(min(self._level_bps, self._share_bps))

    def _fitting(self, bps: float) -> int:
        last = len(self._rungs) - 1
        return next((n for n, rung in enumerate(self._rungs) if rung.cost_bps <= bps), last)

    def _go_down(self, carried_bps: float | None, now_s: float, *, is_lossy: bool) -> None:
        at = self._at()
        self._waits_s[self._rungs[at]] = min(MOST_TRY_S, 2 * self._wait_s(self._rungs[at]))
        self._clean_since_s, self._troubled, self.wants_trial_bps = None, 0, None
        if at == len(self._rungs) - 1:
            return
        fitting = at + 1
        while (
            carried_bps is not None
            and fitting < len(self._rungs) - 1
            and self._rungs[fitting].cost_bps > FIT_SHARE * carried_bps
        ):
            fitting += 1
        left, taken = self._rungs[at], self._rungs[fitting]
        self._left = left if carried_bps is None else None
        is_from_above_tiles = taken.board == TILES and fitting == at + 1
        if is_from_above_tiles and carried_bps is not None and left.cost_bps > FAR_SHARE * carried_bps:
            self._waits_s[left] = max(FAR_TRY_S, self._wait_s(left))
        self._level_bps = taken.cost_bps
        self._changed_s = now_s
        self._loss_then, self._loss_stayed = self._loss if is_lossy else None, None

    def _stay_or_go_up(self, estimate_bps: float | None, now_s: float) -> None:
        if self._clean_since_s is None:
            self._clean_since_s = now_s
        at = self._at()
        rung = self._rungs[at]
        held_s = now_s - max(self._clean_since_s, self._held_s)
        if held_s >= max(HOLDS_S, self._wait_s(rung)):
            self._held_s = now_s
            self._waits_s[rung] = max(FIRST_TRY_S, self._wait_s(rung) / 2)
        if at == 0:
            return
        above = self._rungs[at - 1]
        wait_s = self._wait_s(above)
        if wait_s == FIRST_TRY_S and estimate_bps is not None and estimate_bps >= SURE_SHARE * above.cost_bps:
            wait_s = SURE_TRY_S
        if now_s - max(self._clean_since_s, self._changed_s) < wait_s:
            return
        if rung.board == TILES:
            self.wants_trial_bps = above.cost_bps
        else:
            self._go_up(now_s)

    def _go_up(self, now_s: float) -> None:
        self._level_bps = self._rungs[self._at() - 1].cost_bps
        self._changed_s = self._held_s = now_s

    def _wait_s(self, rung: Rung) -> float:
        return self._waits_s.get(rung, FIRST_TRY_S)

    # --- what the numbers mean ------------------------------------------------------------------------------------

    def _is_clean(self, delay_s: float) -> bool:
        return delay_s <= DELAYED_S and self._loss <= self._clean_loss()

    def _lost_by_itself(self) -> float:
        """Return the share that the line loses whatever is sent."""
        return min(FLOODED_LOSS, max(self._own_loss, self._calm_loss))

    def _clean_loss(self) -> float:
        return max(CLEAN_LOSS, 1.3 * self._own_loss, min(CALM_SPREAD * self._calm_loss, TROUBLE_LOSS))

    def _take_round_trip(self, round_trip_s: float | None, now_s: float) -> None:
        if round_trip_s is not None:
            round_trip_s = max(LEAST_BASE_S, round_trip_s)
            self._base_s = round_trip_s if self._base_s is None else min(round_trip_s, self._base_s * BASE_DRIFT)
            self._delay_s, self._delayed_s = round_trip_s - self._base_s, now_s
        elif now_s - self._delayed_s > DELAY_STAYS_S:
            self._delay_s = 0.0

    def _take_loss(self, loss: float | None, now_s: float, *, is_calm: bool) -> None:
        if loss is None:
            return
        if is_calm:
            self._calm_loss += (loss - self._calm_loss) * CALM_SMOOTHING
        self._newest_loss = loss
        self._loss += (loss - self._loss) * LOSS_SMOOTHING
        if self._loss >= LOSSY or (self._loss >= LOSSY_OVER and now_s < self._robust_until_s):
            self._robust_until_s = now_s + ROBUST_STAYS_S
        if self._loss_then is not None and now_s - self._changed_s >= 2 * SETTLE_S:
            self._find_whose_loss(self._loss_then, now_s, is_calm=is_calm)
        if self._loss < CLEAN_LOSS:
            self._own_loss = 0.0

    def _find_whose_loss(self, loss_then: float, now_s: float, *, is_calm: bool) -> None:
        if not STUBBORN * loss_then <= min(self._loss, self._newest_loss) or self._loss >= FLOODED_LOSS:
            self._loss_then = None
        elif self._loss_stayed is None:
            self._loss_stayed = self._newest_loss
        else:
            self._own_loss = min(self._loss, max(self._loss_stayed, self._newest_loss))
            self._loss_then = None
            if is_calm and self._left is not None:  # what was given up for it was not the cause
                self._level_bps, self._changed_s = self._left.cost_bps, now_s
                self._waits_s[self._left] = max(FIRST_TRY_S, self._wait_s(self._left) / 2)
