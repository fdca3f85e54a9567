"""The command line: one sentence and a code, never a traceback; quick to answer."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from tests.unit.controller.test_config import GOOD


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in ("ca.pem", "rpc.pem", "rpc.key", "events.pem", "events.key"):
        (tmp_path / name).write_text("")
    path = tmp_path / "controller.toml"
    path.write_text(GOOD)
    return path


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_help_imports_no_framework() -> None:
    probe = (
        "import sys, controller.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'fastapi', 'sqlalchemy', 'uvicorn', 'cryptography', 'alembic', 'argon2'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "estrade-controller" in done.stdout


def test_a_mistake_is_one_sentence_with_its_code_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "controller.toml"
    path.write_text('instance = "X"\n')
    assert main(["--config", str(path), "check"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.endswith("[config-invalid]\n")
    assert "broker: is missing" in error
    assert "Traceback" not in error


def test_check_says_that_a_good_file_is_good(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(config), "check"]) == 0
    assert "no mistake found" in capsys.readouterr().out


def test_rooms_are_added_with_link_and_code_before_anything_runs(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--config", str(config), "--json", "room"]
    assert main([*command, "add", "0750001a-b12", "--name", "Salle B12", "--territory", "075"]) == 0
    first = _json(capsys)
    assert main([*command, "list"]) == 0
    assert _json(capsys) == first
    [room] = first["rooms"]
    assert room["name"] == "Salle B12"
    assert room["link"].startswith("http://127.0.0.1:8080/j/")
    assert len(room["code"]) == 9


def test_a_csv_is_taken_whole_or_not_at_all(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rooms = tmp_path / "rooms.csv"
    rooms.write_text("id,name,territory\n0750001a-b1,B1,075\nNOT AN ID,B2,075\n0750001a-b3,,075\n")
    command = ["--config", str(config), "--json", "room"]
    assert main([*command, "import", str(rooms)]) == 2
    error = capsys.readouterr().err
    assert "line 3" in error
    assert "line 4" in error
    main([*command, "list"])
    assert _json(capsys) == {"rooms": []}
    rooms.write_text("id,name,territory\n0750001a-b1,B1,075\n0750001a-b2,B2,075\n")
    assert main([*command, "import", str(rooms)]) == 0
    assert len(_json(capsys)["rooms"]) == 2


def test_a_first_administrator_gets_a_password_once(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(config), "--json", "user", "add", "admin", "--random"]) == 0
    password = str(_json(capsys)["password"])
    assert len(password) == 23
    assert main(["--config", str(config), "--json", "user", "list"]) == 0
    assert _json(capsys) == {"users": [{"name": "admin", "may": ["admin all"]}]}
    for file in (config.parent / "state").iterdir():
        assert password.encode() not in file.read_bytes()


def test_an_account_is_for_one_place_where_it_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["--config", str(config), "user", "add", "tom", "--random", "--role", "teacher", "--scope"]
    assert main([*add, "school:college-1"]) == 0
    assert capsys.readouterr().out.startswith("tom (teacher, school:college-1)\npassword, ")
    for wrong in ("college-1", "school:", "school:Collège", "all\n"):
        assert main([*add, wrong]) == 2
        assert capsys.readouterr().err.endswith("[args-invalid]\n")
    assert main(["--config", str(config), "user", "list"]) == 0
    assert capsys.readouterr().out == "tom\tteacher school:college-1\n"


@pytest.mark.parametrize(("typed", "status"), [("long enough password\n", 0), ("short\n", 2), ("", 2)])
def test_a_password_from_standard_input_has_ten_characters(
    config: Path, monkeypatch: pytest.MonkeyPatch, typed: str, status: int
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert main(["--config", str(config), "user", "add", "admin", "--password-stdin"]) == status


def test_certificates_and_access_list_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki = ["pki", "--dir", str(tmp_path / "pki")]
    assert main([*pki, "room", "0750001a-b12"]) == 2
    assert capsys.readouterr().err.endswith("[pki-missing]\n")
    for act in (["init"], ["room", "0750001a-b12"], ["controller", "centre-1"], ["broker", "localhost"], ["acl"]):
        assert main(["--json", *pki, *act]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "user controller-centre-1-rpc\n" in json.loads(printed[-1])["acl"]
    assert Path(json.loads(printed[1])["rooms"]["0750001a-b12"]["key"]).exists()
