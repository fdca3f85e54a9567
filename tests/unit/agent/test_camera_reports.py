"""The check that a camera's own remarks make."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType

import pytest

from agent.camera_reports import CHECK, CameraReports
from agent.device_slot import DeviceChoice
from agent.devices.base import CaptureDriver, Complaint, DriverConfig
from protocol.errors import DeviceLostError
from protocol.messages import CheckStatus, DeviceRole

Tell = Callable[[frozenset[Complaint]], None]


async def test_a_remark_is_a_warning_while_it_holds_and_while_the_camera_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tells: asyncio.Queue[Tell] = asyncio.Queue()
    gone = asyncio.Event()

    async def listen(_config: DriverConfig, _label: str, on_change: Tell) -> None:
        tells.put_nowait(on_change)
        await gone.wait()
        gone.clear()
        raise DeviceLostError("it was switched off")

    module = ModuleType("camera_that_talks")
    module.listen = listen  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    driver = CaptureDriver("talks", DeviceRole.CAMERA, DriverConfig, "none:none", listen="camera_that_talks:listen")
    news: list[None] = []

    async def at_once(_s: float) -> None:
        await asyncio.sleep(0)

    reports = CameraReports(
        DeviceChoice("camera", DeviceRole.CAMERA, driver, DriverConfig()),
        on_news=lambda: news.append(None),
        sleep=at_once,
    )
    task = asyncio.create_task(reports.run())
    async with asyncio.timeout(5):
        tell = await tells.get()
        assert reports.checks() == ()
        tell(frozenset({"too-dark", "hardware"}))
        (check,) = reports.checks()
        assert (check.id, check.status) == (CHECK, CheckStatus.WARNING)
        assert check.message is not None
        assert "panne matérielle" in check.message.fr, "the heaviest is shown"
        tell(frozenset({"too-dark", "hardware"}))
        tell(frozenset({"too-dark"}))
        assert reports.checks()[0].since == check.since
        assert len(news) == 2
        gone.set()
        await tells.get()
        assert reports.checks() == ()
        assert len(news) == 3
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
