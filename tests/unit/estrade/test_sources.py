"""What the options for camera, microphone and board mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from estrade import sources
from protocol.errors import DeviceNotFoundError


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


def test_any_other_word_is_a_sound_devices_name() -> None:
    assert sources.microphone("default") == {"driver": "portaudio", "input": "default"}
    assert sources.microphone("Jabra Speak 510") == {"driver": "portaudio", "input": "Jabra Speak 510"}


def test_a_display_is_a_board() -> None:
    assert sources.board(":0") == {"driver": "x11", "display": ":0"}
    assert sources.board("localhost:10.0") == {"driver": "x11", "display": "localhost:10.0"}


@pytest.mark.parametrize(
    ("source", "given"),
    [(sources.camera, "/dev/video99"), (sources.microphone, "./no.wav"), (sources.board, "screen")],
)
def test_what_is_not_there_is_named(source: object, given: str) -> None:
    assert callable(source)
    with pytest.raises(DeviceNotFoundError) as caught:
        source(given)
    assert given in caught.value.message
