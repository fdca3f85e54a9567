"""What is built from the sources holds all of them: nothing of a working copy is needed beside it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.peers import need

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocol", "mqttlink", "agent", "controller", "estrade", "web")


def sources() -> set[str]:
    """Return the files that git knows or would add, relative to the repository."""
    listing = [need("git", "git"), "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source archive, itself built from a copy without leftovers of earlier builds."""
    folder = tmp_path_factory.mktemp("build")
    tree, out = folder / "tree", folder / "out"
    for name in sources():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone, without any dependency, in an empty folder."""
    target = tmp_path_factory.mktemp("alone")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    return target


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {name for name in sources() if name.split("/")[0] in PACKAGES}
    assert wanted - packed == set()


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


@pytest.mark.parametrize(
    "path",
    [
        "web/panel/index.html",
        "web/pupil/index.html",
        "web/it/index.html",
        "web/i18n/fr.json",
        "web/i18n/en.json",
        "web/i18n/panel.fr.json",
        "web/lib/protocol.d.ts",
        "web/vendor/MANIFEST",
        "controller/store/migrations/env.py",
        "protocol/py.typed",
    ],
)
def test_pages_and_migrations_are_found_where_the_wheel_alone_is_installed(alone: Path, path: str) -> None:
    package, _, rest = path.partition("/")
    code = f"import importlib.resources as r, sys; sys.exit(not (r.files({package!r}) / {rest!r}).is_file())"
    assert run_alone(alone, code).returncode == 0


def test_stylesheets_and_migration_steps_are_there(alone: Path) -> None:
    assert list((alone / "web/css").glob("*.css"))
    assert list((alone / "controller/store/migrations/versions").glob("*.py"))


def test_every_module_is_found_by_its_dotted_name(alone: Path) -> None:
    modules = sorted(
        ".".join(path.relative_to(alone).with_suffix("").parts)
        for package in PACKAGES
        for path in (alone / package).rglob("*.py")
        if path.name != "__init__.py"
    )
    code = (
        "import importlib.machinery as m, sys\n"
        "def find(name):\n"
        "    path = None\n"
        "    for part in name.split('.'):\n"
        "        spec = m.PathFinder.find_spec(part, path)\n"
        "        if spec is None: return None\n"
        "        path = spec.submodule_search_locations\n"
        "    return spec\n"
        "sys.exit(' '.join(n for n in sys.argv[1:] if find(n) is None) or 0)"
    )
    done = run_alone(alone, code, *modules)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(modules) > 20


def test_what_is_written_in_c_is_built_and_runs_alone(alone: Path) -> None:
    done = run_alone(alone, "from agent.streams.fan_loop import Rows; print(len(Rows(1, 16, ())))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    assert [path.name for path in alone.rglob("*.c")] == ["fan_loop.c"], "beside its source"


def test_commands_and_drivers_name_modules_that_are_there(alone: Path) -> None:
    file = next(alone.glob("estrade-*.dist-info")) / "entry_points.txt"
    points = configparser.ConfigParser(delimiters=("=",))
    points.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    points.read_string(file.read_text())
    assert set(points["console_scripts"]) == {"estrade", "estrade-agent", "estrade-controller", "estrade-helper"}
    for section in points.sections():
        for target in points[section].values():
            path = alone.joinpath(*target.partition(":")[0].split("."))
            assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), target


def run_alone(alone: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing but its own library and the wheel."""
    start = f"import sys; sys.path.insert(0, {str(alone)!r}); "
    command = [sys.executable, "-I", "-S", "-c", f"{start}exec({code!r})", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
