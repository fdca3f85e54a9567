"""ICE servers: TURN credentials as coturn checks them, and Link headers."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from controller.config import IceConfig, TurnConfig
from controller.ice import IceServers, link_headers
from protocol.errors import ConfigError

URL = "turns:turn.example.org:443?transport=tcp"


def _servers(folder: Path, secret: str) -> IceServers:
    (folder / "turn").write_text(secret)
    turn = TurnConfig(urls=(URL,), secret_file=folder / "turn", ttl_s=3600)
    return IceServers(IceConfig(stun=("stun:stun.example.org",), turn=turn), lambda: 1_000_000.9)


def test_turn_credentials_run_out_and_are_what_coturn_computes(tmp_path: Path) -> None:
    stun, turn = _servers(tmp_path, "s3cret\n").for_subject("jti-1")
    assert stun.urls == ("stun:stun.example.org",)
    assert turn.username == "1003600:jti-1"
    mark = hmac.new(b"s3cret", b"1003600:jti-1", hashlib.sha1).digest()
    assert turn.credential == base64.b64encode(mark).decode()


@pytest.mark.parametrize(("until", "expiry"), [(1_043_200.5, "1043200"), (1_000_060.0, "1003600")])
def test_a_tickets_credentials_hold_as_long_as_it_does(tmp_path: Path, until: float, expiry: str) -> None:
    _, turn = _servers(tmp_path, "s3cret").for_subject("jti-1", until=until)
    assert turn.username == f"{expiry}:jti-1"


def test_without_configuration_there_is_no_server() -> None:
    assert IceServers(IceConfig(), lambda: 0.0).for_subject("x") == ()


def test_an_empty_secret_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ice\.turn\.secret_file"):
        _servers(tmp_path, "\n")


def test_link_headers_name_each_server(tmp_path: Path) -> None:
    stun, turn = link_headers(_servers(tmp_path, "s3cret").for_subject("jti-1"))
    assert stun == '<stun:stun.example.org>; rel="ice-server"'
    assert turn.startswith(f'<{URL}>; rel="ice-server"; username="1003600:jti-1"; credential="')
    assert turn.endswith('"; credential-type="password"')
