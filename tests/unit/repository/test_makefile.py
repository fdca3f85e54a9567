"""The Makefile says what it has, and passes on what it was given."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import need

ROOT = Path(__file__).resolve().parents[3]


def make(*arguments: str) -> str:
    """Return what make prints, run as from a fresh shell: a make that runs these tests has told us its variables."""
    command = [need("make", "make"), "--no-print-directory", *arguments]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("target", ["install", "demo", "check", "test", "bench", "clean", "lock", "help"])
def test_help_is_the_default_and_names_each_target(target: str) -> None:
    assert f"  make {target} " in make()


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ((), ""),
        (
            ("CAMERA=/dev/video0", "MICROPHONE=default", "BOARD=:0"),
            "--camera '/dev/video0' --microphone 'default' --board ':0'",
        ),
        (("MICROPHONE=Micro d'Anne (USB)",), r"--microphone 'Micro d'\''Anne (USB)'"),
        (("LAN=1", "ROOMS=20", "START=1", "JSON=1", "FRESH=1"), "--rooms '20' --lan --start --json --fresh"),
        (("LAN=0", "START=", "JSON=no"), ""),
    ],
)
def test_demo_passes_its_variables_on(given: tuple[str, ...], passed: str) -> None:
    lines = make("--dry-run", "demo", *given).splitlines()
    command = next(line for line in lines if "estrade demo" in line)
    assert " ".join(command.split()) == f"exec .venv/bin/estrade demo {passed}".strip()
    takes = [sys.executable, "-m", "estrade.cli", "demo", *shlex.split(passed), "--help"]
    assert subprocess.run(takes, cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("arguments", ["", "--durations=15", "tests/unit -k lesson", "-k lesson"])
def test_a_missing_peer_fails_the_tests_that_make_runs(arguments: str) -> None:
    runs = [line for line in make("--dry-run", "test", f"ARGS={arguments}").splitlines() if "bin/pytest" in line]
    assert len(runs) == (1 if "lesson" in arguments else 3)
    for run in runs:
        assert run.startswith("REQUIRE_PEERS=1 .venv/bin/pytest ")
        assert arguments in run


def test_every_test_is_in_one_of_the_runs_that_make_does() -> None:
    """Side by side runs what is not marked, and the other runs what is."""
    runs = [shlex.split(line.rstrip("\\")) for line in make("--dry-run", "test").splitlines() if "bin/pytest" in line]
    assert [run[run.index("-m") + 1] for run in runs] == ["not alone and not timed", "timed", "alone"]
    assert "tests" in runs[0]
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")}
    for mark, run in zip(("timed", "alone"), runs[1:], strict=True):
        marked = {path for path, source in sources.items() if f"mark.{mark}" in source}
        assert {ROOT / word for word in run if word.startswith("tests/")} == marked - {Path(__file__)}
    assert [path.name for path, source in sources.items() if ".add_marker(" in source] == [Path(__file__).name]
    assert not any(word.startswith(("--ignore", "--deselect", "-k")) for run in runs for word in run)


def test_the_benchmarks_hand_over_json() -> None:
    assert "--json" in make("--dry-run", "bench", "BENCH=lesson")


def test_what_is_written_in_c_is_built_anew_when_it_changes() -> None:
    sources = sorted(path.relative_to(ROOT) for path in (ROOT / "agent").rglob("*.c"))
    assert sources
    for source in sources:
        assert "--editable ." in make("--dry-run", f"--what-if={source}", "python")
