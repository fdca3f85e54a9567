"""The command line: light, in the user's language, mistakes with status 2."""

from __future__ import annotations

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


def test_a_mistake_is_one_sentence_with_a_known_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--set", "camera"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    code = said.err.rsplit("[", 1)[1].rstrip("]\n")
    assert code in CODES


def test_settings_are_gathered_by_table() -> None:
    tables = cli._settings(["camera.rate_hz=15", 'camera.room_name="Salle A"', "media.ice=[]"])
    assert tables == {"camera": {"rate_hz": 15, "room_name": "Salle A"}, "media": {"ice": []}}
