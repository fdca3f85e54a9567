"""The agent's limits, loaded into the kernel: a room at work stays within them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import missing, need

pytestmark = pytest.mark.timed

HERE = Path(__file__).parent


def test_a_room_works_within_the_limits_of_its_unit(deploy: Path) -> None:
    """Debian's Python loads the filter and becomes ours, which inherits it, and so do the capture processes."""
    python = need("/usr/bin/python3", "python3")
    need("systemd-analyze", "systemd")
    has_seccomp = subprocess.run([python, "-c", "import seccomp"], capture_output=True, check=False).returncode == 0
    if not has_seccomp:
        missing("Python's seccomp module is missing; it comes with: apt install python3-seccomp")
    unit = deploy / "systemd/estrade-agent.service"
    command = [python, str(HERE / "under_unit.py"), str(unit), sys.executable, "-m", "tests.deploy.room_at_work"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    said = done.stderr.replace("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n", "", 1)
    assert (done.returncode, said) == (0, "")
