"""When a device is tried again: soon, ever more slowly, and hardly at all once its driver crashes without end."""

from __future__ import annotations

import pytest

from agent.retries import SETTLED_S, Retries, RetryPolicy
from protocol.errors import (
    DeviceCrashedError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceUnsupportedError,
)

POLICY = RetryPolicy(first_s=1.0, most_s=4.0, calm_s=10.0, unfit_s=20.0)


class Tries:
    """A device's tries on a scripted clock, without jitter."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.retries = Retries(POLICY, clock=lambda: self.now_s, jitter=lambda low, high: high)

    def fails(self, error: DeviceError, after_s: float = 0.0) -> tuple[str, float]:
        """Let one try fail after so long, and wait as told; return the code told and the wait."""
        self.retries.began()
        self.now_s += after_s
        told, wait_s = self.retries.failed(error)
        self.now_s += wait_s
        return told.code, wait_s

    def crash(self, times: int = 1, after_s: float = 1.0) -> list[tuple[str, float]]:
        return [self.fails(DeviceCrashedError("killed by SIGSEGV"), after_s) for _ in range(times)]


LOST, AWAY, UNFIT = DeviceLostError("unplugged"), DeviceNotFoundError("not there"), DeviceUnsupportedError("a mouse")


def test_waits_grow_to_the_bound_and_begin_anew_after_a_calm_stretch() -> None:
    tries = Tries()
    assert [tries.fails(AWAY)[1] for _ in range(4)] == [1.0, 2.0, 4.0, 4.0]
    assert tries.fails(LOST, after_s=10.0)[1] == 1.0


def test_what_is_unfit_waits_for_its_own_time() -> None:
    assert Tries().fails(UNFIT) == ("device-unsupported", 20.0)


def test_jitter_is_between_half_and_all_of_the_wait() -> None:
    waits = [Retries(POLICY, clock=lambda: 0.0, jitter=pick).failed(AWAY)[1] for pick in (min, max)]
    assert waits == [0.5, 1.0]


@pytest.mark.parametrize("error", [LOST, AWAY])
def test_a_device_that_is_merely_away_is_never_set_aside(error: DeviceError) -> None:
    tries = Tries()
    assert {tries.fails(error)[0] for _ in range(100)} == {error.code}


def test_five_crashes_within_a_minute_set_the_driver_aside_for_a_minute() -> None:
    told = Tries().crash(5)
    assert [code for code, _ in told] == ["device-lost"] * 4 + ["device-set-aside"]
    assert told[-1][1] == 60.0


def test_the_sentence_says_what_it_was_and_what_to_do() -> None:
    retries = Retries(POLICY, clock=lambda: 0.0)
    for _ in range(5):
        told, _ = retries.failed(DeviceCrashedError('camera "front": its capture process was killed by SIGSEGV'))
    assert told.message == (
        'camera "front": its capture process was killed by SIGSEGV; it is set aside for 60 s, because its driver '
        "fails again and again; unplug it and plug it in again"
    )


def test_crashes_further_apart_do_not_add_up() -> None:
    told = Tries().crash(20, after_s=15.0)
    assert {code for code, _ in told} == {"device-lost"}


def test_each_crash_after_that_sets_it_aside_for_twice_as_long_up_to_ten_minutes() -> None:
    tries = Tries()
    tries.crash(5)
    assert tries.crash(5) == [("device-set-aside", wait_s) for wait_s in (120.0, 240.0, 480.0, 600.0, 600.0)]


def test_a_minute_of_work_gives_it_all_its_tries_again() -> None:
    tries = Tries()
    tries.crash(6)
    assert tries.crash(1, after_s=60.0)[0][0] == "device-lost"
    assert [code for code, _ in tries.crash(4)] == ["device-lost"] * 3 + ["device-set-aside"]


def test_a_person_who_asks_gives_it_all_its_tries_again() -> None:
    tries = Tries()
    tries.crash(5)
    tries.retries.forget()
    assert [wait_s for _, wait_s in tries.crash(5)] == [1.0, 2.0, 4.0, 4.0, 60.0]


def test_a_plug_makes_the_waits_short_again() -> None:
    tries = Tries()
    for _ in range(4):
        tries.fails(AWAY)
    assert tries.retries.may_hurry()
    assert tries.fails(AWAY)[1] == 1.0


def test_a_plug_tries_what_is_set_aside_once_and_not_before_the_bus_has_settled() -> None:
    """A camera that crashes with its driver comes back by itself, as a plug."""
    tries = Tries()
    tries.crash(5)
    tries.now_s -= 60.0
    assert not tries.retries.may_hurry()
    tries.now_s += SETTLED_S
    assert tries.retries.may_hurry()
    assert tries.crash(1)[0] == ("device-set-aside", 120.0)
