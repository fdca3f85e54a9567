"""A recorder's feeds: the best layer of each track, as one more viewer would be given it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from agent.streams.feed import CallLater, Feed, feed_for
from agent.streams.layers import WITHOUT_PUPIL, StreamSettings, TrackName
from agent.streams.recorder import RecordedTrack
from agent.streams.tracks import RoomTracks


class RecorderFeeds:
    """Joins a recorder to the room's tracks until `close`; a layer is encoded while it is recorded. Lives on the loop.

    The sound is the layer in which no pupil is ever heard. What pupils say joins a recording by a layer of those who
    agreed to it, and by no other way.
    """

    def __init__(
        self,
        tracks: RoomTracks,
        settings: StreamSettings,
        recorded: Mapping[TrackName, RecordedTrack],
        call_later: CallLater,
    ) -> None:
        self._feeds: list[Feed] = []
        best = {
            "sound": WITHOUT_PUPIL,
            "board": settings.board_layers()[0].name,
            "camera": settings.camera_layers()[0].name,
        }
        for track, sender in recorded.items():
            feed = feed_for(track, sender, now=time.monotonic, call_later=call_later)
            self._feeds.append(feed)
            feed.want(tracks.fan(track, best[track]))

    def close(self) -> None:
        """Leave all layers."""
        for feed in self._feeds:
            feed.close()
