"""A line tried before anything is sent: over simulated lines, on a clock of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from agent.streams.line_trial import ALL_S, BALLAST_BYTES, MANY_FROM_BPS, LineTrial
from tests.networks.shaper import Line, Shape

ENOUGH_BPS = 3e6
LIGHT_BYTES = 120


@dataclass
class Way:
    """A line to a page that answers each check at once."""

    line: Line
    is_heavy_refused: bool = False

    def __post_init__(self) -> None:
        self.there = Shape(self.line)
        self.back = Shape(replace(self.line, seed=2))
        self.asked = 0

    def ask(self, ballast_bytes: int, on_answer: Callable[[], None]) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        self.asked += 1
        there_s = self.there.arrival_s(loop.time(), LIGHT_BYTES + ballast_bytes)
        if there_s is None or (ballast_bytes and self.is_heavy_refused):
            return lambda: None
        back_s = self.back.arrival_s(there_s, LIGHT_BYTES)
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


def tried(way: Way) -> tuple[float | None, float]:
    """Return what was found, and how long it took."""

    async def run() -> tuple[float | None, float]:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        return await LineTrial(way.ask, loop.time).first(ENOUGH_BPS), loop.time() - begun_s

    with asyncio.Runner(loop_factory=Jumping) as runner:
        return runner.run(run())


@pytest.mark.parametrize("rate_bps", [64e3, 128e3, 256e3, 1e6, 2e6])
def test_a_thin_line_is_known_before_anything_is_sent(rate_bps: float) -> None:
    found_bps, took_s = tried(Way(Line(rate_bps, 0.05, 0.5)))
    assert found_bps == pytest.approx(rate_bps, rel=0.15)
    assert took_s < 1.2


def test_nothing_is_dropped_of_a_trial_on_the_thinnest_line() -> None:
    way = Way(Line(64e3, 0.1, 0.5))
    tried(way)
    assert (way.asked, way.there.dropped) == (6, 0)


def test_a_local_network_and_a_fibre_hold_nobody_up() -> None:
    way = Way(Line(300e6, 0.005, 0.3))
    found_bps, took_s = tried(way)
    assert found_bps == ENOUGH_BPS
    assert took_s < 0.015
    assert way.asked == 3


@pytest.mark.parametrize("seed", range(20))
def test_jitter_makes_no_wide_line_a_thin_one(seed: int) -> None:
    found_bps, took_s = tried(Way(Line(9e6, 0.085, 1.0, jitter_s=0.03, seed=seed)))
    assert found_bps is not None
    assert found_bps > 1e6
    assert took_s < 1.0


@pytest.mark.parametrize("seed", range(20))
def test_a_line_that_loses_a_fifth_is_tried_within_its_time(seed: int) -> None:
    found_bps, took_s = tried(Way(Line(5e6, 0.05, 0.3, jitter_s=0.015, loss=0.2, burst_packets=2, seed=seed)))
    assert found_bps is None or found_bps >= MANY_FROM_BPS
    assert took_s <= ALL_S


def test_who_answers_no_heavy_check_is_not_waited_for() -> None:
    found_bps, took_s = tried(Way(Line(1e6, 0.05, 0.5), is_heavy_refused=True))
    assert found_bps is None
    assert took_s < 2.0


def test_who_answers_nothing_holds_nobody_up() -> None:
    way = Way(Line(1e6, 0.05, 0.5))
    way.there.is_cut = True
    found_bps, took_s = tried(way)
    assert found_bps is None
    assert took_s <= ALL_S


@pytest.mark.parametrize("rate_bps", [64e3, 150e3, 300e3, 1e6, 5e6])
def test_a_line_in_use_is_tried_for_a_little_more_and_hardly_filled(rate_bps: float) -> None:
    way = Way(Line(rate_bps, 0.05, 0.5))

    async def run() -> float | None:
        return await LineTrial(way.ask, asyncio.get_running_loop().time).again(2e5)

    with asyncio.Runner(loop_factory=Jumping) as runner:
        found_bps = runner.run(run())
    assert found_bps is not None
    assert (found_bps >= 2e5) == (rate_bps >= 2e5)
    assert way.there.longest_wait_s < 0.03


def test_a_heavy_check_fits_every_line_of_1280_bytes() -> None:
    assert BALLAST_BYTES + LIGHT_BYTES + 48 <= 1280
    assert BALLAST_BYTES % 4 == 0
