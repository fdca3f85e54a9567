"""One device through a lesson: when it counts as open, and that it is never given up for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from agent.device_slot import RETRY, DeviceChoice, DeviceSlot
from agent.devices.base import DeviceInfo, DriverConfig
from agent.devices.capture import CaptureHost
from agent.devices.login import LoginConfig
from agent.devices.simulated_camera import driver
from agent.devices.v4l2 import V4l2Config
from protocol.errors import (
    DeviceCrashedError,
    DeviceLostError,
    DeviceNotFoundError,
    DevicePasswordError,
    DeviceUnsupportedError,
)
from protocol.messages import DeviceRole


class Host:
    """Opens cameras as scripted: ``opening`` may raise; ``closing`` ends when it is set."""

    def __init__(self) -> None:
        self.tries = 0
        self.opening: Callable[[], Awaitable[None]] = self._at_once
        self.closing = asyncio.Event()
        self.closes = asyncio.Event()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

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
        await self.lost

    def lose(self, reason: str) -> None:
        self.lost.set_exception(DeviceLostError(reason))


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
    assert waits == [RETRY.unfit_s, RETRY.unfit_s]
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


async def test_a_nudge_tries_a_device_that_is_away_at_once() -> None:
    host = Host()
    host.closing.set()

    async def refuse() -> None:
        if host.tries < 2:
            raise DeviceNotFoundError("/dev/video0 does not exist")

    async def for_ever(_seconds: float) -> None:
        await asyncio.get_running_loop().create_future()

    host.opening = refuse
    slot = slot_on(host, for_ever)
    life = asyncio.create_task(slot.run(Sink()))
    await soon(lambda: slot.problem is not None)
    slot.nudge()
    await soon(lambda: slot.is_open)
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life


async def test_a_nudge_during_a_try_is_followed_by_another_try() -> None:
    """The plug may have come just after the try had looked."""
    host, failed = Host(), asyncio.Event()
    host.closing.set()

    async def refuse() -> None:
        if host.tries < 2:
            await failed.wait()
            raise DeviceNotFoundError("/dev/video0 does not exist")

    async def for_ever(_seconds: float) -> None:
        await asyncio.get_running_loop().create_future()

    host.opening = refuse
    slot = slot_on(host, for_ever)
    life = asyncio.create_task(slot.run(Sink()))
    await soon(lambda: host.tries == 1)
    slot.nudge()
    failed.set()
    await soon(lambda: slot.is_open)
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life


async def test_a_driver_that_is_set_aside_says_so_until_a_person_asks_for_another_try() -> None:
    host, waits = Host(), []
    host.closing.set()

    async def crash() -> None:
        if host.tries <= RETRY.crashes + 1:
            raise DeviceCrashedError("its capture process was killed by SIGSEGV")

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if seconds >= RETRY.aside_s[0]:
            await asyncio.get_running_loop().create_future()

    host.opening = crash
    slot = slot_on(host, sleep)
    life = asyncio.create_task(slot.run(Sink()))
    await soon(lambda: len(waits) == RETRY.crashes)
    problem = slot.report().problem
    assert problem is not None
    assert problem.code == "device-set-aside"
    slot.nudge()  # the bus has not settled yet
    for _ in range(10):
        await asyncio.sleep(0)
    assert not slot.is_open
    slot.try_again()
    await soon(lambda: slot.is_open)
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life


async def test_the_device_that_udev_says_is_gone_is_lost_at_once_and_no_other(tmp_path: Path) -> None:
    host = Host()
    host.closing.set()
    node, link = tmp_path / "video0", tmp_path / "by-id"
    node.touch()
    link.symlink_to(node)
    slot = slot_on(host, config=V4l2Config(path=link))
    life = asyncio.create_task(slot.run(Sink()))
    await soon(lambda: slot.is_open)
    link.unlink()  # udev takes its links away before it says anything
    slot.unplugged(tmp_path / "video1")
    assert not host.lost.done()
    slot.unplugged(node)
    await soon(lambda: slot.problem is not None)
    assert slot.problem is not None
    assert (slot.problem.code, slot.problem.message) == ("device-lost", f"{node} was unplugged; plug it in again")
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life
