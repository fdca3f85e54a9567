"""What may heal is tried again, ever more slowly; everything else leaves."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agent.supervise import keep_running
from protocol.errors import DeviceError, DeviceLostError, DeviceUnsupportedError


class _Script:
    """Runs that fail or return as written; each takes ``lasts_s`` of the scripted clock."""

    def __init__(self, *outcomes: Exception | None, lasts_s: float = 0.0) -> None:
        self.outcomes = list(outcomes)
        self.lasts_s = lasts_s
        self.now_s = 0.0
        self.waits: list[float] = []
        self.failures: list[str] = []

    async def run(self) -> None:
        self.now_s += self.lasts_s
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def keep(self) -> None:
        await keep_running(
            "test",
            self.run,
            on_failure=lambda error: self.failures.append(error.code),
            first_s=1.0,
            most_s=4.0,
            calm_s=60.0,
            clock=lambda: self.now_s,
            sleep=self.sleep,
            jitter=lambda low, high: high,
        )


def _lost() -> DeviceError:
    return DeviceLostError("gone")


async def test_waits_grow_to_the_bound_and_it_returns_when_the_work_returns() -> None:
    script = _Script(_lost(), _lost(), _lost(), _lost(), None)
    await script.keep()
    assert script.waits == [1.0, 2.0, 4.0, 4.0]
    assert script.failures == ["device-lost"] * 4


async def test_a_calm_stretch_makes_the_next_wait_short_again() -> None:
    script = _Script(_lost(), _lost(), _lost(), None, lasts_s=61.0)
    await script.keep()
    assert script.waits == [1.0, 1.0, 1.0]


async def test_what_is_not_retryable_is_told_and_leaves() -> None:
    script = _Script(DeviceUnsupportedError("no zoom"))
    with pytest.raises(DeviceUnsupportedError):
        await script.keep()
    assert script.failures == ["device-unsupported"]
    assert script.waits == []


async def test_a_fault_of_ours_leaves_untold() -> None:
    script = _Script(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await script.keep()
    assert script.failures == []


async def test_cancelling_is_never_swallowed() -> None:
    async def for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(keep_running("test", for_ever))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_only_the_first_loss_of_a_cycle_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "agent.supervise")
    await _Script(_lost(), _lost(), _lost(), None).keep()
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "DEBUG"]
