"""The centre's file: every mistake at once, each with its key."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from controller.config import load
from protocol.errors import ConfigError

GOOD = """
instance = "centre-1"
state_dir = "state"
[broker]
ca_file = "ca.pem"
rpc = { cert_file = "rpc.pem", key_file = "rpc.key" }
events = { cert_file = "events.pem", key_file = "events.key" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ca.pem", "rpc.pem", "rpc.key", "events.pem", "events.key"):
        (tmp_path / name).write_text("")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "controller.toml"
    path.write_text(text)
    return path


def test_paths_are_taken_from_the_files_own_folder(folder: Path) -> None:
    config = load(write(folder, GOOD))
    assert config.state_dir == folder / "state"
    assert config.broker.rpc.key_file == folder / "rpc.key"
    assert config.database == f"sqlite+aiosqlite:///{folder / 'state' / 'estrade.db'}"


def test_days_of_retention_are_at_least_one(folder: Path) -> None:
    assert load(write(folder, GOOD)).retention.viewer_events_days == 30
    assert load(write(folder, GOOD + "[retention]\nlessons_days = 30\n")).retention.lessons_days == 30
    with pytest.raises(ConfigError) as caught:
        load(write(folder, GOOD + "[retention]\naudit_days = 0\n"))
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["retention.audit_days"]


def test_a_heartbeat_goes_to_a_web_address(folder: Path) -> None:
    assert load(write(folder, GOOD)).notices.heartbeat_url == ""
    said = '[notices]\nheartbeat_url = "https://watch.example/ping/1f2e?x=1"\n'
    assert load(write(folder, GOOD + said)).notices.heartbeat_url == "https://watch.example/ping/1f2e?x=1"
    for bad in ("watch.example", "ftp://watch.example/", "https:///ping", "https://watch.example/a b"):
        with pytest.raises(ConfigError) as caught:
            load(write(folder, GOOD + f'[notices]\nheartbeat_url = "{bad}"\nheartbeet = 1\n'))
        assert caught.value.problems == (
            "notices.heartbeat_url: must be an address that begins with https:// or http://",
            "notices.heartbeet: is not a key of this file",
        )


def test_where_the_centre_may_go_is_told_by_networks_and_ports(folder: Path) -> None:
    (folder / "inside.pem").write_text("")
    said = '[fetch]\nallowed = ["10.1.0.0/16", "fd00:1::/32"]\nports = [8443]\nca_file = "inside.pem"\n'
    fetch = load(write(folder, GOOD + said)).fetch
    assert fetch.allowed == (IPv4Network("10.1.0.0/16"), IPv6Network("fd00:1::/32"))
    assert (fetch.refused, fetch.ports, fetch.plain_http, fetch.ca_file) == ((), (8443,), False, folder / "inside.pem")
    with pytest.raises(ConfigError) as caught:
        load(write(folder, GOOD + '[fetch]\nallowed = ["10.1.0.1/16"]\nrefused = ["inside"]\nports = [0]\n'))
    keys = {".".join(problem.split(":")[0].split(".")[:2]) for problem in caught.value.problems}
    assert keys == {"fetch.allowed", "fetch.refused", "fetch.ports"}


def test_five_mistakes_are_told_at_once_each_with_its_key(folder: Path) -> None:
    text = """
    instance = "Centre 1"
    database_url = "mysql://x"
    colour = "green"
    state_dir = "state"
    [http]
    port = 70000
    public_url = "estrade.example.org/"
    [broker]
    ca_file = "missing.pem"
    rpc = { cert_file = "rpc.pem", key_file = "rpc.key" }
    [ice]
    stun = ["stun:stun.example.org:347800"]
    turn = { urls = ["http://x"], secret_file = "nothing" }
    """
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text))
    assert caught.value.code == "config-invalid"
    keys = {problem.split(":")[0] for problem in caught.value.problems}
    assert keys == {
        "instance", "colour", "http.port", "broker.events", "ice.stun.0", "ice.turn.urls.0", "broker.ca_file",
        "ice.turn.secret_file", "database_url", "http.public_url",
    }  # fmt: skip
    assert all(problem in caught.value.message for problem in caught.value.problems)
    assert "broker.events: is missing" in caught.value.problems


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('database_url = "mysql://x"', "database_url"),
        ('[http]\npublic_url = "estrade.example.org"', "public_url"),
        ('[http]\npublic_url = "https://x.example/path"', "public_url"),
    ],
)
def test_a_value_of_the_wrong_form_names_its_key(folder: Path, line: str, key: str) -> None:
    head, _, rest = GOOD.partition("[broker]")
    with pytest.raises(ConfigError, match=key):
        load(write(folder, f"{head}\n{line}\n[broker]{rest}"))


def test_a_file_that_is_not_there_or_not_toml_is_one_sentence(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load(folder / "nowhere.toml")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(write(folder, "instance = "))


@pytest.mark.parametrize(
    ("http", "url"),
    [
        ("", "http://127.0.0.1:8080"),
        ('host = "0.0.0.0"', "http://127.0.0.1:8080"),
        ('host = "::1"', "http://[::1]:8080"),
        ('public_url = "https://estrade.example.org"', "https://estrade.example.org"),
    ],
)
def test_the_public_address_is_made_when_none_is_given(folder: Path, http: str, url: str) -> None:
    assert load(write(folder, f"{GOOD}\n[http]\n{http}\n")).http.url(8080) == url


def test_the_example_names_only_keys_that_exist(folder: Path) -> None:
    example = Path(__file__).parents[3] / "deploy" / "examples" / "controller.toml"
    with pytest.raises(ConfigError) as caught:
        load(write(folder, example.read_text()))
    assert caught.value.problems
    assert all("cannot read /etc/estrade/" in problem for problem in caught.value.problems)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000])
def test_a_file_that_python_cannot_read_is_told_like_any_other(folder: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is not TOML"):
        load(write(folder, text))
