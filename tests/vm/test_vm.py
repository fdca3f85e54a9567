"""The V4L2 driver on a real kernel's camera (vivid) in a virtual machine, unplugged and plugged back for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers import need

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "vm"
"""Kept between runs: the kernel is 300 MB on disk. Git ignores it."""

BOOT_AND_RUN_S = 150
"""It takes 30 to 60 s on an ordinary machine; emulation suffers most from a busy one."""

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "v4l2-ctl": "v4l-utils",
}


def give_up(sentence: str) -> None:
    """Skip, or fail where every peer is required."""
    if os.environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="module")
def machine() -> Path:
    """The folder of what the virtual machine boots, built if it is not there."""
    for program, package in PACKAGES.items():
        need(program, package)
    if os.uname().machine != "x86_64":
        give_up(f"the virtual machine is an x86_64 one; this is {os.uname().machine}")
    if not (BUILT / "version").exists():
        done = subprocess.run([HERE / "build.sh", BUILT], capture_output=True, text=True)
        if done.returncode != 0:
            give_up(
                f"the virtual machine's kernel cannot be fetched; run apt-get update ({done.stderr.strip()[-200:]})"
            )
    return BUILT


@pytest.mark.vm
@pytest.mark.timeout(400)  # the first time with the fetching of a kernel
def test_a_kernel_s_camera_is_captured_lost_when_unplugged_and_opened_again(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "guest.sh").write_text((HERE / "guest.sh").read_text())
    (tmp_path / "where").write_text(f"PYTHON={sys.executable}\nROOT={ROOT}\n")
    command = [str(HERE / "run.sh"), str(machine), str(tmp_path), str(BOOT_AND_RUN_S)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    words = (tmp_path / "stderr").read_text() if (tmp_path / "stderr").exists() else done.stdout[-2000:]
    assert done.returncode == 0, words or done.stdout[-2000:]
    seen: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    assert seen["name"].startswith("vivid")
    assert seen["size"] == [640, 360]
    assert seen["settings"]["brightness"] == 99
    assert seen["v4l2-ctl"] == "brightness: 99"
    assert any(note.startswith("focus: the camera does not have this control") for note in seen["notes"])
    assert any(note.startswith("controls.gain: gain = 1000 is outside of the camera's 0 to ") for note in seen["notes"])
    assert seen["rate_hz"] >= 10
    assert seen["contrast"] > 20  # colour bars, not black
    assert seen["second"]["error"] == "DeviceBusyError"
    assert "another program" in seen["second"]["message"]
    assert seen["lost"]["took_s"] <= 3
    assert "unplugged" in seen["lost"]["message"]
    assert seen["away"]["error"] == "DeviceNotFoundError"
    assert seen["back_after_s"] < 10
