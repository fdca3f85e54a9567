"""A code that nobody uses, and how long it waits for whoever chooses what to show."""

from __future__ import annotations

from typing import Any, cast

import pytest

from agent.shared_screen import CHOOSE_MOST_S, SharedScreen
from protocol.errors import SignallingError
from protocol.messages import ScreenTold


class Board:
    """Counts how often the room's own board was given back."""

    is_shared = False
    given_back = 0

    def give_back(self) -> None:
        self.given_back += 1


class Lesson:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.shown: list[str] = []
        self.board = Board()
        self.screen = SharedScreen(cast(Any, self.board), on_change=self._changed, clock=lambda: self.now_s)
        self.screen._running.set()  # nothing here waits for its loop

    def _changed(self) -> None:
        view = self.screen.view()
        self.shown.append(view.state if view else "none")

    def offer(self, holder: str, life_s: float = 600) -> None:
        page = "https://estrade.example/screen"
        self.screen.offer(ScreenTold(code="ABCD-EFGH", page=page, holder=holder, life_s=life_s))

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.screen._look()

    async def refusal(self, holder: str) -> str:
        with pytest.raises(SignallingError) as refused:
            await self.screen.accept("s", "v=0\r\n", (), holder)
        return refused.value.code


async def test_a_code_is_shown_while_it_can_be_used_and_its_holder_may_still_choose_for_a_while() -> None:
    lesson = Lesson()
    lesson.offer("h")
    lesson.pass_s(599)
    view = lesson.screen.view()
    assert view is not None
    assert view.remaining_s == pytest.approx(1)
    lesson.pass_s(2)
    assert lesson.shown == ["offered", "none"]
    assert await lesson.refusal("h") == "offer-invalid", "it is taken, and its offer is read"


async def test_a_code_that_was_never_used_is_forgotten() -> None:
    lesson = Lesson()
    lesson.offer("h")
    lesson.pass_s(600 + CHOOSE_MOST_S + 1)
    assert await lesson.refusal("h") == "screen-not-granted"


async def test_each_end_has_its_own_words_and_no_more_of_them_are_kept_than_a_lesson_needs() -> None:
    lesson = Lesson()
    lesson.offer("h0")
    for number in range(1, 40):
        lesson.offer(f"h{number}")
    assert await lesson.refusal("h38") == "screen-replaced"
    assert await lesson.refusal("h0") == "screen-not-granted"
    lesson.screen.end()
    assert await lesson.refusal("h39") == "screen-stopped"
    told = list(lesson.shown)
    assert told[-1] == "none"
    lesson.screen.end()
    assert lesson.shown == told, "an end of nothing changes nothing"
