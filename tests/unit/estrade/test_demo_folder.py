"""The demo's folder outlives a demo that is killed at any instant."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from estrade.demo_folder import ROOM, TERRITORY, DemoFolder


def test_what_is_noted_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    try:
        folder.note_password_shown()
        path = tmp_path / "registered.json"
        with path.open() as before:
            folder.note_password_shown()
            assert path.stat().st_ino != Path(f"/proc/self/fd/{before.fileno()}").stat().st_ino
        assert json.loads(path.read_text()) == {"it": True}
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        folder.close()


def test_a_setting_is_added_to_a_table_that_the_demo_writes_itself(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    try:
        more = {"room": {"name": "Salle A"}, "panel": {"pin_file": "pin"}}
        path = folder.write_agent(folder.authority(), broker_port=1, panel_port=2, devices=more)
    finally:
        folder.close()
    written = tomllib.loads(path.read_text())
    assert written["room"] == {"id": ROOM, "territory": TERRITORY, "name": "Salle A"}
    assert written["panel"] == {"port": 2, "pin_file": "pin"}
