"""What is installed is locked, with a hash each and without a word of where it comes from."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def pins(lock: Path) -> dict[str, str]:
    """Return the version of each package."""
    return {name: version for name, version, _ in _PIN.findall(lock.read_text())}


def named(requirements: list[str]) -> set[str]:
    """Return the normalised names of requirements."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~!;]", text)[0].strip().lower()) for text in requirements}


def test_all_locks_are_there() -> None:
    assert [path.stem for path in LOCKS] == ["agent", "build", "controller", "lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_holds_pinned_packages_with_hashes_and_nothing_else(lock: Path) -> None:
    rest = _PIN.sub("", lock.read_text())
    assert [line for line in rest.splitlines() if line and not line.startswith("# ")] == []
    assert pins(lock)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_names_no_address(lock: Path) -> None:
    assert re.search(r"https?:|file:/|--(index|extra|find|trusted)| @ ", lock.read_text()) is None


@pytest.mark.parametrize(("lock", "extras"), [("agent", ["agent"]), ("controller", ["controller"]), ("lock", None)])
def test_a_lock_has_what_the_project_asks_for(lock: str, extras: list[str] | None) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(name for extra in extras or optional for name in optional[extra])]
    assert named(wanted) - pins(ROOT / f"requirements/{lock}.txt").keys() == set()


def test_all_locks_agree() -> None:
    whole = pins(ROOT / "requirements/lock.txt")
    for lock in LOCKS:
        for name, version in pins(lock).items():
            assert whole[name] == version, f"{lock.name}: {name}"


def test_a_room_gets_no_tool_of_ours() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    dev = named(extras.pop("dev")) - named([name for extra in extras.values() for name in extra])
    # by onvif-zeep-async and by uvicorn, for their own use
    brought = {"agent": {"httpx", "websockets"}, "controller": {"websockets"}}
    for lock in ("agent", "controller"):
        assert (dev - brought[lock]) & pins(ROOT / f"requirements/{lock}.txt").keys() == set()


def test_npm_packages_have_hashes_and_no_address() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    own = packages.pop("")
    asked = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    assert own["devDependencies"] == asked
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name


def test_npm_is_told_of_no_registry() -> None:
    assert "omit-lockfile-registry-resolved=true" in (ROOT / ".npmrc").read_text().split()
    for file in (".npmrc", "package.json", "package-lock.json"):
        text = (ROOT / file).read_text()
        assert re.search(r"(?m)^registry|_auth|\.tgz|\"https?://[^\"]*(registry|npm)", text) is None, file


@pytest.mark.parametrize("list_", sorted((ROOT / "deploy/packages").glob("*.txt")), ids=lambda path: path.stem)
def test_a_list_of_debian_packages_is_one(list_: Path) -> None:
    for line in list_.read_text().splitlines():
        text = line.partition("#")[0].strip()
        assert text == "" or re.fullmatch(r"[a-z0-9][a-z0-9.+-]+( [a-z0-9-]+)?", text), line


@pytest.mark.parametrize(
    ("folders", "lists"),
    [
        (("tests", "benchmarks"), ("agent", "build", "controller", "demo", "node", "test", "vm")),
        (("estrade",), ("agent", "build", "controller", "demo")),
    ],
)
def test_what_the_code_asks_for_is_on_a_list(folders: tuple[str, ...], lists: tuple[str, ...]) -> None:
    """Every Debian package that a test, a benchmark or the demo names to whoever lacks it is installed by make."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    named = {
        package
        for file in files
        for package in re.findall(r"\bneed(?:_program)?\(\s*\"[\w./-]+\",\s*\"([\w.+-]+)\"", file.read_text())
    }
    assert named
    listed = {
        line.partition("#")[0].split(" ")[0].strip()
        for name in lists
        if (ROOT / f"deploy/packages/{name}.txt").exists()
        for line in (ROOT / f"deploy/packages/{name}.txt").read_text().splitlines()
    }
    always_there = {"dpkg", "python3"}
    assert named - listed - always_there == set()
