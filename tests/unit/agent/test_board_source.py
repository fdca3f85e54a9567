"""What is sent as the board: its own picture, or a shared screen in its place, and its own again at once."""

from __future__ import annotations

from typing import cast

import numpy as np

from agent.board_source import BoardSource
from agent.media import Frame
from agent.streams.publisher import Publisher


def frame(luma: int, at_s: float = 1.0) -> Frame:
    return Frame(np.full((3, 2), luma, np.uint8), 2, 2, at_s, 0)


class Sent:
    """A publisher that keeps what it is given: track or ``shared``, and a picture's lightness and time, or away."""

    def __init__(self) -> None:
        self.now_s = 1.0
        self.all: list[tuple[str, int, float] | tuple[str, bool]] = []
        self.board = BoardSource(cast("Publisher", self), clock=lambda: self.now_s)

    def push_frame(self, track: str, one: Frame) -> None:
        self.all.append((track, int(one.image[0, 0]), one.captured_mono_s))

    def push_shared(self, one: Frame) -> None:
        self.all.append(("shared", int(one.image[0, 0]), one.captured_mono_s))

    def set_away(self, track: str, is_away: bool) -> None:
        self.all.append((track, is_away))


def test_the_camera_and_a_board_that_is_not_shared_over_go_straight_on() -> None:
    sent = Sent()
    sent.board.push_frame("camera", frame(1))
    sent.board.push_frame("board", frame(2))
    sent.board.set_away("board", True)
    sent.board.give_back()
    assert sent.all == [("camera", 1, 1.0), ("board", 2, 1.0), ("board", True)]


def test_a_shared_screen_takes_the_boards_place_and_the_newest_of_the_board_is_back_as_of_now() -> None:
    sent = Sent()
    sent.board.push_frame("board", frame(1))
    sent.board.share(frame(7))
    sent.board.push_frame("board", frame(2))
    sent.board.push_frame("camera", frame(3))
    sent.board.share(frame(8))
    sent.now_s = 60.0
    sent.board.give_back()
    sent.board.push_frame("board", frame(4, 61.0))
    assert sent.all == [
        ("board", 1, 1.0),
        ("shared", 7, 1.0),
        ("camera", 3, 1.0),
        ("shared", 8, 1.0),
        ("board", 2, 60.0),
        ("board", 4, 61.0),
    ]


def test_a_board_that_is_lost_meanwhile_or_is_none_leaves_its_stand_in() -> None:
    sent = Sent()
    sent.board.share(frame(7))
    sent.board.give_back()
    assert sent.all[1:] == [("board", True)]
    sent.board.push_frame("board", frame(1))
    sent.board.share(frame(7))
    sent.board.set_away("board", True)
    sent.board.set_away("camera", True)
    sent.board.give_back()
    assert sent.all[2:] == [("board", 1, 1.0), ("shared", 7, 1.0), ("camera", True), ("board", True)]
