"""In the virtual machine: plugs, as a lesson's devices, udev and the kernel live them. `tests/vm/guest.py` runs it.

Everything takes ten times as long in emulation, so the host is patient; the times that are returned are the agent's.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.devices import hdmi
from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedPicture
from agent.host_numbers import usb_devices
from agent.streams.publisher import StreamSettings
from benchmarks.plugging import plugged
from protocol.errors import DeviceError
from protocol.messages import DeviceRole

VIVID = Path("/sys/bus/platform/drivers/vivid")
CAMERA = Path("/dev/estrade/camera")
MONITOR = Path("/dev/ttyS1")
"""The machine's own monitor: it plugs USB devices."""

SLOW_S = 90.0
SMALL = StreamSettings(
    camera_max_width_px=320, camera_max_height_px=180, camera_max_rate_hz=10, camera_preset="ultrafast"
)


class PatientHost(CaptureHost):
    """Calls nothing hung that is merely emulated."""

    def __init__(self, preload: Sequence[CaptureDriver]) -> None:
        super().__init__(preload, open_timeout_s=SLOW_S)

    @asynccontextmanager
    async def open_picture(
        self,
        driver: CaptureDriver,
        device_id: str,
        config: DriverConfig,
        *,
        open_timeout_s: float | None = None,
        hung_s: float | None = 10.0,
        gives_way: bool = False,
    ) -> AsyncIterator[CapturedPicture]:
        async with super().open_picture(
            driver, device_id, config, open_timeout_s=open_timeout_s, hung_s=hung_s, gives_way=gives_way
        ) as device:
            yield device


async def camera(host: CaptureHost) -> dict[str, Any]:
    """Unplug a lesson's camera twice, the second time with its process hung; it comes back elsewhere, by udev alone."""
    settings = {"path": CAMERA, "width_px": 320, "height_px": 180, "rate_hz": 10}

    async def for_ever(_seconds: float) -> None:
        await asyncio.get_running_loop().create_future()

    async def unplug() -> None:
        await asyncio.to_thread((VIVID / "unbind").write_text, "vivid.0")

    async def plug() -> None:
        await asyncio.to_thread((VIVID / "bind").write_text, "vivid.0")

    async def plug_elsewhere() -> None:
        await run("rmmod", "vivid")
        await run("modprobe", "vivid", *VIVID_ELSEWHERE)

    async def hang_and_unplug() -> None:
        os.kill(there.capture_pid, signal.SIGSTOP)
        await unplug()

    nodes = [behind(CAMERA)]
    async with plugged(
        DeviceRole.CAMERA, "v4l2", settings, SMALL, most_s=SLOW_S, running_host=host, sleep=for_ever
    ) as there:
        first = await there.unplugged_and_back(unplug, plug_elsewhere, away_s=0.2)
        nodes.append(behind(CAMERA))
        second = await there.unplugged_and_back(hang_and_unplug, plug, away_s=0.2)
    return {"nodes": nodes, "first": first.as_json(), "second": second.as_json()}


async def capture_card(host: CaptureHost) -> dict[str, Any]:
    """Show a card black, nothing, something again, and another size."""
    path = node_of("vivid-001")
    config = hdmi.HdmiConfig(path=path, width_px=640, height_px=480, rate_hz=5.0)
    seen: dict[str, Any] = {}

    async def control(**values: int) -> None:
        pairs = ",".join(f"{name}={value}" for name, value in values.items())
        await run("v4l2-ctl", "--device", str(path), "--set-ctrl", pairs)

    async def loss(board: CapturedPicture) -> list[str]:
        try:
            async with asyncio.timeout(SLOW_S):
                while True:
                    await board.next_frame()
        except DeviceError as error:
            return [error.code, error.message]

    await run("v4l2-ctl", "--device", str(path), "--set-dv-bt-timings", "index=0")  # 640 × 480
    await control(osd_text_mode=2)
    async with host.open_picture(hdmi.driver, "board", config) as board:
        info = board.info
        seen["opened"] = [info.width_px, info.height_px, sorted(info.capabilities)]
        bars = await board.next_frame()
        await control(test_pattern=BLACK)
        black = await board.next_frame()
        while black.image[: info.height_px].max() > 20:
            black = await board.next_frame()
        seen["contrast"] = [float(bars.image.std()), float(black.image[: info.height_px].std())]
        began_s, still = time.monotonic(), 0
        while time.monotonic() - began_s < 2.0:
            try:
                async with asyncio.timeout(0.5):
                    await board.next_frame()
                    still += 1
            except TimeoutError:
                pass
        seen["still"] = still
        await control(dv_timings_signal_mode=1)
        seen["no signal"] = await loss(board)
    try:
        async with host.open_picture(hdmi.driver, "board", config):
            seen["away"] = ["opened", ""]
    except DeviceError as error:
        seen["away"] = [error.code, error.message]
    await control(dv_timings_signal_mode=0)
    async with host.open_picture(hdmi.driver, "board", config) as board:
        await board.next_frame()
        seen["back"] = True
        await control(dv_timings=SIZE_720P, dv_timings_signal_mode=4)
        seen["size"] = await loss(board)
    return seen


VIVID_ELSEWHERE = ["n_devs=2", "node_types=0x1,0x1", "num_inputs=1,1", "input_types=0x0,0x3", "vid_cap_nr=4,5"]
"""As in guest.sh, under other numbers."""
SERIAL = "bus=usb.0,always-plugged=on,chardev=nothing"
BLACK = 5
"""vivid's test pattern *100% Black*."""
SIZE_720P = 5
"""Index in vivid's list of timings: 24 Hz."""


def sockets() -> dict[str, list[Any]]:
    """Plug a USB serial adapter and a USB sound card into one socket, then another; return what they are called.

    ``usb`` is what the host's checks see of each plug, and of the card's return into its last socket.
    """
    names: dict[str, list[Any]] = {"serial": [], "card": [], "usb": []}
    for number, (serial_port, card_port) in enumerate(((1, 2), (2, 1))):
        ask(f"device_add usb-serial,id=adapter{number},port={serial_port},serial=0001,{SERIAL}")
        ask(f"device_add usb-audio,id=card{number},bus=usb.0,port={card_port},serial=0001,audiodev=quiet")
        until(lambda: Path("/dev/estrade/display").exists() and has_card("RoomMic"))
        names["serial"].append(behind("/dev/estrade/display"))
        names["card"].append(behind("/proc/asound/RoomMic"))
        names["usb"].append(usb_devices(Path("/")))
        ask(f"device_del adapter{number}")
        ask(f"device_del card{number}")
        until(lambda: not Path("/dev/estrade/display").exists() and not has_card("RoomMic"))
        if not number:  # something else takes the number
            ask(f"device_add usb-serial,id=other,port=3,serial=0007,{SERIAL}2")
            until(lambda: Path("/dev/ttyUSB0").exists())
    ask("device_add usb-audio,id=card,bus=usb.0,port=1,serial=0001,audiodev=quiet")
    until(lambda: bool(usb_devices(Path("/"))))
    names["usb"].append(usb_devices(Path("/")))
    return names


def ask(command: str) -> None:
    with MONITOR.open("w") as monitor:
        monitor.write(f"\n{command}\n")  # an empty line first: what the line held before is no command


def has_card(name: str) -> bool:
    """Look into the folder: what is just going away there answers a stat with EINVAL. It comes with the first card."""
    cards = Path("/proc/asound")
    return cards.is_dir() and any(entry.name == name for entry in cards.iterdir())


def behind(path: Path | str) -> str:
    return os.path.realpath(path)


def node_of(name: str) -> Path:
    """Return the device file of vivid's node of that name."""
    return next(
        Path("/dev") / path.name
        for path in Path("/sys/class/video4linux").iterdir()
        if name in (path / "name").read_text()
    )


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + SLOW_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(inspect.getsource(condition))
        time.sleep(0.05)


async def run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True, stdout=sys.stderr)
