"""What the options for camera, microphone and board mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from estrade import sources
from protocol.errors import ConfigError, DeviceNotFoundError


def test_simulated_is_the_driver_of_that_name() -> None:
    for source in (sources.camera, sources.microphone, sources.board):
        assert source("simulated") == {"driver": "simulated"}


def test_a_file_is_played(tmp_path: Path) -> None:
    film = tmp_path / "lesson.mp4"
    film.touch()
    assert sources.camera(str(film)) == {"driver": "file", "path": str(film)}
    assert sources.microphone(str(film)) == {"driver": "file", "path": str(film)}


def test_a_character_device_is_a_camera() -> None:
    assert sources.camera("/dev/null") == {"driver": "v4l2", "path": "/dev/null"}


@pytest.fixture
def room_mic(tmp_path: Path) -> Path:
    """A machine with one sound card, which records, and one X server."""
    sound = tmp_path / "proc/asound"
    (sound / "card0/pcm0c").mkdir(parents=True)
    (sound / "cards").write_text(" 0 [RoomMic        ]: USB-Audio - Jabra Speak 510\n")
    (sound / "card0/id").write_text("RoomMic\n")
    (tmp_path / "tmp/.X11-unix").mkdir(parents=True)
    (tmp_path / "tmp/.X11-unix/X0").touch()
    return tmp_path


@pytest.fixture
def no_sound_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_an_identity_is_a_sound_card(room_mic: Path) -> None:
    assert sources.microphone("id:RoomMic", room_mic) == {"driver": "alsa", "card": "id:RoomMic"}


def test_a_card_that_is_not_there_is_told_from_a_name_that_no_card_has(room_mic: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match='Jabra Speak 510: "id:RoomMic"'):
        sources.microphone("id:Other", room_mic)
    with pytest.raises(ConfigError, match='"usb:jabra": a sound card is "usb:VID:PID"'):
        sources.microphone("usb:jabra", room_mic)


@pytest.mark.usefixtures("no_sound_server")
def test_the_default_is_the_only_card_where_no_sound_server_runs(room_mic: Path) -> None:
    assert sources.microphone("default", room_mic) == {"driver": "alsa"}
    with pytest.raises(DeviceNotFoundError, match="no sound card records"):
        sources.microphone("default", room_mic / "elsewhere")


@pytest.mark.usefixtures("no_sound_server")
def test_a_name_needs_a_sound_server() -> None:
    with pytest.raises(DeviceNotFoundError, match=r'"Jabra Speak 510": no sound server answers'):
        sources.microphone("Jabra Speak 510")


def test_a_display_is_a_board(room_mic: Path) -> None:
    assert sources.board(":0", room_mic) == {"driver": "x11", "display": ":0"}
    assert sources.board(":0.0", room_mic) == {"driver": "x11", "display": ":0.0"}
    assert sources.board("localhost:10.0", room_mic) == {"driver": "x11", "display": "localhost:10.0"}


def test_a_display_that_nobody_shows_is_told_beside_those_there_are(room_mic: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match=r'":99": no X server shows that display; here is :0;'):
        sources.board(":99", room_mic)


@pytest.mark.parametrize(
    ("source", "given"),
    [(sources.camera, "/dev/video99"), (sources.microphone, "./no.wav"), (sources.board, "screen")],
)
def test_what_is_not_there_is_named(source: object, given: str) -> None:
    assert callable(source)
    with pytest.raises(DeviceNotFoundError) as caught:
        source(given)
    assert given in caught.value.message
