"""What keeps a demo from starting is one sentence with what to do, and status 2."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.demo.conftest import command, environ, own_ports
from tests.integration.devices.soundserver import sound_server
from tests.peers import need

pytestmark = pytest.mark.timeout(120)


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that something listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield int(taken.getsockname()[1])


def refused(tmp_path: Path, *arguments: str, **more: str) -> str:
    done = subprocess.run(
        command("demo", "--json", "--state", str(tmp_path / "demo"), *arguments),
        env=environ(tmp_path, **more),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_without_mosquitto_it_says_how_to_get_it(tmp_path: Path) -> None:
    sentence = refused(tmp_path, PATH="")
    assert "sudo apt install mosquitto" in sentence
    assert "[program-missing]" in sentence
    assert not (tmp_path / "demo").exists()


def test_mosquitto_is_found_where_a_users_path_does_not_look(tmp_path: Path) -> None:
    if need("mosquitto", "mosquitto") != "/usr/sbin/mosquitto":
        pytest.skip("mosquitto is not Debian's here; install it with: apt install mosquitto")
    with taken_port() as port:
        sentence = refused(tmp_path, "--panel-port", str(port), PATH="/usr/bin:/bin")
    assert "[port-taken]" in sentence


def test_a_port_that_was_asked_for_and_is_taken_is_named(tmp_path: Path) -> None:
    need("mosquitto", "mosquitto")
    with taken_port() as port:
        sentence = refused(tmp_path, "--web-port", str(port))
    assert f"port {port}" in sentence
    assert "[port-taken]" in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ("--camera", "/dev/video99"),
        ("--camera", "no-such.mp4"),
        ("--microphone", "/no/such.wav"),
        ("--microphone", "usb:ffff:ffff"),
        ("--board", "blue"),
        ("--board", ":9999"),
    ],
)
def test_a_source_that_is_not_there_is_named(tmp_path: Path, arguments: tuple[str, str]) -> None:
    sentence = refused(tmp_path, *arguments)
    assert arguments[1] in sentence
    assert "[device-not-found]" in sentence


def test_a_name_that_the_sound_server_has_not_is_told_beside_those_it_has(tmp_path: Path) -> None:
    with sound_server(tmp_path / "sound") as server:
        its = {name: server.environment[name] for name in ("XDG_RUNTIME_DIR", "HOME", "DBUS_SESSION_BUS_ADDRESS")}
        sentence = refused(tmp_path, "--microphone", "Jabra", **its)
    assert 'no source "Jabra"' in sentence
    assert "[device-not-found]" in sentence


def test_a_room_that_cannot_be_configured_so_says_why(tmp_path: Path) -> None:
    need("mosquitto", "mosquitto")
    sentence = refused(tmp_path, *own_ports(), "--set", "camera.colour=1")
    assert "camera.colour" in sentence
    assert "[config-invalid]" in sentence


def test_a_pin_hides_what_the_demo_prints(tmp_path: Path) -> None:
    need("mosquitto", "mosquitto")
    made = [sys.executable, "-m", "agent.cli", "pin"]
    hashed = subprocess.run(made, input="1234\n", capture_output=True, text=True, check=True).stdout
    pin = tmp_path / "pin"
    pin.write_text(hashed)
    sentence = refused(tmp_path, *own_ports(), "--set", f'panel.pin_file="{pin}"')
    assert "leave panel.pin_file out" in sentence
    assert "[config-invalid]" in sentence


def test_a_port_that_is_taken_and_was_not_asked_for_does_no_harm() -> None:
    from estrade.demo_folder import free_port

    with taken_port() as port:
        assert free_port(port) not in (0, port)
