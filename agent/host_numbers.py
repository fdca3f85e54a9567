"""Reads the mini-PC's own numbers: /sys, /proc, and ``smartctl`` where it is there and allowed. Blocks; see a thread.

``root`` is in the place of / for tests. What cannot be read is not known, and nothing is said of it: a virtual machine
has no thermometer, and the agent's user may not ask every disk.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from cryptography import x509

SMART_S = 10.0
"""A disk that sleeps answers after some seconds; one that hangs is not waited for."""
_CPU_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal")
_CPU_ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc-thermal", "TCPU")
_USB_CLASSES = ("01", "0e")
"""Sound and video."""
_WHOLE_TABLE = "00000000"


def cpu_c(root: Path) -> float | None:
    """Return the hottest temperature that the processor's own sensors tell, in °C."""
    found = [
        value
        for chip in _folders(root / "sys/class/hwmon")
        if _text(chip / "name") in _CPU_CHIPS
        for file in sorted(chip.glob("temp*_input"))
        if (value := _number(file)) is not None
    ]
    if not found:
        found = [
            value
            for zone in _folders(root / "sys/class/thermal")
            if _text(zone / "type") in _CPU_ZONES and (value := _number(zone / "temp")) is not None
        ]
    sane = [value / 1000 for value in found if 0 < value < 150_000]  # a sensor that is not wired says −128 or 0
    return max(sane, default=None)


def throttles(root: Path) -> int | None:
    """Return how often the processor slowed itself down for heat since the machine started."""
    counts = [
        value
        for folder in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle")
        for name in ("core_throttle_count", "package_throttle_count")
        if (value := _number(folder / name)) is not None
    ]
    return int(sum(counts)) if counts else None


def is_undervolted(root: Path) -> bool | None:
    """Return whether the board's own supply is too low now, where a sensor of it says so (Raspberry Pi)."""
    alarms = [
        value
        for chip in _folders(root / "sys/class/hwmon")
        if _text(chip / "name") == "rpi_volt" and (value := _number(chip / "in0_lcrit_alarm")) is not None
    ]
    return any(alarms) if alarms else None


def over_currents(root: Path) -> int | None:
    """Return how often a USB socket was asked for more current than it gives since the machine started."""
    counts = [
        value
        for file in (root / "sys/bus/usb/devices").glob("*/*-port*/over_current_count")
        if (value := _number(file)) is not None
    ]
    return int(sum(counts)) if counts else None


def usb_devices(root: Path) -> dict[str, int]:
    """Return the kernel's number of each USB camera and sound device by the socket that it hangs on.

    One that comes back into its socket has a new number; a reset by hand keeps it.
    """
    folder, found = root / "sys/bus/usb/devices", {}
    for interface in folder.glob("*:*"):
        socket = interface.name.partition(":")[0]
        if _text(interface / "bInterfaceClass") in _USB_CLASSES:
            number = _number(folder / socket / "devnum")
            if number is not None:
                found[socket] = int(number)
    return found


def load_per_core() -> float:
    """Return the five minutes' load for each core."""
    return psutil.getloadavg()[1] / (os.cpu_count() or 1)


def memory_free_percent() -> float:
    memory = psutil.virtual_memory()
    return 100 * memory.available / memory.total


def disk_free_percent(folder: Path) -> float | None:
    """Return what is free where the agent keeps its files."""
    try:
        disk = psutil.disk_usage(str(folder))
    except OSError:
        return None
    return 100.0 - disk.percent  # as df counts: without what is kept for root


def link(root: Path) -> tuple[int | None, bool | None]:
    """Return speed in Mbit/s and whether it is full duplex, of the cable that the default route uses.

    Wireless and virtual interfaces have no speed of their own.
    """
    name = _default_interface(root)
    if name is None:
        return None, None
    folder = root / "sys/class/net" / name
    speed = _number(folder / "speed")
    if speed is None or speed <= 0 or (folder / "wireless").exists():
        return None, None
    duplex = _text(folder / "duplex")
    return int(speed), None if duplex not in ("full", "half") else duplex == "full"


def certificate_days(path: Path, now: datetime) -> float | None:
    """Return the days until the room's certificate runs out; negative when it has."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError, x509.InvalidVersion):
        return None
    return (certificate.not_valid_after_utc - now).total_seconds() / 86_400


def smart(root: Path, folder: Path) -> tuple[bool | None, float | None]:
    """Ask the disk under ``folder`` whether it fails and how worn it is, in percent. Nothing without ``smartctl``."""
    program = shutil.which("smartctl")
    device = _disk_of(root, folder)
    if program is None or device is None:
        return None, None
    try:
        done = subprocess.run(
            [program, "--json", "--health", "--attributes", device],
            capture_output=True,
            timeout=SMART_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return read_smart(done.stdout)


def read_smart(said: bytes) -> tuple[bool | None, float | None]:
    """Read what ``smartctl --json`` said: whether the disk fails, and its wear in percent; None: it does not say."""
    try:
        report: Any = json.loads(said)
    except ValueError:
        return None, None
    if not isinstance(report, dict):
        return None, None
    status, nvme = report.get("smart_status"), report.get("nvme_smart_health_information_log")
    passed = status.get("passed") if isinstance(status, dict) else None
    worn: Any = nvme.get("percentage_used") if isinstance(nvme, dict) else None
    return (not passed if isinstance(passed, bool) else None), (float(worn) if type(worn) in (int, float) else None)


def _disk_of(root: Path, folder: Path) -> str | None:
    """Return ``/dev/nvme0n1`` for a folder on one of its partitions."""
    with suppress(OSError):
        number = folder.stat().st_dev
        block = (root / "sys/dev/block" / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
        disk = block.parent if (block / "partition").exists() else block
        return f"/dev/{disk.name}"
    return None


def _default_interface(root: Path) -> str | None:
    """Return the interface of the IPv4 default route with the lowest metric, or of the IPv6 one."""
    found: list[tuple[int, str]] = []
    for fields in _rows(root / "proc/net/route"):
        if len(fields) >= 8 and fields[1] == _WHOLE_TABLE and fields[7] == _WHOLE_TABLE and fields[6].isdigit():
            found.append((int(fields[6]), fields[0]))
    if not found:
        for fields in _rows(root / "proc/net/ipv6_route"):
            if len(fields) >= 10 and fields[0] == "0" * 32 and fields[1] == "00" and fields[9] != "lo":
                with suppress(ValueError):
                    found.append((int(fields[5], 16), fields[9]))
    return min(found)[1] if found else None


def _rows(file: Path) -> Iterable[list[str]]:
    try:
        return [line.split() for line in file.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError):
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None


def _number(file: Path) -> float | None:
    try:
        return float(_text(file) or "")
    except ValueError:
        return None
