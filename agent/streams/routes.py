"""Which way each pupil gets the lesson's media: from the room, or from the media server to which it is published.

Every pupil's page keeps its connection to the room either way: its lesson channel carries hands, questions and names,
and costs the room's line next to nothing. What rests meanwhile is media alone, so that coming back needs no new offer.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from agent.streams.ladder import Layers, rungs
from agent.streams.layers import StreamSettings
from agent.streams.uplink import Uplink, WayNumbers
from agent.streams.viewer import ViewerConnection
from agent.streams.viewer_feeds import ViewerFeeds
from protocol import channel
from protocol.channel import Wish
from protocol.errors import SignallingError

if TYPE_CHECKING:
    from agent.streams.relay import Relay

log = logging.getLogger(__name__)

FULL_RETRY_S = 5.0
"""Whoever is refused may ask again so soon: somebody leaves, or the media server takes what is published."""


class Routes:
    """Sends each viewer the media itself, or has its page fetch them from the media server. Lives on the loop."""

    def __init__(self, settings: StreamSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        ladder = rungs(Layers.of(settings, ("sound", "board", "camera")), Wish())
        least = [rung for rung in ladder if rung.camera is not None][-1]  # below it one class is two classes
        self.uplink = Uplink(
            settings.uplink_bps, least_bps=math.ceil(least.cost_bps), most_bps=math.ceil(ladder[0].cost_bps)
        )
        self.relay: Relay | None = None
        self._now = now
        self._feeds: dict[ViewerConnection, ViewerFeeds] = {}
        self._speaking: set[ViewerConnection] = set()
        self._source: channel.Source = "room"

    @property
    def source(self) -> channel.Source:
        """Where pupils are sent now."""
        return self._source

    def share_bps(self) -> float:
        """Return what each viewer that the room sends to itself may be sent."""
        return self.uplink.share_bps(sum(not feeds.is_resting for feeds in self._feeds.values()))

    def check(self, *, has_channel: bool, is_back: bool) -> None:
        """Refuse one more viewer with ``uplink-full`` if it cannot be given anything. Raises SignallingError.

        ``has_channel``: it can be told to play from the media server; a foreign player cannot, and is sent to.
        ``is_back``: a pupil who is in class already, and connects anew beside what there is.
        """
        is_relayed = self._source == "media-server"
        if is_back or (is_relayed and has_channel):
            return
        sent_to = sum(not one.has_channel for one in self._feeds) if is_relayed else len(self._feeds)
        if self.uplink.holds(sent_to + 1, beside_relay=is_relayed):
            return
        if not is_relayed and self.relay is not None and self.relay.problem is None:
            self.relay.want(self.uplink.wants_relay(self._now(), len(self._feeds) + 1))
            return  # for the second until it publishes, one more is borne
        why = "" if self.relay is None else f", and {self.relay.problem.message}" if self.relay.problem else ""
        raise SignallingError(
            f"the room's line carries {len(self._feeds)} pupils and no more{why}",
            code="uplink-full",
            retryable=True,
            retry_after_s=FULL_RETRY_S,
        )

    def begin(self, connection: ViewerConnection, feeds: ViewerFeeds) -> None:
        """Take a viewer that stands; its media come from where those of all come now."""
        self._feeds[connection] = feeds
        if self._source == "media-server" and connection.has_channel and connection not in self._speaking:
            feeds.rest(True)
            connection.send(channel.PlayFrom(source=self._source))  # to one that knocked; others say hello first

    def end(self, connection: ViewerConnection) -> None:
        """Forget a viewer."""
        self._feeds.pop(connection, None)
        self._speaking.discard(connection)

    def set_speaking(self, connection: ViewerConnection, is_speaking: bool) -> None:
        """Send to the pupil who speaks ourselves: at the media server it would hear itself."""
        if is_speaking == (connection in self._speaking):
            return
        (self._speaking.add if is_speaking else self._speaking.discard)(connection)
        feeds = self._feeds.get(connection)
        if feeds is not None and self._source == "media-server":
            if is_speaking:
                feeds.rest(False)
            connection.send(channel.PlayFrom(source=self._source_of(connection)))

    def _source_of(self, connection: ViewerConnection) -> channel.Source:
        return "room" if connection in self._speaking else self._source

    def told(self, connection: ViewerConnection, message: channel.FromPupil) -> None:
        """Hear what a page says: hello is answered with where to play from; its word on that starts or rests media."""
        feeds = self._feeds.get(connection)
        if feeds is None:
            return
        source = self._source_of(connection)
        if isinstance(message, channel.Hello) and source != "room":
            connection.send(channel.PlayFrom(source=source))
        if isinstance(message, channel.PlaysFrom):
            # a page that lost the media server is sent to at once, before the room itself has noticed
            feeds.rest(message.source == "media-server" and source == "media-server")

    def relay_changed(self) -> None:
        """Hear that the media server takes what is published, or does no more."""
        source: channel.Source = "media-server" if self.relay is not None and self.relay.is_publishing else "room"
        if source == self._source:
            return
        self._source = source
        log.info("Pupils play from the %s", source.replace("-", " "), extra={"viewers": len(self._feeds)})
        for connection, feeds in tuple(self._feeds.items()):
            if source == "room":
                feeds.rest(False)
            # to the media server the page goes first, and says so
            connection.send(channel.PlayFrom(source=self._source_of(connection)))

    def look(self, views: Iterable[WayNumbers]) -> None:
        """Look at the line; each second."""
        now_s = self._now()
        self.uplink.hear(now_s, tuple(views))
        if self.relay is not None:
            self.relay.want(self.uplink.wants_relay(now_s, len(self._feeds)))


def ways(connections: Iterable[ViewerConnection]) -> Iterable[WayNumbers]:
    """Return what the viewers that the room sends to report of their ways; none is between it and who is in it."""
    for connection in connections:
        line = connection.view().line
        if line is not None and connection.is_connected and not connection.is_in_room:
            yield WayNumbers(connection.id, line.sent_bytes, line.sound.packets_lost, line.sound.highest_sequence)
