"""Failures are counted, successes never; a breaker for many addresses that guess together."""

from __future__ import annotations

import pytest

from controller.throttle import FailureThrottle, RateThrottle, address_key


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_ten_failures_a_minute_and_then_a_wait_that_tells_how_long() -> None:
    clock = Clock()
    throttle = FailureThrottle(clock)
    for _ in range(10):
        assert throttle.wait_s("a") is None
        throttle.fail("a")
        clock.now += 1
    assert throttle.wait_s("a") == 50
    assert throttle.wait_s("b") is None
    clock.now += 50
    assert throttle.wait_s("a") is None
    throttle.fail("a")
    assert throttle.wait_s("a") == 1
    clock.now += 120
    assert throttle.wait_s("a") is None


def test_when_the_breaker_is_out_each_address_has_one_failure() -> None:
    clock = Clock()
    throttle = FailureThrottle(clock, most_overall=100)
    for n in range(100):
        throttle.fail(f"attacker {n}")
    assert throttle.is_out
    assert throttle.wait_s("attacker 5") == 60
    assert throttle.wait_s("a pupil") is None
    clock.now += 61
    assert not throttle.is_out
    assert throttle.wait_s("attacker 5") is None


def test_what_went_well_after_all_is_forgiven() -> None:
    throttle = FailureThrottle(Clock(), most=1)
    throttle.fail("a")
    assert throttle.wait_s("a") is not None
    throttle.forgive("a")
    assert throttle.wait_s("a") is None
    throttle.forgive("never heard of")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_an_ipv6_household_is_one_address(one: str, other: str, is_same: bool) -> None:
    assert (address_key(one) == address_key(other)) is is_same


def test_memory_is_bounded() -> None:
    throttle = FailureThrottle(Clock(), most_overall=10)
    for n in range(60_000):
        throttle.fail(str(n))
    assert len(throttle._failures) <= 50_000


def test_ten_acts_at_once_and_then_one_each_second() -> None:
    clock = Clock()
    throttle = RateThrottle(clock)
    assert [throttle.act("a") for _ in range(12)] == [None] * 10 + [1.0] * 2
    assert throttle.act("b") is None
    clock.now += 1
    assert [throttle.act("a") for _ in range(2)] == [None, 1.0]
    clock.now += 3.5
    assert [throttle.act("a") for _ in range(4)] == [None] * 3 + [1.0]
    clock.now += 60
    assert [throttle.act("a") for _ in range(11)] == [None] * 10 + [1.0]
