"""The threat model names tests that exist, for every threat, and every actor has some."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
ACTORS = (
    "Curious pupil",
    "Hostile guest with the link",
    "Stolen mini-PC",
    "Thief of a database",
    "Malicious room",
    "Man in the middle",
)


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_shows_a_threat_stopped_exists(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("actor", ACTORS)
def test_each_threat_of_an_actor_has_its_test_and_what_is_left_is_said(actor: str) -> None:
    section = PAGE.partition(f"\n## {actor}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 4
    for row in rows:
        assert len(row.strip("|").split(" | ")) == 3, row
        assert "::test_" in row, row
    assert "\nLeft: " in section


def test_the_page_is_found_from_where_people_begin() -> None:
    for page in ("README.md", "README.fr.md"):
        assert "(docs/security.md)" in (ROOT / page).read_text(encoding="utf-8")
    assert "(security.md)" in (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
