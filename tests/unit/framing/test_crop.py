"""A part of the picture, enlarged: in its place, of the frame's size, still when the part is still."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.framing.crop import crop, span
from agent.framing.planner import WIDE, View
from agent.media import Frame

SIDES = (1280, 720, 640, 360, 960)


def slope(width_px: int = 1280, height_px: int = 720) -> Frame:
    """A picture that says in each pixel where it was: light goes from left to right, blue down, red across."""
    across, down = np.linspace(16, 235, width_px), np.linspace(16, 235, height_px // 2)
    light = np.broadcast_to(across, (height_px, width_px))
    blue = np.broadcast_to(down[:, None], (height_px // 2, width_px // 2))
    red = np.broadcast_to(across[::2], (height_px // 2, width_px // 2))
    flat = np.concatenate([plane.reshape(-1) for plane in (light, blue, red)])
    image = np.ascontiguousarray(np.rint(flat).astype(np.uint8).reshape(height_px * 3 // 2, width_px))
    return Frame(image, width_px, height_px, 5.0, 7)


@given(st.floats(0.5, 0.9995), st.floats(0, 1), st.sampled_from(SIDES))
def test_the_part_lies_where_it_belongs_to_a_pixel(share: float, place: float, length: int) -> None:
    begin = place * (1 - share)
    one = span(begin, share, length)
    assert 0 <= one.start <= one.start + one.taken <= length
    assert 0 <= one.cut <= one.enlarged - length
    scale = one.enlarged / one.taken
    for there, shown in ((begin, 0), (begin + share, length)):
        assert abs((there * length - one.start) * scale - one.cut - shown) <= 1.0


def test_most_of_the_time_it_lies_there_to_a_fraction_of_a_pixel() -> None:
    """So that a slow move is a move, and not a row of small steps."""
    offs = []
    for index in range(200):
        share, begin = 0.6 + index * 1e-4, 0.1 + index * 1e-4
        one = span(begin, share, 1280)
        offs.append(abs((begin * 1280 - one.start) * one.enlarged / one.taken - one.cut))
    assert np.mean(offs) < 0.15
    assert max(offs) < 0.5


@pytest.mark.parametrize(
    "view", [View(0.25, 0.25, 0.5), View(0.0, 0.0, 0.5), View(0.31, 0.12, 0.62), View(0.5, 0.5, 0.5)]
)
def test_what_is_shown_is_that_part_of_each_plane(view: View) -> None:
    shown = crop(slope(), view)
    assert (shown.width_px, shown.height_px, shown.captured_mono_s, shown.sequence) == (1280, 720, 5.0, 7)
    light = shown.image[:720].astype(float)
    blue, red = shown.image.reshape(-1)[720 * 1280 :].reshape(2, 360, 640).astype(float)
    for plane, axis, begin in ((light, 1, view.left), (blue, 0, view.top), (red, 1, view.left)):
        profile = plane.mean(axis=1 - axis)
        assert profile[0] == pytest.approx(16 + 219 * begin, abs=1.0)
        assert profile[-1] == pytest.approx(16 + 219 * (begin + view.share), abs=1.0)


def test_the_whole_picture_is_the_frame_itself() -> None:
    frame = slope()
    assert crop(frame, WIDE) is frame
    assert crop(frame, View(0.0, 0.0, 0.9999)) is frame


def test_nothing_is_written_into_the_frame() -> None:
    frame = slope()
    before = frame.image.copy()
    crop(frame, View(0.2, 0.2, 0.6))
    assert np.array_equal(frame.image, before)
