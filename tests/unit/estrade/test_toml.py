"""TOML that we write is TOML that we read."""

from __future__ import annotations

import tomllib
from pathlib import Path

from estrade.toml import write_toml


def test_what_is_written_is_read_alike() -> None:
    document = {
        "state_dir": '/tmp/ü "quoted" \\ back\nslash\x7f',
        "count": 3,
        "ratio": 0.5,
        "is_on": True,
        "names": ["a", "b"],
        "room": {"id": "salle-12", "deeper": {"path": Path("/a/b"), "faults": [{"at_s": 1.5, "kind": "black"}]}},
        "ptz": {"presets": {"My view": 5}},
        "empty": {},
    }
    read = tomllib.loads(write_toml(document))
    assert read["room"]["deeper"].pop("path") == "/a/b"
    assert document["room"]["deeper"].pop("path") == Path("/a/b")  # type: ignore[index]  # of a mixed dict
    assert read == document
