"""The room's tracks at a media server: each encoded track is published once, whoever plays it from there.

Two WHIP sessions, for each may hold one video (RFC 9725 §4.5): sound and camera in step, and the board. They are kept
as long as they are wanted: a server that refuses or disappears is tried again, ever more seldom.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection
from aiortc import RTCSessionDescription as Description

from agent.streams import wire
from agent.streams.clock import SOUND_RATE_HZ, VIDEO_RATE_HZ, RoomClock
from agent.streams.fanout import Fan
from agent.streams.feed import Feed, KeyBudget, feed_for
from agent.streams.layers import TrackName
from agent.streams.relay_settings import RelaySettings
from agent.streams.senders import AiortcSender
from agent.streams.viewer import BOARD_STREAM, LESSON_STREAM
from agent.streams.whip import Published, WhipEndpoint
from protocol.errors import MediaServerError

log = logging.getLogger(__name__)

CONNECT_S = 15.0
"""From the answer to the first packets: a TURN server that does not answer costs 5 s."""
SILENCE_S = 5.0
"""A server that takes packets reports them each second; one that says nothing for so long is gone."""
FIRST_RETRY_S, MOST_RETRY_S = 1.0, 60.0
CLOSE_S = 0.5
LOOK_S = 0.5
SESSIONS: Mapping[str, tuple[TrackName, ...]] = {LESSON_STREAM: ("sound", "camera"), BOARD_STREAM: ("board",)}


class RelaySession:
    """One peer connection that publishes some of the tracks. Single use."""

    def __init__(
        self, tracks: tuple[TrackName, ...], media_stream: str, clock: RoomClock, on_packet: Callable[[], None]
    ) -> None:
        self._tracks, self._media_stream, self._clock, self._on_packet = tracks, media_stream, clock, on_packet
        self.senders: dict[TrackName, AiortcSender] = {}
        self._feeds: list[Feed] = []
        self._peer: RTCPeerConnection | None = None
        self._published: Published | None = None
        self._connected_mono_s = 0.0

    async def open(self, endpoint: WhipEndpoint, fan_of: Callable[[TrackName], Fan]) -> None:
        """Publish, and return once packets leave. Raises MediaServerError; then `close`."""
        servers = wire.ice_servers(await endpoint.ice_servers())
        peer = self._peer = RTCPeerConnection(
            RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        settled = asyncio.Event()
        peer.on("connectionstatechange", settled.set)
        for track in self._tracks:
            kind, rate_hz = ("audio", SOUND_RATE_HZ) if track == "sound" else ("video", VIDEO_RATE_HZ)
            transceiver = wire.add_sending(peer, kind, track, self._media_stream)
            sender = self.senders[track] = AiortcSender(self._on_packet)
            wire.take_over(transceiver.sender, sender, self._clock, rate_hz)
        await peer.setLocalDescription(await peer.createOffer())
        self._published = await endpoint.publish(str(peer.localDescription.sdp))
        try:
            await peer.setRemoteDescription(Description(self._published.sdp, "answer"))
        except Exception as error:  # aiortc's parser raises whatever the text provokes
            raise MediaServerError("the media server's answer cannot be used", code="media-server-refused") from error
        try:
            async with asyncio.timeout(CONNECT_S):
                while peer.connectionState not in ("connected", "failed", "closed"):
                    settled.clear()
                    await settled.wait()
        except TimeoutError:
            pass
        if peer.connectionState != "connected":
            raise MediaServerError("the media server answered, and no packet finds its way to it; look at its ports")
        self._connected_mono_s = time.monotonic()
        for track, sender in self.senders.items():
            # many players stand behind this one viewer, and each who comes wants a key frame
            budget = KeyBudget(burst=6, refill_s=1.0)
            call_later = asyncio.get_running_loop().call_later
            feed = feed_for(track, sender, now=time.monotonic, call_later=call_later, budget=budget)
            feed.want(fan_of(track))
            self._feeds.append(feed)

    def lost(self, now_s: float) -> str:
        """Say why nothing arrives there any more; empty while it does."""
        if self._peer is None or self._peer.connectionState != "connected":
            return "the connection to the media server broke"
        heard = [s.reported_mono_s for s in self.senders.values() if s.reported_mono_s is not None]
        silent_s = now_s - max([self._connected_mono_s, *heard])
        return f"the media server said nothing for {silent_s:.0f} s" if silent_s > SILENCE_S else ""

    async def close(self, endpoint: WhipEndpoint) -> None:
        """Send nothing more, and say so."""
        for feed in self._feeds:
            feed.close()
        self._feeds.clear()
        told = endpoint.end(self._published) if self._published is not None else asyncio.sleep(0)
        closed = wire.close_peer(self._peer, CLOSE_S) if self._peer is not None else asyncio.sleep(0)
        await asyncio.gather(told, closed)


class Relay:
    """Both sessions, as long as they are wanted. ``on_change`` hears that `is_publishing` or `problem` changed."""

    def __init__(
        self,
        settings: RelaySettings,
        fan_of: Callable[[TrackName], Fan],
        clock: RoomClock,
        *,
        on_packet: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._settings, self._fan_of, self._clock = settings, fan_of, clock
        self._on_packet, self._on_change = on_packet, on_change
        self._wanted = asyncio.Event()
        self._unwanted = asyncio.Event()
        self.is_publishing = False
        self.problem: MediaServerError | None = None
        """Why it does not publish although it should."""
        self._sessions: list[RelaySession] = []
        self._stood_s = 0.0
        """How long the last attempt published."""

    def want(self, is_wanted: bool) -> None:
        """Publish from now on, or end it."""
        (self._wanted.set if is_wanted else self._wanted.clear)()
        (self._unwanted.clear if is_wanted else self._unwanted.set)()

    @property
    def estimate_bps(self) -> int | None:
        """What the server thinks that it could receive (REMB), of both sessions; None while it has not said."""
        senders = [sender for one in self._sessions for sender in one.senders.values()]
        estimates = [sender.estimate_bps for sender in senders if sender.estimate_bps is not None]
        return sum(estimates) if estimates else None

    async def run(self) -> None:
        """Publish whenever it is wanted, until cancelled."""
        failures = 0
        while True:
            await self._wanted.wait()
            self._stood_s = 0.0
            try:
                await self._publish()
            except (
                Exception
            ) as met:  # a file of the configuration, a certificate, whatever an answer provokes in aiortc
                error = met if isinstance(met, MediaServerError) else _as_media_server_error(met)
                failures = 1 if self._stood_s > MOST_RETRY_S else failures + 1
                spread = random.uniform(0.5, 1.0)  # noqa: S311  # rooms must not all come back at once; no secret
                pause_s = min(MOST_RETRY_S, FIRST_RETRY_S * 2 ** (failures - 1)) * spread
                pause_s = max(pause_s, min(error.retry_after_s or 0.0, MOST_RETRY_S))
                log.log(
                    logging.WARNING if self.problem is None else logging.DEBUG,
                    "Nothing is published to the media server: %s",
                    error.message,
                    extra={"code": error.code, "again_in_s": round(pause_s, 1)},
                )
                self._tell(problem=error)
                try:
                    async with asyncio.timeout(pause_s):
                        await self._unwanted.wait()
                except TimeoutError:
                    continue
            failures = 0
            self._tell()

    async def _publish(self) -> None:
        """Publish until it is not wanted any more. Raises MediaServerError."""
        token, ca_file = self._settings.token(), self._settings.ca_file
        urls = {LESSON_STREAM: self._settings.whip_lesson, BOARD_STREAM: self._settings.whip_board}
        endpoints = {name: WhipEndpoint(url, token=token, ca_file=ca_file) for name, url in urls.items()}
        opened = {name: RelaySession(tracks, name, self._clock, self._on_packet) for name, tracks in SESSIONS.items()}
        try:
            opening = [one.open(endpoints[name], self._fan_of) for name, one in opened.items()]
            for error in await asyncio.gather(*opening, return_exceptions=True):  # both, or sockets would be left open
                if error is not None:
                    raise error
            self._sessions = list(opened.values())
            log.info("The lesson is published to the media server")
            self._tell(is_publishing=True)
            began_s = time.monotonic()
            while not self._unwanted.is_set():
                self._stood_s = time.monotonic() - began_s
                for session in opened.values():
                    if reason := session.lost(time.monotonic()):
                        error = MediaServerError(reason)
                        self._tell(problem=error)  # before it is closed, which takes a moment
                        raise error
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._unwanted.wait()
                except TimeoutError:
                    continue
        finally:
            self._sessions = []
            if self.is_publishing:
                self._tell()
            await asyncio.gather(*(one.close(endpoints[name]) for name, one in opened.items()))
            await asyncio.gather(*(endpoint.close() for endpoint in endpoints.values()))

    def _tell(self, *, is_publishing: bool = False, problem: MediaServerError | None = None) -> None:
        if (is_publishing, problem) != (self.is_publishing, self.problem):
            self.is_publishing, self.problem = is_publishing, problem
            self._on_change()


def _as_media_server_error(met: Exception) -> MediaServerError:
    """Return what people are told of a fault that nobody foresaw: the lesson does not fall for it."""
    log.error("Publishing to the media server failed", exc_info=met)
    return MediaServerError(f"the room cannot publish to the media server ({type(met).__name__}: {met})")
