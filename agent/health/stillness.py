"""Whether a camera's picture stands still: a stream that shows the same picture again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.health import picture_measures as measures
from agent.health.baseline import CameraBaseline
from agent.health.picture_measures import Sight
from agent.health.reading import Reading
from protocol.messages import CheckStatus

Points = NDArray[np.uint8]

STILL_LOOKS = 5
STILL_MAD, STILL_SHARE = 0.05, 0.25
"""A frozen picture that a codec still polishes differs by less than these, in levels and of the empty room's own."""
STILL_EMPTY = 0.08
"""Levels: a camera whose empty room is stiller than this is known by its key frames alone."""
CELLS = (8, 6)
REDRAWN_POINTS, REDRAWN_CELLS = 0.02, 0.85
"""Of each cell's points, and of the cells: a key frame draws all of the picture anew, what moves in a class a part."""
REDRAWN_LEAST, REDRAWN_LEARNT_S, REDRAWN_KEPT_S = 3, 10.0, 120.0
"""So many intervals, over so long, tell how a camera's codec does it; the longest of the last ones counts."""
NOISY_SHARE, NOISY_ALONE_S = 0.9, 0.8
"""Of the looks: the codec keeps the noise in every picture, and a stir so far from the last one is none."""
UNSTIRRED_S, UNSTIRRED_INTERVALS, UNSTIRRED_LATE_S = 2.0, 1.25, 0.75
"""At least so long, and so many of the longest interval and so much more, must nothing stir in a frozen picture."""
STILL_UNSURE_S = 10.0
"""So long must exact stillness last in a camera that may be as still when it is well."""
LIVELY_LOOKS = 80
"""After so many looks that all differed from the one before, this camera has noise, and stillness is a fault."""


class Stirs:
    """How often a codec shows that its picture lives.

    A codec leaves out what hardly changes: of an empty room it may send nothing for seconds. But each key frame draws
    the noise of its moment, and the whole picture stirs a little. Of a picture that stands still it draws the same, and
    within some key frames nothing stirs any more.
    """

    def __init__(self) -> None:
        self._intervals: deque[tuple[float, float]] = deque()
        """When the whole picture was drawn anew, and how long after the time before."""
        self._begun_s: float | None = None
        self._newest_s = self._redrawn_s = self._stirred_s = 0.0
        self._looks = 0
        self._share = 0.0
        """Of looks in which the whole picture was drawn anew, lately."""

    def take(self, before: Points, now: Points, apart: float, mono_s: float) -> None:
        """Take a look's points and those of the one before, ``apart`` levels from one another."""
        changed = (cv2.absdiff(before, now) > 0).astype(np.float32)
        is_redrawn = (
            float((cv2.resize(changed, CELLS, interpolation=cv2.INTER_AREA) > REDRAWN_POINTS).mean()) >= REDRAWN_CELLS
        )
        if self._begun_s is None:
            self._begun_s = self._redrawn_s = self._stirred_s = mono_s
        self._newest_s = mono_s
        is_noisy, is_over = self.is_noisy, self.is_over(mono_s)
        if not is_over:
            self._looks = min(self._looks + 1, 2 * LIVELY_LOOKS)
            self._share += (is_redrawn - self._share) / self._looks
        if is_redrawn and not is_over:
            self._intervals.append((mono_s, mono_s - self._redrawn_s))
        if is_noisy:
            is_stir = is_redrawn and mono_s - self._redrawn_s <= NOISY_ALONE_S
        else:
            is_stir = is_redrawn or apart >= STILL_MAD
        if is_stir:
            self._stirred_s = mono_s
        if is_redrawn:
            self._redrawn_s = mono_s
        while self._intervals and mono_s - self._intervals[0][0] > REDRAWN_KEPT_S:
            self._intervals.popleft()

    @property
    def is_known(self) -> bool:
        """Whether there were looks enough to know this camera."""
        return self._begun_s is not None and self._newest_s - self._begun_s >= REDRAWN_LEARNT_S

    @property
    def is_noisy(self) -> bool:
        """Whether every picture shows noise: there is no codec, or it keeps it."""
        return self._share > NOISY_SHARE

    @property
    def has_key_frames(self) -> bool:
        """Whether key frames alone show that the picture lives."""
        return self.is_known and not self.is_noisy and len(self._intervals) >= REDRAWN_LEAST

    def is_over(self, mono_s: float) -> bool:
        """Return whether nothing has stirred for longer than this camera ever leaves it; False while not known."""
        if not self.is_known or len(self._intervals) < REDRAWN_LEAST:
            return False
        longest_s = 0.0 if self.is_noisy else max(interval_s for _, interval_s in self._intervals)
        return mono_s - self._stirred_s > max(UNSTIRRED_S, UNSTIRRED_INTERVALS * longest_s + UNSTIRRED_LATE_S)


class Stillness:
    """Tells a picture that stands still from a room in which nobody moves, by the noise that every live picture has.

    Through a codec there may be none left; then its key frames tell. The baseline knows how still the empty room is in
    this camera, and without it exact stillness counts, in a camera that has never been so still before.
    """

    def __init__(self, baseline: CameraBaseline | None) -> None:
        self._empty = None if baseline is None else baseline.stillness
        self._apart: deque[float] = deque(maxlen=STILL_LOOKS)
        self._stirs = Stirs()
        self._lively = 0
        self._usual = 0.0
        """What pictures of this view usually are apart."""
        self._still_since_s: float | None = None
        self._longest_s = 0.0
        """How long this camera has been exactly still and was well all the same."""

    def look(self, seen: Sight, before: Sight, mono_s: float, *, is_judged: bool) -> Iterator[Reading]:
        """Return whether the picture stands still."""
        if seen.points.shape != before.points.shape:
            self._apart.clear()
            return
        apart = measures.difference(before.points, seen.points)
        self._stirs.take(before.points, seen.points, apart, mono_s)
        self._note(apart, mono_s)
        if len(self._apart) < STILL_LOOKS or not is_judged:
            return
        status = CheckStatus.CRITICAL if self._is_frozen(mono_s) else CheckStatus.OK
        yield Reading("picture-frozen", status, round(float(np.median(self._apart)), 3))

    def _note(self, apart: float, mono_s: float) -> None:
        self._apart.append(apart)
        if apart > 0:
            self._lively = min(self._lively + 1, 2 * LIVELY_LOOKS)
        else:
            self._lively = max(0, self._lively - (0 if self._still_since_s is not None else 4))
        still = sum(one == 0 for one in self._apart)
        if still >= STILL_LOOKS - 1:
            if self._still_since_s is None:
                self._still_since_s = mono_s
            return
        if self._still_since_s is not None and still < STILL_LOOKS - 2:
            # A picture that stood still while the room went on jumps when it is live again.
            if max(self._apart) < 3 * self._usual:
                self._longest_s = max(self._longest_s, mono_s - self._still_since_s)
            self._still_since_s = None
        if apart > 0:
            self._usual += (apart - self._usual) * 0.05

    def _is_frozen(self, mono_s: float) -> bool:
        if self._stirs.is_over(mono_s):
            return True
        is_still_by_nature = self._empty is None or self._empty < STILL_EMPTY
        if is_still_by_nature and self._stirs.has_key_frames:
            return False
        if self._empty is not None:
            is_known = not is_still_by_nature or self._stirs.is_known
            return is_known and float(np.median(self._apart)) < min(STILL_MAD, STILL_SHARE * self._empty)
        if self._still_since_s is None:
            return False
        still_s = mono_s - self._still_since_s
        needed_s = 0.0 if self._lively >= LIVELY_LOOKS else STILL_UNSURE_S
        return still_s >= min(max(needed_s, 1.5 * self._longest_s), 4 * STILL_UNSURE_S)
