"""Every driver that turns cameras, through its whole life, on a camera that really turns (tests/fakes)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.devices.base import DriverConfig
from agent.devices.ptz import PtzDriver
from agent.devices.registry import find_ptz
from protocol.errors import DeviceError, DeviceUnsupportedError
from tests.fakes.onvif_camera import OnvifCamera, onvif_camera
from tests.fakes.visca_camera import ViscaCamera, serial_camera, tcp_camera, udp_camera
from tests.waiting import until


@dataclass
class Turning:
    """A driver, its configuration, and the camera at the other end."""

    driver: PtzDriver
    config: DriverConfig
    camera: ViscaCamera | OnvifCamera
    preset: str = "4"
    unknown_preset: str = "99"


@pytest.fixture(params=["visca-sony-udp", "visca-tcp", "visca-udp", "visca-serial", "onvif"])
async def turning(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Turning]:
    settings: dict[str, object]
    name, _, transport = request.param.partition("-")
    driver = find_ptz(name)
    if name == "onvif":
        password, onvif = tmp_path / "password", OnvifCamera()
        password.write_text(onvif.password)
        async with onvif_camera(onvif) as port:
            settings = {"host": "127.0.0.1", "port": port, "user": onvif.user, "password_file": password}
            yield Turning(driver, driver.config.model_validate(settings), onvif)
        return
    camera = ViscaCamera()
    async with AsyncExitStack() as stack:
        settings = {"transport": transport}
        if transport == "serial":
            settings |= {"path": await stack.enter_async_context(serial_camera(camera))}
        elif transport == "tcp":
            settings |= {"host": "127.0.0.1", "port": await stack.enter_async_context(tcp_camera(camera))}
        else:
            opening = udp_camera(camera, is_sony=transport == "sony-udp")
            settings |= {"host": "127.0.0.1", "port": await stack.enter_async_context(opening)}
        yield Turning(driver, driver.config.model_validate(settings), camera)


async def test_a_camera_says_what_it_can_do(turning: Turning) -> None:
    async with asyncio.timeout(5), turning.driver.connect(turning.config) as ptz:
        assert ptz.info.driver == turning.driver.name
        assert ptz.info.name
        assert ptz.info.capabilities >= {"pan-tilt", "zoom", "presets", "store-presets", "position"}
        assert turning.camera.stands  # connecting moves nothing


async def test_a_camera_turns_as_it_is_told_and_stops(turning: Turning) -> None:
    async with asyncio.timeout(5), turning.driver.connect(turning.config) as ptz:
        began = await ptz.position()
        await ptz.move(-1, 0.5, 0)
        await until(lambda: turning.camera.speed[0] < 0 < turning.camera.speed[1], "turns left and up", 1)
        await until(lambda: turning.camera.view[0] < -1, "has turned", 1)
        assert turning.camera.speed[2] == 0
        await ptz.move(0, 0, 1)
        await until(lambda: turning.camera.speed[:2] == (0, 0) and turning.camera.speed[2] > 0, "zooms in alone", 1)
        await until(lambda: turning.camera.view[2] > 1, "has zoomed", 1)
        await ptz.stop()
        await until(lambda: turning.camera.stands, "stands", 1)
        ended = await ptz.position()
        assert began.pan is not None
        assert began.zoom is not None
        assert ended.pan is not None
        assert ended.zoom is not None
        assert ended.pan < began.pan
        assert ended.zoom > began.zoom
        assert await ptz.position() == ended


async def test_a_stored_view_is_found_again(turning: Turning) -> None:
    async with asyncio.timeout(5), turning.driver.connect(turning.config) as ptz:
        await ptz.store(turning.preset)
        stored = await ptz.position()
        await ptz.move(1, 1, 0)
        await until(lambda: turning.camera.view[0] > 1, "has turned", 1)
        await ptz.stop()
        assert await ptz.position() != stored
        await ptz.recall(turning.preset)
        assert await ptz.position() == stored


async def test_a_preset_that_is_not_there_has_its_own_code(turning: Turning) -> None:
    async with asyncio.timeout(5), turning.driver.connect(turning.config) as ptz:
        with pytest.raises(DeviceUnsupportedError, match=f'no preset "{turning.unknown_preset}"') as caught:
            await ptz.recall(turning.unknown_preset)
        assert caught.value.code == "preset-not-found"
        await ptz.stop()  # it goes on working


async def test_what_the_camera_cannot_do_is_said_and_moves_nothing(turning: Turning) -> None:
    turning.camera.turns = False
    async with asyncio.timeout(5), turning.driver.connect(turning.config) as ptz:
        assert "pan-tilt" not in ptz.info.capabilities
        with pytest.raises(DeviceUnsupportedError, match="does not turn") as caught:
            await ptz.move(1, 0, 0)
        assert caught.value.code == "device-unsupported"
        assert turning.camera.stands
        await ptz.move(0, 0, 1)
        await until(lambda: turning.camera.speed[2] > 0, "it zooms all the same", 1)
        await ptz.stop()
        await until(lambda: turning.camera.stands, "stands", 1)


async def test_a_camera_that_falls_silent_is_known_within_the_deadline(turning: Turning) -> None:
    async with asyncio.timeout(10), turning.driver.connect(turning.config) as ptz:
        turning.camera.faults.is_silent = True
        began_s = time.monotonic()
        with pytest.raises(DeviceError) as caught:
            await ptz.move(1, 0, 0)
        assert caught.value.code == "device-timeout"
        assert time.monotonic() - began_s < 2.5
        assert "\n" not in caught.value.message
        turning.camera.faults.is_silent = False
        await ptz.stop()


@pytest.mark.timed
async def test_nothing_that_is_asked_stands_in_the_loop_s_way(turning: Turning) -> None:
    turning.camera.faults.delay_s = 0.1
    late_s = [0.0]

    async def tick() -> None:
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(0.01)
            late_s.append(time.monotonic() - began_s - 0.01)

    ticking = asyncio.create_task(tick())
    async with asyncio.timeout(10), turning.driver.connect(turning.config) as ptz:
        await ptz.move(1, 0, 0)
        await ptz.stop()
    ticking.cancel()
    assert max(late_s) < 0.1


async def test_calls_that_overlap_are_carried_out_one_after_the_other(turning: Turning) -> None:
    turning.camera.faults.delay_s = 0.02
    async with asyncio.timeout(10), turning.driver.connect(turning.config) as ptz, asyncio.TaskGroup() as tasks:
        positions = [tasks.create_task(ptz.position()) for _ in range(3)]
        tasks.create_task(ptz.move(1, 0, 0))
        await asyncio.gather(*positions)
        tasks.create_task(ptz.stop())
    await until(lambda: turning.camera.stands, "stands", 1)
    assert all(task.result().pan is not None for task in positions)
