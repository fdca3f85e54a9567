"""Codes, links, tickets and viewers' ids: all from one secret, none guessable from another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.keys import ALPHABET, Keys, load_keys, read_code
from controller.tickets import TICKET_LIFE_S, Tickets
from protocol.errors import AccessError, ConfigError
from protocol.messages import Access, RtcClose

KEYS = Keys(b"k" * 32)
OTHER = Keys(b"o" * 32)


def test_a_code_is_of_the_contracts_form_and_always_the_same() -> None:
    code = KEYS.code("l-1", 0)
    assert Access(lesson="l-1", code=code, link="https://x/j/y").code == code
    assert KEYS.code("l-1", 0) == code
    assert len({code, KEYS.code("l-1", 1), KEYS.code("l-2", 0), OTHER.code("l-1", 0)}) == 4


def test_codes_use_the_whole_alphabet_evenly() -> None:
    signs = "".join(KEYS.code(f"l-{n}", 0).replace("-", "") for n in range(3_000))
    counts = [signs.count(sign) for sign in ALPHABET]
    assert min(counts) > 0.8 * 800
    assert max(counts) < 1.2 * 800


def test_a_link_has_128_bits_and_tells_nothing_of_another() -> None:
    links = {KEYS.link(f"k-{n}") for n in range(100)}
    assert len(links) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", link) for link in links)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("K7QF-92MX", "K7QF-92MX"),
        ("k7qf92mx", "K7QF-92MX"),
        ("  k7 qf – 92.mx ", "K7QF-92MX"),
        ("Ｋ７ＱＦ９２ＭＸ", "K7QF-92MX"),
        ("K70F-92MX", "K7QF-92MX"),
        ("KIOU-12MX", "KJQV-72MX"),
        ("K7QF-92M", None),
        ("K7QF-92MXX", None),
        ("K7QF-92ML", None),
        ("", None),
        ("É7QF-92MX", None),
        ("K7QF-92M\0", None),
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str, meant: str | None) -> None:
    assert read_code(typed) == meant


def test_a_viewer_belongs_to_the_holder_it_was_made_for_and_to_nobody_else() -> None:
    viewer = KEYS.viewer("r-1", "jti-1")
    assert RtcClose(viewer=viewer).viewer == viewer
    assert KEYS.is_viewer_of(viewer, "r-1", "jti-1")
    assert not KEYS.is_viewer_of(viewer, "r-1", "jti-2")
    assert not KEYS.is_viewer_of(viewer, "r-2", "jti-1")
    assert not OTHER.is_viewer_of(viewer, "r-1", "jti-1")
    assert not KEYS.is_viewer_of("", "r-1", "jti-1")
    assert not KEYS.is_viewer_of("é.é", "r-1", "jti-1")
    assert KEYS.viewer("r-1", "jti-1") != viewer


def test_a_ticket_says_room_and_lesson_until_it_runs_out() -> None:
    clock = [1_000.0]
    tickets = Tickets(KEYS, lambda: clock[0])
    token, ticket = tickets.issue("r-1", "l-1")
    assert tickets.check(token) == ticket
    assert (ticket.room, ticket.lesson, ticket.expires) == ("r-1", "l-1", 1_000 + TICKET_LIFE_S)
    clock[0] += TICKET_LIFE_S
    with pytest.raises(AccessError, match="out of date") as caught:
        tickets.check(token)
    assert caught.value.code == "token-invalid"


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: "x" + t, lambda t: "", lambda t: "é" * 20])
def test_a_changed_ticket_is_none(change: object) -> None:
    tickets = Tickets(KEYS, lambda: 0.0)
    token, _ = tickets.issue("r-1", "l-1")
    with pytest.raises(AccessError):
        tickets.check(change(token))  # type: ignore[operator]
    with pytest.raises(AccessError):
        Tickets(OTHER, lambda: 0.0).check(token)


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    first = load_keys(tmp_path / "state")
    assert (tmp_path / "state" / "secret.key").stat().st_mode & 0o777 == 0o600
    assert load_keys(tmp_path / "state").code("l-1", 0) == first.code("l-1", 0)


def test_a_secret_that_was_cut_short_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"short")
    with pytest.raises(ConfigError, match="not a secret of 32 bytes"):
        load_keys(tmp_path)


def test_a_state_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state_dir"):
        load_keys(tmp_path / "file" / "state")
