"""What a busy or hot machine gives up, in which order, and when it has it back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from agent.streams.load import EASED_S, STEPS, STRAINED_S, LoadLimit, MachineNumbers

CALM = MachineNumbers(busy=0.3, temperature_c=60.0, encode_share=0.3, dropped_share=0.0)


def after(limit: LoadLimit, numbers: MachineNumbers, seconds: float, begun_s: float = 0.0) -> int:
    for second in range(int(seconds) + 1):
        limit.look(numbers, begun_s + second)
    return STEPS.index(limit.limits)


def test_each_step_gives_up_something_and_nothing_comes_back_on_the_way() -> None:
    given_up = [(1 - step.rate_share, step.cameras, step.boards) for step in STEPS]
    assert given_up[0] == (0, 0, 0)
    for before, later in pairwise(given_up):
        assert later != before
        assert all(two >= one for one, two in zip(before, later, strict=True))


@pytest.mark.parametrize(
    "strain",
    [
        {"temperature_c": 93.0},
        {"encode_share": 1.1},
        {"busy": 0.97, "encode_share": 0.95},
        {"busy": 0.97, "dropped_share": 0.2},
    ],
)
def test_strain_that_lasts_costs_a_step_each_few_seconds(strain: dict[str, float]) -> None:
    limit = LoadLimit()
    strained = replace(CALM, **strain)
    assert after(limit, strained, STRAINED_S - 1) == 0
    assert after(limit, strained, 0, STRAINED_S) == 1
    assert after(limit, strained, 60, STRAINED_S + 1) == len(STEPS) - 1


@pytest.mark.parametrize(
    "harmless",
    [
        {"busy": 1.0},  # something else computes, and the encoders keep up
        {"dropped_share": 0.2},  # a burst of pictures on a machine that has time
        {"temperature_c": None, "busy": None},
    ],
)
def test_what_is_no_strain_costs_nothing(harmless: dict[str, float | None]) -> None:
    assert after(LoadLimit(), replace(CALM, **harmless), 120) == 0  # type: ignore[arg-type]  # numbers or None


def test_a_burst_costs_nothing() -> None:
    limit = LoadLimit()
    for second in range(100):
        limit.look(replace(CALM, encode_share=1.5) if second % 6 < 5 else CALM, float(second))
    assert limit.limits == STEPS[0]


def test_what_was_given_up_comes_back_a_step_a_minute() -> None:
    limit = LoadLimit()
    assert after(limit, replace(CALM, temperature_c=95.0), 2 * STRAINED_S) == 2
    assert after(limit, replace(CALM, temperature_c=88.0), 300, 100) == 2, "not cool yet"
    assert after(limit, CALM, EASED_S - 1, 500) == 2
    assert after(limit, CALM, 1, 500 + EASED_S) == 1
    assert after(limit, CALM, EASED_S, 502 + EASED_S) == 0
