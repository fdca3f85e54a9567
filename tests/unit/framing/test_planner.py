"""The shown part of the picture: calm, within its limits whatever happens, and where the teacher is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.framing.people import Person
from agent.framing.planner import (
    ACCELERATION_MOST,
    HOLD_S,
    SHARE_LEAST,
    SPEED_MOST,
    WIDE,
    WIDTH_LEAST_PX,
    Planner,
    View,
)

FRAME_S = 1 / 30
LOOK_S = 0.25
WIDTH_PX = 1280
NEARLY = 4e-3
"""What the last step, onto the aim itself, may add to a speed or its change."""


def teacher(x: float, *, upper: float = 0.25, top: float = 0.4) -> Person:
    return Person(x=x, top=top, hips=top + upper)


def play(
    planner: Planner, people_at: Callable[[float], Sequence[Person]], until_s: float, from_s: float = 0.0
) -> list[View]:
    """Return what is shown in each frame, while the planner hears four times a second who is there."""
    views, look_s = [], from_s
    for index in range(round((until_s - from_s) / FRAME_S)):
        now_s = from_s + index * FRAME_S
        if now_s >= look_s:
            planner.saw(people_at(now_s), now_s)
            look_s += LOOK_S
        views.append(planner.view(now_s))
    return views


def walk(x: float, to_x: float, from_s: float, speed: float) -> Callable[[float], Sequence[Person]]:
    """Stands, walks from ``from_s`` on, stands."""
    way = to_x - x

    def at(now_s: float) -> Sequence[Person]:
        gone = min(abs(way), max(0.0, now_s - from_s) * speed)
        return [teacher(x + (gone if way > 0 else -gone))]

    return at


persons = st.builds(
    lambda x, top, upper: Person(x, top, top + upper), st.floats(0, 1), st.floats(0, 0.9), st.floats(0.02, 0.8)
)
sights = st.lists(st.tuples(st.lists(persons, max_size=4), st.floats(0.05, 6.0)), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(sights)
def test_nothing_that_is_seen_makes_the_picture_jump(sights: list[tuple[list[Person], float]]) -> None:
    """Whoever is seen, wherever, however often: no edge is faster, or changes its speed faster, than is written."""
    planner = Planner()
    planner.fit(WIDTH_PX)
    views, now_s = [], 0.0
    for people, pause_s in sights:
        planner.saw(people, now_s)
        until_s = now_s + pause_s
        while now_s < until_s:
            views.append(planner.view(now_s))
            now_s += FRAME_S
    for edge in ("left", "right", "top", "bottom", "share"):
        places = [float(getattr(view, edge)) for view in views]
        speeds = [(after - before) / FRAME_S for before, after in pairwise(places)]
        assert max(map(abs, speeds), default=0.0) <= SPEED_MOST + NEARLY, edge
        changes = [(after - before) / FRAME_S for before, after in pairwise(speeds)]
        assert max(map(abs, changes), default=0.0) <= ACCELERATION_MOST + NEARLY / FRAME_S, edge


@settings(max_examples=60, deadline=None)
@given(sights, st.sampled_from((640, 800, 1280, 1920)))
def test_only_the_picture_is_shown_and_never_too_little_of_it(
    sights: list[tuple[list[Person], float]], width_px: int
) -> None:
    planner = Planner()
    planner.fit(width_px)
    now_s = 0.0
    for people, pause_s in sights:
        planner.saw(people, now_s)
        for _ in range(4):
            view = planner.view(now_s)
            assert min(view.left, view.top) >= -1e-9
            assert max(view.right, view.bottom) <= 1 + 1e-9
            assert view.share >= max(SHARE_LEAST, min(1.0, WIDTH_LEAST_PX / width_px)) - 1e-9
            now_s += pause_s / 4


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(-0.02, 0.02), st.randoms(use_true_random=False))
def test_who_stands_is_shown_by_a_picture_that_stands(x: float, sway: float, random: object) -> None:
    """Somebody who writes and turns, and a detector that errs by two in a hundred, move nothing."""
    uniform: Callable[[float, float], float] = random.uniform  # type: ignore[attr-defined]
    planner = Planner()
    planner.fit(WIDTH_PX)
    people = [teacher(x)]
    play(planner, lambda _: people, 20.0)

    def swaying(_: float) -> Sequence[Person]:
        return [teacher(x + sway + uniform(-0.01, 0.01), upper=0.25 * uniform(0.95, 1.05))]

    assert len(set(play(planner, swaying, 50.0, 20.0))) == 1


def test_a_teacher_who_walks_stays_in_the_picture_and_is_near_again_when_they_stand() -> None:
    planner = Planner()
    planner.fit(WIDTH_PX)
    where = walk(0.25, 0.75, 10.0, 0.15)
    views = play(planner, where, 25.0)
    stood = views[round(9.9 / FRAME_S)]
    assert stood.share < 0.55
    for index, view in enumerate(views):
        x = where(index * FRAME_S)[0].x
        assert view.left + 0.04 <= x <= view.right - 0.04, f"cut off at {index * FRAME_S:.1f} s"
    walking = views[round(12.5 / FRAME_S)]
    assert walking.share > stood.share + 0.05
    after = views[-1]
    assert after.share < 0.55
    assert abs((after.left + after.right) / 2 - 0.75) < 0.05


def test_the_head_has_air_above_it() -> None:
    planner = Planner()
    planner.fit(WIDTH_PX)
    view = play(planner, lambda _: [teacher(0.5)], 15.0)[-1]
    assert 0.1 < (0.4 - view.top) / view.share < 0.25


def test_nobody_there_holds_the_picture_and_then_shows_everything() -> None:
    planner = Planner()
    planner.fit(WIDTH_PX)
    near = play(planner, lambda _: [teacher(0.3)], 15.0)[-1]
    held = play(planner, lambda _: [], 15.0 + HOLD_S - 0.3, 15.0)
    assert set(held) == {near}
    doings = [planner.doing]
    assert play(planner, lambda _: [], 40.0, 15.0 + HOLD_S - 0.3)[-1] == WIDE
    assert [*doings, planner.doing] == ["following", "wide"]


def test_several_are_shown_together_and_too_many_by_everything() -> None:
    planner = Planner()
    planner.fit(WIDTH_PX)
    both = play(planner, lambda _: [teacher(0.35), teacher(0.6)], 15.0)[-1]
    assert both.share < 0.7
    assert both.left < 0.3
    assert both.right > 0.65
    assert play(planner, lambda _: [teacher(0.1), teacher(0.9)], 35.0, 15.0)[-1] == WIDE


def test_somebody_far_from_what_is_shown_is_gone_to_by_way_of_everything() -> None:
    planner = Planner()
    planner.fit(WIDTH_PX)
    play(planner, lambda _: [teacher(0.2)], 15.0)
    aims = []

    def elsewhere(now_s: float) -> Sequence[Person]:
        aims.append(planner.aim)
        return [teacher(0.85)] if now_s > 16 else []

    play(planner, elsewhere, 30.0, 15.0)
    assert WIDE in aims
    assert planner.aim.left > 0.4


def test_turned_off_it_goes_back_gently_and_another_picture_is_whole_at_once() -> None:
    planner = Planner()
    planner.fit(WIDTH_PX)
    near = play(planner, lambda _: [teacher(0.3)], 15.0)[-1]
    planner.rest()
    now_s = 15.0
    first = planner.view(now_s)
    assert abs(first.share - near.share) < 0.01
    assert planner.view(now_s + 15) == WIDE
    play(planner, lambda _: [teacher(0.3)], 45.0, 30.0)
    planner.cut()
    assert planner.view(45.0) == WIDE


def test_a_picture_made_late_shows_what_the_last_one_showed() -> None:
    planner = Planner()
    planner.fit(WIDTH_PX)
    play(planner, lambda _: [teacher(0.3)], 2.0)
    newest = planner.view(2.0)
    assert planner.view(1.95) == newest
