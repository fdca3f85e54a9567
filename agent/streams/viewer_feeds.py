"""One viewer's feeds: which layer of each of its tracks it is given, as its adaptation chooses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.streams.adaptation import Adaptation
from agent.streams.fanout import Fan
from agent.streams.feed import CallLater, Feed, feed_for
from agent.streams.ladder import TILES, Choice, Layers
from agent.streams.layers import WITHOUT_PUPIL, TrackName
from agent.streams.line_numbers import LineNumbers
from agent.streams.senders import AiortcSender
from agent.streams.tile_feed import TileLine
from agent.streams.tracks import RoomTracks
from protocol import channel


class ViewerFeeds:
    """Joins one viewer's senders to the room's tracks. Lives on the loop, from its offer to its end.

    ``on_change`` hears each time that something else is sent than at first. ``tile_line`` opens the way for tiles;
    without it the board's least layer is sent where those are chosen. ``try_line`` finds out whether the line carries
    so many bit/s and calls with what it carries; with None where only sending more can tell.
    """

    def __init__(
        self,
        tracks: RoomTracks,
        layers: Layers,
        *,
        call_later: CallLater,
        on_change: Callable[[], None],
        try_line: Callable[[float, Callable[[float | None], None]], None],
        tile_line: Callable[[], TileLine] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.feeds: dict[TrackName, Feed] = {}
        self.sent: Choice | None = None
        """None before `begin`."""
        self.is_resting = False
        self._tracks = tracks
        self._layers = layers
        self._adaptation = Adaptation(layers)
        self._call_later = call_later
        self._on_change = on_change
        self._tile_line = tile_line
        self._try_line = try_line
        self._is_trying = False
        self._forced: Choice | None = None
        self._now = now
        self._numbers = LineNumbers({})
        self._board: str | None = None
        self._held: list[Fan] = []
        self._is_speaking = False

    def expect(self) -> None:
        """Have what the viewer will be given first encoded from now on."""
        first = self._as_sent(self._adaptation.choice(self._now()))
        layers = _layers(first).items()
        self._held = [self._tracks.fan(track, layer) for track, layer in layers if layer not in (None, TILES)]
        for fan in self._held:
            fan.hold()

    def begin(self, senders: Mapping[TrackName, AiortcSender], thin_bps: float | None = None) -> None:
        """The viewer is connected: give it what its adaptation chooses, from now on.

        ``thin_bps`` is what its line carries, where that was found to be little.
        """
        if thin_bps is not None:
            self._adaptation.thin(thin_bps)
        self._numbers = LineNumbers(senders)
        for track, sender in senders.items():
            self.feeds[track] = feed_for(track, sender, now=self._now, call_later=self._call_later)
        self._give(self._as_sent(self._adaptation.choice(self._now())))
        self.release()

    def told(self, message: channel.FromPupil) -> None:
        """Hear what the pupil wishes and what reaches it."""
        if isinstance(message, channel.Wish):
            self._adaptation.wish(message)
        elif isinstance(message, channel.Reception):
            self._adaptation.received(message.board_fps, message.camera_fps, self._now())

    def limit(self, cameras: int, boards: int) -> None:
        """Hear how many of the best layers the machine cannot afford now."""
        self._adaptation.limit(cameras, boards)

    def share(self, share_bps: float) -> None:
        """Hear how much of the room's own line is this viewer's."""
        self._adaptation.share(share_bps)

    @property
    def sending(self) -> Choice | None:
        """What the room sends this viewer; None before it begins, and while it plays from elsewhere."""
        return None if self.is_resting else self.sent

    def rest(self, is_resting: bool) -> None:
        """Give nothing while the viewer plays from elsewhere; afterwards what was chosen last."""
        if is_resting == self.is_resting:
            return
        self.is_resting = is_resting
        if is_resting:
            for feed in self.feeds.values():
                feed.close()
            self._tracks.tiles.stop(self)
        elif self.sent is not None:
            self._give(self.sent)

    def force(self, choice: Choice | None) -> None:
        """Send this whatever the line does, for trials and measurements; None: what the adaptation chooses."""
        self._forced = choice
        self.look()

    def look(self) -> None:
        """Look at the viewer's line, and change what is sent if something else is better."""
        if self.sent is None or self.is_resting:
            return
        now_s = self._now()
        board = self.feeds["board"].layer if "board" in self.feeds else None
        if board != self._board:
            self._board = board
            if board is not None:
                self._adaptation.board_began(now_s)
        falls = sum(feed.falls_behind for feed in self.feeds.values())
        has_pictures = self.sent.board not in (None, TILES) or self.sent.camera is not None
        numbers = self._numbers.look(falls, now_s, has_pictures=has_pictures)
        choice = self._as_sent(self._adaptation.look(numbers, now_s))
        wanted_bps = self._adaptation.wants_trial_bps
        if wanted_bps is not None and not self._is_trying:
            self._is_trying = True
            self._try_line(wanted_bps, self._tried)
        if choice != self.sent:
            self._give(choice)
            self._on_change()

    def _tried(self, carries_bps: float | None) -> None:
        self._is_trying = False
        self._adaptation.tried(carries_bps, self._now())

    def set_speaking(self, is_speaking: bool) -> None:
        """Give the sound without the pupil who speaks, whatever is chosen, or again what is chosen."""
        if is_speaking != self._is_speaking:
            self._is_speaking = is_speaking
            if self.sent is not None:
                self._give(self.sent)

    def close(self) -> None:
        """Leave all layers."""
        self.release()
        self._tracks.tiles.forget(self)
        for feed in self.feeds.values():
            feed.close()

    def _give(self, choice: Choice) -> None:
        self.sent = choice
        if self.is_resting:
            return
        for track, layer in _layers(choice).items():
            if track == "board" and "board" in self.feeds:
                layer = self._give_tiles(layer)
            if track == "sound" and layer is not None and self._is_speaking:
                layer = WITHOUT_PUPIL
            if track in self.feeds:
                self.feeds[track].want(None if layer is None else self._tracks.fan(track, layer))

    def _give_tiles(self, layer: str | None) -> str | None:
        """Begin or end the tiles; return the layer that is given beside them."""
        if layer != TILES:
            self._tracks.tiles.stop(self)
            return layer
        assert self._tile_line is not None
        self._tracks.tiles.start(self, self._tile_line())
        return None

    def _as_sent(self, choice: Choice) -> Choice:
        choice = self._forced or choice
        has_no_tiles = choice.board == TILES and self._tile_line is None
        return replace(choice, board=self._layers.board[-1].name) if has_no_tiles else choice

    def release(self) -> None:
        """Expect the viewer no longer: it came in, or waits to be let in."""
        held, self._held = self._held, []
        for fan in held:
            fan.release()


def _layers(choice: Choice) -> dict[TrackName, str | None]:
    return {"sound": choice.sound, "board": choice.board, "camera": choice.camera}
