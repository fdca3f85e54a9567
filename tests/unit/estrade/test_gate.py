"""Whether an update left a room well: what was well before, held against what is seen after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from estrade.gate import Room, watch, worse

BEFORE = Room(listens=True, hears_centre=True, working=("board", "front", "mic"), critical=("camera-dark",))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (BEFORE, None),
        (replace(BEFORE, working=("board", "front", "mic", "new")), None),
        (replace(BEFORE, critical=()), None),
        (Room(), "does not answer"),
        (replace(BEFORE, working=("board", "mic")), "do not now: front"),
        (replace(BEFORE, critical=("camera-dark", "disk-full")), "were not before: disk-full"),
        (replace(BEFORE, hears_centre=False), "centre was heard"),
    ],
)
def test_only_what_was_well_before_has_to_be_well(now: Room, words: str | None) -> None:
    wrong = worse(BEFORE, now)
    assert wrong is None if words is None else words in str(wrong)


def test_a_room_whose_agent_did_not_answer_is_only_asked_to() -> None:
    assert worse(Room(), replace(BEFORE, hears_centre=False, working=())) is None
    assert worse(Room(), Room()) is not None


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.s = 1000.0

    def now(self) -> float:
        return self.s

    def sleep(self, seconds: float) -> None:
        self.s += seconds


def watched(seen: Iterator[Room], seconds: float = 120.0) -> tuple[str | None, float]:
    clock = Clock()
    wrong = watch(BEFORE, lambda: next(seen), seconds, now=clock.now, sleep=clock.sleep)
    return wrong, clock.s - 1000.0


def rooms(*spans: tuple[int, Room]) -> Iterator[Room]:
    for looks, room in spans:
        for _ in range(looks):
            yield room


def test_a_start_takes_its_time_and_the_whole_time_is_watched() -> None:
    assert watched(rooms((20, Room()), (1000, BEFORE))) == (None, 120.0)


def test_one_that_does_not_come_is_told_when_nothing_can_mend_it_any_more() -> None:
    wrong, after_s = watched(rooms((1000, Room())))
    assert "does not answer" in str(wrong)
    assert after_s == 90.0


def test_a_fall_near_the_end_is_seen() -> None:
    wrong, after_s = watched(rooms((50, BEFORE), (1, Room()), (1000, BEFORE)))
    assert "does not answer" in str(wrong)
    assert after_s == 100.0
