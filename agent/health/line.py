"""What ails the room's line, from what its viewers report of the way to them. Pure.

One pupil's bad line at home is not the room's fault: what is told is what more than half of them suffer at once, and
of a single viewer nothing is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.health.reading import Reading
from protocol.messages import CheckStatus

WINDOW_S = 20.0
LEAST_S, LEAST_PACKETS = 8.0, 100
"""Of the voice: 50 packets a second."""
LEAST_VIEWERS = 2
LOSS_WARN, LOSS_FAIL = 0.01, 0.05
ROUND_TRIP_S = 0.15
JITTER_S = 0.03
NARROW_SHARE = 0.9
"""A viewer that is given all it can take says so by an estimate below what it is sent; else it rises above that, but
only by half: of what was never tried nothing is known."""


@dataclass(frozen=True, slots=True)
class ViewerNumbers:
    """What one viewer's reports said last; packets, sequence and bytes are counted since it connected."""

    id: str
    packets_lost: int
    highest_sequence: int
    jitter_s: float
    round_trip_s: float | None
    estimate_bps: int | None
    sent_bytes: int


class LineChecks:
    """Holds what each viewer reported within the last `WINDOW_S`."""

    def __init__(self, wanted_bps: float) -> None:
        self._wanted_bps = wanted_bps
        self._known: dict[str, deque[tuple[float, ViewerNumbers]]] = {}

    def look(self, viewers: Sequence[ViewerNumbers], mono_s: float) -> tuple[Reading, ...]:
        """Judge one look, some seconds after the last."""
        self._known = {one.id: self._known.get(one.id, deque()) for one in viewers}
        for one in viewers:
            looks = self._known[one.id]
            looks.append((mono_s, one))
            while mono_s - looks[0][0] > WINDOW_S + 0.1:
                looks.popleft()
        told = [span for span in map(_span, self._known.values()) if span is not None]
        return (
            self._loss([span.loss for span in told]),
            _above("line-delay", [s.round_trip_s for s in told if s.round_trip_s is not None], ROUND_TRIP_S),
            _above("line-jitter", [span.jitter_s for span in told], JITTER_S),
            self._rate([span for span in told if span.estimate_bps is not None]),
        )

    def _loss(self, shares: Sequence[float]) -> Reading:
        share = _most(shares)
        if share is None:
            return Reading("line-loss", CheckStatus.UNKNOWN)
        status = CheckStatus.OK
        if share > LOSS_WARN:
            status = CheckStatus.CRITICAL if share > LOSS_FAIL else CheckStatus.WARNING
        return Reading("line-loss", status, round(100 * share, 1), "%")

    def _rate(self, spans: Sequence[_Span]) -> Reading:
        """Judge how much goes through; the value is what most viewers could take, at most."""
        if len(spans) < LEAST_VIEWERS:
            return Reading("line-rate", CheckStatus.UNKNOWN)
        narrow = [span for span in spans if self._is_narrow(span)]
        is_narrow = 2 * len(narrow) > len(spans)
        able = sorted(span.estimate_bps or 0 for span in (narrow if is_narrow else spans))
        status = CheckStatus.WARNING if is_narrow else CheckStatus.OK
        return Reading("line-rate", status, round(able[len(able) // 2] / 1e6, 1), "Mbit/s")

    def _is_narrow(self, span: _Span) -> bool:
        assert span.estimate_bps is not None
        return span.estimate_bps < min(NARROW_SHARE * span.sent_bps, self._wanted_bps)


@dataclass(frozen=True, slots=True)
class _Span:
    """One viewer within the window."""

    loss: float
    jitter_s: float
    round_trip_s: float | None
    estimate_bps: int | None
    sent_bps: float


def _span(looks: deque[tuple[float, ViewerNumbers]]) -> _Span | None:
    """Return what a viewer's looks say together; None for one that came just now, or reports no more."""
    (begin_s, first), (end_s, last) = looks[0], looks[-1]
    packets = last.highest_sequence - first.highest_sequence
    is_heard = any(
        one.highest_sequence != other.highest_sequence for (_, one), (_, other) in pairwise(list(looks)[-3:])
    )
    if end_s - begin_s < LEAST_S or packets < LEAST_PACKETS or not is_heard:
        return None
    return _Span(
        max(0, last.packets_lost - first.packets_lost) / packets,
        last.jitter_s,
        last.round_trip_s,
        last.estimate_bps,
        8 * (last.sent_bytes - first.sent_bytes) / (end_s - begin_s),
    )


def _most(values: Sequence[float]) -> float | None:
    """Return what more than half of the viewers reach or exceed; None where there are too few to tell."""
    return None if len(values) < LEAST_VIEWERS else sorted(values, reverse=True)[len(values) // 2]


def _above(check: str, values: Sequence[float], bound: float) -> Reading:
    value = _most(values)
    if value is None:
        return Reading(check, CheckStatus.UNKNOWN)
    status = CheckStatus.WARNING if value > bound else CheckStatus.OK
    return Reading(check, status, float(round(1000 * value)), "ms")
