"""Settings and layers: bounds, sizes, levels."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from agent.streams.layers import StreamSettings

ADAPTER = TypeAdapter(StreamSettings)


def test_the_defaults_are_within_their_own_bounds() -> None:
    assert ADAPTER.validate_python(asdict(StreamSettings())) == StreamSettings()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("camera_max_rate_hz", 0),
        ("camera_max_width_px", 1281),
        ("board_max_height_px", 4320),
        ("camera_bitrate_bps", -1),
        ("max_viewers", 0),
        ("camera_preset", "placebo-ish"),
        ("silence_after_s", 0),
    ],
)
def test_a_setting_out_of_bounds_is_named_where_it_is_read(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python({key: value})
    assert caught.value.errors()[0]["loc"] == (key,)


def test_the_level_holds_the_size() -> None:
    assert StreamSettings().camera_layers()[0].level == "3.1"
    assert StreamSettings().board_layers()[0].level == "4.0"
    assert StreamSettings(camera_max_width_px=1920, camera_max_height_px=1080).camera_layers()[0].level == "4.0"


def test_a_room_sends_three_cameras_two_boards_and_three_sounds() -> None:
    settings = StreamSettings()
    cameras, boards, sounds = settings.camera_layers(), settings.board_layers(), settings.sound_layers()
    assert [(one.name, one.max_width_px, one.max_height_px, one.level) for one in cameras] == [
        ("720p", 1280, 720, "3.1"),
        ("360p", 640, 360, "3.1"),
        ("180p", 320, 180, "3.1"),
    ]
    assert [(one.name, one.max_width_px, one.max_height_px) for one in boards] == [
        ("full", 1920, 1080),
        ("half", 960, 540),
    ]
    assert [(one.name, one.bitrate_bps, one.blocks) for one in sounds] == [
        ("voice", 32_000, 1),
        ("robust", 24_000, 1),
        ("low", 14_000, 3),
    ]
    assert all(worse.bitrate_bps < better.bitrate_bps / 2 for better, worse in pairwise(cameras))
    assert cameras[-1].max_rate_hz == 25, "enough to read lips"


def test_a_layer_that_would_cost_no_less_is_not_there() -> None:
    settings = StreamSettings(camera_bitrate_bps=300_000, board_bitrate_bps=300_000)
    assert [layer.name for layer in settings.camera_layers()] == ["720p", "180p"]
    assert [layer.name for layer in settings.board_layers()] == ["full"]


@pytest.mark.parametrize(
    ("size", "encoded"),
    [((1280, 720), (1280, 720)), ((640, 480), (640, 480)), ((1920, 1080), (1280, 720)), ((4000, 200), (1280, 64))],
)
def test_pictures_keep_their_shape_and_are_never_enlarged(size: tuple[int, int], encoded: tuple[int, int]) -> None:
    assert StreamSettings().camera_layers()[0].fit(*size) == encoded
