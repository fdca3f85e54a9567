"""The units are read by systemd itself, and their hardening is held to a bar."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import need

AGENT, CONTROLLER, HELPER = "estrade-agent.service", "estrade-controller.service", "estrade-helper@.service"
ISSUER = "estrade-issuer.service"
UNITS = (
    AGENT,
    CONTROLLER,
    "estrade-kiosk.service",
    "estrade-crl.service",
    "estrade-crl.timer",
    "estrade-crl.path",
    "estrade-crl-install.service",
    "estrade-issuer.socket",
    ISSUER,
    "estrade-helper.socket",
    HELPER,
    "estrade-update.service",
)
COMMANDS = ("estrade-agent", "estrade-controller", "estrade-helper")


def commands(unit: Path) -> list[list[str]]:
    """Return every command line of a unit, without systemd's prefixes."""
    lines = [line.partition("=") for line in unit.read_text().splitlines()]
    return [shlex.split(value.lstrip("@-:+!")) for key, _, value in lines if key.startswith("Exec")]


@pytest.fixture
def installed(deploy: Path, tmp_path: Path) -> Path:
    """A root with our units beside Debian's own, and a file for every program they start."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree(deploy / "systemd", units)
    shutil.copytree("/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    for unit in [*units.glob("*.service"), *(tmp_path / "usr/lib/systemd/system").glob("*.service")]:
        for program, *_ in commands(unit):
            path = tmp_path / program.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o755)
    return tmp_path


def verify(root: Path, unit: str) -> tuple[int, str]:
    analyze = need("systemd-analyze", "systemd")
    done = subprocess.run(
        [analyze, "verify", "--man=no", f"--root={root}", f"{root}/etc/systemd/system/{unit}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_say_about_a_unit(installed: Path, unit: str) -> None:
    assert verify(installed, unit) == (0, "")


@pytest.mark.parametrize(("package", "unit"), [("mosquitto", "mosquitto.service"), ("coturn", "coturn.service")])
def test_systemd_finds_nothing_to_say_about_debians_unit_with_our_drop_in(
    installed: Path, package: str, unit: str
) -> None:
    debian = installed / "usr/lib/systemd/system" / unit
    assert debian.exists(), f"{unit} is missing; it comes with: apt install {package}"
    assert (installed / "etc/systemd/system" / f"{unit}.d/estrade.conf").exists()
    shutil.copy(debian, installed / "etc/systemd/system")
    assert verify(installed, unit) == (0, "")


def test_a_misspelt_key_would_be_told(installed: Path) -> None:
    unit = installed / "etc/systemd/system" / AGENT
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WachdogSec="))
    assert "WachdogSec" in verify(installed, AGENT)[1]


def exposure_is_at_most(unit: Path, most: float) -> subprocess.CompletedProcess[str]:
    analyze = need("systemd-analyze", "systemd")
    options = ["--offline=true", f"--threshold={most * 10:.0f}", "--no-pager"]
    return subprocess.run([analyze, "security", *options, str(unit)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("unit", "bar"),
    [
        (AGENT, 2.0),
        (CONTROLLER, 2.0),
        ("estrade-crl.service", 1.5),
        ("estrade-crl-install.service", 1.5),
        (ISSUER, 1.5),
        (HELPER, 2.0),
    ],
)
def test_a_unit_exposes_no_more_than_its_bar(deploy: Path, unit: str, bar: float) -> None:
    done = exposure_is_at_most(deploy / "systemd" / unit, bar)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2000:]


def test_the_bar_is_one(deploy: Path, tmp_path: Path) -> None:
    """Without its filter of system calls, the agent's unit stays below it no longer."""
    unit = tmp_path / AGENT
    lines = (deploy / "systemd" / AGENT).read_text().splitlines(keepends=True)
    unit.write_text("".join(line for line in lines if not line.startswith("SystemCallFilter=")))
    assert exposure_is_at_most(unit, 2.0).returncode != 0


@pytest.mark.parametrize("unit", [name for name in UNITS if name.endswith(".service")])
def test_our_programs_take_the_arguments_that_units_give(deploy: Path, unit: str) -> None:
    ours = [line for line in commands(deploy / "systemd" / unit) if Path(line[0]).name in COMMANDS]
    for program, *arguments in ours:
        path = shutil.which(Path(program).name, path=str(Path(sys.executable).parent))
        assert path is not None, f"{program} is not a command of the distribution"
        done = subprocess.run([path, *arguments, "--help"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert ours or unit in ("estrade-kiosk.service", "estrade-crl-install.service", "estrade-update.service")


@pytest.mark.parametrize("unit", [ISSUER, HELPER])
def test_who_asks_at_a_socket_is_seen_as_who_it_is(deploy: Path, unit: str) -> None:
    """In a namespace of users of its own SO_PEERCRED says 65534 for each but root and itself (user_namespaces(7))."""
    assert "PrivateUsers=yes" not in (deploy / "systemd" / unit).read_text().splitlines()


def test_scripts_that_units_start_are_in_the_repository_and_executable(deploy: Path) -> None:
    scripts = [line[0] for unit in (deploy / "systemd").glob("*.service") for line in commands(unit)]
    kiosk = [path for path in scripts if "/kiosk/" in path]
    assert kiosk
    for path in kiosk:
        assert os.access(deploy / "kiosk" / Path(path).name, os.X_OK)


@pytest.mark.parametrize(("unit", "pause"), [(AGENT, "100ms"), (CONTROLLER, "1")])
def test_a_program_is_ready_when_it_says_so_watched_and_always_back(deploy: Path, unit: str, pause: str) -> None:
    lines = (deploy / "systemd" / unit).read_text().splitlines()
    wanted = {"Type=notify", "NotifyAccess=main", "WatchdogSec=30", "Restart=always", f"RestartSec={pause}"}
    assert wanted | {"StartLimitIntervalSec=0"} <= set(lines)


@pytest.mark.parametrize("name", ["estrade-agent.conf", "estrade-controller.conf"])
def test_users_and_groups_can_be_made(deploy: Path, tmp_path: Path, name: str) -> None:
    """Into an empty root with Debian's groups, as systemd-sysusers would do it on the machine."""
    (tmp_path / "etc").mkdir()
    shutil.copy("/etc/group", tmp_path / "etc/group")
    shutil.copy("/etc/passwd", tmp_path / "etc/passwd")
    file = deploy / "systemd/sysusers.d" / name
    done = subprocess.run(
        [need("systemd-sysusers", "systemd"), f"--root={tmp_path}", "--dry-run", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wanted = {line.split()[1] for line in file.read_text().splitlines() if line.startswith("u ")}
    for user in wanted:
        assert f"Would create user '{user}'" in done.stderr or f"Creating user '{user}'" in done.stderr, done.stderr


def test_units_run_as_users_that_sysusers_makes(deploy: Path) -> None:
    made = {
        line.split()[1]
        for file in (deploy / "systemd/sysusers.d").iterdir()
        for line in file.read_text().splitlines()
        if line.startswith("u ")
    }
    asked = {
        line.removeprefix("User=")
        for unit in (deploy / "systemd").glob("*.service")
        for line in unit.read_text().splitlines()
        if line.startswith("User=")
    }
    assert asked == made


@pytest.mark.parametrize("name", ["estrade-agent.conf", "estrade-controller.conf"])
def test_folders_can_be_made(deploy: Path, tmp_path: Path, name: str) -> None:
    """As systemd-tmpfiles does it, with this user in the place of the unit's, who is not on this machine."""
    user = subprocess.run(["id", "--user", "--name"], capture_output=True, text=True, check=True).stdout.strip()
    group = subprocess.run(["id", "--group", "--name"], capture_output=True, text=True, check=True).stdout.strip()
    rows = [line.split() for line in (deploy / "systemd/tmpfiles.d" / name).read_text().splitlines() if line[0] != "#"]
    (tmp_path / "etc").mkdir()
    for database in ("passwd", "group"):
        shutil.copy(f"/etc/{database}", tmp_path / "etc" / database)
    conf = tmp_path / "folders.conf"
    conf.write_text("".join(f"{kind} {path} {mode} {user} {group} -\n" for kind, path, mode, *_ in rows))
    done = subprocess.run(
        [need("systemd-tmpfiles", "systemd"), f"--root={tmp_path}", "--create", str(conf)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for _, path, mode, *_ in (row for row in rows if row[0] == "d"):
        assert f"{(tmp_path / path.lstrip('/')).stat().st_mode & 0o7777:04o}" == mode


def test_a_reload_is_the_signal_that_the_controller_hears(deploy: Path) -> None:
    lines = (deploy / "systemd" / CONTROLLER).read_text().splitlines()
    assert [line for line in lines if line.startswith("ExecReload=")] == ["ExecReload=/bin/kill -HUP $MAINPID"]
