"""Every driver that can run here, through its whole life: open, first picture or block, close, open again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.registry import find_driver
from agent.devices.simulated import read_time_strip
from agent.media import BLOCK_S
from protocol.errors import DeviceError, DeviceNotFoundError, DeviceUnsupportedError
from protocol.messages import DeviceRole
from tests.integration.devices.conftest import RunHost, is_running, lost
from tests.integration.devices.network_camera import network_camera
from tests.integration.devices.soundserver import sound_server
from tests.peers import need

pytestmark = pytest.mark.timed

CAMERA, BOARD, MICROPHONE = DeviceRole.CAMERA, DeviceRole.BOARD, DeviceRole.MICROPHONE
Made = tuple[CaptureDriver, DriverConfig]


def made(role: DeviceRole, name: str, **settings: Any) -> Made:
    driver = find_driver(role, name)
    return driver, driver.config.model_validate(settings)


@contextmanager
def running(*command: str, **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program beside the test."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def x_server(*more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run an X server with nothing on it; its display and its process."""
    read, write = os.pipe()
    options = ("-displayfd", str(write), "-screen", "0", "1367x769x24", "-nolisten", "tcp", *more)
    with running(need("Xvfb", "xvfb"), *options, pass_fds=[write]) as server:
        os.close(write)
        with os.fdopen(read) as said:
            display = said.readline().strip()
        yield f":{display}", server


@pytest.fixture
def screen() -> Iterator[str]:
    """The display of an X server with nothing on it."""
    with x_server() as (display, _server):
        yield display


@pytest.fixture
def rtsp_address() -> Iterator[str]:
    """Where a network camera serves its pictures; it has given one, as its first takes seconds on a busy machine."""
    with network_camera() as camera:
        with av.open(camera.address, options={"rtsp_transport": "tcp"}, timeout=30.0) as stream:
            next(stream.decode(video=0))
        yield camera.address


@pytest.fixture(params=["camera-simulated", "camera-file", "camera-rtsp", "board-simulated", "board-x11"])
def picture(request: pytest.FixtureRequest) -> Made:
    match request.param:
        case "camera-simulated":
            return made(CAMERA, "simulated", time_strip=True)
        case "camera-file":
            return made(CAMERA, "file", path=request.getfixturevalue("lesson_mp4"))
        case "camera-rtsp":
            return made(CAMERA, "rtsp", address=request.getfixturevalue("rtsp_address"))
        case "board-simulated":
            return made(BOARD, "simulated", time_strip=True)
        case _:
            return made(BOARD, "x11", display=request.getfixturevalue("screen"))


@pytest.fixture(params=["simulated", "file"])
def sound(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    if request.param == "file":
        return made(MICROPHONE, "file", path=request.getfixturevalue("lesson_mp4"))
    need("espeak-ng", "espeak-ng")
    return made(MICROPHONE, "simulated", cache_dir=tmp_path)


async def test_a_picture_device_lives_as_the_contract_says(run_host: RunHost, picture: Made) -> None:
    driver, config = picture
    async with run_host(driver) as host:
        for _ in range(2):
            async with host.open_picture(driver, "seen", config) as device:
                opened_s = time.monotonic()
                async with asyncio.timeout(10):
                    frames = [await device.next_frame()]
                    if driver.role is CAMERA:
                        frames += [await device.next_frame() for _ in range(10)]
                closing_s = time.monotonic()
            assert time.monotonic() - closing_s < 0.6
            assert device.pid is not None
            assert not is_running(device.pid)
            info = device.info
            assert (info.id, info.role, info.driver) == ("seen", driver.role, driver.name)
            assert info.name
            for frame in frames:
                assert (frame.width_px, frame.height_px) == (info.width_px, info.height_px)
                assert frame.image.dtype == np.uint8
                assert frame.image.flags.c_contiguous
                assert opened_s - 1 < frame.captured_mono_s < time.monotonic()
            assert len({frame.sequence for frame in frames}) == len(frames)
            assert [f.captured_mono_s for f in frames] == sorted(f.captured_mono_s for f in frames)


async def test_a_sound_device_lives_as_the_contract_says(run_host: RunHost, sound: Made) -> None:
    driver, config = sound
    async with run_host(driver) as host:
        for _ in range(2):
            async with host.open_sound(driver, "heard", config) as device:
                async with asyncio.timeout(15):
                    blocks, late_s = [], []
                    for _ in range(75):
                        blocks.append(await device.next_block())
                        late_s.append(time.monotonic() - blocks[-1].captured_mono_s)
                assert BLOCK_S <= min(late_s) < 0.06  # a block is there soon after its last sample
                closing_s = time.monotonic()
            assert time.monotonic() - closing_s < 0.6
            assert [block.sequence for block in blocks] == list(range(75))
            assert np.diff([block.captured_mono_s for block in blocks]) == pytest.approx(BLOCK_S, abs=1e-6)
            assert np.concatenate([block.samples for block in blocks]).std() > 100  # somebody is heard


async def test_the_simulated_camera_tells_the_time_of_capture_in_its_picture(run_host: RunHost) -> None:
    driver, config = made(CAMERA, "simulated", time_strip=True)
    async with run_host(driver) as host, host.open_picture(driver, "front", config) as camera:
        for _ in range(30):
            frame = await camera.next_frame()
            wall_ms = read_time_strip(frame.image)
            assert wall_ms is not None
            assert abs(wall_ms / 1000 - (time.time() - time.monotonic() + frame.captured_mono_s)) < 0.005


async def test_flash_and_beep_of_the_simulated_devices_fall_together(run_host: RunHost, tmp_path: Path) -> None:
    camera_driver, camera_config = made(CAMERA, "simulated", flash_and_beep_s=0.5)
    sound_driver, sound_config = made(MICROPHONE, "simulated", flash_and_beep_s=0.5, voice="none")
    async with (
        run_host(camera_driver, sound_driver) as host,
        host.open_picture(camera_driver, "front", camera_config) as camera,
        host.open_sound(sound_driver, "desk", sound_config) as microphone,
    ):
        flashes_s: list[float] = []
        beeps_s: list[float] = []

        async def watch() -> None:
            was_white = True
            while len(flashes_s) < 7:
                frame = await camera.next_frame()
                is_white = bool(frame.image[: frame.height_px].min() > 230)
                if is_white and not was_white:
                    flashes_s.append(frame.captured_mono_s)
                was_white = is_white

        async def listen() -> None:
            quiet = 0
            while len(beeps_s) < 7:
                block = await microphone.next_block()
                loud = np.flatnonzero(np.abs(block.samples.astype(int)) > 2000)
                if len(loud) and quiet > 5:
                    beeps_s.append(block.captured_mono_s + int(loud[0]) / 48_000)
                quiet = 0 if len(loud) else quiet + 1

        async with asyncio.timeout(10), asyncio.TaskGroup() as both:
            both.create_task(watch())
            both.create_task(listen())
    wall_s = time.time() - time.monotonic()
    assert all(abs((beep_s + wall_s) * 2 - round((beep_s + wall_s) * 2)) < 0.01 for beep_s in beeps_s)
    gaps_s = [min(abs(flash_s - beep_s) for beep_s in beeps_s) for flash_s in flashes_s]
    together_s = [gap_s for gap_s in gaps_s if gap_s < 0.25]  # the one was opened before the other
    assert len(together_s) >= 5
    assert np.median(together_s) < 0.02


async def test_picture_and_sound_of_one_file_are_in_step(run_host: RunHost, lesson_mp4: Path) -> None:
    camera_driver, camera_config = made(CAMERA, "file", path=lesson_mp4)
    sound_driver, sound_config = made(MICROPHONE, "file", path=lesson_mp4)
    async with (
        run_host(camera_driver, sound_driver) as host,
        host.open_picture(camera_driver, "front", camera_config) as camera,
        host.open_sound(sound_driver, "desk", sound_config) as microphone,
    ):
        assert (camera.info.width_px, camera.info.height_px, camera.info.rate_hz) == (1280, 720, 25)
        flashes_s: list[float] = []
        beeps_s: list[float] = []

        async def watch() -> None:
            was_white = True
            while len(flashes_s) < 4:  # more than a lap of three seconds
                frame = await camera.next_frame()
                is_white = bool(frame.image[: frame.height_px].mean() > 200)
                if is_white and not was_white:
                    flashes_s.append(frame.captured_mono_s)
                was_white = is_white

        async def listen() -> None:
            quiet = 0
            while len(beeps_s) < 5:
                block = await microphone.next_block()
                loud = np.flatnonzero(np.abs(block.samples.astype(int)) > 4000)
                if len(loud) and quiet > 5:
                    beeps_s.append(block.captured_mono_s + int(loud[0]) / 48_000)
                quiet = 0 if len(loud) else quiet + 1

        async with asyncio.timeout(12), asyncio.TaskGroup() as both:
            both.create_task(watch())
            both.create_task(listen())
    gaps_s = [min(abs(flash_s - beep_s) for beep_s in beeps_s) for flash_s in flashes_s]
    together_s = [gap_s for gap_s in gaps_s if gap_s < 0.4]  # the one was opened before the other
    assert len(together_s) >= 2
    assert np.median(together_s) < 0.045  # 23 ms of it are the AAC encoder's own delay in this file


@pytest.mark.parametrize(
    ("role", "name", "settings", "error", "words"),
    [
        (CAMERA, "file", {"path": "/nowhere/lesson.mp4"}, DeviceNotFoundError, "/nowhere/lesson.mp4 does not exist"),
        (MICROPHONE, "file", {"path": "/nowhere/lesson.mp4"}, DeviceNotFoundError, "does not exist"),
        (CAMERA, "file", {"path": __file__}, DeviceUnsupportedError, "is no recording"),
        (CAMERA, "v4l2", {"path": "/dev/video99"}, DeviceNotFoundError, "/dev/video99 does not exist; plug"),
        (CAMERA, "v4l2", {"path": "/dev/null"}, DeviceUnsupportedError, "/dev/null is not a camera"),
        (BOARD, "hdmi", {"path": "/dev/video99"}, DeviceNotFoundError, "/dev/video99 does not exist; plug the capture"),
        (BOARD, "hdmi", {"path": "/dev/null"}, DeviceUnsupportedError, "/dev/null is not a capture card"),
        (BOARD, "x11", {"display": ":31999"}, DeviceNotFoundError, 'there is no display ":31999"; start'),
    ],
)
async def test_what_cannot_be_opened_is_one_sentence_that_says_what_to_do(
    run_host: RunHost, role: DeviceRole, name: str, settings: dict[str, str], error: type[DeviceError], words: str
) -> None:
    driver, config = made(role, name, **settings)
    async with run_host(driver) as host:
        opening = host.open_sound if role is MICROPHONE else host.open_picture
        with pytest.raises(error) as caught:
            async with opening(driver, "thing", config):
                pass
    assert caught.value.message.startswith(f'{role} "thing": ')
    assert words in caught.value.message
    assert "\n" not in caught.value.message


async def test_a_sound_file_is_no_camera(run_host: RunHost, tmp_path: Path) -> None:
    wav = tmp_path / "only.wav"
    subprocess.run([need("espeak-ng", "espeak-ng"), "-w", str(wav), "only sound"], check=True)  # noqa: ASYNC221 - 50 ms
    driver, config = made(CAMERA, "file", path=wav)
    async with run_host(driver) as host:
        with pytest.raises(DeviceUnsupportedError, match="has no video"):
            async with host.open_picture(driver, "front", config):
                pass


async def test_a_screen_gives_pictures_while_it_changes_and_rests_while_it_does_not(
    run_host: RunHost, screen: str
) -> None:
    driver, config = made(BOARD, "x11", display=screen, rate_hz=20)
    async with (
        run_host(driver) as host,
        host.open_picture(driver, "board", config, hung_s=0.6) as board,
    ):
        assert (board.info.width_px, board.info.height_px) == (1366, 768)
        empty = await board.next_frame()
        quiet = asyncio.Event()

        async def rest() -> None:
            while not quiet.is_set():
                try:
                    async with asyncio.timeout(1.5):  # longer than hung_s: a still board is not a dead one
                        await board.next_frame()
                except TimeoutError:
                    quiet.set()

        async with asyncio.timeout(5):  # the server's own first strokes may come late
            await rest()
        window = (
            need("xterm", "xterm"),
            "-display",
            screen,
            "-bg",
            "white",
            "-geometry",
            "80x24+0+0",
            "-e",
            "sleep 60",
        )
        with running(*window):
            async with asyncio.timeout(5):
                frame = await board.next_frame()
                while frame.image[200, 200] < 200:
                    frame = await board.next_frame()
        assert empty.image[200, 200] < 50
        async with asyncio.timeout(5):  # the window is gone: that too is a change
            while frame.image[200, 200] > 50:
                frame = await board.next_frame()


async def test_a_screen_that_cannot_tell_changes_is_compared(run_host: RunHost) -> None:
    with x_server("-extension", "DAMAGE") as (display, _server):
        driver, config = made(BOARD, "x11", display=display, rate_hz=20, show_pointer=False)
        async with run_host(driver) as host, host.open_picture(driver, "board", config) as board:
            frames = [await board.next_frame()]
            with running(need("xterm", "xterm"), "-display", display, "-bg", "white", "-geometry", "80x24+0+0"):
                async with asyncio.timeout(5):
                    while frames[-1].image[200, 200] < 200:
                        frames.append(await board.next_frame())
    assert len(frames) < 20  # only what changed came


async def test_a_screen_that_refuses_us_says_how_to_be_let_in(
    run_host: RunHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookies = tmp_path / "Xauthority"
    # One MIT-MAGIC-COOKIE-1 for any display, as xauth writes it.
    cookies.write_bytes(b"\xff\xff\x00\x00\x00\x00\x00\x12MIT-MAGIC-COOKIE-1\x00\x10" + bytes(range(16)))
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
    with x_server("-auth", str(cookies)) as (display, _server):
        driver, config = made(BOARD, "x11", display=display)
        async with run_host(driver) as host:
            with pytest.raises(DeviceError, match=r"refuses us.*XAUTHORITY"):
                async with host.open_picture(driver, "board", config):
                    pass


async def test_a_screen_that_ends_is_a_lost_board(run_host: RunHost) -> None:
    with x_server() as (display, server):
        driver, config = made(BOARD, "x11", display=display)
        async with (
            run_host(driver) as host,
            host.open_picture(driver, "board", config) as board,
        ):
            await board.next_frame()
            server.kill()
            message, took_s = await lost(board)
    assert "the X session ended" in message
    assert took_s < 1.0


async def test_a_camera_of_the_video_server_works_and_its_end_is_noticed(
    run_host: RunHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PipeWire's user-space V4L2: the driver's own calls on a /dev/video0 that only pw-v4l2's library knows."""
    library = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/pipewire-0.3/v4l2/libpw-v4l2.so")
    need("pw-v4l2", "pipewire-v4l2")
    caps = "video/x-raw,format=YUY2,width=640,height=360,framerate=15/1"
    stream = "props,media.class=Video/Source,media.role=Camera,node.name=fakecam,node.description=FakeCam"
    pipeline = (
        f"-q videotestsrc is-live=true pattern=ball ! {caps} ! pipewiresink mode=provide stream-properties={stream}"
    )
    camera_program = (need("gst-launch-1.0", "gstreamer1.0-tools"), *pipeline.split())
    driver, config = made(CAMERA, "v4l2", path="/dev/video0", width_px=640, height_px=360)
    with sound_server(tmp_path) as server, running(*camera_program, env=server.environment) as program:
        monkeypatch.setenv("XDG_RUNTIME_DIR", server.environment["XDG_RUNTIME_DIR"])
        monkeypatch.setenv("LD_PRELOAD", str(library))
        async with run_host(driver) as host, asyncio.timeout(25):
            while True:
                try:
                    async with host.open_picture(driver, "front", config, hung_s=2.0) as camera:
                        frames = [await camera.next_frame() for _ in range(15)]
                        program.kill()
                        _message, took_s = await lost(camera)
                    break
                except DeviceNotFoundError:  # the node is not there at once
                    await asyncio.sleep(0.2)
    assert (camera.info.width_px, camera.info.height_px) == (640, 360)
    assert took_s < 4
    rate_hz = 14 / (frames[-1].captured_mono_s - frames[0].captured_mono_s)
    assert 10 < rate_hz < 20
    assert frames[0].image.std() > 5  # a white ball on black
