"""What may heal is tried again; everything else leaves. When it is tried: test_retries."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agent.retries import Retries, RetryPolicy
from agent.supervise import keep_device
from protocol.errors import DeviceCrashedError, DeviceError, DeviceLostError, DeviceUnsupportedError


class _Script:
    """Runs that fail or return as written."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.waits: list[float] = []
        self.failures: list[str] = []

    async def run(self) -> None:
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def keep(self) -> None:
        policy = RetryPolicy(first_s=1.0, most_s=4.0, unfit_s=9.0)
        await keep_device(
            "test",
            self.run,
            lambda: None,
            Retries(policy, clock=lambda: 0.0, jitter=lambda low, high: high),
            on_failure=lambda error: self.failures.append(error.code),
            sleep=self.sleep,
        )


def _lost() -> DeviceError:
    return DeviceLostError("gone")


async def test_it_is_tried_until_the_work_returns_and_each_failure_is_told() -> None:
    script = _Script(_lost(), _lost(), DeviceUnsupportedError("no camera"), _lost(), None)
    await script.keep()
    assert script.waits == [1.0, 2.0, 9.0, 4.0]
    assert script.failures == ["device-lost", "device-lost", "device-unsupported", "device-lost"]


async def test_a_driver_that_is_set_aside_is_told_as_that() -> None:
    script = _Script(*[DeviceCrashedError("killed")] * 5, None)
    await script.keep()
    assert script.failures == ["device-lost"] * 4 + ["device-set-aside"]
    assert script.waits[-1] == 60.0


async def test_a_fault_of_ours_leaves_untold() -> None:
    script = _Script(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await script.keep()
    assert script.failures == []


async def test_cancelling_is_never_swallowed() -> None:
    async def for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    keeping = keep_device("test", for_ever, lambda: None, Retries(RetryPolicy()), on_failure=lambda error: None)
    task = asyncio.create_task(keeping)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_only_the_first_loss_of_a_cycle_and_being_set_aside_are_warnings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "agent.supervise")
    await _Script(*[DeviceCrashedError("killed")] * 5, None).keep()
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "DEBUG", "DEBUG", "WARNING"]
