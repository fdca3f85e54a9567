"""How soon pupils see that a device was unplugged, and that it is back: at the encoder, on the agent's own path.

    python -m benchmarks.hotplug --json
    python -m benchmarks.hotplug --only rtsp --times 10

* ``camera`` and ``microphone``: kernel devices (vivid and snd-aloop) of a virtual machine in plain emulation, unplugged
  from their drivers and plugged back; a small picture, because the emulated processor is slow. The machine has to be
  otherwise idle, or it measures that.
* ``sound_server``: a source of PipeWire's is taken away and given back.
* ``rtsp``: a network camera of 1280 × 720, switched off and, each second time, its cable pulled. It is tried each
  second in a lesson; ``plug_to_back_s`` counts from when it answers again.

For each the longest of several is shown: ``unplug_to_standin_s``, from the pull to the encoded stand-in (or silence),
and ``plug_to_back_s``, from the plug to the device's own, encoded. Exit status 1 when a bar is missed or a row is not
there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import Bar
from benchmarks.machine import machine, machine_line
from benchmarks.plug_devices import IN_THE_MACHINE, SOUND_SERVER_MICROPHONE
from benchmarks.plugging import Times, plugged
from protocol.errors import ConfigError
from protocol.messages import DeviceRole
from tests.integration.devices.network_camera import NetworkCamera, free_port, network_camera
from tests.integration.devices.soundserver import sound_server

ROOT = Path(__file__).parents[1]
VM, BUILT = ROOT / "tests" / "vm", ROOT / "build" / "vm"
STANDIN_BAR = Bar(most=1.0)
BACK_BARS = {
    **dict.fromkeys(("camera", "microphone", "sound_server"), Bar(most=2.0)),
    "rtsp": Bar(most=4.0),
}
NAMES = tuple(BACK_BARS)
BOOT_S, ONE_TIME_S = 180, 30
"""For the virtual machine's start with Python's imports, and for one unplugging in it; on a busy machine."""
VM_PROGRAMS = ("qemu-system-x86_64", "busybox", "cpio", "depmod", "v4l2-ctl", "udevadm")

Tell = Callable[[str], None]


MISSING = (pytest.skip.Exception, pytest.fail.Exception)
"""What `tests.peers` raises for a program that is not installed."""


class NotHereError(Exception):
    """What a row needs and this machine does not have."""


async def rtsp(times: int, tell: Tell) -> list[Times]:
    """Switch a network camera off and on, or pull its cable and put it back."""
    port, found = free_port(), []
    with _switch(port) as switch:
        async with plugged(DeviceRole.CAMERA, "rtsp", {"address": f"rtsp://127.0.0.1:{port}/cam"}) as camera:
            for number in range(times):
                acts = (switch.pull_cable, switch.put_back) if number % 2 else (switch.off, switch.on)
                found.append(await camera.unplugged_and_back(*acts, away_s=3.0, is_back_once_plugged=True))
                tell(f"  rtsp {number + 1} of {times}: {_line(found[-1])}")
    return found


class _Switch:
    """A network camera that is on, and may be switched off or lose its cable."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stack = ExitStack()
        self._camera: NetworkCamera | None = None

    def switch_on(self) -> None:
        self._camera = self._stack.enter_context(network_camera(port=self._port))

    async def off(self) -> None:
        await asyncio.to_thread(self._stack.close)

    async def on(self) -> None:
        await asyncio.to_thread(self.switch_on)

    async def pull_cable(self) -> None:
        assert self._camera is not None
        os.kill(self._camera.process.pid, signal.SIGSTOP)

    async def put_back(self) -> None:
        assert self._camera is not None
        os.kill(self._camera.process.pid, signal.SIGCONT)


@contextmanager
def _switch(port: int) -> Iterator[_Switch]:
    switch = _Switch(port)
    try:
        switch.switch_on()
        yield switch
    finally:
        switch._stack.close()


async def over_sound_server(times: int, tell: Tell) -> list[Times]:
    """Take a source of PipeWire's away and give it back, under the same name."""
    found = []
    with tempfile.TemporaryDirectory() as folder, sound_server(Path(folder) / "sound") as server:
        os.environ.update(server.environment)
        module = _room_module(server.pactl("list", "short", "modules"))
        load = ("load-module", "module-null-sink", "sink_name=room", "rate=48000", "channels=1")

        async def unplug() -> None:
            await asyncio.to_thread(server.pactl, "unload-module", module)

        async def plug() -> None:
            nonlocal module
            module = (await asyncio.to_thread(server.pactl, *load)).strip()

        async with plugged(DeviceRole.MICROPHONE, *SOUND_SERVER_MICROPHONE) as microphone:
            for number in range(times):
                found.append(await microphone.unplugged_and_back(unplug, plug))
                tell(f"  sound_server {number + 1} of {times}: {_line(found[-1])}")
    return found


def _room_module(listed: str) -> str:
    return next(line.split()[0] for line in listed.splitlines() if "sink_name=room" in line)


def in_the_machine(name: str, times: int, tell: Tell) -> list[Times]:
    """Boot the virtual machine and have it measure one kernel device. Raises NotHereError."""
    _check_machine(tell)
    with tempfile.TemporaryDirectory() as folder:
        exchange = Path(folder)
        (exchange / "guest.sh").write_text((VM / "guest_bench.sh").read_text())
        (exchange / "where").write_text(f"PYTHON={sys.executable}\nROOT={ROOT}\nROW={name}\nTIMES={times}\n")
        most_s = BOOT_S + times * ONE_TIME_S
        tell(f"  {name}: booting the virtual machine, {IN_THE_MACHINE[name].module} inside ({most_s} s at most) …")
        command = [str(VM / "run.sh"), str(BUILT), str(exchange), str(most_s)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            words = exchange / "stderr"
            said = words.read_text(errors="replace") if words.exists() else done.stdout
            raise NotHereError(f"the virtual machine measured nothing: {said.strip()[-400:] or 'it was too slow'}")
        found = [Times(**one) for one in json.loads((exchange / "report.json").read_text())]
    for number, one in enumerate(found):
        tell(f"  {name} {number + 1} of {times}: {_line(one)}")
    return found


def _check_machine(tell: Tell) -> None:
    missing = [program for program in VM_PROGRAMS if shutil.which(program, path=_path()) is None]
    if missing:
        raise NotHereError(f"{', '.join(missing)} missing: deploy/packages/install deploy/packages/vm.txt")
    if os.uname().machine != "x86_64":
        raise NotHereError(f"the virtual machine is an x86_64 one; this is {os.uname().machine}")
    if not (BUILT / "version").exists():
        tell("  fetching the virtual machine's kernel …")
        done = subprocess.run([VM / "build.sh", BUILT], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotHereError(f"its kernel cannot be fetched; run apt-get update ({done.stderr.strip()[-200:]})")


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def _line(times: Times) -> str:
    return f"stand-in {times.unplug_to_standin_s:.2f} s, back {times.plug_to_back_s:.2f} s; said: {times.sentence}"


async def run(names: Sequence[str], times: int, tell: Tell) -> dict[str, Any]:
    """Measure these; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    missed: list[str] = []
    absent: dict[str, str] = {}
    result: dict[str, Any] = {"benchmark": "hotplug", "machine": found, "times": times}
    for name in names:
        try:
            if name in IN_THE_MACHINE:
                seen = await asyncio.to_thread(in_the_machine, name, times, tell)
            else:
                seen = await (rtsp if name == "rtsp" else over_sound_server)(times, tell)
        except (NotHereError, TimeoutError, ConfigError, *MISSING) as error:
            absent[name] = str(error)
            tell(f"  {name}: not measured: {error}")
            continue
        standin_s = max(one.unplug_to_standin_s for one in seen)
        back_s = max(one.plug_to_back_s for one in seen)
        result[name] = {"unplug_to_standin_s": round(standin_s, 2), "plug_to_back_s": round(back_s, 2)}
        is_met = STANDIN_BAR.is_met(standin_s) and BACK_BARS[name].is_met(back_s)
        bars = f"bars: {STANDIN_BAR} s, {BACK_BARS[name]} s"
        tell(f"{name}: stand-in {standin_s:.2f} s, back {back_s:.2f} s ({bars}; {'met' if is_met else 'MISSED'})")
        if not is_met:
            missed.append(name)
    return {**result, "bars_missed": missed, "not_measured": absent}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hotplug",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    parser.add_argument("--only", action="append", choices=NAMES, help="this row alone; can be repeated")
    parser.add_argument("--times", type=int, default=6, help="how often each is unplugged (6)")
    given = parser.parse_args()
    result = asyncio.run(run(given.only or NAMES, max(1, given.times), lambda line: print(line, flush=True)))
    if given.json:
        print(json.dumps(result))
    sys.exit(1 if result["bars_missed"] or result["not_measured"] else 0)


if __name__ == "__main__":
    main()
