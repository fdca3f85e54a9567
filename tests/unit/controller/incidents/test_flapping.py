"""Changes that come too often to be news."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.incidents.flapping import HIGH, LOW, STEP_S, Flaps


def test_changes_each_minute_flap_after_a_handful_and_are_calm_half_an_hour_later() -> None:
    flaps = Flaps(0.0)
    seen = []
    for at_s in range(0, 1800, 60):
        flaps.change(at_s)
        seen.append(flaps.look(at_s))
    assert seen == [False] * 8 + [True] * 22
    last_s = 1740
    calm_s = next(at_s for at_s in range(last_s, last_s + 7200, 10) if not flaps.look(at_s))
    assert calm_s - last_s == 15 * STEP_S


@pytest.mark.parametrize(("every_s", "is_flapping"), [(60, True), (170, True), (400, False), (1800, False)])
def test_how_often_is_too_often(every_s: int, is_flapping: bool) -> None:
    flaps, seen = Flaps(0.0), set()
    for at_s in range(0, 100 * every_s, every_s):
        flaps.change(at_s)
        seen.add(flaps.look(at_s))
    assert (True in seen) is is_flapping


def test_newer_changes_count_for_more() -> None:
    old, new = Flaps(0.0), Flaps(0.0)
    for n in range(8):
        old.change(float(n))
        new.change(10 * STEP_S + n)
    now_s = 10 * STEP_S + 8
    assert old.share(now_s) < new.share(now_s)


@given(st.lists(st.floats(1.0, 900.0), min_size=1, max_size=60))
def test_when_it_will_be_calm_and_forgotten_is_when_it_is(gaps: list[float]) -> None:
    flaps, now_s = Flaps(0.0), 0.0
    for gap_s in gaps:
        now_s += gap_s
        flaps.change(now_s)
        was_flapping = flaps.is_flapping
        share = flaps.share(now_s)
        assert flaps.look(now_s) is (share >= (LOW if was_flapping else HIGH))
    calm_s, forgotten_s = flaps.calm_at_s(), flaps.forgotten_at_s()
    assert flaps.share(calm_s + 0.001) < LOW
    assert flaps.share(forgotten_s + 0.001) == 0
    if forgotten_s - STEP_S > now_s:
        again = Flaps(0.0)
        at_s = 0.0
        for gap_s in gaps:
            at_s += gap_s
            again.change(at_s)
        assert again.share(forgotten_s - STEP_S) > 0
