"""One remote pupil's peer connection. Single use: a viewer who comes back is a new object."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from aiortc import RTCDataChannel
from aiortc import RTCSessionDescription as Description

from agent.streams import wire, wire_path, wire_rtcp, wire_sctp, wire_stun
from agent.streams.answering import Candidates, answering_peer
from agent.streams.clock import SOUND_RATE_HZ, VIDEO_RATE_HZ, RoomClock
from agent.streams.direct import DirectSender
from agent.streams.ladder import Choice
from agent.streams.layers import TrackName
from agent.streams.lesson_channel import LessonChannel
from agent.streams.line_trial import LESS_BALLAST_BYTES, LineTrial
from agent.streams.offers import Plan
from agent.streams.pacing import Pacer
from agent.streams.tile_channel import TileChannel
from protocol import channel
from protocol.errors import SignallingError
from protocol.messages import IceServer

log = logging.getLogger(__name__)

LESSON_STREAM, BOARD_STREAM = "estrade-lesson", "estrade-board"
"""Names of the MediaStreams: what is in one is kept in step by the browser; a late slide must not delay a voice."""
MOST_FOREIGN_CHANNELS = 4
"""Data channels of names that we do not know: each costs memory, and a page of ours opens none."""
CLOSE_S = 0.5
"""Closing sends a few packets; only a relay that does not answer takes longer."""


@dataclass(frozen=True, slots=True)
class ViewerLine:
    """How the way to a viewer does, counted since it connected, as the viewer's own reports say.

    ``sound`` is of the voice: its packets are sent evenly, so that what is lost of them and how evenly they come is the
    line's doing. ``estimate_bps`` is what the viewer thinks that it could receive, ``sent_bytes`` what it was sent.
    """

    sound: wire.Report
    estimate_bps: int | None
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class ViewerView:
    """A viewer as others may know it. ``name`` came over the lesson channel and is kept nowhere else."""

    id: str
    name: str
    is_in_room: bool
    joined_mono_s: float
    is_connected: bool
    line: ViewerLine | None = None
    """None until the first report."""
    is_admitted: bool = True
    """False: it knocks, and gets no media."""
    sending: Choice | None = None
    """None before it is connected, and while it plays from a media server."""


@dataclass(frozen=True, slots=True)
class ViewerChange:
    """What happened to a viewer: ``joined`` once it is connected, ``left`` only after that, with why and how long.

    ``changed``: it told its name, or was given up before it had joined.
    """

    viewer: str
    kind: Literal["joined", "changed", "left"]
    reason: str = ""
    stayed_s: float = 0.0


class ViewerConnection:
    """One RTCPeerConnection and what is known of who is at its other end.

    ``on_connected`` comes once, when packets can be sent and the line does not seem thin, or was found to be;
    ``on_gone`` once, with the reason, unless `close` was called first; ``on_told`` after each understood message;
    ``on_packet`` after each media packet. ``spawn`` starts a task that somebody owns.
    """

    def __init__(
        self,
        viewer: str,
        plan: Plan,
        clock: RoomClock,
        pacer: Pacer,
        ice_servers: Sequence[IceServer],
        *,
        on_connected: Callable[[ViewerConnection], None],
        on_gone: Callable[[ViewerConnection, str], None],
        on_told: Callable[[ViewerConnection, channel.FromPupil], None],
        on_packet: Callable[[], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        self.id = viewer
        self.name = ""
        self.is_in_room = False
        self.is_connected = False
        self.is_admitted = False
        """It gets, or got, media."""
        self.joined_mono_s = time.monotonic()
        self.admitted_mono_s = 0.0
        self.senders: dict[TrackName, DirectSender] = {}
        self._sound: wire.TakenSender | None = None
        self.channel: LessonChannel | None = None
        self._tiles: TileChannel | None = None
        self._foreign_channels = 0
        self.ended = False
        self.has_channel = plan.has_channel
        self._heard_mono_s = 0.0
        self.thin_bps: float | None = None
        """What the line carries, where it was found to be thin before anything was sent."""
        self._trial: LineTrial | None = None
        self._is_ready = self._has_begun = False
        self._clock = clock
        self._pacer = pacer
        self._path: wire_path.DirectPath | None = None
        self._on_packet = on_packet
        self._on_connected, self._on_gone, self._on_told = on_connected, on_gone, on_told
        self._plan, self._spawn = plan, spawn
        self._peer = answering_peer(plan, ice_servers)
        self._candidates = Candidates(self._peer, plan, viewer, spawn)
        self._peer.on("connectionstatechange", self._state_changed)
        self._peer.on("iceconnectionstatechange", self._ice_changed)
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
            transceiver = wire.add_sending(self._peer, line.kind, line.track, stream, plan.codec)
            rate_hz = SOUND_RATE_HZ if line.kind == "audio" else VIDEO_RATE_HZ
            sender = DirectSender(self._clock, rate_hz, self._pacer, time.monotonic, self._on_packet)
            self.senders[line.track] = sender
            sender.taken = wire.take_over(transceiver.sender, sender, self._clock, rate_hz)
            self._sound = sender.taken if line.track == "sound" else self._sound
            transceivers[line.track] = transceiver
        try:
            await self._peer.setRemoteDescription(Description(plan.sdp, "offer"))
            for track, level in levels.items():
                if track in transceivers:
                    wire.state_level(transceivers[track], level)
            wire.be_dtls_server(self._peer)
            wire_sctp.adapt(self._peer, self._misused)
            await self._peer.setLocalDescription(await self._peer.createAnswer())
            wire.be_patient(self._peer)
        except wire.NoCommonCodec as error:
            raise SignallingError(
                "the player offers for one of its m-lines neither H.264 (constrained baseline) nor VP8, or no Opus",
                code="no-common-codec",
            ) from error
        except Exception as error:  # an offer may be readable and still provoke anything inside aiortc
            raise SignallingError("the offer cannot be answered") from error
        self._candidates.add(plan.candidates, None)
        return str(self._peer.localDescription.sdp)

    async def add_candidates(self, lines: Sequence[str], mid: str | None) -> None:
        """Give ICE more of the viewer's addresses. Raises SignallingError ``candidate-invalid``; all or none."""
        self._candidates.add(lines, mid)

    def view(self) -> ViewerView:
        """Return what others may know."""
        return ViewerView(
            self.id,
            self.name,
            self.is_in_room,
            self.joined_mono_s,
            self.is_connected,
            self._line(),
            self.is_admitted,
        )

    def _line(self) -> ViewerLine | None:
        sound = self.senders.get("sound")
        if sound is None or sound.report is None:
            return None
        estimates = [sender.estimate_bps for sender in self.senders.values() if sender.estimate_bps is not None]
        return ViewerLine(
            sound.report,
            min(estimates, default=None),
            sum(sender.payload_bytes for sender in self.senders.values()),
        )

    def said_mono_s(self, rtp: int) -> float | None:
        """Return when was captured what this viewer plays of the sound at an RTP time; None without sound."""
        return None if self._sound is None else self._sound.captured_mono_s(rtp)

    def silent_s(self, now_s: float) -> float:
        """Return for how long nothing was heard: no RTCP since media began, no message, or not connected yet."""
        heard = [s.reported_mono_s for s in self.senders.values() if s.reported_mono_s is not None]
        return now_s - max([self.joined_mono_s, self.admitted_mono_s, self._heard_mono_s, *heard])

    def send(self, message: channel.FromRoom) -> None:
        """Send on the lesson channel, if there is one."""
        if self.channel is not None:
            self.channel.send(message)

    def tiles(self) -> TileChannel:
        """Return the channel for tiles, opened by the first call. Only where the offer has a data channel."""
        if self._tiles is None:
            self._tiles = TileChannel(self._peer, self._on_packet)
        return self._tiles

    def try_line(self, enough_bps: float, on_tried: Callable[[float | None], None]) -> None:
        """Find out what the line carries, as far as ``enough_bps``; ``on_tried`` hears it, or None. In a task."""
        self._spawn(self._try_line(enough_bps, on_tried), f"try line of {self.id}")

    async def _try_line(self, enough_bps: float, on_tried: Callable[[float | None], None]) -> None:
        carries_bps = None
        try:
            trial = LineTrial(partial(wire_stun.check, self._peer), LESS_BALLAST_BYTES)
            carries_bps = await trial.carries_bps(enough_bps)
        except Exception:  # the connection may end at any time, and aioice's with it
            log.debug("A line could not be tried", extra={"viewer": self.id}, exc_info=True)
        if not self.ended:
            on_tried(carries_bps)

    async def close(self, ended: channel.Ended | None) -> None:
        """Say a last word and close. Takes ``FLUSH_S + CLOSE_S`` at most."""
        self.ended = True
        if self.channel is not None and ended is not None:
            self.channel.send(ended)
            await self.channel.flush()
        if self._path is not None:
            self._path.close()
        await wire.close_peer(self._peer, CLOSE_S)

    def _state_changed(self) -> None:
        if self.ended:
            return
        state = self._peer.connectionState
        if state == "connected" and not self.is_connected:
            self.is_connected = True
            self.joined_mono_s = time.monotonic()
            wire.hear_goodbye(self._peer, lambda: self._gone("left"))
            self._path = wire_path.direct_path(self._peer)
            if self._path is not None:
                for sender in self.senders.values():
                    sender.open(self._path)
                taken = [sender.taken for sender in self.senders.values() if sender.taken is not None]
                wire_rtcp.ViewerRtcp(self._path, taken, self._pacer.call_at, time.monotonic)
            # aiortc's senders learn what was agreed right after this, within the same turn of the loop
            asyncio.get_running_loop().call_soon(self._made_ready)
        elif state in ("failed", "closed"):
            self._gone("connection closed" if state == "closed" else "connection failed")

    def _ice_changed(self) -> None:
        if self._peer.iceConnectionState == "completed" and self._trial is None and not self.ended:
            self._trial = LineTrial(partial(wire_stun.check, self._peer))
            self._spawn(self._try_first(self._trial), f"try line of {self.id} first")

    async def _try_first(self, trial: LineTrial) -> None:
        """Find out whether the line is thin while DTLS shakes hands, which takes as long where it is."""
        try:
            self.thin_bps = await trial.thin_bps()
        except Exception:  # the connection may end at any time, and aioice's with it
            log.debug("A line could not be tried", extra={"viewer": self.id}, exc_info=True)
        self._maybe_begin()

    def _made_ready(self) -> None:
        self._is_ready = True
        self._maybe_begin()

    def _maybe_begin(self) -> None:
        is_trying = self._trial is not None and self._trial.seems_thin
        if self._is_ready and not is_trying and not self._has_begun and not self.ended:
            self._has_begun = True
            self._on_connected(self)

    def _gone(self, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self.is_connected = False
            self._on_gone(self, reason)

    def _channel_opened(self, data: RTCDataChannel) -> None:
        if data.label == channel.LABEL and self.channel is None:
            self.channel = LessonChannel(data, self._told, time.monotonic, self._misused)
            return
        self._foreign_channels += 1
        if self._foreign_channels > MOST_FOREIGN_CHANNELS:
            self._misused()

    def _misused(self) -> None:
        log.warning("A viewer misuses its data channels and is shown out", extra={"viewer": self.id})
        self._gone("misused")

    def _told(self, message: channel.FromPupil) -> None:
        if self.ended:
            return
        self._heard_mono_s = time.monotonic()
        if isinstance(message, channel.Bye):
            self._gone("left")
            return
        if isinstance(message, channel.Hello):
            self.name, self.is_in_room = message.name, message.is_in_room
        self._on_told(self, message)
