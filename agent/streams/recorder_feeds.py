"""A recorder's feeds: the best layer of each track that the machine affords, as one more viewer would be given it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from agent.streams.feed import CallLater, feed_for
from agent.streams.ladder import Layers
from agent.streams.layers import WITHOUT_PUPIL, StreamSettings, TrackName
from agent.streams.recorder import RecordedTrack
from agent.streams.tracks import RoomTracks


class RecorderFeeds:
    """Joins a recorder to the room's tracks until `close`; a layer is encoded while it is recorded. Lives on the loop.

    The sound is the layer in which no pupil is ever heard. What pupils say joins a recording by a layer of those who
    agreed to it, and by no other way. Nothing is given before the first `limit`.
    """

    def __init__(
        self,
        tracks: RoomTracks,
        settings: StreamSettings,
        recorded: Mapping[TrackName, RecordedTrack],
        call_later: CallLater,
    ) -> None:
        self._tracks = tracks
        self._layers = Layers.of(settings, tuple(recorded))
        self._feeds = {
            track: feed_for(track, sender, now=time.monotonic, call_later=call_later)
            for track, sender in recorded.items()
        }

    def limit(self, cameras: int, boards: int) -> None:
        """Hear how many of the best layers the machine cannot afford now."""
        layers = self._layers.without(cameras, boards)
        best = {"sound": WITHOUT_PUPIL}
        best.update({track[0].track: track[0].name for track in (layers.board, layers.camera) if track})
        for track, feed in self._feeds.items():
            fan = self._tracks.fan(track, best[track])
            if fan not in (feed.current, feed.wanted):
                fan.forget()  # pictures from before somebody pressed the button belong to no recording
                feed.want(fan)

    def close(self) -> None:
        """Leave all layers."""
        for feed in self._feeds.values():
            feed.close()


class Recorders:
    """The recorders of one lesson: each is given what the machine affords."""

    def __init__(self, tracks: RoomTracks, settings: StreamSettings, call_later: CallLater) -> None:
        self._tracks, self._settings, self._call_later = tracks, settings, call_later
        self._all: list[RecorderFeeds] = []
        self._without = (0, 0)

    def join(self, recorded: Mapping[TrackName, RecordedTrack]) -> Callable[[], None]:
        """Give a recorder what pupils are sent, from now on; return the function that ends it."""
        feeds = RecorderFeeds(self._tracks, self._settings, recorded, self._call_later)
        feeds.limit(*self._without)
        self._all.append(feeds)

        def end() -> None:
            self._all.remove(feeds)
            feeds.close()

        return end

    def limit(self, cameras: int, boards: int) -> None:
        """Hear how many of the best layers the machine cannot afford now."""
        self._without = cameras, boards
        for feeds in self._all:
            feeds.limit(cameras, boards)
