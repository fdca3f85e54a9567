"""Who went with whom: against a count of one room after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.incidents.site import Answer, Heard, Silence, is_over, is_site

_TIMES = st.integers(0, 200).map(float)
_ROOMS = st.lists(
    st.tuples(st.builds(Heard, _TIMES, st.sampled_from([3.0, 10.0])), st.sampled_from("abcd")), max_size=30
)


@given(_ROOMS, _TIMES, st.sampled_from([3.0, 10.0]), st.integers(0, 100))
def test_the_answer_is_that_of_a_count(
    rooms: list[tuple[Heard, str]], at_s: float, period_s: float, later_s: int
) -> None:
    silent = Heard(at_s, period_s)
    now_s = at_s + later_s
    there = [(heard, school) for heard, school in rooms if heard.at_s >= at_s - 60]
    unheard = [(heard, school) for heard, school in there if heard.at_s <= at_s + 1.2 * period_s]
    had_time = [heard for heard, _ in unheard if now_s >= at_s + 1.2 * period_s + 1.2 * heard.period_s]
    silence = Silence(rooms)
    answer = silence.ask(silent, now_s)
    assert answer[:3] == (len(there), len(had_time), len(unheard) - len(had_time))
    assert silence.schools(silent) == len({school for _, school in unheard})
    later = silence.ask(silent, answer.decided_s)
    assert later[:3] == (len(there), len(unheard), 0)


def test_rooms_never_heard_are_silent_together() -> None:
    never = Heard(float("-inf"), 10.0)
    silence = Silence([(never, "a")] * 3 + [(Heard(50.0, 10.0), "a")] * 2)
    assert silence.ask(never, 100.0) == Answer(5, 3, 0, 100.0)


def test_three_rooms_and_half_of_them_are_a_school() -> None:
    assert is_site("school", 3, 6, 1)
    assert not is_site("school", 3, 7, 1)
    assert not is_site("school", 2, 2, 1)


def test_three_tenths_in_three_schools_are_a_territory() -> None:
    assert is_site("territory", 3, 10, 3)
    assert not is_site("territory", 29, 100, 3)
    assert not is_site("territory", 100, 100, 2)


def test_an_outage_is_over_when_three_quarters_are_back() -> None:
    assert is_over(1, 4)
    assert not is_over(1, 3)
    assert is_over(0, 1)
