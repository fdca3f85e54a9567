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
        ("spare_microphone", [{"driver": "simulated"}], "there is no [microphone] whose place they could take"),
        ("spare_microphone", {"driver": "simulated"}, "write [[spare_microphone]] with two brackets"),
        ("board_sound", {"driver": "x11"}, 'driver "x11" is not a microphone driver'),
        ("board_sound", {"driver": "simulated", "label": "Film"}, "board_sound.label: is not a known key"),
        (
            "microphone",
            {"driver": "simulated", "label": " "},
            "microphone.label: String should have at least 1 character",
        ),
        ("microphone", {"driver": "alsa", "card": "0"}, "microphone.card = '0': must be usb:… with its numbers, id:…"),
        ("microphone", {"driver": "alsa", "output": "usb:1:2"}, "microphone.output = 'usb:1:2': must be usb:…"),
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
        ("display", {"driver": "pjlink", "host": "h", "password_file": "a" * 300}, "does not exist"),
        ("broker", {"host": "h", "ca_file": "no.pem", "cert_file": "room.pem", "key_file": "room.key"}, "no.pem does"),
    ],
)
def test_a_mistake_says_what_and_what_to_do(tmp_path: Path, table: str, value: Any, told: str) -> None:
    [problem] = _problems({**_room(tmp_path), table: value}, tmp_path)
    assert told in problem


def test_several_microphones_and_the_board_s_sound_are_taken_in_order(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["microphone"] = {"driver": "simulated", "label": "Bureau"}
    raw["spare_microphone"] = [{"driver": "simulated", "id": "ceiling"}, {"driver": "simulated", "voice": "tone"}]
    raw["board_sound"] = {"driver": "simulated", "voice": "melody"}
    devices = parse(raw, where="agent.toml", base=tmp_path).devices
    assert [(one.id, one.role, one.is_spare, one.label) for one in devices if one.role != "camera"] == [
        ("microphone", "microphone", False, "Bureau"),
        ("board-sound", "board-sound", False, None),
        ("ceiling", "microphone", True, None),
        ("microphone-3", "microphone", True, None),
    ]


@pytest.mark.parametrize(
    ("spares", "told"),
    [
        ([{"driver": "simulated", "id": "microphone"}], 'id = "microphone": is the id of 2 devices'),
        ([{"driver": "simulated"}, {"driver": "telepathy"}], "spare_microphone[2].driver: "),
        ([{"driver": "simulated", "voice": "song"}], "spare_microphone[1].voice = 'song'"),
        ([{}], "spare_microphone[1].driver: is missing"),
        ([{"driver": "simulated"}] * 7, "there are 7; each is open in a lesson, take 6 at most"),
    ],
)
def test_a_mistake_in_a_spare_microphone_says_in_which(tmp_path: Path, spares: list[Any], told: str) -> None:
    [problem] = _problems(
        {**_room(tmp_path), "microphone": {"driver": "simulated"}, "spare_microphone": spares}, tmp_path
    )
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


def test_what_is_absent_on_purpose_is_neither_opened_nor_missed(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["microphone"] = {"driver": "simulated"}
    raw["display"] = {"driver": "pjlink", "host": "10.0.0.6"}
    raw["health"] = {"absent": ["camera", "display"]}
    settings = parse(raw, where="agent.toml", base=tmp_path)
    assert [choice.id for choice in settings.devices] == ["microphone"]
    assert settings.display is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"absent": ["projector"]}, "health.absent.0 = 'projector': input should be 'camera', 'microphone', "),
        ({"idle_look_min": -1}, "health.idle_look_min = -1: input should be greater than or equal to 0"),
        ({"cpu_warn_c": 99}, "health: cpu_warn_c 99 has to be below cpu_fail_c 95"),
        ({"lamp_lif_h": 3000}, "health.lamp_lif_h: is not a known key"),
        (3, "health: input should be a valid dictionary"),
    ],
)
def test_a_mistake_about_health_is_one_sentence(tmp_path: Path, table: Any, problem: str) -> None:
    [told] = _problems({**_room(tmp_path), "health": table}, tmp_path)
    assert told.lower().startswith(problem.lower())
    assert "\n" not in told


PTZ = {"driver": "visca", "host": "c", "presets": {"board": 1, "teacher": 2, "class": 3}}
LEFT = {"rectangle": [0, 0, 0.3, 1]}


def test_the_class_is_a_preset_only_where_the_school_says_so(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["ptz"] = dict(PTZ)
    without = parse(raw, where="agent.toml", base=tmp_path).ptz
    raw["ptz"]["class_preset"] = True
    wanted = parse(raw, where="agent.toml", base=tmp_path).ptz
    assert without is not None
    assert (set(without.presets), without.class_preset) == ({"board", "teacher"}, False)
    assert wanted is not None
    assert (set(wanted.presets), wanted.class_preset) == ({"board", "teacher", "class"}, True)


def test_masks_are_taken_with_the_camera_or_with_its_presets(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["mask"] = [LEFT, {"polygon": [[0.7, 0], [1, 0], [1, 0.5]]}]
    assert len(parse(raw, where="agent.toml", base=tmp_path).masks) == 2
    raw["mask"] = [{"preset": "board", **LEFT}]
    raw["ptz"] = {**PTZ, "no_mask": ["teacher"]}
    [mask] = parse(raw, where="agent.toml", base=tmp_path).masks
    assert (mask.preset, mask.corners[2]) == ("board", (0.3, 1))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"mask": "left"}, "mask: is a list, for there can be several; write [[mask]] with two brackets"),
        ({"mask": LEFT}, "mask: is a list, for there can be several; write [[mask]] with two brackets"),
        ({"mask": [{}]}, "mask.0: write either rectangle or polygon"),
        ({"mask": [{"rectangle": [0, 0, 2, 1]}]}, "mask.0.rectangle.2 = 2: "),
        ({"mask": [{"rectangle": [0.8, 0, 0.3, 1]}]}, "mask.0: rectangle is left, top, width, height"),
        ({"mask": [{**LEFT, "preset": "board"}]}, 'mask.preset = "board": the camera does not turn'),
        (
            {"mask": [LEFT], "ptz": {**PTZ, "no_mask": ["board", "teacher"]}},
            "mask.preset: is missing; the camera turns",
        ),
        (
            {"mask": [{**LEFT, "preset": "door"}], "ptz": {**PTZ, "no_mask": ["board", "teacher"]}},
            'mask.preset = "door"',
        ),
        ({"mask": [{**LEFT, "preset": "board"}], "ptz": PTZ}, "ptz.presets: teacher has no mask; draw one, or name it"),
        (
            {"mask": [{**LEFT, "preset": "board"}], "ptz": {**PTZ, "no_mask": ["board", "teacher"]}},
            "ptz.no_mask: board has masks",
        ),
        ({"ptz": {**PTZ, "no_mask": ["door"]}}, 'ptz.no_mask = "door": is not in ptz.presets'),
        (
            {"ptz": {**PTZ, "presets": {"board": 1}, "class_preset": True}},
            "ptz.class_preset: is true and ptz.presets has",
        ),
        ({"ptz": {**PTZ, "class_preset": "yes"}}, "ptz.class_preset: Input should be a valid boolean"),
    ],
)
def test_a_mistake_about_masks_and_views_is_one_sentence(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    [told] = _problems({**_room(tmp_path), **change}, tmp_path)
    assert told.startswith(problem)
    assert "\n" not in told


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"framing": {}}, "framing.mode: is missing"),
        ({"framing": {"mode": "zoom"}}, "framing.mode = 'zoom': input should be 'crop' or 'ptz'"),
        ({"framing": {"mode": "crop", "speed": 2}}, "framing.speed: is not a known key"),
        ({"framing": {"mode": "ptz"}}, 'framing.mode = "ptz": the camera does not turn'),
        ({"framing": {"mode": "crop"}, "camera": None}, "framing: there is no camera"),
        ({"framing": {"mode": "ptz"}, "ptz": {**PTZ, "class_preset": True}}, 'framing.mode = "ptz": with masks, or'),
        (
            {"framing": {"mode": "ptz"}, "ptz": {**PTZ, "no_mask": ["teacher"]}, "mask": [{"preset": "board", **LEFT}]},
            'framing.mode = "ptz": with masks, or',
        ),
    ],
)
def test_a_mistake_about_auto_framing_is_one_sentence(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    raw = {key: value for key, value in {**_room(tmp_path), **change}.items() if value is not None}
    [told] = _problems(raw, tmp_path)
    assert told.startswith(problem)
    assert "\n" not in told


def test_a_mask_without_a_camera_is_a_mistake(tmp_path: Path) -> None:
    raw = {**_room(tmp_path), "mask": [LEFT]}
    del raw["camera"]
    [told] = _problems(raw, tmp_path)
    assert told.startswith("mask: there is no camera")


def test_auto_framing_is_off_without_its_table_and_waits_for_somebody_with_it(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    assert parse(raw, where="agent.toml", base=tmp_path).framing is None
    raw["framing"] = {"mode": "crop"}
    framing = parse(raw, where="agent.toml", base=tmp_path).framing
    assert framing is not None
    assert (framing.mode, framing.at_start) == ("crop", False)


def test_a_media_servers_addresses_and_files_are_checked(tmp_path: Path) -> None:
    raw = _room(tmp_path)
    raw["media"] = {"relay": {}}
    raw["relay"] = {"whip_lesson": "media.example/whip", "whip_board": "https://media.example/b", "token_file": "token"}
    problems = _problems(raw, tmp_path)
    assert [problem.split(":")[0].split(" =")[0] for problem in problems] == ["media.relay", "relay.whip_lesson"]
    raw["media"] = {}
    raw["relay"]["whip_lesson"] = "https://media.example/a"
    [missing] = _problems(raw, tmp_path)
    assert missing.startswith("relay.token_file")
    (tmp_path / "token").write_text("secret")
    relay = parse(raw, where="agent.toml", base=tmp_path).streams.relay
    assert relay is not None
    assert relay.token() == "secret"
