"""What most viewers suffer at once is the room's line; what one suffers, and what was never tried, is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agent.health.line import LineChecks, ViewerNumbers
from agent.health.specs import HOST_TOLD_S
from agent.health.tracker import Tracker
from protocol.messages import Check, CheckStatus

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
LOOK_S = 5.0
OK, WARNING, CRITICAL, UNKNOWN = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL, CheckStatus.UNKNOWN
WANTED_BPS = 3_000_000
Spoil = Callable[["Pupil"], None]


class Pupil:
    """A viewer on a good line, until a test makes it worse."""

    def __init__(self, name: str) -> None:
        self.rng = np.random.default_rng(len(name))
        self.loss, self.sent_bps, self.is_silent = 0.001, 900_000.0, False
        self.numbers = ViewerNumbers(name, 0, 60_000, 0.006, 0.04, 2_500_000, 0)

    def lives(self, seconds: float) -> None:
        packets = round(50 * seconds)
        self.numbers = replace(self.numbers, sent_bytes=self.numbers.sent_bytes + round(self.sent_bps * seconds / 8))
        if not self.is_silent:
            lost = int(self.rng.binomial(packets, self.loss))
            self.numbers = replace(
                self.numbers,
                packets_lost=self.numbers.packets_lost + lost,
                highest_sequence=self.numbers.highest_sequence + packets,
            )


class Line:
    """Some pupils and the checks of their line, by the clock of the test."""

    def __init__(self, count: int) -> None:
        self.pupils = [Pupil("p" * (number + 1)) for number in range(count)]
        self.checks, self.tracker, self.mono_s = LineChecks(WANTED_BPS), Tracker(), 100.0

    def runs(self, for_s: float) -> Mapping[str, Check]:
        """Let time pass; return what was told at the end."""
        for _ in range(round(for_s / LOOK_S)):
            self.mono_s += LOOK_S
            for pupil in self.pupils:
                pupil.lives(LOOK_S)
            readings = self.checks.look([pupil.numbers for pupil in self.pupils], self.mono_s)
            self.tracker.take(readings, self.mono_s, NOON + timedelta(seconds=self.mono_s))
        return {check.id: check for check in self.tracker.checks()}

    def faults(self, for_s: float) -> dict[str, CheckStatus]:
        return {id: one.status for id, one in self.runs(for_s).items() if one.status not in (OK, UNKNOWN)}


def loses(share: float) -> Spoil:
    return lambda pupil: setattr(pupil, "loss", share)


def has(**numbers: float | None) -> Spoil:
    def spoil(pupil: Pupil) -> None:
        pupil.numbers = replace(pupil.numbers, **numbers)  # type: ignore[arg-type]  # its fields

    return spoil


FAULTS: Mapping[str, tuple[Spoil, dict[str, CheckStatus]]] = {
    "some loss": (loses(0.025), {"line-loss": WARNING}),
    "much loss": (loses(0.09), {"line-loss": CRITICAL}),
    "a long way": (has(round_trip_s=0.22), {"line-delay": WARNING}),
    "an uneven way": (has(jitter_s=0.05), {"line-jitter": WARNING}),
    "a narrow way": (has(estimate_bps=600_000), {"line-rate": WARNING}),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("count", [2, 5])
def test_what_most_suffer_is_told_in_time_and_taken_back(fault: str, count: int) -> None:
    spoil, expected = FAULTS[fault]
    line = Line(count)
    assert not line.faults(120)
    assert {check.status for check in line.runs(5).values()} == {OK}
    well = [pupil.numbers for pupil in line.pupils]
    for pupil in line.pupils[: count // 2 + 1]:
        spoil(pupil)
    assert line.faults(HOST_TOLD_S) == expected
    for pupil, before in zip(line.pupils, well, strict=True):
        pupil.loss = 0.001
        has(jitter_s=before.jitter_s, round_trip_s=before.round_trip_s, estimate_bps=before.estimate_bps)(pupil)
    assert not line.faults(90)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("count", "bad"), [(1, 1), (2, 1), (4, 2), (5, 2)])
def test_what_half_of_them_or_fewer_suffer_is_their_own_line(fault: str, count: int, bad: int) -> None:
    line = Line(count)
    for pupil in line.pupils[:bad]:
        FAULTS[fault][0](pupil)
    assert not line.faults(180)


def test_of_one_viewer_nothing_is_known() -> None:
    assert {check.status for check in Line(1).runs(60).values()} == {UNKNOWN}


def test_a_line_that_was_never_filled_is_not_narrow() -> None:
    """A board that stands still: a browser's estimate is never above one and a half of what it gets."""
    line = Line(4)
    for pupil in line.pupils:
        pupil.sent_bps = 200_000
        has(estimate_bps=280_000)(pupil)
    assert not line.faults(180)


def test_a_burst_of_loss_is_no_fault() -> None:
    line = Line(4)
    line.runs(60)
    for pupil in line.pupils:
        pupil.numbers = replace(pupil.numbers, packets_lost=pupil.numbers.packets_lost + 15)
    assert not any(line.faults(LOOK_S) for _ in range(18))


def test_viewers_that_report_no_more_are_left_out() -> None:
    line = Line(4)
    for pupil in line.pupils:
        loses(0.09)(pupil)
    for pupil in line.pupils[1:]:
        pupil.is_silent = True
    assert not line.faults(60)
