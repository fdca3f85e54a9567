"""What is wrong with a camera's picture.

One cause is one finding: a black picture is not also blurred, dark and covered, and what a look cannot tell it leaves
out. Black, covered and frozen are judged by each look; the rest once a second.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from agent.health import picture_measures as measures
from agent.health.baseline import CameraBaseline
from agent.health.camera_aim import Aim
from agent.health.flicker import Flicker
from agent.health.picture_measures import Floats, Sight
from agent.health.reading import Reading
from agent.health.stillness import Stillness
from agent.media import Frame
from protocol.messages import CheckStatus

OK, WARNING, CRITICAL = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL

SLOW_EVERY_S = 1.0
GAP_S = 1.0
"""Pictures further apart than this are not compared."""

BLACK_SHARE, BLACK_DEVIATION = 0.98, 6.0
"""A cap with noise had a deviation of 2.0, a room with its lights off 8.4."""
BLACK_MEAN, BLACK_NOISE_MEAN = 2.5, 6.0
"""Where the room's edges are not known: nothing at all, and noise without edges that stay. A dark film has 10."""
STAYING = 0.3
NOT_LIKE = 0.15
"""Edges that are as little like the room's own as this are not the room's: noise has 0.01, a dark film 0.3 and more."""
COVERED_SHARE, COVERED_DEVIATION = 0.06, 35.0
"""Of the room's detail, relative to its light; somebody near the lens leaves several times as much."""
COVERED_DETAIL, COVERED_FLAT, COVERED_BITS = 40.0, 15.0, 5.5
"""Where the room's own is not known: so little detail is in no picture of a room."""
WHITE_SHARE = 0.30
DIM_MEAN, DIM_BRIGHTEST = 30.0, 110.0
LIT_MEAN = 45.0
"""Below, colours, focus and aim are not judged: a room that is dark for a film is no fault."""
BLURRED_SHARE = 0.42
"""Of the empty room's sharpness: a class has 0.8 of it and more, through a codec too, and 0.44 where a film is seen in
little light; out of focus it has up to 0.4."""
COLOUR_CHANGE = 0.35
RATE_SHARE = SIZE_SHARE = 0.8
STEADY, STEADY_S = 0.15, 10.0
"""Light that changes by more than this within 10 s is a film's, or somebody at the switches."""
DARK_STEADY_S, DARK_STEADY_UNSURE_S = 20.0, 60.0
"""A film has shots of 10 s, and for dark ones of 20 it takes an hour; longer where the view was never seen in light, or
the light has just changed again and again."""
FALL_LOOKS = 2
"""A second apart."""
FILM_CHANGES = 3
"""Of the light within a minute: a wrong exposure is one, and takes up to three seconds; a film's shots are more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the camera was opened with."""

    width_px: int
    height_px: int
    rate_hz: float


class CameraLooks:
    """Looks at a camera's pictures, one after another."""

    def __init__(self, baseline: CameraBaseline | None, asked: Asked | None) -> None:
        self._baseline = baseline
        self._asked = asked
        self._usual = Usual(baseline)
        self._stillness = Stillness(baseline)
        self._aim = None if baseline is None else Aim(baseline)
        self._flicker = Flicker()
        self._before: tuple[Sight, float] | None = None
        self._noises: deque[float] = deque(maxlen=4)
        self._recent: list[Floats] = []
        self._fine: tuple[Floats, float] | None = None
        self._means: deque[tuple[float, float]] = deque(maxlen=1 + round(DARK_STEADY_UNSURE_S / SLOW_EVERY_S))
        self._counted: deque[tuple[float, int]] = deque(maxlen=11)
        self._slow_s: float | None = None

    def see(self, frame: Frame) -> None:
        """Take a picture that may never be looked at; in another thread, maybe."""
        self._flicker.see(frame)

    def look(self, frame: Frame, mono_s: float, *, is_turning: bool) -> tuple[Reading, ...]:
        """Return what a new picture shows."""
        seen = measures.sight(frame)
        before = None if self._before is None or mono_s - self._before[1] > GAP_S else self._before[0]
        self._before = seen, mono_s
        if is_turning:
            self._forget_view()
            return tuple(self._judge_rate(frame, mono_s, seen))
        self._take(seen, before)
        is_slow = self._slow_s is None or mono_s - self._slow_s >= SLOW_EVERY_S - 0.01
        if is_slow:
            self._slow_s = mono_s
            self._means.append((mono_s, seen.mean))
        noise = min(self._noises, default=0.0)
        recent = measures.mean_of(self._recent)
        squared = measures.gradient(recent)
        detail = measures.detail_of(squared, noise / len(self._recent))
        readings = []
        if self._is_black(seen, squared):
            readings.append(Reading("picture-black", CRITICAL, round(seen.mean, 1)))
            return tuple(readings)
        readings.append(Reading("picture-black", OK, round(seen.mean, 1)))
        share, is_covered = self._is_covered(seen, detail, squared)
        if len(self._noises) > 1 or is_covered:
            readings.append(Reading("picture-covered", CRITICAL if is_covered else OK, round(100 * share, 1), "%"))
        if before is not None:
            readings.extend(self._stillness.look(seen, before, mono_s, is_judged=not is_covered))
        if is_covered:
            return tuple(readings)
        if is_slow:
            readings.extend(self._slow(frame, mono_s, seen, squared, detail))
        return tuple(readings)

    def _forget_view(self) -> None:
        """What was learnt of this view is of no use in another one."""
        self._usual = Usual(self._baseline)
        self._noises.clear()
        self._recent.clear()
        self._means.clear()
        self._fine = None
        self._flicker.forget()
        if self._aim is not None:
            self._aim.forget()

    def _take(self, seen: Sight, before: Sight | None) -> None:
        """Add the picture to the mean of the last second, which noise has left; a sudden change begins a new mean."""
        if before is not None:
            self._noises.append(measures.noise_variance(before.small, seen.small))
        if self._recent:
            apart = float(np.abs(self._recent[-1] - seen.small).mean())
            if before is None or apart > max(4.0, 0.05 * seen.mean):
                self._recent.clear()
        self._recent.append(seen.small)
        del self._recent[:-4]

    def _is_black(self, seen: Sight, squared: Floats) -> bool:
        if seen.dark_share < BLACK_SHARE or seen.deviation >= BLACK_DEVIATION:
            return False
        like = self._usual.likeness(squared)
        if like is not None:
            return like < NOT_LIKE
        if seen.mean < BLACK_MEAN or seen.mean > BLACK_NOISE_MEAN or len(self._recent) < 2:
            return seen.mean < BLACK_MEAN
        one, other = (measures.edges(measures.gradient(picture)) for picture in self._recent[-2:])
        return measures.likeness(one, other) < STAYING

    def _is_covered(self, seen: Sight, detail: float, squared: Floats) -> tuple[float, bool]:
        """Return the share of the room's detail that is left, and whether something hides the room."""
        usual = self._usual.detail
        if usual is None:
            is_flat = seen.deviation < COVERED_FLAT and seen.entropy_bits < COVERED_BITS
            return 1.0, is_flat and detail < COVERED_DETAIL and seen.mean >= DIM_MEAN
        share = measures.relative_detail(detail, seen.mean) / usual
        if share >= COVERED_SHARE or seen.deviation >= COVERED_DEVIATION:
            return share, False
        like = self._usual.likeness(squared)
        return share, like is not None and like < NOT_LIKE

    def _slow(self, frame: Frame, mono_s: float, seen: Sight, squared: Floats, detail: float) -> Iterator[Reading]:
        is_lit = seen.mean >= LIT_MEAN
        yield Reading(
            "picture-over-exposed",
            WARNING if seen.white_share > WHITE_SHARE else OK,
            round(100 * seen.white_share),
            "%",
        )
        yield self._judge_dark(seen)
        yield from self._judge_rate(frame, mono_s, seen)
        fine_before, self._fine = self._fine, (measures.fine_grey(frame), mono_s)
        if not is_lit:
            return
        yield self._flicker.reading()
        if self._baseline is not None:
            is_darkened = self._is_film() or self._usual.is_evenly_darker(seen.small) is False
            if fine_before is not None and fine_before[0].shape == self._fine[0].shape and not is_darkened:
                yield from self._judge_focus(self._baseline, fine_before[0], self._fine[0])
            if self._is_steady(STEADY_S):
                yield from self._judge_colour(self._baseline, frame)
        if self._aim is not None:
            yield from self._aim.look(squared)
        self._usual.learn(squared, measures.relative_detail(detail, seen.mean), seen.small)

    def _judge_dark(self, seen: Sight) -> Reading:
        """Dark is a fault unless somebody darkened the room: a screen glows, a film flickers, or lamps went out."""
        is_dim = seen.mean < DIM_MEAN and seen.brightest < DIM_BRIGHTEST
        is_fault = is_dim and self._is_evenly_darker(seen)
        return Reading("picture-under-exposed", WARNING if is_fault else OK, round(seen.mean))

    def _is_evenly_darker(self, seen: Sight) -> bool:
        is_darker = self._usual.is_evenly_darker(seen.small)
        is_sure = is_darker is not None and self._fell_at_once() and not self._is_film()
        return is_darker is not False and self._is_steady(DARK_STEADY_S if is_sure else DARK_STEADY_UNSURE_S)

    def _fell_at_once(self) -> bool:
        """Return whether the light is as it is now since a single fall: by a wrong exposure, not by lamps put out.

        After lamps, the camera takes some seconds to find its exposure.
        """
        means = [mean for _, mean in self._means]
        now = means[-1]
        steady = itertools.takewhile(lambda mean: abs(mean - now) <= STEADY * max(now, 4.0), reversed(means))
        before = means[: len(means) - sum(1 for _ in steady)]
        return any(mean >= LIT_MEAN for mean in before[-FALL_LOOKS:])

    def _is_film(self) -> bool:
        """Return whether the light has changed again and again within the last minute."""
        means = [mean for _, mean in self._means]
        changes = sum(abs(one - other) > STEADY * max(one, other) for one, other in itertools.pairwise(means))
        return changes > FILM_CHANGES

    def _is_steady(self, for_s: float) -> bool:
        now_s, now = self._means[-1]
        means = [mean for mono_s, mean in self._means if now_s - mono_s < for_s + 0.5]
        is_whole = now_s - self._means[0][0] > for_s - 0.5
        return is_whole and max(means) - min(means) < STEADY * max(now, 4.0)

    def _judge_focus(self, baseline: CameraBaseline, before: Floats, now: Floats) -> Iterator[Reading]:
        if now.shape[1] != baseline.fine_width_px:
            return
        sharp = measures.sharpness(before, now)
        if sharp.can_tell(BLURRED_SHARE * baseline.sharpness):
            share = sharp.value / baseline.sharpness
            yield Reading("picture-blurred", WARNING if share < BLURRED_SHARE else OK, round(100 * share), "%")

    def _judge_colour(self, baseline: CameraBaseline, frame: Frame) -> Iterator[Reading]:
        red_green, blue_green, share = measures.colour_balance(frame)
        if share < 0.3:
            return
        changes = red_green / baseline.red_green, blue_green / baseline.blue_green
        change = max(max(ratio, 1 / ratio) for ratio in changes) - 1
        status = WARNING if change > COLOUR_CHANGE else OK
        yield Reading("picture-white-balance", status, round(100 * change), "%")

    def _judge_rate(self, frame: Frame, mono_s: float, seen: Sight) -> Iterator[Reading]:
        """Compare with what was asked; a camera in the dark takes its time for each picture, and may."""
        if self._asked is None:
            return
        if self._counted and (frame.sequence <= self._counted[-1][1] or mono_s - self._counted[-1][0] > 4 * GAP_S):
            self._counted.clear()
        if self._counted and frame.captured_mono_s - self._counted[-1][0] < SLOW_EVERY_S - 0.01:
            return
        self._counted.append((frame.captured_mono_s, frame.sequence))
        size = min(frame.width_px / self._asked.width_px, frame.height_px / self._asked.height_px)
        yield Reading("picture-resolution", WARNING if size < SIZE_SHARE else OK, frame.height_px, "px")
        (first_s, first), (last_s, last) = self._counted[0], self._counted[-1]
        if last_s - first_s < 4 or seen.mean < LIT_MEAN:
            return
        rate_hz = (last - first) / (last_s - first_s)
        status = WARNING if rate_hz < RATE_SHARE * self._asked.rate_hz else OK
        yield Reading("picture-rate", status, round(rate_hz, 1), "Hz")


class Usual:
    """How this view usually is: from the baseline, then from the last minutes themselves. In memory alone."""

    _READY_S = 8
    _MEMORY_S = 40

    def __init__(self, baseline: CameraBaseline | None) -> None:
        self._seconds = 0
        self._edges: Floats | None = None if baseline is None else baseline.edge_map()
        self._detail: float | None = None if baseline is None else baseline.detail
        self._learnt_edges: Floats | None = None
        self._learnt_detail = 0.0
        self._picture: Floats | None = None

    @property
    def detail(self) -> float | None:
        """The relative detail; None while it is not known."""
        return self._learnt_detail if self._seconds >= self._READY_S else self._detail

    def likeness(self, squared: Floats) -> float | None:
        """Return how much like the room's own these edges are; None while those are not known."""
        known = self._learnt_edges if self._seconds >= self._READY_S else self._edges
        return None if known is None else measures.likeness(measures.edges(squared), known)

    def learn(self, squared: Floats, detail: float, small: Floats) -> None:
        """Take a second in which the picture was well lit and nothing hid it."""
        known = self.detail
        if known is not None and detail < 0.3 * known:
            return  # somebody may stand before it, or it may be about to be covered
        if known is None and detail < measures.relative_detail(4 * COVERED_DETAIL, LIT_MEAN):
            return
        self._seconds += 1
        part = 1 / min(self._seconds, self._MEMORY_S)
        edges, picture = measures.edges(squared), _thumb(small)
        if self._learnt_edges is None or self._picture is None:
            self._learnt_edges, self._learnt_detail, self._picture = edges, detail, picture
            return
        self._learnt_edges += part * (edges - self._learnt_edges)
        self._picture += part * (picture - self._picture)
        self._learnt_detail += part * (detail - self._learnt_detail)

    def is_evenly_darker(self, small: Floats) -> bool | None:
        """Return whether all of the view lost the same share of its light, as by a wrong exposure.

        When lamps go out, what the windows or a screen light keeps more of its own. None while it is not known.
        """
        if self._picture is None or self._seconds < self._READY_S:
            return None
        is_clear = self._picture > 60
        if int(is_clear.sum()) < 50:
            return True
        share = _thumb(small)[is_clear] / self._picture[is_clear]
        low, middle, high = np.quantile(share, (0.1, 0.5, 0.9))
        return bool(high - low < 0.5 * middle)


def _thumb(small: Floats) -> Floats:
    return cv2.resize(small, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
