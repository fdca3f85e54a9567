"""How a camera that turns follows: slowly, seldom, and standing when in doubt."""

from __future__ import annotations

from agent.framing.people import Person
from agent.framing.steering import FAST, FASTER, HEAD_AT, HOLD_S, LARGE, SMALL, Steering


def at(x: float, *, top: float = HEAD_AT, upper: float = 0.4) -> Person:
    return Person(x, top, top + upper)


def test_somebody_near_the_middle_turns_nothing() -> None:
    steering = Steering(can_zoom=True)
    for index, x in enumerate((0.5, 0.6, 0.4, 0.62, 0.38)):
        assert steering.saw([at(x)], index * 0.25) == (0.0, 0.0, 0.0)


def test_it_turns_towards_them_gently_and_stops_before_they_are_in_the_middle() -> None:
    steering = Steering()
    pans = [steering.saw([at(x)], index * 0.25)[0] for index, x in enumerate((0.9, 0.9, 0.9, 0.9, 0.7, 0.6, 0.55, 0.5))]
    assert all(0 <= pan <= FAST for pan in pans)
    assert all(after - before <= FASTER + 1e-9 for before, after in zip([0.0, *pans], pans, strict=False))
    assert pans[3] > pans[5] > 0
    assert pans[6:] == [0.0, 0.0]
    assert steering.saw([at(0.1)], 3.0)[0] < 0


def test_a_head_above_the_middle_turns_it_up() -> None:
    assert Steering().saw([at(0.5, top=0.02)], 0.0)[1] > 0
    assert Steering().saw([at(0.5, top=0.6)], 0.0)[1] < 0


def test_who_is_not_seen_any_more_is_not_looked_for() -> None:
    steering = Steering()
    assert steering.saw([at(0.9)], 0.0)[0] > 0
    steering.saw([], HOLD_S / 2)
    assert steering.saw([], HOLD_S + 0.1) == (0.0, 0.0, 0.0)


def test_going_past_them_stops_it() -> None:
    steering = Steering()
    assert steering.saw([at(0.9)], 0.0)[0] > 0
    assert steering.saw([at(0.3)], 0.25)[0] == 0.0


def test_it_comes_nearer_only_while_it_stands_and_goes_away_from_who_is_too_large() -> None:
    steering = Steering(can_zoom=True)
    assert steering.saw([at(0.9, upper=SMALL - 0.05)], 0.0)[2] == 0.0
    assert Steering(can_zoom=True).saw([at(0.5, upper=SMALL - 0.05)], 0.0)[2] > 0
    assert Steering(can_zoom=True).saw([at(0.5, upper=LARGE + 0.05)], 0.0)[2] < 0
    assert Steering(can_zoom=False).saw([at(0.5, upper=LARGE + 0.05)], 0.0)[2] == 0.0


def test_several_far_apart_are_zoomed_away_from() -> None:
    assert Steering(can_zoom=True).saw([at(0.1), at(0.9)], 0.0)[2] < 0
