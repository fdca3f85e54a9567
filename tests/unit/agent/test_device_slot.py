"""One device through a lesson: when it counts as open, and that it is never given up for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from agent.device_slot import UNFIT_RETRY_S, DeviceChoice, DeviceSlot
from agent.devices.base import DeviceInfo, DriverConfig
from agent.devices.capture import CaptureHost
from agent.devices.login import LoginConfig
from agent.devices.simulated_camera import driver
from protocol.errors import DevicePasswordError, DeviceUnsupportedError
from protocol.messages import DeviceRole


class Host:
    """Opens cameras as scripted: ``opening`` may raise; ``closing`` ends when it is set."""

    def __init__(self) -> None:
        self.tries = 0
        self.opening: Callable[[], Awaitable[None]] = self._at_once
        self.closing = asyncio.Event()
        self.closes = asyncio.Event()

    async def _at_once(self) -> None:
        pass

    @asynccontextmanager
    async def open_picture(self, *_: object) -> AsyncIterator[Any]:
        self.tries += 1
        await self.opening()
        try:
            yield self
        finally:
            self.closes.set()
            await self.closing.wait()

    info = DeviceInfo("camera", DeviceRole.CAMERA, "simulated", "a camera")

    async def next_frame(self) -> Any:
        await asyncio.get_running_loop().create_future()


class Sink:
    def push_frame(self, *_: object) -> None: ...

    def push_sound(self, *_: object) -> None: ...

    def set_away(self, *_: object) -> None: ...


def slot_on(
    host: Host, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, config: DriverConfig | None = None
) -> DeviceSlot:
    choice = DeviceChoice("camera", DeviceRole.CAMERA, driver, config or driver.config())
    return DeviceSlot(choice, cast("CaptureHost", host), lambda _: None, sleep=sleep)


async def soon(condition: Callable[[], bool]) -> None:
    """Let everything else run until the condition is true."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come true")


async def test_a_device_is_held_from_the_request_until_it_is_closed() -> None:
    host, opened = Host(), asyncio.Event()
    host.opening = lambda: cast("Awaitable[None]", opened.wait())
    slot = slot_on(host)
    life = asyncio.create_task(slot.run(Sink()))
    await soon(lambda: host.tries == 1)
    assert (slot.is_held, slot.is_open) == (True, False)  # a camera streams some time before its first picture
    opened.set()
    await soon(lambda: slot.is_open)
    life.cancel()
    await host.closes.wait()
    assert slot.is_held
    host.closing.set()
    with pytest.raises(asyncio.CancelledError):
        await life
    assert not slot.is_held


async def test_what_is_no_camera_now_is_tried_again_later() -> None:
    host, waits = Host(), []
    host.closing.set()

    async def refuse() -> None:
        if host.tries < 3:
            raise DeviceUnsupportedError("/dev/video1 is not a camera")

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    host.opening = refuse
    slot = slot_on(host, sleep)
    life = asyncio.create_task(slot.run(Sink()))
    await soon(lambda: slot.is_open)
    assert waits == [UNFIT_RETRY_S, UNFIT_RETRY_S]
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life


async def test_a_refused_password_is_not_tried_again_before_its_file_has_changed(tmp_path: Path) -> None:
    """Cameras lock an account after a few wrong passwords."""
    host, looks = Host(), 0
    host.closing.set()
    file = tmp_path / "camera.password"
    file.write_text("old")

    async def refuse() -> None:
        if file.read_text() == "old":
            raise DevicePasswordError("the camera refuses this name or password")

    async def sleep(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        assert host.tries == 1
        if looks == 50:
            file.write_text("new and right")
        await asyncio.sleep(0)

    host.opening = refuse
    slot = slot_on(host, sleep, LoginConfig(user="admin", password_file=file))
    life = asyncio.create_task(slot.run(Sink()))
    await soon(lambda: slot.problem is not None)
    assert slot.problem is not None
    assert slot.problem.code == "device-password"
    await soon(lambda: slot.is_open)
    assert (host.tries, looks) == (2, 50)
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life
