"""The demo's folder outlives a demo that is killed at any instant."""

from __future__ import annotations

import json
from pathlib import Path

from estrade.demo_folder import DemoFolder


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
