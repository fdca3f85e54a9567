"""What of a board's changes begins a chapter."""

from __future__ import annotations

import numpy as np

from agent.media import Frame
from agent.streams.slides import SlideWatch

WIDTH, HEIGHT = 960, 540


def board(*, seed: int | None = None, ink: int = 0) -> Frame:
    """Return a page of text-like lines, another for each seed, with ``ink`` strokes of a pen on it."""
    image = np.full((HEIGHT * 3 // 2, WIDTH), 235, np.uint8)
    if seed is not None:
        rng = np.random.default_rng(seed)
        for top in range(60, 480, 40):
            length = int(rng.integers(200, 800))
            image[top : top + 16, 60 : 60 + length] = np.where(rng.random((16, length)) < 0.35, 20, 235)
    for stroke in range(ink):
        image[485:535, stroke * 20 : stroke * 20 + 20] = 20
    return Frame(image, WIDTH, HEIGHT, 0.0, 0)


def told(frames: list[Frame]) -> list[int]:
    watch = SlideWatch()
    return [second for second, frame in enumerate(frames) if watch.see(frame, second * 1.0)]


def test_a_page_of_text_after_another_is_a_new_slide_once_it_stands() -> None:
    assert told([board(seed=1)] * 5 + [board(seed=2)] * 5) == [6]


def test_writing_is_no_new_slide_however_much_it_becomes() -> None:
    assert told([board(seed=1, ink=n) for n in range(48)]) == []


def test_a_film_is_none_until_it_ends() -> None:
    assert told([board(seed=1)] * 3 + [board(seed=10 + n) for n in range(20)] + [board(seed=2)] * 3) == [24]


def test_leafing_through_is_one() -> None:
    frames = [board(seed=1)] * 3
    for seed in range(2, 6):
        frames += [board(seed=seed)] * 2
    assert told(frames) == [4]
