"""What looks at a page behind a line amount to. Pure; instants are seconds of the wall clock, which all here share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.figures import Distribution

RATE_HZ = 48_000
HOLE_S = 0.1
"""A pause in a voice that is longer makes a word another word, or none."""
WHOLE_SHARE = 0.97
"""So many blocks of a slide look as they should: it can be read."""
OUT_OF_STEP_S = 0.35
"""Looks are 0.1 s apart; between two that are further apart runs of made-up sound are not joined."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the page. Counts are of its present connection, as getStats has them (W3C webrtc-stats)."""

    at_s: float
    connection: int
    """Counts the connections that the page had."""
    samples: int
    """Of sound, played."""
    concealed: int
    """Of these, made up because nothing had come."""
    concealments: int
    """Runs of made-up samples."""
    sound_packets: int
    camera_frames: int
    camera_height_px: int
    freezes: int
    lit: tuple[frozenset[int], frozenset[int]]
    """Strokes that are seen on either row of the board; see `line_lesson`."""
    shares: tuple[float, float] | None
    """How much of either slide is seen; None where this look did not compare."""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Look:
        """Return what ``line_page.js`` told."""
        first, second = (frozenset(row) for row in told["lit"])
        shares = told["shares"]
        return cls(
            told["at_ms"] / 1000,
            told["connection"],
            told["samples"],
            told["concealed"],
            told["concealments"],
            told["sound_packets"],
            told["camera_frames"],
            told["camera_height_px"],
            told["freezes"],
            (first, second),
            None if shares is None else (shares[0], shares[1]),
        )


@dataclass(frozen=True, slots=True)
class Stroke:
    """A stroke of the pen on slide number ``slide``, the ``place``-th on it, captured at ``at_s``."""

    slide: int
    place: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Slide:
    """Another slide: captured at ``at_s``, shown in the room until ``until_s``."""

    number: int
    at_s: float
    until_s: float


def within(looks: Sequence[Look], from_s: float, until_s: float) -> list[Look]:
    """Return the looks of a time."""
    return [look for look in looks if from_s <= look.at_s < until_s]


def gap_percent(looks: Sequence[Look]) -> float | None:
    """Return how much of the sound that was played was made up; None where none was played."""
    played = made_up = 0
    for one, other in pairwise(looks):
        if one.connection == other.connection:
            played += other.samples - one.samples
            made_up += other.concealed - one.concealed
    return 100 * made_up / played if played else None


def holes(looks: Sequence[Look]) -> list[float]:
    """Return the instants at which a run of made-up sound had become longer than `HOLE_S`."""
    found, run, is_told = [], 0.0, False
    for one, other in pairwise(looks):
        made_up, begun = other.concealed - one.concealed, other.concealments - one.concealments
        if one.connection != other.connection or made_up <= 0 or other.at_s - one.at_s > OUT_OF_STEP_S:
            run, is_told = 0.0, False
            continue
        if begun:
            run, is_told = 0.0, False
        run += made_up / max(1, begun)
        if run > HOLE_S * RATE_HZ and not is_told:
            found.append(other.at_s)
            is_told = True
    return found


def with_holes_percent(looks: Sequence[Look]) -> float | None:
    """Return in how many of the seconds the sound had such a hole."""
    seconds = {int(look.at_s) for look in looks}
    return 100 * len({int(at_s) for at_s in holes(looks)}) / len(seconds) if seconds else None


def ink_late_s(strokes: Sequence[Stroke], slides: Sequence[Slide], looks: Sequence[Look]) -> list[float]:
    """Return how long after its capture each stroke was seen; of one that was not, how long it could have been."""
    ends = {slide.number: slide.until_s for slide in slides}
    return [_seen_s(stroke, ends[stroke.slide], looks) - stroke.at_s for stroke in strokes]


def _seen_s(stroke: Stroke, until_s: float, looks: Sequence[Look]) -> float:
    row = stroke.slide % 2
    seen = (look.at_s for look in looks if stroke.at_s <= look.at_s < until_s and stroke.place in look.lit[row])
    return next(seen, until_s)


def slide_s(slide: Slide, looks: Sequence[Look]) -> float:
    """Return how long after its capture a slide could be read; how long it was shown where it never could."""
    which = slide.number % 2
    read = (
        look.at_s
        for look in looks
        if slide.at_s <= look.at_s < slide.until_s and look.shares and look.shares[which] >= WHOLE_SHARE
    )
    return next(read, slide.until_s) - slide.at_s


def board_ages_s(strokes: Sequence[Stroke], slides: Sequence[Slide], looks: Sequence[Look]) -> list[float]:
    """Return at each look how long ago the board was as it is seen: since when something of it is missing."""
    ends = {slide.number: slide.until_s for slide in slides}
    missing = [(stroke.at_s, _seen_s(stroke, ends[stroke.slide], looks)) for stroke in strokes]
    missing += [(slide.at_s, slide.at_s + slide_s(slide, looks)) for slide in slides]
    return [
        max((look.at_s - at_s for at_s, until_s in missing if at_s <= look.at_s < until_s), default=0.0)
        for look in looks
    ]


def camera_layer(looks: Sequence[Look]) -> str | None:
    """Return what of the camera was seen most of the time; None: nothing."""
    seen = Counter(
        other.camera_height_px if other.camera_frames > one.camera_frames else 0 for one, other in pairwise(looks)
    )
    height_px = seen.most_common(1)[0][0] if seen else 0
    return f"{height_px}p" if height_px else None


def freezes(looks: Sequence[Look]) -> int:
    """Return how often the camera froze."""
    return sum(other.freezes - one.freezes for one, other in pairwise(looks) if one.connection == other.connection)


def recover_s(looks: Sequence[Look], back_s: float) -> float | None:
    """Return how long after ``back_s`` the room was both heard and seen again; None: never."""
    heard_s = seen_s = None
    for one, other in pairwise(looks):
        if other.at_s <= back_s:
            continue
        is_new = one.connection != other.connection
        if heard_s is None and other.sound_packets > (0 if is_new else one.sound_packets):
            heard_s = other.at_s
        if seen_s is None and other.camera_frames > (0 if is_new else one.camera_frames):
            seen_s = other.at_s
        if heard_s is not None and seen_s is not None:
            return max(heard_s, seen_s) - back_s
    return None


def p95_s(values: Sequence[float]) -> float | None:
    """Return the 95th of a hundred, to the hundredth; None of nothing."""
    return round(Distribution.of(values).p95, 2) if values else None
