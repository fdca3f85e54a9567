"""What the helper does as root: a fixed list of verbs, each with its own refusal. The standard library alone.

Sources: the kernel's Documentation/usb/authorization.rst; USB class codes of usb.org.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PORT = re.compile(r"[0-9]{1,2}-[0-9]{1,2}(\.[0-9]{1,2}){0,5}")
_AUDIO, _VIDEO, _SERIAL, _SERIAL_DATA, _VENDOR = "01", "0e", "02", "0a", "ff"
_MAY_RESET = frozenset({_AUDIO, _VIDEO, _SERIAL, _SERIAL_DATA, _VENDOR, "03", "fe"})
"""Interfaces that cameras, sound devices and serial adapters have: their buttons (03) and updates (fe) too."""
_MUST_HAVE = frozenset({_AUDIO, _VIDEO, _SERIAL, _VENDOR})
"""... and one of these: a keyboard, a disk or the network is nobody's business here."""
OFF_S = 0.5
"""How long a device is kept off: capacitors of a bus-powered camera hold for some tenths of a second."""
ALIVE_MOST_S = 60.0
"""The agent notes a running lesson each 15 s; one not noted for longer runs no more."""
SYSTEMCTL_S = 20.0


class RefusedError(Exception):
    """An act that is not done: a stable code and one sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Machine:
    """Where things are; other values in tests."""

    usb: Path = Path("/sys/bus/usb/devices")
    lesson: Path = Path("/var/lib/estrade-agent/lesson.json")
    boot_id: Path = Path("/proc/sys/kernel/random/boot_id")
    systemctl: str = "/usr/bin/systemctl"
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def usb_reset(machine: Machine, port: str) -> None:
    """Switch the device at this USB port off and on: ``1-1.4`` as in /sys/bus/usb/devices."""
    if not _PORT.fullmatch(port):
        raise RefusedError("helper-bad-request", "port is not a USB port, as 1-1.4 is")
    device = machine.usb / port
    interfaces = list(device.glob(f"{port}:*"))
    classes = {_read(interface / "bInterfaceClass") for interface in interfaces}
    if not (device / "authorized").is_file():
        raise RefusedError("helper-not-there", f"there is no device at the USB port {port}; plug it in")
    if _read(device / "bDeviceClass") == "09":
        raise RefusedError("helper-refused", f"at the USB port {port} is a hub; name the port of one device")
    has_network = any((interface / "net").exists() for interface in interfaces)  # many are of the vendor's class
    if has_network or not classes & _MUST_HAVE or not classes <= _MAY_RESET:
        raise RefusedError("helper-refused", f"at the USB port {port} is no camera, sound device or serial adapter")
    try:
        (device / "authorized").write_text("0")
        try:
            machine.sleep(OFF_S)
        finally:
            (device / "authorized").write_text("1")
    except OSError as error:
        raise RefusedError("helper-failed", f"the USB port {port} cannot be switched ({error.strerror})") from None


def reboot(machine: Machine) -> None:
    """Start the mini-PC anew; never while a lesson runs, whoever asks."""
    if lesson_runs(machine):
        raise RefusedError("helper-lesson-runs", "a lesson runs; the mini-PC is not started anew before it has ended")
    _systemctl(machine, "--no-block", "reboot")


def update(machine: Machine) -> None:
    """Start the unit with which IT brings programs up to date; what it does is root's to say, not the agent's."""
    if lesson_runs(machine):
        raise RefusedError("helper-lesson-runs", "a lesson runs; nothing is updated before it has ended")
    _systemctl(machine, "--no-block", "start", "estrade-update.service")


def lesson_runs(machine: Machine) -> bool:
    """Say whether the agent keeps a lesson and noted it lately, in this boot."""
    try:
        content = machine.lesson.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise RefusedError("helper-failed", f"whether a lesson runs cannot be seen ({error.strerror})") from None
    try:
        kept = json.loads(content)
        return bool(
            kept["boot"] == machine.boot_id.read_text().strip()
            and not kept.get("is_over", False)
            and machine.clock() - float(kept["alive_mono_s"]) <= ALIVE_MOST_S
        )
    except (ValueError, KeyError, TypeError, RecursionError):  # what the agent could not read either
        return False


def _systemctl(machine: Machine, *arguments: str) -> None:
    command = [machine.systemctl, "--no-ask-password", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        raise RefusedError("helper-failed", "systemd does not answer; start the mini-PC anew by hand") from None
    if done.returncode == 5:  # systemctl(1): the unit is not loaded
        raise RefusedError("helper-not-there", "there is no estrade-update.service on this mini-PC; install it")
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())[:200] or f"status {done.returncode}"
        raise RefusedError("helper-failed", f"systemd refused: {reason}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip().lower()
    except (OSError, UnicodeDecodeError):
        return ""


@dataclass(frozen=True)
class Verb:
    """``arguments``: exactly these, each a text. ``most`` times within ``within_s``, for each set of arguments."""

    act: Callable[..., None]
    arguments: tuple[str, ...]
    most: int
    within_s: float


VERBS: Mapping[str, Verb] = {
    "usb-reset": Verb(usb_reset, ("port",), 5, 600.0),
    "reboot": Verb(reboot, (), 1, 900.0),
    "update": Verb(update, (), 2, 600.0),
}
