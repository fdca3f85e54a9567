"""One remote pupil's peer connection. Single use: a viewer who comes back is a new object."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCDataChannel, RTCPeerConnection
from aiortc import RTCSessionDescription as Description

from agent.streams import wire
from agent.streams.clock import SOUND_RATE_HZ, VIDEO_RATE_HZ, RoomClock
from agent.streams.layers import TrackName
from agent.streams.lesson_channel import LessonChannel
from agent.streams.offers import MAX_CANDIDATES, Plan, on_line, read_candidate
from agent.streams.senders import AiortcSender
from protocol import channel
from protocol.errors import SignallingError
from protocol.messages import IceServer

log = logging.getLogger(__name__)

LESSON_STREAM, BOARD_STREAM = "estrade-lesson", "estrade-board"
"""Names of the MediaStreams: what is in one is kept in step by the browser; a late slide must not delay a voice."""
CLOSE_S = 0.5
"""Closing sends a few packets; only a relay that does not answer takes longer."""


@dataclass(frozen=True, slots=True)
class ViewerView:
    """A viewer as others may know it. ``name`` came over the lesson channel and is kept nowhere else."""

    id: str
    name: str
    is_in_room: bool
    joined_mono_s: float
    is_connected: bool
    reception: channel.Reception | None
    reception_mono_s: float | None


@dataclass(frozen=True, slots=True)
class ViewerChange:
    """What happened to a viewer: ``joined`` once it is connected, ``left`` only after that, with why and how long.

    ``changed``: it told its name or its reception, or was given up before it had joined.
    """

    viewer: str
    kind: Literal["joined", "changed", "left"]
    reason: str = ""
    stayed_s: float = 0.0


class ViewerConnection:
    """One RTCPeerConnection and what is known of who is at its other end.

    ``on_connected`` comes once, when packets can be sent; ``on_gone`` once, with the reason, unless `close` was called
    first; ``on_told`` after each understood message; ``on_packet`` after each media
    packet. ``spawn`` starts a task that somebody owns.
    """

    def __init__(
        self,
        viewer: str,
        plan: Plan,
        clock: RoomClock,
        ice_servers: Sequence[IceServer],
        *,
        on_connected: Callable[[ViewerConnection], None],
        on_gone: Callable[[ViewerConnection, str], None],
        on_told: Callable[[ViewerConnection, channel.Hello | channel.Reception], None],
        on_packet: Callable[[], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        self.id = viewer
        self.name = ""
        self.is_in_room = False
        self.is_connected = False
        self.has_joined = False
        self.joined_mono_s = time.monotonic()
        self.reception: channel.Reception | None = None
        self.reception_mono_s: float | None = None
        self.senders: dict[TrackName, AiortcSender] = {}
        self.channel: LessonChannel | None = None
        self.ended = False
        self._clock = clock
        self._on_packet = on_packet
        self._on_connected, self._on_gone, self._on_told, self._spawn = on_connected, on_gone, on_told, spawn
        self._candidates = 0
        # aiortc moves m-lines onto the bundle's transport only if that is not the first m-line's; with the policy that
        # has one transport from the start it would close that one then, with any other it builds four to drop three.
        policy = RTCBundlePolicy.MAX_BUNDLE if plan.is_plain_bundle else RTCBundlePolicy.MAX_COMPAT
        self._plan = plan
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=wire.ice_servers(ice_servers), bundlePolicy=policy))
        self._peer.on("connectionstatechange", self._state_changed)
        self._peer.on("datachannel", self._channel_opened)

    async def answer(self, levels: dict[TrackName, str]) -> str:
        """Return the complete answer to the offer. Raises SignallingError; the caller then closes this object.

        ``levels`` has the H.264 level of each picture track.
        """
        plan, transceivers = self._plan, {}
        for line in plan.lines:
            if line.kind == "application":
                continue
            if line.track is None:
                wire.add_silent(self._peer, line.kind)
                continue
            alone = len([t for t in plan.tracks if t != "sound"]) == 1
            stream = BOARD_STREAM if line.track == "board" and not alone else LESSON_STREAM
            transceiver = wire.add_sending(self._peer, line.kind, line.track, stream)
            sender = self.senders[line.track] = AiortcSender(self._on_packet)
            rate_hz = SOUND_RATE_HZ if line.kind == "audio" else VIDEO_RATE_HZ
            wire.take_over(transceiver.sender, sender, self._clock, rate_hz)
            transceivers[line.track] = transceiver
        try:
            await self._peer.setRemoteDescription(Description(plan.sdp, "offer"))
            for track, level in levels.items():
                if track in transceivers:
                    wire.state_level(transceivers[track], level)
            wire.be_dtls_server(self._peer)
            await self._peer.setLocalDescription(await self._peer.createAnswer())
        except wire.NoCommonCodec as error:
            raise SignallingError(
                "the player offers neither H.264 (constrained baseline) nor Opus for one of its m-lines",
                code="no-common-codec",
            ) from error
        except Exception as error:  # an offer may be readable and still provoke anything inside aiortc
            raise SignallingError("the offer cannot be answered") from error
        await self.add_candidates(plan.candidates, None)
        return str(self._peer.localDescription.sdp)

    async def add_candidates(self, lines: Sequence[str], mid: str | None) -> None:
        """Give ICE more of the viewer's addresses. Raises SignallingError ``candidate-invalid``; all or none."""
        if mid is not None and mid not in {line.mid for line in self._plan.lines}:
            raise SignallingError(f'the offer has no m-line "{mid[:16]}"', code="candidate-invalid")
        candidates = [c for c in map(read_candidate, lines) if c is not None]
        if self._candidates + len(candidates) > MAX_CANDIDATES:
            raise SignallingError(f"more than {MAX_CANDIDATES} candidates", code="candidate-invalid")
        self._candidates += len(candidates)
        for candidate in candidates:
            # All m-lines share one transport. A .local name is looked up by multicast for up to a second: beside us.
            self._spawn(self._add(on_line(candidate, self._plan.primary_mid)), f"candidate {self.id}")

    async def _add(self, candidate: Any) -> None:
        try:
            await self._peer.addIceCandidate(candidate)
        except Exception:  # aioice's, for an address it cannot use: the other candidates stand
            log.debug("A candidate could not be used", extra={"viewer": self.id}, exc_info=True)

    def view(self) -> ViewerView:
        """Return what others may know."""
        return ViewerView(
            self.id,
            self.name,
            self.is_in_room,
            self.joined_mono_s,
            self.is_connected,
            self.reception,
            self.reception_mono_s,
        )

    def silent_s(self, now_s: float) -> float:
        """Return for how long nothing was heard: no RTCP, or not connected yet."""
        heard = [s.reported_mono_s for s in self.senders.values() if s.reported_mono_s is not None]
        return now_s - max([self.joined_mono_s, *heard])

    def send(self, message: channel.Notice | channel.Ended) -> None:
        """Send on the lesson channel, if there is one."""
        if self.channel is not None:
            self.channel.send(message)

    async def close(self, ended: channel.Ended | None) -> None:
        """Say a last word and close. Takes ``FLUSH_S + CLOSE_S`` at most."""
        self.ended = True
        if self.channel is not None and ended is not None:
            self.channel.send(ended)
            await self.channel.flush()
        await wire.close_peer(self._peer, CLOSE_S)

    def _state_changed(self) -> None:
        if self.ended:
            return
        state = self._peer.connectionState
        if state == "connected" and not self.is_connected:
            self.is_connected = self.has_joined = True
            self.joined_mono_s = time.monotonic()
            self._on_connected(self)
        elif state in ("failed", "closed"):
            self._gone("connection closed" if state == "closed" else "connection failed")

    def _gone(self, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self.is_connected = False
            self._on_gone(self, reason)

    def _channel_opened(self, data: RTCDataChannel) -> None:
        if data.label == channel.LABEL and self.channel is None:
            self.channel = LessonChannel(data, self._told, time.monotonic)

    def _told(self, message: channel.Hello | channel.Reception | channel.Bye) -> None:
        if self.ended:
            return
        if isinstance(message, channel.Bye):
            self._gone("left")
            return
        if isinstance(message, channel.Hello):
            self.name, self.is_in_room = message.name, message.is_in_room
        else:
            self.reception, self.reception_mono_s = message, time.monotonic()
        self._on_told(self, message)
