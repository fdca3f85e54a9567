"""Who is there, from looks at one tile each."""

from __future__ import annotations

import pytest

from agent.framing.people import FORGET_S, MISSED_LOOKS, Looks, People, Person, Tile, wide_tiles

ASPECT = 16 / 9
ALL = Tile(0.0, 0.0, 1.0, 1.0)


def at(x: float) -> Person:
    return Person(x, 0.4, 0.65)


@pytest.mark.parametrize("aspect", [16 / 9, 4 / 3, 1.0, 3 / 4, 2.4])
def test_the_wide_tiles_hold_everybody_once_whole(aspect: float) -> None:
    tiles = wide_tiles(aspect)
    for x in range(101):
        assert any(tile.holds(x / 100) for tile in tiles), x
    for tile in tiles:
        assert tile.width * aspect == pytest.approx(tile.height)
        assert -1e-9 <= tile.left <= 1 - tile.width + 1e-9


def test_once_seen_is_not_believed_and_twice_is() -> None:
    people = People(ASPECT)
    people.saw([at(0.5)], ALL, 0.0)
    assert people.there() == ()
    people.saw([at(0.51)], ALL, 0.25)
    assert len(people.there()) == 1


def test_what_was_seen_once_and_not_again_is_gone_at_once() -> None:
    people = People(ASPECT)
    people.saw([at(0.5)], ALL, 0.0)
    people.saw([], ALL, 0.25)
    assert people.guesses() == ()


def test_a_turned_back_is_not_leaving_and_leaving_is() -> None:
    people = People(ASPECT)
    for index in range(4):
        people.saw([at(0.5)], ALL, index * 0.25)
    for index in range(MISSED_LOOKS - 1):
        people.saw([], ALL, 1 + index * 0.25)
    assert len(people.there()) == 1
    people.saw([], ALL, 2.0)
    assert people.there() == ()


def test_a_look_elsewhere_says_nothing_of_them() -> None:
    people = People(ASPECT)
    left, right = wide_tiles(ASPECT)
    for index in range(3):
        people.saw([at(0.2)], left, index * 0.25)
    for index in range(5):
        people.saw([], right, 1 + index * 0.25)
    assert len(people.there()) == 1
    people.saw([], right, 1 + FORGET_S)
    assert people.there() == ()


def test_who_is_cut_by_the_edge_of_a_tile_is_left_to_the_other() -> None:
    people = People(ASPECT)
    left, _ = wide_tiles(ASPECT)
    people.saw([at(left.width - 0.01)], left, 0.0)
    assert people.guesses() == ()


def test_two_stay_two_and_one_who_walks_stays_one() -> None:
    people = People(ASPECT)
    for index in range(8):
        people.saw([at(0.2), at(0.5 + index * 0.04)], ALL, index * 0.25)
    assert len(people.there()) == 2


def test_who_walks_on_while_one_looks_elsewhere_is_the_same_person() -> None:
    people = People(ASPECT)
    for index in range(8):
        people.saw([at(0.2 + index * 0.045)], ALL, index * 0.25)
    people.saw([at(0.2 + 10 * 0.045)], ALL, 10 * 0.25)
    [person] = people.guesses()
    assert person.x == pytest.approx(0.65, abs=0.03)


def test_looks_go_where_somebody_is_and_around_the_room_too() -> None:
    looks = Looks(ASPECT)
    tiles = [looks.tile([at(0.3)]) for _ in range(12)]
    assert sum(tile.holds(0.3) for tile in tiles) >= 8
    assert any(tile.holds(0.95) for tile in tiles)
    everywhere = [looks.tile([]) for _ in range(2)]
    assert set(everywhere) == set(wide_tiles(ASPECT))
