"""Parts as WebP: near to the board, small, text sharp; and made once for whoever asks."""

from __future__ import annotations

import queue
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.media import Frame
from agent.streams.encoders import Picture
from agent.streams.tile_encoder import COARSE, FINE, MAX_PICTURE_BYTES, EncodedPart, Planes, TileEncoder, encode_part
from agent.streams.tiles import Part
from tests.fakes import board_slides
from tests.integration.streams.tile_page import decoded


def planes(picture: NDArray[np.uint8], x_px: int, y_px: int, width_px: int, height_px: int) -> Planes:
    flat, luma = picture.reshape(-1), 1920 * 1080
    y = flat[:luma].reshape(1080, 1920)
    u, v = flat[luma:].reshape(2, 540, 960)
    half = slice(y_px // 2, (y_px + height_px) // 2), slice(x_px // 2, (x_px + width_px) // 2)
    return y[y_px : y_px + height_px, x_px : x_px + width_px], u[half], v[half]


def bgr(parts: Planes) -> NDArray[np.uint8]:
    picture = np.concatenate([np.ascontiguousarray(plane).reshape(-1) for plane in parts])
    height_px, width_px = parts[0].shape
    return np.asarray(cv2.cvtColor(picture.reshape(height_px * 3 // 2, width_px), cv2.COLOR_YUV2BGR_I420), np.uint8)


def is_sharp(webp: bytes) -> bool:
    return webp[12:16] == b"VP8L"


def test_a_plain_part_is_a_few_bytes_and_as_it_is() -> None:
    part = planes(board_slides.text(), 1664, 0, 256, 128)
    webp, is_exact = encode_part(part, COARSE)
    assert is_exact
    assert len(webp) < 100
    assert np.abs(decoded(webp).astype(int) - bgr(part)).max() <= 3


def test_text_of_24_px_keeps_its_edges_and_its_colours() -> None:
    part = planes(board_slides.text(), 96, 192, 256, 128)
    webp, is_exact = encode_part(part, COARSE)
    shown, meant = decoded(webp).astype(int), bgr(part).astype(int)
    assert is_sharp(webp)
    assert not is_exact
    for grey in (shown.mean(axis=2), meant.mean(axis=2)):
        assert grey.max() - grey.min() > 200
    edges = [np.abs(np.diff(picture.mean(axis=2), axis=1)) for picture in (shown, meant)]
    assert 0.9 < edges[0].sum() / edges[1].sum() < 1.1, "contrast of the letters' edges"
    assert np.corrcoef(edges[0].ravel(), edges[1].ravel())[0, 1] > 0.97
    assert np.abs(shown - meant).max(axis=2)[meant.min(axis=2) > 240].mean() < 2, "the ground is as it was"


def test_a_photograph_is_soft_and_small_and_later_finer() -> None:
    part = planes(board_slides.photograph(), 1100, 300, 256, 128)
    (coarse, _), (fine, _) = encode_part(part, COARSE), encode_part(part, FINE)
    assert not is_sharp(coarse)
    assert len(coarse) < len(fine)
    errors = [np.abs(decoded(webp).astype(int) - bgr(part)).mean() for webp in (coarse, fine)]
    assert errors[1] < errors[0] < 12


class Encoder:
    """The real thread, and what it told."""

    def __init__(self) -> None:
        self.boards: queue.Queue[Any] = queue.Queue()
        self.parts: queue.Queue[tuple[object, EncodedPart]] = queue.Queue()
        self.faults: queue.Queue[BaseException] = queue.Queue()
        self.encoder = TileEncoder(self.boards.put, self.parts.put, self.faults.put)

    def show(self, image: NDArray[np.uint8], mono_s: float = 1.0) -> None:
        height_px, width_px = image.shape[0] * 2 // 3, image.shape[1]
        self.encoder.submit(Picture(mono_s, lambda: Frame(image, width_px, height_px, mono_s, 0)), mono_s)

    def part(self, part: Part) -> EncodedPart:
        self.encoder.ask("viewer", part)
        return self.parts.get(timeout=5)[1]


@pytest.fixture
def encoder() -> Any:
    made = Encoder()
    yield made
    made.encoder.stop()
    made.encoder.join(5)


WHOLE = Part(0, 0, 640, 128, False, False)


def test_a_part_that_one_packet_does_not_hold_is_halved(encoder: Encoder) -> None:
    image = np.full((540, 640), 128, np.uint8)
    rows = np.random.default_rng(1).integers(0, 256, (128, 640), np.uint8)
    image[:128] = cv2.GaussianBlur(rows, (5, 5), 1)
    encoder.show(image)
    made = encoder.part(WHOLE)
    assert len(made.picture) <= MAX_PICTURE_BYTES
    assert (made.part.x_px, made.part.y_px) == (0, 0)
    assert made.part.width_px < 640
    assert decoded(made.picture).shape[:2] == (made.part.height_px, made.part.width_px)


def test_a_part_is_made_once_while_it_is_the_same(encoder: Encoder) -> None:
    image = np.full((540, 640), 128, np.uint8)
    encoder.show(image)
    first, again = encoder.part(WHOLE), encoder.part(WHOLE)
    assert again.picture is first.picture
    changed = image.copy()
    changed[:64] = 20
    encoder.show(changed, 2.0)
    other = encoder.part(WHOLE)
    assert other.picture != first.picture
    assert (other.change, other.captured_mono_s) == (2, 2.0)


def test_nothing_of_an_earlier_scene_is_made(encoder: Encoder) -> None:
    encoder.show(np.full((540, 640), 128, np.uint8))
    assert encoder.boards.get(timeout=5)[0] == 0
    encoder.encoder.begin_scene(1)
    encoder.encoder.ask("viewer", WHOLE)  # before a picture of the new scene: there is no board to cut from
    dark = np.full((540, 640), 128, np.uint8)
    dark[:360] = 30
    encoder.show(dark)
    assert encoder.boards.get(timeout=5)[0] == 1
    made = encoder.part(WHOLE)
    assert made.scene == 1
    assert decoded(made.picture).mean() < 40


def test_a_picture_that_cannot_be_made_is_told(encoder: Encoder) -> None:
    def fail() -> Frame:
        raise RuntimeError("a filter failed")

    encoder.encoder.submit(Picture(1.0, fail), 1.0)
    assert str(encoder.faults.get(timeout=5)) == "a filter failed"
