"""``deploy/packages/install`` finds what is missing, and says so where it cannot install it.

No test installs anything: what is missing is a package that no Debian has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.peers import need

INSTALL = Path(__file__).resolve().parents[3] / "deploy/packages/install"
NOBODY = 65534


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    need("dpkg-query", "dpkg")
    return subprocess.run([str(INSTALL), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A list: one package that is there, one that no Debian has, one that a program makes unnecessary."""
    path = tmp_path / "list.txt"
    path.write_text("# what for\ndpkg\nno-such-package-anywhere # why\nanother-nodejs bash\n")
    return path


def test_only_what_is_missing_is_named(packages: Path) -> None:
    done = run("--missing", str(packages))
    assert (done.returncode, done.stdout) == (1, "no-such-package-anywhere\n")


def test_nothing_missing_means_nothing_said_and_no_root_needed(packages: Path) -> None:
    packages.write_text("dpkg\n")
    done = run(str(packages))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run as root")
def test_without_root_and_sudo_one_sentence_says_what_to_run(packages: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # unlike tmp_path, a folder that everybody may enter
        folder = Path(name)
        folder.chmod(0o755)
        for program in ("bash", "env", "dpkg-query", "grep", "sed", "sort"):
            (folder / program).symlink_to(shutil.which(program) or program)
        for file in (INSTALL, packages):
            shutil.copy(file, folder)
        done = subprocess.run(
            [str(folder / INSTALL.name), str(folder / packages.name)],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": name},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
        )
    assert done.returncode == 1
    assert done.stderr == (
        "These Debian packages are missing and sudo is not there to install them;"
        " as root, run: apt-get install no-such-package-anywhere\n"
    )


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none.txt"))
    assert (done.returncode, done.stderr) == (2, f"There is no list of packages {tmp_path}/none.txt.\n")
