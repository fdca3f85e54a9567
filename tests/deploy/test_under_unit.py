"""The limits of the units, loaded into the kernel: a room at work and the reader of calendars stay within them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.schedule.reader import CHILD
from tests.ical import calendar, lesson
from tests.peers import missing, need

pytestmark = pytest.mark.timed

HERE = Path(__file__).parent


def under(unit: Path) -> list[str]:
    """Return what stands before a command: Debian's Python loads the filter and becomes the command."""
    python = need("/usr/bin/python3", "python3")
    need("systemd-analyze", "systemd")
    has_seccomp = subprocess.run([python, "-c", "import seccomp"], capture_output=True, check=False).returncode == 0
    if not has_seccomp:
        missing("Python's seccomp module is missing; it comes with: apt install python3-seccomp")
    return [python, str(HERE / "under_unit.py"), str(unit)]


def test_a_room_works_within_the_limits_of_its_unit(deploy: Path) -> None:
    """The capture processes inherit them."""
    command = [*under(deploy / "systemd/estrade-agent.service"), sys.executable, "-m", "tests.deploy.room_at_work"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    said = done.stderr.replace("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n", "", 1)
    assert (done.returncode, said) == (0, "")


def test_a_calendar_is_read_within_the_limits_of_the_controllers_unit(deploy: Path) -> None:
    """It bounds itself, though the unit takes most of such calls away."""
    head = {"zone": "Europe/Paris", "since": "2026-11-30T00:00:00+01:00", "until": "2027-01-29T00:00:00+01:00"}
    request = json.dumps(head).encode() + b"\n" + calendar(lesson("1", "20261201T080000"))
    command = [*under(deploy / "systemd/estrade-controller.service"), *CHILD]
    done = subprocess.run(command, input=request, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line)["timed"]["uid"] for line in done.stdout.splitlines()] == ["1"]


def test_the_reader_of_calendars_steps_back_behind_lessons(deploy: Path) -> None:
    program = "import os; from controller.schedule.ical_child import set_bounds; set_bounds(); "
    program += "print(os.getpriority(os.PRIO_PROCESS, 0))"
    command = [*under(deploy / "systemd/estrade-controller.service"), sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert (done.stderr, done.stdout.strip()) == ("", str(min(19, before + 10)))


def test_the_controller_learns_which_networks_it_is_in(deploy: Path) -> None:
    """Without them it fetches no calendar."""
    program = "from controller.own_networks import own_networks; print(*own_networks())"
    command = [*under(deploy / "systemd/estrade-controller.service"), sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    assert done.stderr == ""
    assert "127.0.0.0/8" in done.stdout.split()
