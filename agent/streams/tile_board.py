"""The board as tiles for whichever viewers take it so: one encoder, a feed for each. Lives on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.streams.encoders import Picture
from agent.streams.tile_encoder import EncodedPart, TileEncoder
from agent.streams.tile_feed import TileFeed, TileLine
from agent.streams.tiles import BoardView, Part


class TileBoard:
    """Starts and stops the tiles of viewers, and gives them the board's pictures.

    ``current`` returns what the board's track shows, and the instant for which it stands. ``on_loop`` has the loop
    call a function with what is given, from another thread. Nothing is compared or encoded while nobody takes tiles.
    """

    def __init__(
        self,
        *,
        current: Callable[[], tuple[Picture, float]],
        on_loop: Callable[..., object],
        on_fault: Callable[[BaseException], None],
        now: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self._current = current
        self._now = now
        self._call_later = call_later
        self._encoder = TileEncoder(
            lambda told: on_loop(self._changed, told),
            lambda told: on_loop(self._made, told),
            lambda error: on_loop(on_fault, error),
        )
        self._feeds: dict[object, TileFeed] = {}
        self._scene = 0
        self._view: BoardView | None = None

    def start(self, viewer: object, line: TileLine) -> None:
        """Send a viewer the board as tiles from now on; nothing changes for one that has them already."""
        if viewer in self._feeds:
            return
        self._feeds[viewer] = feed = TileFeed(line, ask=self._ask, now=self._now, call_later=self._call_later)
        if self._view is not None:
            feed.take_board(self._view)
        else:
            self._encoder.submit(*self._current())

    def stop(self, viewer: object) -> None:
        """Send a viewer no more tiles; its page keeps the picture until the video comes."""
        feed = self._feeds.pop(viewer, None)
        if feed is not None:
            feed.stop()
        self._maybe_rest()

    def forget(self, viewer: object) -> None:
        """The viewer has gone."""
        feed = self._feeds.pop(viewer, None)
        if feed is not None:
            feed.close()
        self._maybe_rest()

    def shows(self, viewer: object) -> bool:
        """Say whether a viewer is sent tiles."""
        return viewer in self._feeds

    def submit(self, picture: Picture, stamp_mono_s: float) -> None:
        """Take a picture that the board's encoders are given too."""
        if self._feeds:
            self._encoder.submit(picture, stamp_mono_s)

    def begin_scene(self) -> None:
        """Something else is shown from the next picture on: of what was before, nothing more is made or sent."""
        self._forget_board()
        for feed in self._feeds.values():
            feed.begin_scene()

    def stop_all(self) -> None:
        """End all feeds and the thread; see `join`."""
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()
        self._encoder.stop()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread. Not on the loop."""
        self._encoder.join(timeout_s)

    def _ask(self, feed: TileFeed, part: Part) -> None:
        self._encoder.ask(feed, part)

    def _changed(self, told: tuple[int, BoardView]) -> None:
        scene, view = told
        if scene != self._scene or not self._feeds:
            return
        self._view = view
        for feed in self._feeds.values():
            feed.take_board(view)

    def _made(self, told: tuple[object, EncodedPart]) -> None:
        asker, made = told
        if made.scene == self._scene and isinstance(asker, TileFeed) and asker in self._feeds.values():
            asker.take_part(made)

    def _maybe_rest(self) -> None:
        if not self._feeds:
            self._forget_board()

    def _forget_board(self) -> None:
        self._scene += 1
        self._view = None
        self._encoder.begin_scene(self._scene)
