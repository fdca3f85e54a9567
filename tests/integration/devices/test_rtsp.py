"""The RTSP driver on GStreamer's RTSP server, through a cable that can be pulled, and on what is no camera."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from agent.device_slot import DeviceChoice, DeviceSlot
from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedPicture
from agent.devices.rtsp import RtspConfig, driver
from agent.devices.rtsp_reader import SILENT_S
from agent.media import AudioBlock, Frame
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DevicePasswordError,
    DeviceProtocolError,
    DeviceTimeoutError,
)
from protocol.messages import DeviceRole
from tests.fakes.cable import answering, cable
from tests.integration.devices.conftest import RunHost, lost
from tests.integration.devices.network_camera import RATE_HZ, free_port, network_camera
from tests.waiting import until

PASSWORD = "p@ss:w/rd?#%é"


def guarded(address: str, folder: Path, password: str) -> RtspConfig:
    file = folder / "camera.password"
    file.write_text(password)
    return RtspConfig(address=address, user="admin", password_file=file)


@asynccontextmanager
async def sends_pictures(host: CaptureHost, config: RtspConfig) -> AsyncIterator[CapturedPicture]:
    """Open the camera and take a picture of it.

    Opened again as a room does it: this camera has no chip of its own, and on a busy machine its first picture may take
    longer than a real one may be silent.
    """
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(30):
            while True:
                try:
                    device = await stack.enter_async_context(host.open_picture(driver, "front", config))
                    await device.next_frame()
                    break
                except DeviceLostError:
                    await stack.aclose()
        yield device


async def refusal(run_host: RunHost, config: RtspConfig) -> DeviceError:
    """Return how opening is refused."""
    async with run_host(driver) as host:
        with pytest.raises(DeviceError) as caught:
            async with host.open_picture(driver, "front", config, open_timeout_s=5.0):
                pass
    assert caught.value.message.startswith('camera "front": ')
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.timed
async def test_pictures_come_at_their_rate_with_the_time_of_their_capture(run_host: RunHost) -> None:
    with network_camera() as camera:
        async with (
            run_host(driver) as host,
            host.open_picture(driver, "front", RtspConfig(address=camera.address, width_px=640)) as device,
        ):
            async with asyncio.timeout(10):
                frames = [await device.next_frame() for _ in range(3 * RATE_HZ)]
    assert (device.info.width_px, device.info.height_px) == (640, 360)
    assert device.info.rate_hz == RATE_HZ
    assert device.info.name == "127.0.0.1 (h264)"
    assert frames[0].image.std() > 5  # a white ball on black
    assert any((frame.image != frames[0].image).any() for frame in frames)
    steps_s = np.diff([frame.captured_mono_s for frame in frames[RATE_HZ:]])
    assert np.median(steps_s) == pytest.approx(1 / RATE_HZ, abs=0.01)
    assert (steps_s >= 0).all()


@pytest.mark.parametrize("kind", ["basic", "digest"])
async def test_name_and_password_open_a_guarded_camera(run_host: RunHost, tmp_path: Path, kind: str) -> None:
    with network_camera(kind, "admin", PASSWORD) as camera:
        config = guarded(camera.address, tmp_path, PASSWORD)
        async with run_host(driver) as host, host.open_picture(driver, "front", config) as device:
            async with asyncio.timeout(10):
                assert (await device.next_frame()).width_px == 1280


async def test_a_wrong_password_is_tried_once_and_told_to_nobody(
    run_host: RunHost, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with network_camera("digest", "admin", "right") as camera:
        async with cable(camera.port) as line:
            address = f"rtsp://127.0.0.1:{line.port}/cam"
            error = await refusal(run_host, guarded(address, tmp_path, "wr0ng-secret"))
            tries = line.heard.count(b"Authorization:")
    assert type(error) is DevicePasswordError
    assert (error.code, error.retryable) == ("device-password", False)
    assert "refuses this name or password" in error.message
    assert tries == 1
    said = capfd.readouterr()
    for told in (error.message, said.out, said.err, str(line.heard)):
        assert "wr0ng" not in told


async def test_a_refused_password_is_not_sent_again_whoever_opens_the_camera(run_host: RunHost, tmp_path: Path) -> None:
    """A lesson, a look, a self-test, the next lesson: cameras lock an account after a few."""
    with network_camera("digest", "admin", "right") as camera:
        async with cable(camera.port) as line, run_host(driver) as host:
            config = guarded(f"rtsp://127.0.0.1:{line.port}/cam", tmp_path, "wr0ng-secret")
            told = set()
            for gives_way in (False, True, True, False):
                with pytest.raises(DevicePasswordError) as caught:
                    async with host.open_picture(driver, "front", config, gives_way=gives_way):
                        raise AssertionError
                told.add(caught.value.message)
            assert (line.heard.count(b"Authorization:"), len(told)) == (1, 1)
            corrected = guarded(f"rtsp://127.0.0.1:{line.port}/cam", tmp_path, "right")
            assert corrected == config
            async with sends_pictures(host, config):
                pass


async def test_a_camera_that_wants_a_password_says_so_to_who_has_none(run_host: RunHost) -> None:
    with network_camera("digest", "admin", "right") as camera:
        error = await refusal(run_host, RtspConfig(address=camera.address))
    assert type(error) is DevicePasswordError


async def test_the_password_is_in_no_argument_of_any_process(run_host: RunHost, tmp_path: Path) -> None:
    with network_camera("basic", "admin", "s3cret-word") as camera:
        config = guarded(camera.address, tmp_path, "s3cret-word")
        async with run_host(driver) as host, sends_pictures(host, config) as device:
            assert device.pid is not None
            shown = [Path(f"/proc/{pid}/{what}") for pid in (device.pid, "self") for what in ("cmdline", "environ")]
            assert all(b"s3cret" not in path.read_bytes() for path in shown)


async def test_a_path_that_the_camera_does_not_have_is_said(run_host: RunHost) -> None:
    with network_camera() as camera:
        error = await refusal(run_host, RtspConfig(address=camera.address + "era"))
    assert type(error) is DeviceNotFoundError
    assert "no stream at this path" in error.message


async def test_nothing_at_the_port_is_said(run_host: RunHost) -> None:
    error = await refusal(run_host, RtspConfig(address=f"rtsp://127.0.0.1:{free_port()}/cam"))
    assert type(error) is DeviceNotFoundError
    assert "is there but nothing listens" in error.message


async def test_a_name_that_nobody_knows_is_said(run_host: RunHost) -> None:
    error = await refusal(run_host, RtspConfig(address="rtsp://camera.invalid/cam"))
    assert type(error) is DeviceNotFoundError
    assert "no address is known for camera.invalid" in error.message


@pytest.mark.timed
@pytest.mark.parametrize(
    ("answer", "drip_s", "kind", "words"),
    [
        (None, 0, DeviceTimeoutError, "does not answer"),
        (b"", 0, DeviceBusyError, "hung up without a word"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", 0, DeviceProtocolError, "a web page (HTTP)"),
        (b"\x90\x60\x02\xff" * 100, 0, DeviceProtocolError, "not RTSP"),
        (b"\x90\x60\x02\xff" * 100, 0.1, DeviceProtocolError, "not RTSP"),
        (b"RTSP/1.0 503 Service Unavailable\r\nCSeq: 1\r\n\r\n", 0, DeviceBusyError, "no further connection"),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", 0, DeviceError, ""),
        (b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 1000, 0.02, DeviceTimeoutError, "did not describe its stream"),
    ],
    ids=["silent", "hangs up", "web", "visca", "visca slowly", "full", "half", "drip"],
)
async def test_what_is_no_working_camera_is_one_sentence_in_five_seconds(
    run_host: RunHost, answer: bytes | None, drip_s: float, kind: type[DeviceError], words: str
) -> None:
    async with answering(answer, drip_s=drip_s) as port:
        error = await refusal(run_host, RtspConfig(address=f"rtsp://127.0.0.1:{port}/cam"))
    assert isinstance(error, kind)
    assert words in error.message
    assert "did not open within" not in error.message  # the driver knows more than that


@pytest.mark.timed
async def test_a_camera_that_ends_is_lost_at_once(run_host: RunHost) -> None:
    with network_camera() as camera:
        config = RtspConfig(address=camera.address)
        async with run_host(driver) as host, host.open_picture(driver, "front", config) as device:
            await device.next_frame()
            camera.process.kill()
            message, took_s = await lost(device)
    assert "ended the connection" in message or "broke" in message
    assert took_s < 1.0


@pytest.mark.timed
async def test_a_pulled_cable_is_known_after_two_seconds_and_a_short_gap_is_none(run_host: RunHost) -> None:
    with network_camera() as camera:
        async with cable(camera.port) as line, run_host(driver) as host:
            config = RtspConfig(address=f"rtsp://127.0.0.1:{line.port}/cam")
            async with host.open_picture(driver, "front", config) as device:
                await device.next_frame()
                line.pull()
                await asyncio.sleep(1.2)  # longer than a local camera may be silent
                line.plug_in()
                await came_after(device, time.monotonic())
                line.pull()
                message, took_s = await lost(device)
    assert "gave nothing for 2 s" in message
    assert took_s < SILENT_S + 0.7


async def came_after(device: CapturedPicture, mono_s: float) -> None:
    async with asyncio.timeout(5):
        while (await device.next_frame()).captured_mono_s < mono_s:
            pass


class Screen:
    """Where a slot puts its pictures; keeps when."""

    def __init__(self) -> None:
        self.shown_mono_s: list[float] = []

    def push_frame(self, track: Literal["camera", "board"], frame: Frame) -> None:
        self.shown_mono_s.append(time.monotonic())

    def push_sound(self, source: str, block: AudioBlock) -> None: ...

    def set_away(self, track: Literal["camera", "board"], is_away: bool) -> None: ...

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.shown_mono_s[-1] if self.shown_mono_s else float("inf")


@asynccontextmanager
async def in_a_lesson(run_host: RunHost, address: str) -> AsyncIterator[tuple[DeviceSlot, Screen]]:
    """Run the device as a lesson does."""
    screen = Screen()
    async with run_host(driver) as host:
        choice = DeviceChoice("front", DeviceRole.CAMERA, driver, RtspConfig(address=address))
        slot = DeviceSlot(choice, host, lambda _slot: None)
        life = asyncio.create_task(slot.run(screen), name="slot")
        try:
            yield slot, screen
        finally:
            life.cancel()
            await asyncio.wait([life])


@pytest.mark.timed
async def test_a_camera_that_was_switched_off_is_back_within_four_seconds(run_host: RunHost) -> None:
    async with AsyncExitStack() as stack:
        first = network_camera()
        camera = stack.enter_context(first)
        slot, screen = await stack.enter_async_context(in_a_lesson(run_host, camera.address))
        await until(lambda: slot.is_working, "the camera works", 10)
        camera.process.kill()
        await until(lambda: slot.problem is not None, "the loss is told", 1.0)
        await asyncio.sleep(3)
        assert screen.age_s > 2
        stack.enter_context(network_camera(port=camera.port))
        began_s = time.monotonic()
        await until(lambda: screen.age_s < 0.5, "pictures are back after it answers again", 4.0)
        await until(lambda: slot.is_working, "told as back", 0.5)
        assert time.monotonic() - began_s < 4.0


@pytest.mark.timed
async def test_a_cable_that_was_pulled_is_back_within_four_seconds(run_host: RunHost) -> None:
    with network_camera() as camera:
        async with cable(camera.port) as line:
            address = f"rtsp://127.0.0.1:{line.port}/cam"
            async with in_a_lesson(run_host, address) as (slot, screen):
                await until(lambda: slot.is_working, "the camera works", 10)
                line.pull()
                await until(lambda: slot.problem is not None, "the loss is told", SILENT_S + 1.0)
                await asyncio.sleep(4)
                line.plug_in()
                await until(lambda: screen.age_s < 0.5, "pictures are back after it answers again", 4.0)


@pytest.mark.timed
async def test_a_camera_says_goodbye_so_that_its_place_is_free(run_host: RunHost) -> None:
    with network_camera() as camera:
        async with cable(camera.port) as line, run_host(driver) as host:
            config: Any = RtspConfig(address=f"rtsp://127.0.0.1:{line.port}/cam")
            async with host.open_picture(driver, "front", config) as device:
                await device.next_frame()
            await until(lambda: b"TEARDOWN rtsp://" in line.heard, "TEARDOWN", 1.0)
