"""Which pupils hear and see the teacher, by what their pages say they played: "7 of 8 hear and see you".

A page tells each second how loud what it played was, and when. `likeness` compares that with what the room's microphone
heard. Of a pupil it is said *heard* only when the two curves are one; that packets arrive proves nothing. Pure: time is
passed in.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.levels import RoomLevels
from agent.likeness import LEVEL_S, Likeness, compare, smooth
from protocol.channel import Reception
from protocol.panel import Hearing, WhyBlind, WhyDeaf

SILENT_PAGE_S = 2.6
"""A page reports each second; two reports that do not come are no accident, and 3 s is what a lie may last."""
KEPT_LEVELS = 125
LONG_LEVELS, SHORT_LEVELS, FAR_LEVELS, AGAIN_LEVELS = 70, 40, 100, 46
"""2.8 s for a yes, or 1.8 s that fit very well; 1.6 s for a no: all that can be known in time of a fault that begins
just before a report. 4 s where it is not known when the page played it."""
NEAR_S = 0.15
"""Between the time that a page gives for what it played and what it measured."""
FAR_S = 2.0
"""Where a page gives no time, what it played was captured at most so long before its report came."""
LAG_STEP_S = 0.025
SETTLED_S = 0.075
"""Once found, the distance stays; a browser's buffers grow and shrink by less."""
LONG_SCORE, AGAIN_SCORE, FAR_SCORE, FLAT_SCORE, DEAF_SCORE = 0.8, 0.9, 0.88, 0.92, 0.4
STILL_SCORE = 0.6
"""Over the long window, who was heard and reaches this is still heard, whatever the short one says."""
SPREAD_DB, SPREAD_LEAST_DB, PLAYED_SPREAD_DB = 3.0, 1.0, 4.5
"""Speech rises and falls by more than the first; less than the second says nothing: a fan, or silence."""
LOUD_LEAST = 10
"""0.4 s of speech: the first syllable after a silence may be lost on the line."""
COUNTS_LEAST = 0.6
"""Share of a window that must be comparable."""
OVER_BESIDE = 2.0
"""The microphone must be 3 dB above what is mixed in beside it."""
BESIDE_LEAST = 1e-6
"""-60 dBFS: nothing is mixed in."""
SILENCE_DBFS, SAID_DBFS = -55.0, -45.0
"""Nothing is played; somebody speaks, or a class works, without a pause."""
HEARD_HOLD_S, DEAF_HOLD_S = 30.0, 10.0
"""What was proved so long ago is said no more; a fault that no later sound bears out goes sooner."""
SETTLING_S = 5.0
"""A page that has just come is blamed for nothing: its player starts, its buffer finds its length, a picture waits for
a key frame, a relay or a slow line takes seconds; and in a lesson that begins the microphone is given 3 s to open."""
CAMERA_STILL_S = 2.6
BOARD_STILL_S = 8.0
"""The board sends a picture every few seconds, also when nothing is written."""
TOLD_LATE_S = 5.0
"""A time of play further from now than this is none."""
OWN_CHOICE: tuple[WhyDeaf, ...] = ("muted", "volume-0")
"""What the pupil did at the page itself: known from the first report."""

Pictures = Literal["video", "tiles", "none"]
"""How a viewer is sent pictures. Tiles come on a channel that loses nothing, and only when the board changes: what a
page presents a second tells nothing of them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one pupil now."""

    hearing: Hearing = "unknown"
    why_deaf: WhyDeaf | None = None
    sees: bool | None = None
    """None before it has told anything."""
    why_blind: WhyBlind | None = None


class Listener:
    """One viewer's page, from its first report to its last."""

    def __init__(self) -> None:
        self._report: Reception | None = None
        self._reported_s = -math.inf
        self._came_s: float | None = None
        """When its first report came."""
        self._levels: deque[tuple[float, float]] = deque(maxlen=KEPT_LEVELS)
        """When each level ended in the room's time, and its power."""
        self._is_new = self._is_timed = False
        self._lag_s: float | None = None
        self._far_lag_s: float | None = None
        self._proof: tuple[bool, WhyDeaf | None, float] | None = None
        """Heard or not, why not, and when that was last seen."""
        self._camera_s = self._board_s = -math.inf

    def take(self, report: Reception, now_s: float, played_until_s: float | None) -> None:
        """Take a report that came now; ``played_until_s`` is its time of play as the room's time of capture."""
        self._report, self._reported_s = report, now_s
        if self._came_s is None:
            self._came_s = now_s
        if report.camera_fps > 0:
            self._camera_s = now_s
        if report.board_fps > 0:
            self._board_s = now_s
        count = len(report.levels_dbfs)
        if not count:
            return
        is_timed = played_until_s is not None and -1.0 < now_s - played_until_s < TOLD_LATE_S
        if is_timed != self._is_timed:
            self._levels.clear()
            self._lag_s = self._far_lag_s = None
            self._is_timed = is_timed
        end_s = played_until_s if is_timed and played_until_s is not None else self._end_by_arrival(count, now_s)
        for i, level_dbfs in enumerate(report.levels_dbfs):
            self._levels.append((end_s - (count - 1 - i) * LEVEL_S, 10 ** (level_dbfs / 10)))
        self._is_new = True

    def has_heard_since(self, mono_s: float) -> bool:
        """Say whether it was last proved to hear, by sound that was all played after this."""
        return self._proof is not None and self._proof[0] and self._proof[2] - FAR_LEVELS * LEVEL_S > mono_s

    def look(self, room: RoomLevels, now_s: float, pictures: Pictures, *, is_microphone_wrong: bool) -> Verdict:
        """Return what is known of this pupil now."""
        if self._is_new:
            self._is_new = False
            self._judge(room, now_s)
        report = self._report
        if report is None:
            return Verdict()
        if now_s - self._reported_s > SILENT_PAGE_S:
            return Verdict("not-heard", "no-report", False, "no-report")
        hearing, why = self._hearing(report, now_s, is_microphone_wrong)
        sees, why_blind = self._sees(now_s, pictures)
        if self._is_settling(now_s):
            if hearing != "heard" and why not in OWN_CHOICE and (self._proof is None or why == "microphone"):
                hearing, why = "unknown", None
            if why_blind == "no-picture" and max(self._camera_s, self._board_s) == -math.inf:
                return Verdict(hearing, why)
        return Verdict(hearing, why, sees, why_blind)

    def _is_settling(self, now_s: float) -> bool:
        return self._came_s is None or now_s - self._came_s < SETTLING_S

    def _sees(self, now_s: float, pictures: Pictures) -> tuple[bool, WhyBlind | None]:
        if pictures != "video":
            self._camera_s = now_s  # when video begins again, it is given the usual time to come
            return (True, None) if pictures == "tiles" else (False, "not-sent")
        sees = now_s - self._camera_s <= CAMERA_STILL_S or now_s - self._board_s <= BOARD_STILL_S
        return sees, None if sees else "no-picture"

    def _hearing(self, report: Reception, now_s: float, is_microphone_wrong: bool) -> tuple[Hearing, WhyDeaf | None]:
        if report.output != "playing":
            return "not-heard", report.output
        if not report.is_heard:
            return "not-heard", "no-sound"
        if is_microphone_wrong:
            return "not-heard", "microphone"
        if not self._levels:
            return "unknown", None
        if self._proof is None:
            return "nothing-said", None
        is_heard, why, proved_s = self._proof
        if now_s - proved_s > (HEARD_HOLD_S if is_heard else DEAF_HOLD_S):
            return "nothing-said", None
        return ("heard", None) if is_heard else ("not-heard", why)

    def _end_by_arrival(self, count: int, now_s: float) -> float:
        """Return when the last level ended where a page gives no time: evenly, whatever the line's jitter."""
        if not self._levels:
            return now_s
        even_s = self._levels[-1][0] + count * LEVEL_S
        return even_s if abs(even_s - now_s) < 0.3 else now_s

    # --- judging --------------------------------------------------------------------------------------------------

    def _judge(self, room: RoomLevels, now_s: float) -> None:
        was_heard = self._proof is not None and self._proof[0]
        lags_s = self._lags(was_heard)
        is_far = not self._is_timed and not was_heard
        most = FAR_LEVELS if is_far else LONG_LEVELS
        alike = long = short = None
        if not is_far:
            again = self._curves(AGAIN_LEVELS + 1, room, lags_s)  # with a neighbour for the first
            alike = _alike(again.newest(AGAIN_LEVELS), AGAIN_SCORE)
        if alike is None:  # the usual lesson costs one window and not three
            curves = self._curves(most, room, lags_s)
            long, short = curves.newest(most), curves.newest(SHORT_LEVELS)
        is_other = short is not None and _is_other(short)
        if not is_other:
            alike = alike or _alike(long, FAR_SCORE if is_far else LONG_SCORE)
        if is_far and not self._is_found_twice(alike):
            alike = None
        if alike is not None:
            self._proof, self._lag_s = (True, None, now_s), alike.lag_s
        elif self._is_settling(now_s) and not was_heard:
            return
        elif short is not None and is_other and not (was_heard and long and long.score >= STILL_SCORE):
            why: WhyDeaf = "silent" if short.played_peak_dbfs < SILENCE_DBFS else "other-sound"
            self._proof, self._lag_s = (False, why, now_s), None

    def _curves(self, count: int, room: RoomLevels, lags_s: NDArray[np.float64]) -> _Curves:
        newest = islice(self._levels, max(0, len(self._levels) - count), None)
        return _Curves.of(np.array(tuple(newest)), room, lags_s)

    def _lags(self, was_heard: bool) -> NDArray[np.float64]:
        if was_heard and self._lag_s is not None:
            return self._lag_s + np.arange(-SETTLED_S, SETTLED_S + 0.01, LAG_STEP_S)
        if self._is_timed:
            return np.arange(-NEAR_S, NEAR_S + 0.01, LAG_STEP_S)
        return np.arange(0.0, FAR_S, LEVEL_S)

    def _is_found_twice(self, alike: Likeness | None) -> bool:
        """Say whether two reports in turn were found at one distance: of many that are tried, one fits by chance."""
        before, self._far_lag_s = self._far_lag_s, alike.lag_s if alike else None
        return alike is not None and before is not None and abs(before - alike.lag_s) <= LEVEL_S


@dataclass(frozen=True, slots=True)
class _Curves:
    """What a page played and what the room heard then, with a row for each distance in time that is tried."""

    played: NDArray[np.float64]
    room: NDArray[np.float64]
    counts: NDArray[np.bool_]
    """Where the two can be compared."""
    lags_s: NDArray[np.float64]

    @classmethod
    def of(cls, levels: NDArray[np.float64], room: RoomLevels, lags_s: NDArray[np.float64]) -> _Curves:
        """Find what the room heard; ``levels`` has the end and the power of each."""
        begins_s = levels[None, :, 0] - LEVEL_S - lags_s[:, None]
        heard, beside = room.microphone.power(begins_s, LEVEL_S), room.beside.power(begins_s, LEVEL_S)
        counts = room.is_open(begins_s, LEVEL_S)
        counts &= begins_s + LEVEL_S <= room.end_mono_s
        counts &= (beside < BESIDE_LEAST) | (heard > OVER_BESIDE * beside)
        return cls(smooth(levels[:, 1]), smooth(heard + beside), counts, lags_s)

    def newest(self, count: int) -> Likeness | None:
        """Compare the newest so many; None when too little of them can be compared."""
        counts = self.counts[:, -count:]
        if counts.shape[1] < count or counts.mean(axis=1).max() < COUNTS_LEAST:
            return None
        return compare(self.played[-count:], self.room[:, -count:], counts, self.lags_s)


def _alike(window: Likeness | None, score: float) -> Likeness | None:
    """Return a window whose two curves are one; where they hardly rise and fall, they must fit the better."""
    if window is None or window.spread_db < SPREAD_LEAST_DB:
        return None
    return window if window.score >= (score if window.spread_db >= SPREAD_DB else max(score, FLAT_SCORE)) else None


def _is_other(short: Likeness) -> bool:
    """Say whether two curves have nothing to do with each other, though there is something in one of them."""
    if short.played_peak_dbfs < SILENCE_DBFS and short.median_dbfs > SAID_DBFS:
        return True
    is_said = short.spread_db >= SPREAD_DB
    is_played = short.played_spread_db >= PLAYED_SPREAD_DB and short.played_peak_dbfs > SILENCE_DBFS
    return short.score < DEAF_SCORE and short.loud >= LOUD_LEAST and (is_said or is_played)


class Listeners:
    """All pages of one lesson, by viewer. ``said_mono_s`` turns a viewer's RTP time into the time of capture."""

    def __init__(self, room: RoomLevels, said_mono_s: Callable[[str, int], float | None]) -> None:
        self._room = room
        self._said_mono_s = said_mono_s
        self._pages: dict[str, Listener] = {}
        self._verdicts: dict[str, Verdict] = {}

    def take(self, viewer: str, report: Reception, now_s: float) -> None:
        """Take a page's report."""
        played_s = None if report.played_rtp is None else self._said_mono_s(viewer, report.played_rtp)
        self._pages.setdefault(viewer, Listener()).take(report, now_s, played_s)

    def look(self, viewers: Mapping[str, Pictures], now_s: float, *, is_microphone_wrong: bool) -> bool:
        """Judge those who are still there; return whether anything is different now."""
        self._pages = {viewer: page for viewer, page in self._pages.items() if viewer in viewers}
        before, self._verdicts = (
            self._verdicts,
            {
                viewer: page.look(self._room, now_s, viewers[viewer], is_microphone_wrong=is_microphone_wrong)
                for viewer, page in self._pages.items()
            },
        )
        return before != self._verdicts

    def has_heard_since(self, viewer: str, mono_s: float) -> bool:
        """Say whether a viewer hears, and was proved to by sound that was all played after this."""
        page = self._pages.get(viewer)
        return page is not None and self.verdict(viewer).hearing == "heard" and page.has_heard_since(mono_s)

    def verdict(self, viewer: str) -> Verdict:
        """Return what was last found of a viewer."""
        return self._verdicts.get(viewer, Verdict())
