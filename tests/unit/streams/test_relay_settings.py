"""Where a room may publish, and what a media server's headers and refusals say."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from agent.streams.relay_settings import RelaySettings
from agent.streams.whip import read_links, words
from protocol.errors import MediaServerError

TOKEN = Path("token")


def test_a_token_goes_over_tls_or_nowhere() -> None:
    with pytest.raises(ValueError, match="without TLS"):
        RelaySettings("https://media.example/a/whip", "http://media.example/b/whip", TOKEN)
    RelaySettings("http://127.0.0.1:8889/a/whip", "http://[::1]:8889/b/whip", TOKEN)
    RelaySettings("http://media.school/a/whip", "http://media.school/b/whip")


def test_a_token_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaServerError, match="cannot be read") as error:
        RelaySettings("https://a.example/w", "https://b.example/w", tmp_path / "none").token()
    assert error.value.code == "media-server-refused"


def test_ice_servers_are_read_from_link_headers_and_nothing_else() -> None:
    lines = (
        '<stun:stun.example>; rel="ice-server", <https://a.example/>; rel="help"',
        '<turn:turn.example?transport=udp>; rel="ice-server"; username="u;1"; credential="p,2"; credential-type=x',
        '<javascript:x>; rel="ice-server"',
    )
    stun, turn = read_links(lines)
    assert (stun.urls, stun.username) == (("stun:stun.example",), None)
    assert (turn.urls, turn.username, turn.credential) == (("turn:turn.example?transport=udp",), "u;1", "p,2")


@pytest.mark.parametrize(
    ("body", "told"),
    [("no such\n  path", "no such path"), ("", "Not Found"), ("<html>…", "Not Found"), ("x" * 500, "x" * 160)],
)
def test_a_refusals_words_are_one_short_line(body: str, told: str) -> None:
    assert words(httpx.Response(404, text=body)) == told
