"""One demo from its links to Ctrl-C. The last test ends it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.demo.conftest import RunningDemo, command, environ, eventually, get

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    running = RunningDemo(tmp_path_factory.mktemp("demo"), "--rooms", "3")
    try:
        yield running
    finally:
        running.end(signal.SIGTERM)


def test_one_json_line_has_what_a_program_needs(demo: RunningDemo) -> None:
    links = demo.links
    assert {"panel", "pupil", "it", "code", "room", "whep", "it_password"} <= links.keys()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", links["panel"])
    assert re.fullmatch(r"[A-HJKMNP-TV-Z2-9]{4}-[A-HJKMNP-TV-Z2-9]{4}", links["code"])


@pytest.mark.parametrize("page", ["panel", "pupil", "it"])
def test_each_link_opens_a_page(demo: RunningDemo, page: str) -> None:
    status, body = get(demo.links[page])
    assert status == 200
    assert b"<html" in body


def test_the_code_lets_a_pupil_wait_before_start(demo: RunningDemo) -> None:
    status, body = get(demo.links["it"].replace("/it/", "/api/v1/join"), data={"code": demo.links["code"]})
    assert status == 200
    assert json.loads(body)["view"]["phase"] == "waiting"


def test_the_broker_takes_nobody_without_a_certificate(demo: RunningDemo) -> None:
    config = (demo.state / "demo" / "mosquitto.conf").read_text()
    assert "require_certificate true" in config
    assert "allow_anonymous false" in config
    keys = list((demo.state / "demo" / "pki").rglob("*.key"))
    assert keys
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)


def test_its_rooms_are_listed_with_its_password(demo: RunningDemo) -> None:
    def listed(*arguments: str) -> str:
        address = demo.links["it"].removesuffix("/it/")
        told = environ(demo.state, ESTRADE_PASSWORD=demo.links["it_password"])
        done = subprocess.run(
            command("rooms", "--url", address, *arguments),
            env=told,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    rooms = eventually(
        lambda: [room for room in json.loads(listed("--json"))["rooms"] if room["link"] == "online"][3:] and listed(),
        "the room and three simulated ones are online",
    )
    assert isinstance(rooms, str)
    assert "Salle 12" in rooms
    assert "Salle 103" in rooms


def test_a_wrong_password_is_one_sentence(demo: RunningDemo) -> None:
    told = environ(demo.state, ESTRADE_PASSWORD="wrong-password")
    done = subprocess.run(
        command("rooms", "--url", demo.links["it"].removesuffix("/it/")),
        env=told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "[sign-in-failed]" in done.stderr


def test_a_second_demo_in_the_same_folder_is_refused(demo: RunningDemo) -> None:
    done = subprocess.run(
        command("demo", "--state", str(demo.state / "demo")),
        env=environ(demo.state),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "[already-running]" in done.stderr


def test_a_killed_agent_comes_back(demo: RunningDemo) -> None:
    first = demo.child("agent.cli")
    assert first is not None
    first.kill()
    eventually(lambda: demo.child("agent.cli") not in (None, first), "the agent is started again")
    status, _ = eventually(lambda: get(demo.links["panel"]), "the panel answers again")
    assert status == 200
    assert "agent ended (SIGKILL) and is started again" in demo.errors.read_text()


def test_ctrl_c_ends_every_child_and_says_nothing_more(demo: RunningDemo) -> None:
    children = demo.children()
    assert len(children) >= 4
    rest = demo.end(signal.SIGINT)
    assert rest == ""
    assert demo.process.returncode == 0
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
