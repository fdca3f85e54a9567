"""A demo stopped too soon, one that was killed, and the next in the same folder: on the network, with a lesson."""

from __future__ import annotations

import json
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

import psutil
import pytest

from estrade.lan import lan_address
from protocol.errors import ConfigError
from tests.integration.demo.conftest import READY_S, RunningDemo, eventually, get, own_ports, start_demo

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("again")


@pytest.fixture(scope="module")
def too_soon(state: Path) -> str:
    """What a demo had said that was stopped when the centre had its database, but not its links."""
    process = start_demo(state, *own_ports())
    log = state / "demo" / "logs" / "controller.log"
    try:
        eventually(log.exists, "the centre is started", READY_S)
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    return said


@pytest.fixture(scope="module")
def first(state: Path, too_soon: str) -> dict[str, str]:
    """Links of a demo that was killed with SIGKILL."""
    demo = RunningDemo(state, *own_ports())
    noted = state / "demo" / "registered.json"
    eventually(lambda: json.loads(noted.read_text()).get("it"), "it is noted that the password was shown")
    children = demo.children()
    demo.end(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert [" ".join(child.cmdline()) for child in alive] == [], "children outlived their parent"
    return demo.links


@pytest.fixture(scope="module")
def second(state: Path, first: dict[str, str]) -> Iterator[RunningDemo]:
    try:
        lan_address()
        arguments = ["--lan", "--start"]
    except ConfigError:  # a machine without a network
        arguments = ["--start"]
    demo = RunningDemo(state, *own_ports(), *arguments)
    try:
        yield demo
    finally:
        demo.end(signal.SIGTERM)


def test_links_stay_and_the_password_is_not_shown_again(first: dict[str, str], second: RunningDemo) -> None:
    assert urlsplit(second.links["pupil"]).path == urlsplit(first["pupil"]).path
    assert second.links["code"] == first["code"]
    assert urlsplit(second.links["pupil"]).netloc == urlsplit(second.links["it"]).netloc
    assert "it_password" in first
    assert "it_password" not in second.links


def test_a_password_that_nobody_saw_is_made_anew(too_soon: str, first: dict[str, str], second: RunningDemo) -> None:
    assert too_soon == ""
    account = {"name": first["it_name"], "password": first["it_password"]}
    trusting: dict[str, Any] = (
        {"context": ssl.create_default_context(cafile=second.links["ca_file"])} if "ca" in second.links else {}
    )
    status, _ = get(second.links["it"].replace("/it/", "/api/v1/session"), data=account, **trusting)
    assert status == 200


def test_start_is_pressed(second: RunningDemo) -> None:
    address, _, token = second.links["panel"].partition("/?token=")
    _, body = get(f"{address}/api/panel", token=token)
    assert json.loads(body)["state"] == "live"


def test_a_phone_on_the_network_trusts_the_pages_once_it_has_the_authority(second: RunningDemo) -> None:
    if "ca" not in second.links:
        pytest.skip("this machine has no network address; connect it to a network")
    _, pem = get(second.links["ca"])
    trusting = ssl.create_default_context(cadata=pem.decode())
    assert second.links["pupil"].startswith("https://")
    status, body = get(second.links["pupil"], context=trusting)
    assert status == 200
    assert b"<html" in body
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        get(second.links["pupil"], context=ssl.create_default_context())
