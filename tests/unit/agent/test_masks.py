"""Nothing under a mask is left in a picture, at any size and shape."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from agent.masks import CELL_PX, PAINT_UV, PAINT_Y, Mask, Painter
from agent.media import Frame

Corners = tuple[tuple[float, float], ...]


def noise(width_px: int = 1280, height_px: int = 720) -> Frame:
    """A picture that has the paint's values nowhere."""
    image = np.random.default_rng(7).integers(150, 250, (height_px * 3 // 2, width_px), np.uint8)
    return Frame(image, width_px, height_px, 1.0, 0)


def planes(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flat, luma, half = frame.image.reshape(-1), frame.width_px * frame.height_px, (frame.height_px // 2, -1)
    y = flat[:luma].reshape(frame.height_px, -1)
    return y, flat[luma : luma * 5 // 4].reshape(half), flat[luma * 5 // 4 :].reshape(half)


def is_inside(corners: Corners, x: float, y: float) -> bool:
    """Say whether the polygon goes around a point: by angles, unlike the code that is tried."""
    turned = 0.0
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        angle = np.arctan2(y1 - y, x1 - x) - np.arctan2(y0 - y, x0 - x)
        turned += (angle + np.pi) % (2 * np.pi) - np.pi
    return abs(turned) > np.pi


SHAPES: dict[str, Corners] = {
    "triangle": ((0.1, 0.1), (0.9, 0.2), (0.5, 0.95)),
    "sliver": ((0.2, 0.2), (0.8, 0.801), (0.8, 0.8)),
    "hook": ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.7, 0.9), (0.7, 0.3), (0.1, 0.3)),
    "bow": ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)),
    "all": ((0, 0), (1, 0), (1, 1), (0, 1)),
}


@pytest.mark.parametrize("size", [(1280, 720), (642, 362)])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_under_a_mask_is_painted(shape: str, size: tuple[int, int]) -> None:
    corners, (width, height) = SHAPES[shape], size
    y, u, v = planes(Painter([Mask(polygon=corners)]).paint(noise(*size)))
    random = np.random.default_rng()
    for x, down in random.integers((0, 0), size, (500, 2)):
        if is_inside(corners, (x + random.uniform()) / width, (down + random.uniform()) / height):
            assert y[down, x] == PAINT_Y
            assert (u[down // 2, x // 2], v[down // 2, x // 2]) == tuple(PAINT_UV.flat)


@pytest.mark.parametrize("shape", SHAPES)
def test_little_more_than_the_mask_is_painted(shape: str) -> None:
    corners = SHAPES[shape]
    frame = noise()
    y, _, _ = planes(Painter([Mask(polygon=corners)]).paint(frame))
    was, _, _ = planes(frame)
    for x, down in np.random.default_rng().integers((0, 0), (1280, 720), (300, 2)):
        near = [(x + dx, down + dy) for dx in (-2 * CELL_PX, 0, 2 * CELL_PX) for dy in (-2 * CELL_PX, 0, 2 * CELL_PX)]
        edges = np.array([*corners, corners[0]]) * (1280, 720)
        away = min(_distance(np.array((x, down)), a, b) for a, b in pairwise(edges))
        if away > 2 * CELL_PX and not any(is_inside(corners, a / 1280, b / 720) for a, b in near):
            assert y[down, x] == was[down, x]


def _distance(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    along = end - start
    share = np.clip(np.dot(point - start, along) / max(np.dot(along, along), 1e-9), 0, 1)
    return float(np.linalg.norm(point - start - share * along))


def test_a_rectangle_of_one_share_is_seen_whole_and_the_frame_it_came_from_is_untouched() -> None:
    frame = noise()
    before = frame.image.copy()
    painted = Painter([Mask(rectangle=(0.5, 0.25, 0.25, 0.5))]).paint(frame)
    y, _, _ = planes(painted)
    assert (y[180:540, 640:960] == PAINT_Y).all()
    assert (frame.image == before).all()
    assert (painted.captured_mono_s, painted.sequence) == (frame.captured_mono_s, frame.sequence)
    assert Painter(()).paint(frame) is frame


def test_a_camera_that_changes_its_size_is_masked_at_once() -> None:
    painter = Painter([Mask(rectangle=(0.5, 0, 0.5, 1))])
    for size in ((1280, 720), (640, 360), (1280, 720), (322, 182)):
        y, _, _ = planes(painter.paint(noise(*size)))
        assert (y[:, size[0] // 2 :] == PAINT_Y).all()


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"rectangle": (0, 0, 0.1, 0.1), "polygon": ((0, 0), (1, 0), (1, 1))},
        {"rectangle": (0.5, 0, 0.6, 1)},
        {"rectangle": (0, 0, 0, 1)},
        {"rectangle": (-0.1, 0, 0.5, 0.5)},
        {"polygon": ((0, 0), (1, 1))},
        {"polygon": ((0, 0), (1.2, 0), (1, 1))},
        {"rectangle": (0, 0, float("nan"), 0.5)},
    ],
)
def test_what_is_no_part_of_a_picture_is_refused(shape: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Mask.model_validate(shape)
