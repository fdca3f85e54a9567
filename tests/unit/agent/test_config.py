"""All mistakes at once, each with its key and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.config import load, parse
from protocol.errors import ConfigError


def _room(folder: Path) -> dict[str, Any]:
    for name in ("ca.pem", "room.pem", "room.key"):
        (folder / name).touch()
    return {
        "state_dir": "state",
        "room": {"id": "salle-b12", "territory": "075", "name": "Salle B12"},
        "broker": {"host": "broker.example", "ca_file": "ca.pem", "cert_file": "room.pem", "key_file": "room.key"},
        "camera": {"driver": "simulated", "width_px": 640, "height_px": 360},
    }


def _problems(raw: dict[str, Any], folder: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as error:
        parse(raw, where="agent.toml", base=folder)
    return error.value.problems


def test_a_whole_configuration_is_taken_and_paths_start_at_the_file(tmp_path: Path) -> None:
    settings = parse(_room(tmp_path), where="agent.toml", base=tmp_path)
    assert settings.broker.ca_file == tmp_path / "ca.pem"
    assert settings.state_dir == tmp_path / "state"
    assert settings.panel.port == 8480
    [camera] = settings.devices
    assert (camera.id, camera.driver.name) == ("camera", "simulated")
    assert camera.config.model_dump()["room_name"] == "Salle B12"


def test_five_mistakes_are_five_sentences_each_with_its_key(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["room"]["id"] = "Salle B12"
    del raw["room"]["territory"]
    raw["panel"] = {"port": 99999}
    raw["camera"] = {"driver": "simulated", "width_px": 641, "wdith": 1}
    raw["microphone"] = {"driver": "telepathy"}
    problems = _problems(raw, tmp_path)
    assert [problem.split(":")[0].split(" =")[0] for problem in sorted(problems)] == [
        "camera.wdith",
        "camera.width_px",
        "microphone.driver",
        "panel.port",
        "room.id",
        "room.territory",
    ]
    assert all(len(problem) > 20 for problem in problems)


@pytest.mark.parametrize(
    ("table", "value", "told"),
    [
        ("camera", "simulated", "camera: must be a table"),
        ("camera", {}, "camera.driver: is missing"),
        ("board", {"driver": "chalk"}, "there are:"),
        ("board", {"driver": "simulated", "id": "Tableau 1"}, "board.id = 'Tableau 1': must be 3 to 48"),
        ("board", {"driver": "simulated", "id": 1}, "board.id = 1: must be"),
        ("board", {"driver": "simulated", "id": "camera"}, 'id = "camera": is the id of 2 devices'),
        ("media", {"camera_bitrate": 1}, "media.camera_bitrate: is not a known key"),
        ("media", {"camera_bitrate_bps": "much"}, "media.camera_bitrate_bps = 'much'"),
        ("kamera", {}, "kamera: is not a known key"),
        ("display", "pjlink", "display: must be a table"),
        ("display", {"host": "10.0.0.9"}, "display.driver: is missing"),
        ("display", {"driver": "telepathy"}, "there are:"),
        ("display", {"driver": "pjlink"}, "display.host: is missing"),
        ("display", {"driver": "pjlink", "host": "h", "input": "hdmi"}, "is no pjlink input; write rgb-1"),
        ("display", {"driver": "pjlink", "host": "h", "wake_mac": "1"}, "display.wake_mac = '1'"),
        ("display", {"driver": "pjlink", "host": "h", "wake_address": "all"}, "display.wake_address = 'all'"),
        ("display", {"driver": "pjlink", "host": "h", "password": "x"}, "display.password: is not a known key"),
        ("display", {"driver": "pjlink", "host": "h", "password_file": "no"}, "no does not exist"),
        ("display", {"driver": "pjlink", "host": "h", "password_file": "a\0b"}, "does not exist"),
        ("broker", {"host": "h", "ca_file": "no.pem", "cert_file": "room.pem", "key_file": "room.key"}, "no.pem does"),
    ],
)
def test_a_mistake_says_what_and_what_to_do(tmp_path: Path, table: str, value: Any, told: str) -> None:
    [problem] = _problems({**_room(tmp_path), table: value}, tmp_path)
    assert told in problem


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read"), (b"room = [", "is not valid TOML"), (b"\xff\xfe", "is not UTF-8")],
)
def test_a_file_that_is_no_configuration_is_one_sentence(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "agent.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        load(path)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000])
def test_a_file_that_python_cannot_read_is_told_like_any_other(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.toml").write_text(text)
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load(tmp_path / "agent.toml")


def test_a_password_in_a_camera_s_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["camera"] = {"driver": "rtsp", "address": "rtsp://admin:hunter2@10.0.0.5/1"}
    [problem] = _problems(raw, tmp_path)
    assert problem.startswith("camera.address: must not hold a name or password")
    assert "hunter2" not in problem


def test_a_password_in_place_of_its_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["camera"] = {"driver": "rtsp", "address": "rtsp://10.0.0.5/1", "password": "hunter2"}
    [problem] = _problems(raw, tmp_path)
    assert problem.startswith("camera.password: is not a known key")
    assert "hunter2" not in problem


def test_a_password_file_s_path_starts_at_the_configuration(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["camera"] = {"driver": "rtsp", "address": "rtsp://10.0.0.5/1", "password_file": "camera.password"}
    [camera] = parse(raw, where="agent.toml", base=tmp_path).devices
    assert camera.config.model_dump()["password_file"] == tmp_path / "camera.password"


def test_a_camera_that_turns_is_taken_with_its_presets(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["ptz"] = {"driver": "visca", "host": "10.0.0.5", "presets": {"board": 1, "teacher": "2"}}
    ptz = parse(raw, where="agent.toml", base=tmp_path).ptz
    assert ptz is not None
    assert (ptz.driver.name, dict(ptz.presets)) == ("visca", {"board": "1", "teacher": "2"})
    assert ptz.config.model_dump()["host"] == "10.0.0.5"
    del raw["ptz"]
    assert parse(raw, where="agent.toml", base=tmp_path).ptz is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("visca", "ptz: must be a table with a driver"),
        ({}, "ptz.driver: is missing"),
        ({"driver": "betamax"}, 'ptz.driver: driver "betamax" is not a ptz driver; there are: '),
        ({"driver": "visca"}, "ptz: host is missing"),
        ({"driver": "visca", "host": "c", "prot": 1}, "ptz.prot: is not a known key"),
        ({"driver": "visca", "host": "c", "presets": {"Tableau!": 1}}, "ptz.presets.Tableau!"),
        ({"driver": "visca", "host": "c", "presets": {"board": True}}, "ptz.presets.board = True"),
    ],
)
def test_a_mistake_about_the_camera_that_turns_is_one_sentence(tmp_path: Path, table: Any, problem: str) -> None:
    raw = _room(tmp_path)
    raw["ptz"] = table
    [told] = _problems(raw, tmp_path)
    assert told.startswith(problem)
    assert "\n" not in told
