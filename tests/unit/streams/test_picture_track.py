"""What a picture track shows, when, and why; with the pictures' histories."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest

from agent.media import Frame, FrameFilters
from agent.streams.encoders import Picture
from agent.streams.layers import PictureTrackName
from agent.streams.picture_track import Encoding, PictureTrack, StandInReason
from tests.unit.streams.test_fanout import Clock

LAG_S = 0.01


def frame(clock: Clock, number: int = 0, width_px: int = 64) -> Frame:
    return Frame(np.full((48, width_px), number, np.uint8), width_px, 32, clock.now_s - LAG_S, number)


@dataclass
class Encoder:
    """Notes what it is given."""

    given: list[tuple[float, float, Picture]] = field(default_factory=list)
    scenes: list[tuple[int, bool]] = field(default_factory=list)
    keys: int = 0
    prepared: list[tuple[int, int]] = field(default_factory=list)
    has_waiting: bool = False
    clock: Clock = field(default_factory=Clock)

    def submit(self, picture: Picture, stamp_mono_s: float, *, scene: int = 0, key: bool = False) -> None:
        self.given.append((self.clock.now_s, stamp_mono_s, picture))
        self.scenes.append((scene, key))

    def want_key(self) -> None:
        self.keys += 1

    def prepare(self, width_px: int, height_px: int) -> None:
        self.prepared.append((width_px, height_px))


class Stage:
    """A track on a scripted clock. ``shown`` is its history: a device's picture by number, a stand-in by reason."""

    def __init__(self, track: PictureTrackName = "camera", **changes: Any) -> None:
        self.clock = Clock()
        self.encoder = Encoder(clock=self.clock)
        self.encoding = Encoding(cast("Any", self.encoder), is_used=True)
        self.reasons: dict[int, StandInReason] = {}
        self.begun: list[int] = []
        settings: dict[str, Any] = {
            "encodings": [self.encoding],
            "filters": None,
            "stand_in": self._stand_in,
            "first_size": (64, 32),
            "max_rate_hz": 30.0,
            "repeat_s": 2.0,
            "stand_in_after_s": 0.6 if track == "camera" else None,
            "stand_in_interval_s": 0.5,
            "on_scene": self.begun.append,
            "now": self.clock.now,
            "call_later": self.clock.call_later,
        }
        self.track = PictureTrack(track, **{**settings, **changes})
        self.track.start()

    def _stand_in(self, track: str, reason: StandInReason, width_px: int, height_px: int) -> Frame:
        number = {"away": 201, "off": 202, "paused": 203}[reason]
        return Frame(np.full((height_px * 3 // 2, width_px), number, np.uint8), width_px, height_px, 0.0, 0)

    @property
    def shown(self) -> list[int | str]:
        names = {201: "away", 202: "off", 203: "paused"}
        pixels = [int(picture.frame().image[0, 0]) for _, _, picture in self.encoder.given]
        return [names.get(pixel, pixel) for pixel in pixels]

    @property
    def times(self) -> list[float]:
        return [round(at - 100.0, 3) for at, _, _ in self.encoder.given]

    def push(self, number: int = 0) -> None:
        self.track.push(frame(self.clock, number))

    def film(self, rate_hz: float, seconds: float, first: int = 0) -> None:
        for n in range(round(rate_hz * seconds)):
            self.push((first + n) % 200)
            self.clock.pass_s(1 / rate_hz)


def test_a_track_begins_with_the_stand_in() -> None:
    stage = Stage()
    assert stage.shown == ["away"]
    assert stage.track.reason == "away"


def test_every_picture_of_a_camera_passes_at_once_with_its_time() -> None:
    stage = Stage()
    stage.film(30, 1.0)
    assert stage.shown == ["away", *range(30)]
    assert [at - stamp for at, stamp, _ in stage.encoder.given[1:]] == pytest.approx([LAG_S] * 30)
    assert stage.track.frames_dropped == 0


def test_a_camera_that_jitters_loses_nothing() -> None:
    stage = Stage()
    for n in range(60):
        stage.push(n)
        stage.clock.pass_s(1 / 30 + (0.012 if n % 2 else -0.012))
    assert stage.shown == ["away", *range(60)]


def test_a_camera_that_is_too_quick_is_bounded_and_the_newest_wins() -> None:
    stage = Stage()
    stage.film(120, 2.0)
    assert len(stage.shown) - 1 == pytest.approx(63, abs=2)
    assert stage.track.frames_dropped >= 110


def test_the_stand_in_comes_six_tenths_after_the_last_picture() -> None:
    stage = Stage()
    stage.film(30, 1.0)
    last_s = stage.clock.now_s - 1 / 30
    stage.clock.pass_s(3.0)
    at = next(at for at, _, picture in stage.encoder.given[20:] if picture.frame().image[0, 0] == 201)
    assert at - last_s == pytest.approx(0.6, abs=0.001)
    assert stage.track.reason == "away"
    rate = [t for t in stage.times if t > at - 100.0 + 0.1]
    assert 1 <= len(rate) / 2.3 <= 5, "a stand-in is cheap"


def test_the_camera_is_back_with_its_first_picture() -> None:
    stage = Stage()
    stage.film(30, 0.2)
    stage.clock.pass_s(2.0)
    stage.push(77)
    assert stage.shown[-2:] == ["away", 77]
    assert stage.track.reason is None


def test_a_board_that_does_not_change_is_not_away() -> None:
    stage = Stage("board")
    stage.push(5)
    stage.clock.pass_s(60.0)
    assert stage.track.reason is None
    assert set(stage.shown[1:]) == {5}


def test_a_board_is_sharpened_soon_and_then_kept_alive() -> None:
    stage = Stage("board")
    stage.push(5)
    stage.clock.pass_s(7.0)
    assert stage.times[1:] == [0.0, 0.15, 0.5, 2.5, 4.5, 6.5]
    stamps = [stamp for _, stamp, _ in stage.encoder.given[1:]]
    assert stamps == pytest.approx([100.0 + t - LAG_S for t in stage.times[1:]]), "a repeat stands for now"


def test_a_board_that_changes_quickly_ends_on_its_last_picture() -> None:
    stage = Stage("board", max_rate_hz=10.0)
    for n in range(50):
        stage.push(n)
        stage.clock.pass_s(0.01)
    stage.clock.pass_s(0.11)
    assert len(stage.shown) <= 8
    assert stage.shown[-1] == 49


def test_a_lost_board_is_a_stand_in_until_it_gives_a_picture() -> None:
    stage = Stage("board")
    stage.push(5)
    stage.track.set_away(True)
    stage.clock.pass_s(1.0)
    stage.push(6)
    assert [key for n, key in enumerate(stage.shown) if n == 0 or key != stage.shown[n - 1]] == ["away", 5, "away", 6]


def test_pause_and_off_are_shown_at_once_and_nothing_of_the_device_leaves() -> None:
    stage = Stage()
    stage.push(1)
    stage.track.set_on_air(True, True)
    stage.film(30, 0.5, first=10)
    stage.track.set_on_air(False, False)
    stage.film(30, 0.5, first=50)
    stage.track.set_on_air(False, True)
    stage.track.set_on_air(True, False)
    history = [key for n, key in enumerate(stage.shown) if n == 0 or key != stage.shown[n - 1]]
    assert history == ["away", 1, "paused", "off", "paused", 64]


def test_a_camera_that_died_while_paused_is_away_afterwards() -> None:
    stage = Stage()
    stage.push(1)
    stage.track.set_on_air(True, True)
    stage.clock.pass_s(5.0)
    stage.track.set_on_air(True, False)
    assert stage.shown[-1] == "away"


def test_filters_run_on_the_devices_pictures_and_never_on_stand_ins() -> None:
    filters = FrameFilters()
    filters.add(lambda f: f.with_image(np.full_like(f.image, 99)))
    stage = Stage(filters=filters)
    stage.push(1)
    assert stage.shown == ["away", 99]


def test_a_key_frame_is_made_of_the_picture_shown_without_waiting() -> None:
    stage = Stage("board")
    stage.push(5)
    stage.clock.pass_s(1.0)
    before = len(stage.encoder.given)
    stage.track.make_key(stage.encoding)
    assert stage.encoder.keys == 1
    assert stage.shown[before:] == [5]
    stage.encoder.has_waiting = True
    stage.track.make_key(stage.encoding)
    assert (stage.encoder.keys, len(stage.encoder.given)) == (2, before + 1)


def test_nothing_is_encoded_while_nobody_watches() -> None:
    stage = Stage()
    stage.encoding.is_used = False
    before = len(stage.encoder.given)
    stage.film(30, 1.0)
    assert len(stage.encoder.given) == before
    assert stage.track.shown.frame().image[0, 0] == 29


def test_the_encoder_is_prepared_for_the_size_that_comes() -> None:
    stage = Stage()
    stage.push(1)
    stage.track.push(frame(stage.clock, 2, width_px=128))
    assert stage.encoder.prepared == [(64, 32), (128, 32)]


def test_closing_leaves_no_timer() -> None:
    stage = Stage(max_rate_hz=1.0)
    stage.push(1)
    stage.push(2)
    assert len(stage.clock.timers) == 3
    stage.track.close()
    assert stage.clock.timers == []


def test_every_change_of_what_is_shown_is_a_scene_that_begins_with_a_key_frame() -> None:
    stage = Stage()
    stage.push(1)
    stage.clock.pass_s(0.05)
    stage.push(2)
    stage.track.set_on_air(False, False)
    stage.clock.pass_s(0.5)
    stage.push(3)
    stage.track.set_on_air(True, False)
    assert stage.shown == ["away", 1, 2, "off", "off", 3]
    assert stage.encoder.scenes == [(0, False), (1, True), (1, False), (2, True), (2, False), (3, True)]
    assert stage.begun == [1, 2, 3]


def test_a_frozen_board_keeps_its_picture_for_everybody_and_goes_on_with_the_newest() -> None:
    stage = Stage("board")
    stage.push(1)
    stage.track.set_frozen(True)
    stage.push(2)
    stage.clock.pass_s(5.0)
    stage.push(3)
    stage.clock.pass_s(5.0)
    assert set(stage.shown[1:]) == {1}
    assert len(stage.shown) > 4, "the keep-alive goes on"
    stage.track.make_key(stage.encoding)
    assert stage.shown[-1] == 1, "for one who comes in now"
    assert int(stage.track.shown.frame().image[0, 0]) == 1, "and on the panel"
    stage.track.set_frozen(False)
    assert stage.shown[-1] == 3
    assert stage.encoder.scenes[-1][1], "a key frame"
    stage.push(4)
    stage.clock.pass_s(0.2)
    assert stage.shown[-1] == 4


def test_a_board_frozen_before_its_first_picture_shows_the_stand_in() -> None:
    stage = Stage("board")
    stage.track.set_frozen(True)
    stage.push(1)
    stage.clock.pass_s(3.0)
    assert set(stage.shown[1:]) == {"off"}
    stage.track.set_frozen(False)
    assert stage.shown[-1] == 1


def test_freezing_is_apart_from_pause_mute_and_a_lost_device() -> None:
    stage = Stage("board")
    stage.push(1)
    stage.track.set_frozen(True)
    stage.track.set_on_air(True, True)
    stage.push(2)
    stage.track.set_on_air(False, False)
    stage.track.set_on_air(True, False)
    stage.track.set_away(True)
    stage.clock.pass_s(1.0)
    changes = [now for before, now in pairwise(stage.shown) if now != before]
    assert changes == [1, "paused", "off", 1], "what is frozen needs no board"


def test_a_shared_picture_goes_through_no_filter_of_the_board_not_even_out_of_a_frozen_one() -> None:
    filters = FrameFilters()
    filters.add(lambda f: f.with_image(np.full_like(f.image, 99)))
    stage = Stage("board", filters=filters)
    stage.push(1)
    stage.clock.pass_s(1.0)
    stage.track.push(frame(stage.clock, 7), is_shared=True)
    stage.clock.pass_s(1.0)
    stage.track.set_frozen(True)
    stage.track.push(frame(stage.clock, 8), is_shared=True)
    stage.track.set_frozen(False)
    stage.clock.pass_s(1.0)
    stage.push(2)
    assert stage.track.newest is not None
    assert list(dict.fromkeys(stage.shown)) == ["away", 99, 7, 8]
    assert stage.shown[-1] == 99
