"""What changed on a board, what a viewer lacks of it, and in which order that is sent."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agent.media import Frame
from agent.streams.tiles import CELL_PX, LEAST_SIDE_PX, SETTLED_S, TOLERANCE, BoardView, Holdings, Part, TileMap

WIDTH_PX, HEIGHT_PX = 640, 360
"""40 cells by 22½: ink is at most 27 of 920 of them."""


def frame(image: NDArray[np.uint8], height_px: int = HEIGHT_PX) -> Frame:
    return Frame(image, image.shape[1], height_px, 0.0, 0)


def blank(level: int = 200) -> NDArray[np.uint8]:
    image = np.full((HEIGHT_PX * 3 // 2, WIDTH_PX), 128, np.uint8)
    image[:HEIGHT_PX] = level
    return image


def painted(image: NDArray[np.uint8], x_px: int, y_px: int, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return the picture with stripes of black, so that every cell there is busy."""
    image = image.copy()
    image[y_px : y_px + height_px, x_px : x_px + width_px : 2] = 0
    return image


class Room:
    """A map and one viewer."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.map = TileMap()
        assert self.map.take(frame(image), 1.0)
        self.holdings = Holdings(self.view)

    @property
    def view(self) -> BoardView:
        assert self.map.view is not None
        return self.map.view

    def send_all(self, now_s: float = 0.0, *, is_fine: bool = True) -> list[Part]:
        parts: list[Part] = []
        while (part := self.holdings.next_part(self.view, now_s)) is not None:
            self.holdings.sent(part, self.view.change, is_fine=is_fine or part.is_fine)
            parts.append(part)
            assert len(parts) < 1000
        return parts


def covered(parts: list[Part]) -> NDArray[np.int64]:
    """Return how often each pixel was sent."""
    count = np.zeros((HEIGHT_PX, WIDTH_PX), np.int64)
    for part in parts:
        count[part.y_px : part.y_px + part.height_px, part.x_px : part.x_px + part.width_px] += 1
    return count


def test_a_newcomer_is_sent_every_pixel_once_and_then_nothing() -> None:
    room = Room(painted(blank(), 0, 0, WIDTH_PX, HEIGHT_PX))
    parts = room.send_all()
    assert (covered(parts) == 1).all()
    assert room.holdings.next_part(room.view, 100.0) is None
    assert room.holdings.waiting_since_mono_s(room.view) is None


def test_what_is_plain_goes_in_few_parts() -> None:
    assert len(Room(blank()).send_all()) == 3
    assert len(Room(painted(blank(), 0, 0, WIDTH_PX, HEIGHT_PX)).send_all()) > 6


def test_only_what_changed_is_sent_tightly() -> None:
    room = Room(blank())
    room.send_all()
    assert room.map.take(frame(painted(blank(), 100, 50, 20, 10)), 2.0)
    (part,) = room.send_all()
    assert (part.x_px, part.y_px, part.width_px, part.height_px) == (96, 48, 32, 16)
    assert part.is_ink


def test_a_change_of_colour_alone_is_one() -> None:
    room, image = Room(blank()), blank()
    room.send_all()
    image.reshape(-1)[WIDTH_PX * HEIGHT_PX + 8] = 200  # the ninth sample of U: pixels 16 and 17 of the first row
    assert room.map.take(frame(image), 2.0)
    (part,) = room.send_all()
    assert (part.x_px, part.y_px, part.width_px, part.height_px) == (16, 0, 16, 16)


def test_noise_is_no_change_and_a_slow_drift_is_one_in_the_end() -> None:
    room = Room(blank(100))
    assert not room.map.take(frame(blank(100)), 2.0)
    assert not room.map.take(frame(blank(100 + TOLERANCE)), 2.0)
    assert room.map.take(frame(blank(100 + TOLERANCE + 1)), 2.0)


def test_ink_goes_before_a_slide_that_is_newer() -> None:
    room = Room(blank())
    room.send_all()
    room.map.take(frame(ink := painted(blank(), 320, 300, 8, 8)), 2.0)
    room.map.take(frame(painted(ink, 0, 0, WIDTH_PX, 128)), 3.0)
    assert [part.is_ink for part in room.send_all()][:2] == [True, False]


def test_the_newest_goes_first_and_what_is_superseded_never() -> None:
    room = Room(blank())
    old = painted(blank(), 0, 0, WIDTH_PX, 100)
    room.map.take(frame(old), 2.0)
    room.map.take(frame(painted(old, 0, 256, WIDTH_PX, 100)), 3.0)
    first = room.holdings.next_part(room.view, 0.0)
    assert first is not None
    assert first.y_px == 256
    room.map.take(frame(blank()), 4.0)  # both are wiped before they left
    parts = room.send_all()
    assert (covered(parts) <= 1).all()
    assert (covered(parts) == 1).all()


def test_a_part_that_changed_after_it_was_cut_is_sent_again() -> None:
    room = Room(blank())
    room.send_all()
    room.map.take(frame(once := painted(blank(), 0, 0, 16, 16)), 2.0)
    part = room.holdings.next_part(room.view, 0.0)
    assert part is not None
    cut_at = room.view.change
    room.map.take(frame(painted(once, 0, 0, 16, 4)), 3.0)  # the same again
    room.map.take(frame(painted(blank(20), 0, 0, 16, 16)), 4.0)
    room.holdings.sent(part, cut_at, is_fine=False)
    assert room.holdings.waiting_since_mono_s(room.view) == 4.0


def test_what_is_coarse_is_sent_finely_once_it_has_settled() -> None:
    room = Room(blank())
    coarse = room.send_all(1.0, is_fine=False)
    assert not any(part.is_fine for part in coarse)
    assert room.holdings.next_settled_mono_s(room.view) == 1.0 + SETTLED_S
    assert room.holdings.next_part(room.view, 1.0 + SETTLED_S - 0.01) is None
    fine = room.send_all(1.0 + SETTLED_S)
    assert all(part.is_fine for part in fine)
    assert (covered(fine) == 1).all()
    assert room.holdings.next_settled_mono_s(room.view) is None


def test_another_size_is_another_board() -> None:
    room = Room(blank())
    assert room.map.take(frame(np.full((270, 320), 90, np.uint8), 180), 2.0)
    assert (room.view.width_px, room.view.height_px, room.view.change) == (320, 180, 1)


def test_halves_are_parts_down_to_a_least_size() -> None:
    part: Part | None = Part(0, 0, 1408, 120, False, False)
    sizes = []
    while part is not None:
        sizes.append((part.width_px, part.height_px))
        part = part.first_half()
    assert all(width % CELL_PX == 0 for width, _ in sizes)
    assert max(sizes[-1]) <= LEAST_SIDE_PX
    assert all(one[0] * one[1] > other[0] * other[1] for one, other in pairwise(sizes))


def test_a_cut_is_what_the_board_shows_there() -> None:
    room = Room(painted(blank(), 32, 16, 64, 32))
    y, u, v = room.map.cut(Part(32, 16, 64, 32, False, False))
    assert (y.shape, u.shape, v.shape) == ((32, 64), (16, 32), (16, 32))
    assert (y[:, ::2] == 0).all()
    assert (y[:, 1::2] == 200).all()
