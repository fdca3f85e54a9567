"""How pictures are taken from a capture card: the newest of those that are due, and the end is known."""

from __future__ import annotations

import threading
from typing import Any, cast

import numpy as np

from agent.devices.hdmi import Pictures


class Card:
    """Gives so many pictures, each of its own grey, when told to; a fault that vivid cannot show is its silence."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.decoded = 0
        self.may_give = threading.Semaphore(0)

    def grab(self) -> bool:
        self.may_give.acquire()
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, Any]:
        self.decoded += 1
        return True, np.full((2, 2, 3), self.left, np.uint8)


def run(card: Card, rate_hz: float) -> tuple[Pictures, threading.Thread]:
    pictures = Pictures(cast("Any", card), rate_hz)
    thread = threading.Thread(target=pictures.run)
    thread.start()
    return pictures, thread


def test_only_pictures_that_are_due_are_decoded() -> None:
    card = Card(50)
    pictures, thread = run(card, rate_hz=0.01)
    card.may_give.release(51)
    thread.join(5)
    assert (card.decoded, pictures.has_ended) == (1, True)


def test_the_newest_picture_is_given_once_and_the_end_does_not_wait() -> None:
    card = Card(3)
    pictures, thread = run(card, rate_hz=1e9)
    card.may_give.release(4)
    thread.join(5)
    newest = pictures.wait(5)
    assert newest is not None
    assert newest[0].max() == 0  # the last of three
    assert pictures.wait(0.0) is None


def test_a_card_that_falls_silent_is_seen_by_the_age_of_its_last_picture() -> None:
    card = Card(2)
    pictures, thread = run(card, rate_hz=1e9)
    card.may_give.release()
    assert pictures.wait(5) is not None
    last_mono_s = pictures.grabbed_mono_s
    assert pictures.wait(0.05) is None
    assert (pictures.grabbed_mono_s, pictures.has_ended) == (last_mono_s, False)
    card.may_give.release(2)
    thread.join(5)
    assert pictures.has_ended
