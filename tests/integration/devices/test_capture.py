"""Capture processes: how they start, what they hand over, and that the agent always learns why they ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import uvloop

from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedPicture
from agent.devices.registry import find_driver
from agent.devices.simulated import Fault
from agent.devices.simulated_camera import SimulatedCameraConfig
from agent.media import BLOCK_SAMPLES
from protocol.errors import (
    DeviceBusyError,
    DeviceCrashedError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from protocol.messages import DeviceRole
from tests.integration.devices.conftest import ROOT, RunHost, is_running, loss, lost
from tests.integration.devices.odd_drivers import OddConfig, odd
from tests.waiting import until

pytestmark = pytest.mark.timed

CAMERA = find_driver(DeviceRole.CAMERA, "simulated")
SMALL = SimulatedCameraConfig(width_px=320, height_px=180)


def open_descriptors() -> int:
    """Return how many file descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def children_of(pid: int) -> list[int]:
    """Return the processes that run and were started by this one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if is_running(int(child))]


async def test_a_warm_device_gives_its_first_picture_at_once(host: CaptureHost) -> None:
    async with host.open_picture(CAMERA, "front", SMALL):
        pass  # the spare has its imports from here on
    started_s = time.monotonic()
    async with host.open_picture(CAMERA, "front", SMALL) as camera:
        frame = await camera.next_frame()
    assert time.monotonic() - started_s < 1.0
    assert (frame.width_px, frame.height_px) == (320, 180)
    assert started_s < frame.captured_mono_s < time.monotonic()


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_look_gives_way_to_the_next_opening(host: CaptureHost, is_open: bool) -> None:
    """Also while it is being opened itself; the device is free before the other opens it."""
    pid = 0

    async def look() -> None:
        nonlocal pid
        async with host.open_picture(CAMERA, "front", SMALL, gives_way=True) as camera:
            await camera.next_frame()
            pid = camera.pid or 0
            await lost(camera)

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    await until(lambda: bool(pid) or not is_open, "the look has the device", 5.0)
    async with host.open_picture(CAMERA, "front", SMALL) as camera:
        assert not pid or not is_running(pid)
        await camera.next_frame()
        await asyncio.wait({looking}, timeout=2.0)
        assert looking.done()
        await camera.next_frame()
    if not is_open:
        assert isinstance(looking.exception(), DeviceError)


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")])
async def test_a_killed_process_is_a_lost_device_within_a_second(
    host: CaptureHost, number: signal.Signals, name: str
) -> None:
    async with host.open_picture(CAMERA, "front", SMALL) as camera:
        await camera.next_frame()
        assert camera.pid is not None
        os.kill(camera.pid, number)
        error, took_s = await loss(camera)
    assert error.message == f'camera "front": its capture process was killed by {name}'
    # Shot from outside, as the kernel does when memory runs out, it is not the driver that is at fault.
    assert isinstance(error, DeviceCrashedError) == (number == signal.SIGSEGV)
    assert took_s < 1.0


async def test_a_hung_process_is_lost_after_hung_s_and_killed(host: CaptureHost) -> None:
    config = SMALL.model_copy(update={"faults": (Fault(at_s=0.5, kind="hang"),)})
    async with host.open_picture(CAMERA, "front", config, hung_s=0.4) as camera:
        hung_from_s = (await camera.next_frame()).captured_mono_s + 0.5
        message, _ = await lost(camera)
        silent_s = time.monotonic() - hung_from_s
        await until(lambda: not is_running(camera.pid or 0), "the hung process ends", 1.0)
    assert message == 'camera "front": gave nothing for 0.4 s and was killed as hung'
    assert 0.3 < silent_s < 0.9


async def test_a_process_stopped_from_outside_is_hung_too(host: CaptureHost) -> None:
    async with host.open_picture(CAMERA, "front", SMALL) as camera:
        await camera.next_frame()
        assert camera.pid is not None
        os.kill(camera.pid, signal.SIGSTOP)
        error, took_s = await loss(camera)
    assert "hung" in error.message
    assert isinstance(error, DeviceCrashedError)
    assert took_s < 1.2


async def test_a_loop_that_was_late_itself_does_not_blame_the_camera(host: CaptureHost) -> None:
    async with host.open_picture(CAMERA, "front", SMALL, hung_s=0.3) as camera:
        await camera.next_frame()
        time.sleep(0.8)  # noqa: ASYNC251 - the loop is to be blocked: that is the case
        for _ in range(20):
            await camera.next_frame()


async def test_an_unplugged_camera_is_lost_and_opens_again_once_it_is_back(host: CaptureHost) -> None:
    config = SMALL.model_copy(update={"faults": (Fault(at_s=0.4, kind="unplug", for_s=4.0),)})
    async with host.open_picture(CAMERA, "front", config) as camera:
        error, _ = await loss(camera)
    assert error.message == 'camera "front": the simulated device was unplugged'
    assert not isinstance(error, DeviceCrashedError)
    with pytest.raises(DeviceNotFoundError, match="unplugged"):
        async with host.open_picture(CAMERA, "front", config):
            pass

    async def opens() -> CapturedPicture:
        while True:
            try:
                async with host.open_picture(CAMERA, "front", config) as camera:
                    await camera.next_frame()
                    return camera
            except DeviceNotFoundError:
                await asyncio.sleep(0.05)

    async with asyncio.timeout(10):
        await opens()


async def test_pictures_are_never_torn(run_host: RunHost) -> None:
    async with (
        run_host() as host,
        host.open_picture(odd("paint"), "front", OddConfig()) as camera,
    ):
        sequences = []
        for _ in range(300):
            frame = await camera.next_frame()
            assert frame.image.min() == frame.image.max()
            sequences.append(frame.sequence)
    assert sequences == sorted(set(sequences))


async def test_a_picture_kept_is_not_written_over(run_host: RunHost) -> None:
    async with (
        run_host() as host,
        host.open_picture(odd("paint"), "front", OddConfig()) as camera,
    ):
        kept = await camera.next_frame()
        value = int(kept.image[0, 0])
        for _ in range(50):
            await camera.next_frame()
        assert (kept.image == value).all()


async def test_the_newest_picture_wins_after_a_pause(host: CaptureHost) -> None:
    async with host.open_picture(CAMERA, "front", SMALL) as camera:
        await camera.next_frame()
        await asyncio.sleep(0.5)
        frame = await camera.next_frame()
        assert time.monotonic() - frame.captured_mono_s < 0.15
        following = await camera.next_frame()
        assert following.captured_mono_s - frame.captured_mono_s < 0.2


async def test_sound_keeps_its_order_and_counts_what_is_dropped(run_host: RunHost) -> None:
    driver = odd("count_blocks", DeviceRole.MICROPHONE)
    async with (
        run_host() as host,
        host.open_sound(driver, "desk", OddConfig(), hung_s=None) as microphone,
    ):
        await until(lambda: microphone.dropped_blocks == 350, "all 400 blocks arrive", 5.0)
        blocks = [await microphone.next_block() for _ in range(50)]
    assert [int(block.samples[0]) for block in blocks] == list(range(350, 400))
    assert [block.captured_mono_s for block in blocks] == list(range(350, 400))


async def test_what_is_to_be_played_reaches_the_process(run_host: RunHost) -> None:
    driver = odd("echo", DeviceRole.MICROPHONE)
    async with run_host() as host, host.open_sound(driver, "desk", OddConfig()) as microphone:
        for number in range(5):
            microphone.play(np.full(BLOCK_SAMPLES, number, np.int16))
        async with asyncio.timeout(5):
            heard = [int((await microphone.next_block()).samples[0]) for _ in range(5)]
    assert heard == [0, 1, 2, 3, 4]


async def test_a_microphone_without_a_loudspeaker_says_so(host: CaptureHost) -> None:
    driver = find_driver(DeviceRole.MICROPHONE, "simulated")
    async with host.open_sound(driver, "desk", driver.config.model_validate({"voice": "none"})) as microphone:
        with pytest.raises(DeviceUnsupportedError, match=r'microphone "desk".*loudspeaker'):
            microphone.play(np.zeros(BLOCK_SAMPLES, np.int16))


async def test_an_open_that_hangs_ends_in_time_and_leaves_no_process(run_host: RunHost) -> None:
    async with run_host() as host:
        async with host.open_picture(CAMERA, "front", SMALL):
            pass
        spare = host.spare_pid
        started_s = time.monotonic()
        with pytest.raises(DeviceTimeoutError, match=r'camera "front": did not open within 0\.5 s'):
            async with host.open_picture(odd("never_open"), "front", OddConfig(), open_timeout_s=0.5):
                pass
        assert time.monotonic() - started_s < 1.5
        assert spare is not None
        assert not children_of(spare)


async def test_a_device_in_use_is_told_apart(run_host: RunHost) -> None:
    async with run_host() as host:
        with pytest.raises(DeviceBusyError, match='camera "front": somebody else has it; ask them'):
            async with host.open_picture(odd("be_busy"), "front", OddConfig()):
                pass


async def test_a_driver_that_raises_is_a_lost_device_with_its_own_words(
    run_host: RunHost, capfd: pytest.CaptureFixture[str]
) -> None:
    async with (
        run_host() as host,
        host.open_picture(odd("fall"), "front", OddConfig()) as camera,
    ):
        error, _ = await loss(camera)
    assert error.message == 'camera "front": the driver failed: ValueError: seven is not a picture'
    assert isinstance(error, DeviceCrashedError)
    assert "in fall" in capfd.readouterr().err  # the traceback is for the journal


async def test_a_process_that_leaves_is_told_by_its_status(run_host: RunHost) -> None:
    async with (
        run_host() as host,
        host.open_picture(odd("leave"), "front", OddConfig()) as camera,
    ):
        message, _ = await lost(camera)
    assert message == 'camera "front": its capture process ended with status 42'


async def test_a_driver_that_cannot_be_imported_is_one_sentence(run_host: RunHost) -> None:
    missing = CAMERA.__class__("gone", DeviceRole.CAMERA, OddConfig, "no_such_module:capture", ("no_such_module",))
    async with run_host(missing) as host:
        with pytest.raises(DeviceError, match=r'camera "front": the driver no_such_module:capture cannot be loaded'):
            async with host.open_picture(missing, "front", OddConfig()):
                pass


async def test_a_capture_process_imports_its_driver_and_never_the_agent(run_host: RunHost, tmp_path: Path) -> None:
    told = tmp_path / "modules"
    async with (
        run_host(CAMERA) as host,
        host.open_picture(odd("tell_modules"), "front", OddConfig(path=told)),
    ):
        modules = told.read_text().split()
    roots = {module.partition(".")[0] for module in modules}
    assert {"cv2", "numpy"} <= roots
    assert not roots & {"aiortc", "starlette", "uvicorn", "mqttlink", "aiomqtt", "controller", "asyncio", "uvloop"}
    ours = {module for module in modules if module.startswith("agent")}
    assert not {module for module in ours if not re.match(r"agent(\.media|\.devices(\..*)?)?$", module)}
    assert "agent.devices.capture" not in ours


def test_drivers_load_no_device_library_into_the_agent() -> None:
    script = (
        "import sys; from agent.devices.capture import CaptureHost; from agent.devices import registry as r\n"
        "[r.find_driver(role, name) for role in r.GROUPS for name in r.driver_names(role)]\n"
        "print({m.partition('.')[0] for m in sys.modules} & {'cv2', 'av', 'pyaudio', 'Xlib'} or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "none"


async def test_closing_is_quick_and_leaks_neither_process_nor_descriptor(host: CaptureHost) -> None:
    async def once() -> None:
        async with host.open_picture(CAMERA, "front", SMALL) as camera:
            await camera.next_frame()
            started_s = time.monotonic()
        assert time.monotonic() - started_s < 0.6
        assert camera.pid is not None
        assert not is_running(camera.pid)

    await once()
    before = open_descriptors()
    for _ in range(5):
        await once()
    assert open_descriptors() == before


async def test_a_dead_spare_is_started_again_and_the_devices_with_it(host: CaptureHost) -> None:
    async with host.open_picture(CAMERA, "front", SMALL) as camera:
        await camera.next_frame()
        first = host.spare_pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        message, took_s = await lost(camera)
        assert message.startswith('camera "front": its capture process ')
        assert took_s < 1.0
    async with host.open_picture(CAMERA, "front", SMALL) as camera:
        await camera.next_frame()
    assert host.spare_pid not in (None, first)


async def test_the_end_of_the_host_ends_everything_it_opened(run_host: RunHost) -> None:
    async with run_host(CAMERA) as host:
        context = host.open_picture(CAMERA, "front", SMALL)
        camera = await context.__aenter__()
        spare, child = host.spare_pid, camera.pid
        assert spare is not None
        assert child is not None
    assert not is_running(spare)
    await until(lambda: not is_running(child), "the capture process ends", 1.0)
    with pytest.raises(DeviceLostError):
        await camera.next_frame()
    await context.__aexit__(None, None, None)


AGENT = """
import asyncio, sys
from agent.devices.capture import CaptureHost
from agent.devices.registry import find_driver
from protocol.messages import DeviceRole

async def main():
    driver = find_driver(DeviceRole.CAMERA, "simulated")
    host = CaptureHost([driver])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(host.run())
        async with host.open_picture(driver, "front", driver.config()) as camera:
            await camera.next_frame()
            print(host.spare_pid, camera.pid, flush=True)
            await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_capture_processes_die_with_the_agent_however_it_dies() -> None:
    agent = await asyncio.create_subprocess_exec(sys.executable, "-c", AGENT, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert agent.stdout is not None
    try:
        async with asyncio.timeout(20):
            spare, child = (int(pid) for pid in (await agent.stdout.readline()).split())
        assert is_running(spare)
        assert is_running(child)
    finally:
        agent.kill()
        await agent.wait()
    await until(lambda: not is_running(spare) and not is_running(child), "both processes end", 1.0)


def test_everything_works_on_uvloop_too(run_host: RunHost) -> None:
    async def main() -> str:
        async with (
            run_host(CAMERA) as host,
            host.open_picture(CAMERA, "front", SMALL) as camera,
        ):
            await camera.next_frame()
            assert camera.pid is not None
            os.kill(camera.pid, signal.SIGKILL)
            return (await lost(camera))[0]

    assert uvloop.run(main()) == 'camera "front": its capture process was killed by SIGKILL'


async def test_a_look_gives_way_at_once_to_who_needs_the_device(host: CaptureHost) -> None:
    """Even a look whose process hangs; and the device is closed before it is opened again."""
    config = SMALL.model_copy(update={"faults": (Fault(at_s=0.2, kind="hang"),)})
    async with host.open_picture(CAMERA, "front", config, hung_s=None, gives_way=True) as look:
        await look.next_frame()
        await asyncio.sleep(0.4)
        started_s = time.monotonic()
        async with host.open_picture(CAMERA, "front", SMALL) as camera:
            assert not is_running(look.pid or 0)
            await camera.next_frame()
            assert time.monotonic() - started_s < 0.5
            with pytest.raises(DeviceLostError, match="was open for a look, and is needed now"):
                await look.next_frame()
    async with host.open_picture(CAMERA, "front", SMALL, gives_way=True) as look:
        await look.next_frame()


async def test_a_look_that_is_only_being_opened_gives_way_too(host: CaptureHost) -> None:
    async def look() -> None:
        async with host.open_picture(CAMERA, "front", SMALL, gives_way=True) as device:
            while True:
                await device.next_frame()

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    async with host.open_picture(CAMERA, "front", SMALL) as camera:
        with pytest.raises(DeviceError, match="needed now"):
            await looking
        for _ in range(5):
            await camera.next_frame()
