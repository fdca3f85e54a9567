"""The virtual machine with a real kernel's devices, booted once for all that is tried in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers import missing, need

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "vm"
"""Kept between runs: the kernel is 300 MB on disk. Git ignores it."""

BOOT_AND_RUN_S = 400
"""It takes one to two minutes on an ordinary machine; emulation suffers most from a busy one."""

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "v4l2-ctl": "v4l-utils",
    "aplay": "alsa-utils",
}

Report = Callable[[str], dict[str, Any]]
"""Asked for the name of a program that `guest.sh` runs: the one object that it printed."""


@pytest.fixture(scope="session")
def machine() -> Path:
    """The folder of what the virtual machine boots, built if it is not there."""
    for program, package in PACKAGES.items():
        need(program, package)
    if os.uname().machine != "x86_64":
        missing(f"the virtual machine is an x86_64 one; this is {os.uname().machine}")
    if not (BUILT / "version").exists():
        done = subprocess.run([HERE / "build.sh", BUILT], capture_output=True, text=True)
        if done.returncode != 0:
            missing(
                f"the virtual machine's kernel cannot be fetched; run apt-get update ({done.stderr.strip()[-200:]})"
            )
    return BUILT


@pytest.fixture(scope="session")
def report(machine: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What each program of the guest saw, once it has run them all; AssertionError with its words if it failed."""
    exchange = tmp_path_factory.mktemp("vm")
    (exchange / "guest.sh").write_text((HERE / "guest.sh").read_text())
    (exchange / "where").write_text(f"PYTHON={sys.executable}\nROOT={ROOT}\n")
    command = [str(HERE / "run.sh"), str(machine), str(exchange), str(BOOT_AND_RUN_S)]
    booted = subprocess.run(command, capture_output=True, text=True, errors="replace")

    def of(program: str) -> dict[str, Any]:
        status, words = exchange / f"{program}.status", exchange / f"{program}.err"
        assert words.exists(), booted.stdout[-2000:]
        assert status.exists(), f"it did not end: {words.read_text()}"
        assert status.read_text().strip() == "0", words.read_text()
        seen: dict[str, Any] = json.loads((exchange / f"{program}.json").read_text())
        return seen

    return of
