"""The command line: light, in the user's language, mistakes with status 2."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from estrade import cli, words
from protocol.errors import CODES


def test_help_imports_nothing_heavy() -> None:
    heavy = {
        "aiomqtt",
        "aiortc",
        "av",
        "cryptography",
        "cv2",
        "fastapi",
        "numpy",
        "sqlalchemy",
        "starlette",
        "pydantic",
    }
    program = (
        "import sys\nfrom estrade.cli import parser\nparser().format_help()\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("environ", "language"), [
    ({"LANG": "fr_FR.UTF-8"}, "fr"),
    ({"LANG": "fr_FR.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
    ({"LANG": "C.UTF-8"}, "en"),
    ({}, "en"),
])  # fmt: skip
def test_the_language_is_the_users(environ: dict[str, str], language: str) -> None:
    assert words.language(environ) == language


def test_every_sentence_has_both_languages_and_the_same_blanks() -> None:
    from string import Formatter

    def blanks(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for key, (french, english) in words.WORDS.items():
        assert french, key
        assert english, key
        assert blanks(french) == blanks(english), key


@pytest.mark.parametrize(("given", "what"), [
    (["demo", "--set", "camera"], '"camera": write TABLE.KEY=VALUE'),
    (["demo", "--set", "camera=1"], '"camera=1": write TABLE.KEY=VALUE'),
    (["demo", "--rooms", "abc"], "'abc' is not a number from 0 to 1000; see estrade demo --help"),
    (["demo", "--state", "/proc/x"], "/proc/x cannot be written (No such file or directory); name another"),
    (["devics"], "see estrade --help"),
    ([], "see estrade --help"),
])  # fmt: skip
def test_a_mistake_is_one_sentence_with_a_known_code(
    capsys: pytest.CaptureFixture[str], given: list[str], what: str
) -> None:
    try:
        status = cli.main(given)
    except SystemExit as left:
        status = int(str(left.code))
    assert status == 2
    said = capsys.readouterr()
    assert what in said.err
    assert said.out == ""
    assert said.err.count("\n") == 1
    code = said.err.rsplit("[", 1)[1].rstrip("]\n")
    assert code in CODES


@pytest.mark.parametrize("given", [["--help"], ["demo", "--help"], ["doctor", "--json"], ["devices"]])
def test_whoever_reads_may_go_and_nothing_is_said_of_it(given: list[str]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "estrade.cli", *given]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    try:
        done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    finally:
        os.close(writes)
    assert (done.stderr, done.returncode) == ("", cli.EXIT_CLOSED_PIPE)


def test_an_output_that_is_closed_from_the_start_is_no_fault() -> None:
    command = ["sh", "-c", 'exec "$0" -m estrade.cli --help >&-', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_settings_are_gathered_by_table() -> None:
    tables = cli._settings(["camera.rate_hz=15", 'camera.room_name="Salle A"', "media.ice=[]"])
    assert tables == {"camera": {"rate_hz": 15, "room_name": "Salle A"}, "media": {"ice": []}}


def test_settings_of_one_table_do_not_replace_each_other_however_deep() -> None:
    assert cli._settings(["ptz.presets.board=1", "ptz.presets.teacher=2"]) == {
        "ptz": {"presets": {"board": 1, "teacher": 2}}
    }
