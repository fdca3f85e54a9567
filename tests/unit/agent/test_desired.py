"""The centre's wish is kept whole on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.desired import DesiredConfig
from protocol.messages import Access, ConfigDocument, RoomConfig

DOCUMENT = ConfigDocument(
    rev=3,
    config=RoomConfig(
        name="Salle B12", access=Access(lesson="l-1", code="K7QF-92MX", link="https://estrade.example/j/abc")
    ),
)


def test_code_and_link_are_there_when_the_centre_is_away(tmp_path: Path) -> None:
    DesiredConfig(tmp_path / "desired.json").take(DOCUMENT.model_dump_json().encode())
    assert DesiredConfig(tmp_path / "desired.json").document == DOCUMENT


def test_the_same_document_again_is_nothing_new(tmp_path: Path) -> None:
    desired = DesiredConfig(tmp_path / "desired.json")
    payload = DOCUMENT.model_dump_json().encode()
    assert [desired.take(payload), desired.take(payload)] == [DOCUMENT, None]


def test_a_document_of_another_form_is_refused_and_the_old_one_kept(tmp_path: Path) -> None:
    desired = DesiredConfig(tmp_path / "desired.json")
    desired.take(DOCUMENT.model_dump_json().encode())
    with pytest.raises(ValidationError):
        desired.take(b'{"rev": "new"}')
    assert DesiredConfig(tmp_path / "desired.json").document == DOCUMENT


def test_a_damaged_file_does_not_keep_the_room_from_starting(tmp_path: Path) -> None:
    (tmp_path / "desired.json").write_bytes(b"{half")
    assert DesiredConfig(tmp_path / "desired.json").document is None


def test_only_the_agent_can_read_the_codes(tmp_path: Path) -> None:
    DesiredConfig(tmp_path / "desired.json").take(DOCUMENT.model_dump_json().encode())
    assert (tmp_path / "desired.json").stat().st_mode & 0o077 == 0
