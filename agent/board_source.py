"""Which picture is the board's: the room's own, or the screen of another computer that is shown in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from agent.media import Frame
from agent.streams.publisher import Publisher


class BoardSource:
    """One lesson's pictures on their way to the publisher. On the loop.

    While a shared screen is shown, the room's own board is kept, the newest picture of it, and not sent; the moment the
    screen is gone it is back.
    """

    def __init__(self, publisher: Publisher, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._publisher = publisher
        self._clock = clock
        self._own: Frame | None = None
        self._is_own_away = False
        self.is_shared = False

    def push_frame(self, track: Literal["camera", "board"], frame: Frame) -> None:
        """Take a picture of the room's own camera or board."""
        if track == "board":
            self._own, self._is_own_away = frame, False
            if self.is_shared:
                return
        self._publisher.push_frame(track, frame)

    def set_away(self, track: Literal["camera", "board"], is_away: bool) -> None:
        """Take in that the room's own camera or board is lost."""
        if track == "board":
            self._is_own_away = is_away
            if self.is_shared:
                return
        self._publisher.set_away(track, is_away)

    def share(self, frame: Frame) -> None:
        """Show a picture of the shared screen, in the board's place until `give_back`."""
        self.is_shared = True
        self._publisher.push_shared(frame)

    def give_back(self) -> None:
        """Show the room's own board again, as it is now; its stand-in where there is none."""
        if not self.is_shared:
            return
        self.is_shared = False
        if self._own is None or self._is_own_away:
            self._publisher.set_away("board", True)
        else:  # as a picture of now: it may be from long before the screen was shared
            self._publisher.push_frame("board", replace(self._own, captured_mono_s=self._clock()))
