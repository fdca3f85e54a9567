"""A line tried with pairs of checks: over simulated lines, on a clock of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.streams.line_trial import BALLAST_BYTES, FIRST_S, THIN_BPS, LineTrial
from tests.networks.shaper import Line, Shape

ENOUGH_BPS = 190e3
LIGHT_BYTES = 120
THIN = Line(64e3, 0.1, 0.5)


@dataclass
class Way:
    """A line to a page that answers each check at once, or as late as ``busy_s`` says, one after the other."""

    line: Line
    is_heavy_refused: bool = False
    busy_s: Callable[[int], float] = lambda number: 0.0
    there: Shape = field(init=False)
    back: Shape = field(init=False)
    asked: int = 0
    answered_s: float = 0.0

    def __post_init__(self) -> None:
        self.there, self.back = Shape(self.line), Shape(replace(self.line, seed=2))

    def ask(self, ballast_bytes: int, on_answer: Callable[[], None]) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        number, self.asked = self.asked, self.asked + 1
        there_s = self.there.arrival_s(loop.time(), LIGHT_BYTES + ballast_bytes)
        if there_s is None or (ballast_bytes and self.is_heavy_refused):
            return lambda: None
        self.answered_s = max(there_s, self.answered_s) + self.busy_s(number)
        back_s = self.back.arrival_s(self.answered_s, LIGHT_BYTES)
        return loop.call_at(back_s, on_answer).cancel if back_s is not None else lambda: None


class Jumping(asyncio.SelectorEventLoop):
    """A loop whose clock stands, and goes on at once to what is due next: nothing here waits for anything real."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]  # asyncio's own
            self.now_s = max(self.now_s, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run(work: Callable[[], Coroutine[Any, Any, float | None]]) -> tuple[float | None, float]:
    """Return what was found, and how long it took."""

    async def timed() -> tuple[float | None, float]:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        return await work(), loop.time() - begun_s

    with asyncio.Runner(loop_factory=Jumping) as runner:
        return runner.run(timed())


def carries(way: Way) -> float | None:
    return run(lambda: LineTrial(way.ask).carries_bps(ENOUGH_BPS))[0]


@pytest.mark.parametrize("rate_bps", [40e3, 64e3, 128e3])
def test_what_a_thin_line_carries_is_found_without_filling_it(rate_bps: float) -> None:
    way = Way(Line(rate_bps, 0.1, 0.5))
    assert carries(way) == pytest.approx(rate_bps, rel=0.2)
    assert way.asked == 4
    assert (way.there.dropped, way.there.longest_wait_s < 0.05) == (0, True)


@pytest.mark.parametrize("rate_bps", [256e3, 1e6, 300e6])
@pytest.mark.parametrize(("delay_s", "pairs"), [(0.05, 1), (0.1, 2)])
def test_a_line_that_has_room_is_told_by_the_first_pair_that_nothing_held_up(
    rate_bps: float, delay_s: float, pairs: int
) -> None:
    way = Way(Line(rate_bps, delay_s, 0.5))
    found_bps = carries(way)
    assert found_bps is not None
    assert found_bps >= ENOUGH_BPS
    assert way.asked == 2 * pairs


def test_answers_that_waited_together_on_the_way_back_make_no_thin_line_a_wide_one() -> None:
    """As behind the first packets of DTLS, which leave when ICE is through."""
    way = Way(THIN)
    for _ in range(3):
        way.back.arrival_s(0.1, 1_200)
    found_bps, took_s = run(lambda: LineTrial(way.ask).thin_bps())
    assert found_bps == pytest.approx(64e3, rel=0.2)
    assert way.asked == 6
    assert took_s < 1.6


@pytest.mark.parametrize("seed", range(20))
def test_jitter_makes_no_wide_line_a_thin_one(seed: int) -> None:
    found_bps = carries(Way(Line(9e6, 0.085, 1.0, jitter_s=0.03, seed=seed)))
    assert found_bps is not None
    assert found_bps >= ENOUGH_BPS


@pytest.mark.parametrize("seed", range(20))
def test_loss_makes_no_wide_line_a_thin_one(seed: int) -> None:
    found_bps = carries(Way(Line(5e6, 0.05, 0.3, jitter_s=0.015, loss=0.2, burst_packets=2, seed=seed)))
    assert found_bps is None or found_bps >= ENOUGH_BPS


def test_a_busy_computer_makes_no_wide_line_a_thin_one() -> None:
    """It is late with both of a pair; once it stops just between them."""
    way = Way(Line(300e6, 0.005, 0.3), busy_s=lambda number: {0: 0.2, 1: 0.15, 2: 0.1}.get(number, 0.0))
    found_bps = carries(way)
    assert found_bps is not None
    assert found_bps >= ENOUGH_BPS
    assert way.asked == 4, "one pair alone is not believed"


def test_a_light_check_that_is_answered_at_once_tells_that_a_line_is_wide() -> None:
    """However late the heavy ones are, as a page's that is busy with its first pictures."""
    way = Way(Line(300e6, 0.001, 0.3), busy_s=lambda number: 0.2 * (number % 2))
    assert run(lambda: LineTrial(way.ask).thin_bps())[0] is None
    assert way.asked == 2


def test_what_this_process_is_late_is_not_the_lines() -> None:
    """The loop stands still between the two answers, each time."""
    loop = Jumping()

    def ask(ballast_bytes: int, on_answer: Callable[[], None]) -> Callable[[], None]:
        def stand_still() -> None:
            loop.now_s += 0.2

        due_s = loop.time() + 0.02
        if not ballast_bytes:
            loop.call_at(due_s, on_answer)
            loop.call_at(due_s + 0.001, stand_still)
        else:
            loop.call_at(due_s + 0.002, on_answer)
        return lambda: None

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        found_bps = runner.run(_carries(ask))
    assert found_bps is not None
    assert found_bps >= ENOUGH_BPS


async def _carries(ask: Callable[[int, Callable[[], None]], Callable[[], None]]) -> float | None:
    return await LineTrial(ask).carries_bps(ENOUGH_BPS)


@pytest.mark.parametrize("rate_bps", [40e3, 64e3, 128e3])
def test_a_thin_line_is_known_by_two_pairs(rate_bps: float) -> None:
    found_bps, took_s = run(lambda: LineTrial(Way(Line(rate_bps, 0.1, 0.5)).ask).thin_bps())
    assert found_bps == pytest.approx(rate_bps, rel=0.2)
    assert took_s < 1.1


@pytest.mark.parametrize("line", [Line(256e3, 0.075, 0.5, jitter_s=0.015), Line(300e6, 0.005, 0.3, jitter_s=0.002)])
@pytest.mark.parametrize("seed", range(20))
def test_any_other_line_is_none_and_is_known_as_soon_as_it_answers(line: Line, seed: int) -> None:
    way = Way(replace(line, seed=seed))
    found_bps, took_s = run(lambda: LineTrial(way.ask).thin_bps())
    assert found_bps is None
    assert took_s <= 3 * 2 * (line.delay_s + line.jitter_s) + 0.1


def test_one_answered_pair_alone_makes_no_thin_line() -> None:
    way = Way(Line(64e3, 0.1, 0.5))
    ask, asked = way.ask, []

    def lose_later(ballast_bytes: int, on_answer: Callable[[], None]) -> Callable[[], None]:
        asked.append(ballast_bytes)
        return ask(ballast_bytes, on_answer) if len(asked) <= 2 else lambda: None

    found_bps, took_s = run(lambda: LineTrial(lose_later).thin_bps())
    assert found_bps is None
    assert took_s == pytest.approx(FIRST_S)


def test_it_is_told_while_a_line_seems_thin() -> None:
    told: list[bool] = []

    async def work() -> float | None:
        trial = LineTrial(Way(Line(64e3, 0.1, 0.5)).ask)
        work = asyncio.create_task(trial.thin_bps())
        for _ in range(10):
            await asyncio.sleep(0.1)
            told.append(trial.seems_thin)
        return await work

    found_bps, _ = run(work)
    assert found_bps is not None
    assert found_bps < THIN_BPS
    assert told == [True] * 7 + [False] * 3, "until the second heavy check is answered"


def test_who_answers_no_heavy_check_tells_nothing() -> None:
    assert carries(Way(Line(1e6, 0.05, 0.5), is_heavy_refused=True)) is None


def test_a_heavy_check_fits_every_line_of_1280_bytes() -> None:
    assert BALLAST_BYTES + LIGHT_BYTES + 48 <= 1280
    assert BALLAST_BYTES % 4 == 0
