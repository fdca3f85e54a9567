"""The CEC driver on a real kernel's adapters (vivid) in a virtual machine, before a television that follows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vm.test_vm import BOOT_AND_RUN_S, HERE, ROOT, machine

__all__ = ["machine"]


@pytest.mark.vm
@pytest.mark.timeout(400)  # the first time with the fetching of a kernel
def test_a_television_on_a_kernels_adapter_goes_to_standby_and_comes_back(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "guest.sh").write_text((HERE / "guest_cec.sh").read_text())
    (tmp_path / "where").write_text(f"PYTHON={sys.executable}\nROOT={ROOT}\n")
    command = [str(HERE / "run.sh"), str(machine), str(tmp_path), str(BOOT_AND_RUN_S)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    words = (tmp_path / "stderr").read_text() if (tmp_path / "stderr").exists() else done.stdout[-2000:]
    assert done.returncode == 0, words or done.stdout[-2000:]
    seen: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    assert seen["first"][-1] == "on"
    assert seen["off"][-1] == "standby"
    assert seen["on"][-1] == "on"
    assert seen["absent"][0] == "DeviceNotFoundError"
    assert "/dev/cec7" in seen["absent"][1]
