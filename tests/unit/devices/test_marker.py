"""The marker on the board is found in a camera's picture, and nothing else is taken for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.devices.marker import MARKER_ID, MODULES, Finder, area_share
from agent.devices.x11_card import PAPER, SHARE

WALL = 120


def card(width_px: int = 1920, height_px: int = 1080) -> NDArray[np.uint8]:
    """Return the board as `agent.devices.x11_card` shows it."""
    board = np.full((height_px, width_px), PAPER & 0xFF, np.uint8)
    side = int(height_px * SHARE) // len(MODULES)
    black = np.array([[module == "0" for module in row] for row in MODULES]).repeat(side, 0).repeat(side, 1)
    top, left = (height_px - len(black)) // 2, (width_px - len(black)) // 2
    board[top : top + len(black), left : left + len(black)][black] = 0
    return board


def seen_from(board_px: int, skew: float) -> NDArray[np.float64]:
    """Return how the board, from the side, lies in the picture."""
    height = board_px * 9 / 16
    x, y, lean = 300.0, 150.0, board_px * skew
    corners = [(x, y), (x + board_px, y + lean), (x + board_px, y + height - lean), (x, y + height)]
    frame = [(0, 0), (1920, 0), (1920, 1080), (0, 1080)]
    matrix = cv2.getPerspectiveTransform(np.array(frame, np.float32), np.array(corners, np.float32))
    return np.asarray(matrix, np.float64)


def filmed(
    *, board_px: int = 640, skew: float = 0.12, blur: float = 0.0, noise: float = 3.0, light: float = 1.0
) -> NDArray[np.uint8]:
    """Return 1280×720 of a classroom's wall with the board on it, from the side, out of focus, in noise."""
    shot = np.full((720, 1280), WALL, np.uint8)
    small = cv2.GaussianBlur(card(), (0, 0), max(0.1, 1920 / board_px / 3))
    matrix = seen_from(board_px, skew)
    cv2.warpPerspective(small, matrix, (1280, 720), dst=shot, borderMode=cv2.BORDER_TRANSPARENT)
    if blur:
        shot = np.asarray(cv2.GaussianBlur(shot, (0, 0), blur), np.uint8)
    seen = shot * light + np.random.default_rng(1).normal(0, noise, shot.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def test_our_modules_are_opencv_s_marker() -> None:
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_50)
    drawn = cv2.aruco.generateImageMarker(dictionary, MARKER_ID, 7, borderBits=1)
    assert ["".join("1" if module else "0" for module in row) for row in drawn] == list(MODULES)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"skew": 0.25},
        {"board_px": 220},
        {"blur": 2.5},
        {"noise": 12.0},
        {"light": 0.25},
        {"board_px": 320, "skew": 0.2, "blur": 1.2, "noise": 6.0},
    ],
    ids=str,
)
def test_it_is_found_where_it_is(how: dict[str, float]) -> None:
    corners = Finder().find(filmed(**how))  # type: ignore[arg-type]  # the keywords of `filmed`
    assert corners is not None
    matrix = seen_from(int(how.get("board_px", 640)), how.get("skew", 0.12))
    half = 1080 * SHARE / 2
    square = [(960 + dx * half, 540 + dy * half) for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    expected = np.asarray(cv2.perspectiveTransform(np.array([square], np.float32), matrix))[0]
    assert np.abs(np.array(corners) - expected).max() < 6
    shares = area_share(corners, 1280, 720), area_share([(float(x), float(y)) for x, y in expected], 1280, 720)
    assert shares[0] == pytest.approx(shares[1], rel=0.1)


def test_what_nobody_could_read_is_not_found() -> None:
    assert Finder().find(filmed(blur=14.0)) is None
    assert Finder().find(np.full((720, 1280), WALL, np.uint8)) is None
    noise = np.random.default_rng(2).integers(0, 255, (720, 1280), np.uint8)
    assert Finder().find(noise) is None


def test_another_marker_is_not_ours() -> None:
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_50)
    shot = np.full((720, 1280), 255, np.uint8)
    shot[100:450, 100:450] = cv2.aruco.generateImageMarker(dictionary, 7, 350)
    assert Finder().find(shot) is None
