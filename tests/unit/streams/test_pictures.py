"""Stand-ins and previews: pictures that can be looked at."""

from __future__ import annotations

import inspect
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any, get_args

import av
import cv2
import numpy as np
import pytest

from agent.media import Frame
from agent.streams.encoders import Picture
from agent.streams.layers import PictureTrackName
from agent.streams.picture_track import StandInReason
from agent.streams.preview import Preview, to_jpeg
from agent.streams.standin import StandIns

SLATE_Y = 61
"""Luma of #1f3a34 in studio-range BT.709."""
STAND_INS = [
    (track, reason)
    for track in get_args(PictureTrackName)
    for reason in get_args(StandInReason)
    if (track, reason) != ("board", "covered")  # nothing of a board is withheld
]


@pytest.mark.parametrize(("track", "reason"), STAND_INS)
def test_every_stand_in_is_slate_with_bright_words(track: PictureTrackName, reason: StandInReason) -> None:
    frame = StandIns().picture(track, reason, 1280, 720)
    luma = frame.image[:720]
    assert abs(int(np.median(luma)) - SLATE_Y) <= 3
    assert luma.max() > 200
    assert 0.005 < np.mean(luma > 120) < 0.2


@pytest.mark.parametrize(("track", "reason"), STAND_INS)
def test_a_stand_in_knows_no_room_name_or_code_and_holds_no_qr(track: PictureTrackName, reason: StandInReason) -> None:
    """It is made from what it stands in for, why, and its size; nothing of a lesson can get into it."""
    frame = StandIns().picture(track, reason, 1280, 720)
    found, _ = cv2.QRCodeDetector().detect(frame.image[:720])
    assert not found
    assert list(inspect.signature(StandIns.picture).parameters) == ["self", "track", "reason", "width_px", "height_px"]


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (640, 480), (2, 2), (176, 144), (1024, 768), (300, 1000)])
def test_a_stand_in_fills_any_size_without_a_seam(size: tuple[int, int]) -> None:
    frame = StandIns().picture("camera", "away", *size)
    assert (frame.width_px, frame.height_px) == size
    corners = frame.image[: size[1]][[0, -1]][:, [0, -1]]
    if min(size) > 16:
        assert np.abs(corners.astype(int) - SLATE_Y).max() <= 3


def test_a_stand_in_is_drawn_once() -> None:
    stand_ins = StandIns()
    assert stand_ins.picture("board", "off", 640, 360) is stand_ins.picture("board", "off", 640, 360)
    assert stand_ins.picture("board", "paused", 64, 36) is stand_ins.picture("camera", "paused", 64, 36)


def test_the_words_of_the_pictures_are_the_ones_shipped() -> None:
    folder = Path(__file__).parents[3] / "agent/streams/pictures"
    script = (folder / "make_pictures.py").read_text()
    assert "La classe reprend bientôt" in script
    names = {p.stem for p in folder.glob("*.png")}
    assert names == {"paused", "camera-away", "camera-covered", "camera-off", "board-away", "board-off"}


def grey(luma: int, width_px: int = 1280, height_px: int = 720) -> Frame:
    image = np.full((height_px * 3 // 2, width_px), 128, np.uint8)
    image[:height_px] = luma
    return Frame(image, width_px, height_px, 0.0, 0)


def open_jpeg(jpeg: bytes) -> Any:
    (frame,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
    return frame


@pytest.mark.parametrize(
    ("size", "small"), [((1280, 720), (480, 270)), ((320, 180), (320, 180)), ((1024, 768), (480, 360))]
)
def test_a_preview_is_small_and_keeps_its_shape(size: tuple[int, int], small: tuple[int, int]) -> None:
    frame = open_jpeg(to_jpeg(Picture(0.0, lambda: grey(100, *size)), 480))
    assert (frame.width, frame.height) == small


@pytest.mark.parametrize(("luma", "white"), [(16, 0), (235, 255), (126, 128)])
def test_a_preview_has_the_brightness_of_what_is_sent(luma: int, white: int) -> None:
    """Studio range becomes full range, as every JPEG is read."""
    pixels = open_jpeg(to_jpeg(Picture(0.0, lambda: grey(luma)), 480)).to_ndarray()
    assert abs(int(np.median(pixels[:270])) - white) <= 3


class AtOnce(Executor):
    """Runs what it is given before `submit` returns."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def test_previews_are_made_while_asked_for_and_seldom() -> None:
    now, shown = [0.0], [Picture(0.0, lambda: grey(50, 64, 36))]
    preview = Preview(lambda: shown[0], AtOnce(), max_width_px=480, max_rate_hz=4, now=lambda: now[0])
    jpegs = []
    for n in range(40):
        now[0] = n * 0.0625
        shown[0] = Picture(0.0, partial(grey, 50 + n, 64, 36))
        jpegs.append(preview.jpeg())
    assert preview.made == 10
    assert len(set(jpegs)) == 10


def test_an_unchanged_picture_is_not_made_again() -> None:
    now, still = [0.0], Picture(0.0, lambda: grey(50, 64, 36))
    preview = Preview(lambda: still, AtOnce(), max_width_px=480, max_rate_hz=5, now=lambda: now[0])
    for n in range(20):
        now[0] = float(n)
        assert preview.jpeg()
    assert preview.made == 1
