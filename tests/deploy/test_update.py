"""A room is brought to another version from a signed repository, watched, and brought back when it is not well.

apt, gpg and the repository are real, in folders of the test's own; the versions are small packages whose programs say
what a room would, and systemctl is one that notes what it is asked, as there is no systemd to ask here.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import need

ROOT = Path(__file__).resolve().parents[2]
KEY = "rooms@estrade.example"

pytestmark = pytest.mark.timeout(120)

GATE = """#!/bin/sh
case "$*" in
  *--against*) {watch} ;;
  *) echo '{{"listens": true, "is_idle": {idle}, "hears_centre": true, "working": ["front"], "critical": []}}' ;;
esac
"""


def package(folder: Path, version: str, *, watch: str = "exit 0", idle: str = "true") -> Path:
    """Make a version whose `estrade gate` does ``watch``."""
    tree = folder / f"estrade-agent-{version}"
    programs = tree / "opt/estrade" / version / "bin"
    programs.mkdir(parents=True)
    for name, text in (("estrade", GATE.format(watch=watch, idle=idle)), ("estrade-agent", "#!/bin/sh\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tree / "DEBIAN").mkdir()
    control = {"Package": tree.name, "Version": version, "Architecture": "all", "Maintainer": KEY, "Description": "x"}
    (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
    made = folder / f"{tree.name}_{version}_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


class Place:
    """A repository that is served, and one room's root."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.repository = folder / "repository"
        self.root = folder / "root"
        self.home = folder / "gpg"
        self.url = url
        self.asked = folder / "asked"
        for name in ("lists/partial", "archives/partial", "etc/apt/sources.list.d", "etc/apt/apt.conf.d"):
            (self.root / "apt" / name).mkdir(parents=True)
        for name in (
            "var/lib/estrade-agent",
            "var/lib/estrade-update",
            "opt/estrade",
            "etc/apt/sources.list.d",
            "dpkg",
        ):
            (self.root / name).mkdir(parents=True)
        for name in ("dpkg/status", "dpkg/available"):
            (self.root / name).touch()
        for name in ("updates", "info", "triggers"):
            (self.root / "dpkg" / name).mkdir()
        self.systemctl = folder / "systemctl"
        self.systemctl.write_text(f'#!/bin/sh\necho "$@" >> {self.asked}\ncase $1 in show) cat {folder}/falls;; esac\n')
        self.systemctl.chmod(0o755)
        (folder / "falls").write_text("0\n")

    def gpg(self, *arguments: str) -> str:
        command = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *arguments]
        environment = {**os.environ, "GNUPGHOME": str(self.home)}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    def publish(self, *packages: Path) -> subprocess.CompletedProcess[str]:
        command = [str(part) for part in (ROOT / "deploy/apt/publish", self.repository, KEY, *packages)]
        environment = {**os.environ, "GNUPGHOME": str(self.home)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    def trust(self, keyring: Path) -> None:
        """Have the room take packages that are signed with a key of this keyring."""
        line = f"deb [signed-by={keyring}] {self.url} ./\n"
        (self.root / "etc/apt/sources.list.d/estrade.list").write_text(line)
        (self.root / "apt/etc/apt/sources.list").write_text(line)

    def wish(self, content: object) -> None:
        (self.root / "var/lib/estrade-agent/update.json").write_text(json.dumps(content))

    def update(self) -> subprocess.CompletedProcess[str]:
        """Run the program as the unit does."""
        apt, dpkg = self.root / "apt", self.root / "dpkg"
        options = {
            "Dir::State::lists": apt / "lists",
            "Dir::Cache": apt,
            "Dir::Cache::archives": apt / "archives",
            "Dir::Etc": apt / "etc/apt",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::status": dpkg / "status",
            "Dir::Log": apt,
            "DPkg::Options::": f"--root={self.root}",
            "DPkg::Options::=": f"--admindir={dpkg}",
            "Debug::NoLocking": "true",
            "APT::Sandbox::User": "root",
        }
        command = [str(ROOT / "deploy/update/estrade-update"), f"--root={self.root}", f"--systemctl={self.systemctl}"]
        command += ["--watch-s=0.1"]
        command += [f"--apt={key.removesuffix('=')}={value}" for key, value in options.items()]
        # dpkg refuses to work for anybody but root; in a namespace of its own everybody is
        shell = ["unshare", "--user", "--map-root-user", *command]
        return subprocess.run(shell, capture_output=True, text=True, check=False)

    @property
    def current(self) -> str:
        return str((self.root / "opt/estrade/current").readlink())

    def runs(self, version: str) -> None:
        """Have the room run a version that came with a package."""
        made = package(self.folder / "first", version)
        command = [
            "unshare",
            "--user",
            "--map-root-user",
            "dpkg",
            f"--root={self.root}",
            f"--admindir={self.root}/dpkg",
        ]
        subprocess.run([*command, "--install", str(made)], check=True, capture_output=True)
        (self.root / "opt/estrade/current").symlink_to(version)

    def outcome(self) -> dict[str, str]:
        told: dict[str, str] = json.loads((self.root / "var/lib/estrade-update/outcome.json").read_text())
        return told

    def acts(self) -> list[str]:
        return self.asked.read_text().splitlines() if self.asked.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    for program, of in (
        ("apt-ftparchive", "apt-utils"),
        ("gpg", "gnupg"),
        ("apt-get", "apt"),
        ("unshare", "util-linux"),
    ):
        need(program, of)
    (tmp_path / "repository").mkdir()
    handler = functools.partial(_Quiet, directory=str(tmp_path / "repository"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = Place(tmp_path, f"http://127.0.0.1:{server.server_port}/")
        made.home.mkdir(mode=0o700)
        made.gpg("--quick-generate-key", KEY, "ed25519", "sign", "never")
        keyring = tmp_path / "estrade.gpg"
        made.gpg("--output", str(keyring), "--export", KEY)
        made.trust(keyring)
        made.runs("1.0.0")
        try:
            yield made
        finally:
            subprocess.run(["gpgconf", "--homedir", str(made.home), "--kill", "all"], check=False)
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_room_comes_to_the_version_that_was_wished_and_keeps_the_one_before(place: Place) -> None:
    assert place.publish(package(place.folder, "1.1.0"), package(place.folder, "1.2.0")).returncode == 0
    assert place.update().returncode == 0  # nothing is wished
    assert place.acts() == []
    place.wish({"version": "1.1.0"})
    done = place.update()
    assert (done.returncode, done.stderr) == (0, "")
    assert place.current == "1.1.0"
    assert place.outcome()["outcome"] == "done"
    assert place.acts()[0] == "--no-ask-password restart estrade-agent.service"
    assert not (place.root / "var/lib/estrade-update/trial.json").exists()

    place.wish({"version": "1.2.0"})
    assert place.update().returncode == 0
    assert place.current == "1.2.0"
    assert sorted(path.name for path in (place.root / "opt/estrade").iterdir()) == ["1.1.0", "1.2.0", "current"]
    before = place.acts()
    assert place.update().returncode == 0  # it runs already
    assert place.acts() == before


@pytest.mark.parametrize(
    ("watch", "falls", "reason"),
    [
        ("echo 'estrade: these devices worked before and do not now: front' >&2; exit 1", "0", "worked before"),
        ("exit 0", "3", "its agent fell 3 times"),
        ("exit 127", "0", "status 127"),
    ],
)
def test_a_version_that_is_not_well_is_turned_back(place: Place, watch: str, falls: str, reason: str) -> None:
    place.publish(package(place.folder, "1.1.0", watch=watch))
    (place.folder / "falls").write_text(f"{falls}\n")
    place.wish({"version": "1.1.0"})
    done = place.update()
    assert done.returncode == 1
    assert "1.0.0 runs again" in done.stderr
    assert "Traceback" not in done.stderr
    assert place.current == "1.0.0"
    told = place.outcome()
    assert (told["version"], told["outcome"]) == ("1.1.0", "turned-back")
    assert reason in told["message"]
    assert sum("restart" in act for act in place.acts()) == 2


def test_a_power_cut_in_the_trial_has_the_version_watched_again(place: Place) -> None:
    place.publish(package(place.folder, "1.1.0", watch="kill -9 $PPID"))
    place.wish({"version": "1.1.0"})
    assert place.update().returncode < 0
    assert place.current == "1.1.0"
    gate = place.root / "opt/estrade/1.1.0/bin/estrade"
    gate.write_text(GATE.format(watch="exit 1", idle="true"))
    assert place.update().returncode == 1
    assert (place.current, place.outcome()["outcome"]) == ("1.0.0", "turned-back")


def test_a_lesson_is_not_interrupted(place: Place) -> None:
    place.publish(package(place.folder, "1.1.0"))
    gate = place.root / "opt/estrade/1.0.0/bin/estrade"
    gate.write_text(GATE.format(watch="exit 0", idle="false"))
    place.wish({"version": "1.1.0"})
    assert place.update().returncode == 75
    assert (place.current, place.acts()) == ("1.0.0", [])
    gate.write_text(GATE.format(watch="exit 0", idle="true"))
    assert place.update().returncode == 0
    assert place.current == "1.1.0"


def test_packages_of_another_hand_and_changed_ones_are_refused(place: Place) -> None:
    made = package(place.folder, "1.1.0")
    place.publish(made)
    other = place.folder / "other.gpg"
    place.gpg("--quick-generate-key", "other@estrade.example", "ed25519", "sign", "never")
    place.gpg("--output", str(other), "--export", "other@estrade.example")
    place.trust(other)
    place.wish({"version": "1.1.0"})
    done = place.update()
    assert done.returncode == 1
    assert "the repository gives no list of packages" in done.stderr
    assert (place.current, place.outcome()["outcome"]) == ("1.0.0", "failed")

    place.trust(place.folder / "estrade.gpg")
    served = place.repository / made.name
    served.write_bytes(served.read_bytes()[:-1] + b"!")
    done = place.update()
    assert done.returncode == 1
    assert "apt did not install 1.1.0" in done.stderr
    assert (place.current, place.acts()) == ("1.0.0", [])


def test_a_wish_that_is_none_changes_nothing(place: Place) -> None:
    place.publish(package(place.folder, "1.1.0"))
    words = ["1.1", "../../etc", "1.1.0 mosquitto", "--force-yes", 3, "9.9.9"]
    for content in [{}, [], "1.1.0", *({"version": word} for word in words)]:
        place.wish(content)
        done = place.update()
        assert done.returncode == 1, content
        assert "Traceback" not in done.stderr, content
        assert done.stderr.count("\n") == 1, content
        assert (place.current, place.acts()) == ("1.0.0", []), content


def test_a_link_in_place_of_the_wish_is_not_followed(place: Place) -> None:
    secret = place.folder / "secret"
    secret.write_text('{"version": "1.1.0"}')
    (place.root / "var/lib/estrade-agent/update.json").symlink_to(secret)
    done = place.update()
    assert done.returncode == 1
    assert "cannot be read" in done.stderr


def test_what_is_no_package_is_not_published(place: Place) -> None:
    broken = place.folder / "broken.deb"
    broken.write_text("no package")
    done = place.publish(broken)
    assert done.returncode == 2
    assert "broken.deb is no Debian package; nothing was published" in done.stderr
    assert list(place.repository.iterdir()) == []
