"""The room's Debian packages: built, looked into, and run where they will lie."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.peers import need

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PROGRAM = f"estrade-agent-{VERSION}"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages, by name. Most of the time goes into the download of what the agent needs."""
    need("dpkg-deb", "dpkg")
    environment = {**os.environ, "ZSTD_LEVEL": "1"}
    command = [ROOT / "deploy/debian/build", tmp_path_factory.mktemp("packages")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {Path(line).name.partition("_")[0]: Path(line) for line in done.stdout.splitlines()}


def field(package: Path, name: str) -> str:
    command = ["dpkg-deb", "--field", str(package), name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def contents(package: Path) -> dict[str, tuple[str, str]]:
    """Return rights and owner of each path."""
    command = ["dpkg-deb", "--contents", str(package)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    parts = [line.split(maxsplit=5) for line in lines]
    return {path.partition(" -> ")[0].removeprefix("."): (mode, owner) for mode, owner, _, _, _, path in parts}


def test_versions_lie_side_by_side_under_the_units_of_all(packages: dict[str, Path]) -> None:
    assert set(packages) == {PROGRAM, "estrade-agent"}
    program, base = contents(packages[PROGRAM]), contents(packages["estrade-agent"])
    assert all(
        path.startswith(f"/opt/estrade/{VERSION}") for path in program if path not in ("/", "/opt/", "/opt/estrade/")
    )
    assert {owner for _, owner in [*program.values(), *base.values()]} == {"root/root"}
    assert not [path for path, (mode, _) in [*program.items(), *base.items()] if "w" in mode[4:] and mode[0] != "l"]
    for unit in ("estrade-agent.service", "estrade-kiosk.service", "estrade-update.service", "estrade-helper.socket"):
        assert f"/usr/lib/systemd/system/{unit}" in base
    assert "estrade-agent-program" in field(packages["estrade-agent"], "Depends")
    assert field(packages[PROGRAM], "Provides") == "estrade-agent-program"
    depends = field(packages[PROGRAM], "Depends")
    assert "libportaudio2" in depends
    assert "python3 (>= 3." in depends


def test_a_version_runs_where_it_will_lie_and_knows_nothing_of_where_it_was_built(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    """In a mount namespace of its own, so that this machine's /opt stays what it is."""
    unshare = need("unshare", "util-linux")
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "--extract", str(packages[PROGRAM]), str(root)], check=True)
    place = root / "opt/estrade" / VERSION
    assert not [path for path in place.rglob("*") if path.is_file() and b"/tmp/tmp." in path.read_bytes()]
    script = (
        'set -e; mkdir -p /opt; mount --bind "$1" /opt; cd /; bin=/opt/estrade/$2/bin; '
        "$bin/estrade-agent --version; $bin/python -c 'import aiortc, cv2, pyaudio, agent.streams.fan_loop, web'; "
        "$bin/estrade gate --config /nowhere || echo refused $?; $bin/pip --version 2>/dev/null || echo no pip"
    )
    # as root in a namespace of users too, so that it needs no right here
    command = [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(root / "opt"), VERSION]
    clean = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert VERSION in done.stdout
    assert "refused 2" in done.stdout
    assert "no pip" in done.stdout


def test_the_first_version_is_the_one_that_runs_and_a_later_one_is_not_turned_to(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    control = tmp_path / "control"
    subprocess.run(["dpkg-deb", "--control", str(packages["estrade-agent"]), str(control)], check=True)
    programs = tmp_path / "root/opt/estrade"
    for version in ("0.9.0", "0.10.0"):
        (programs / version).mkdir(parents=True)
    environment = {**os.environ, "DPKG_ROOT": str(tmp_path / "root")}
    postinst = [str(control / "postinst"), "configure"]
    subprocess.run(postinst, env=environment, check=True)
    assert str((programs / "current").readlink()) == "0.10.0"
    (programs / "0.11.0").mkdir()
    subprocess.run([*postinst, "0.10.0"], env=environment, check=True)
    assert str((programs / "current").readlink()) == "0.10.0"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["a", "b"]])
def test_a_wrong_call_is_told_how_it_is_called(arguments: list[str]) -> None:
    done = subprocess.run([ROOT / "deploy/debian/build", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: deploy/debian/build FOLDER" in done.stderr
