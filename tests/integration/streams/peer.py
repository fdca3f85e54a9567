"""A viewer for tests: aiortc's ICE, DTLS and SRTP, and receivers that count and keep packets but never decode.

A plain aiortc receiver decodes everything, about 20 % of a core each. Kept pictures are decoded afterwards by
`decoded`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import av
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.codecs import depayload, get_capabilities
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtcpSrPacket, RtpPacket

from agent.streams import wire
from agent.streams.publisher import Publisher
from protocol import channel
from protocol.messages import IceServer
from tests.networks.shaper import Shaper

DEADLINE_S = 10.0


@dataclass(frozen=True)
class Arrival:
    """One packet."""

    mono_s: float
    sequence: int
    timestamp: int
    marker: int
    payload: bytes


class CountingReceiver(RTCRtpReceiver):
    """aiortc's receiver, reports included, that keeps packets instead of decoding them."""

    arrivals: list[Arrival]
    reports: list[RtcpSrPacket]
    clock_rate_hz: int
    on_arrival: Callable[[], None]
    is_deaf: bool
    loses_every: int
    """Of so many packets one is lost on the way; 0: none."""
    loses: Callable[[RtpPacket], bool]
    """Whether a packet is lost; a lost one is in ``missing``."""
    missing: list[int]
    repairs: dict[int, list[RtpPacket]]
    """Retransmissions, by the SSRC that the answer named for them."""
    by_ssrc: dict[int, CountingReceiver]
    """Whose packets are whose. aiortc hands a packet that comes while receivers are still being set up to whichever of
    them is there already."""

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        if packet.ssrc in self.repairs:
            self.repairs[packet.ssrc].append(packet)
        elif not self.is_deaf:
            self.by_ssrc.get(packet.ssrc, self).keep(packet)

    def keep(self, packet: RtpPacket) -> None:
        """Count a packet and keep it, unless it is lost."""
        if self.loses_every and packet.sequence_number % self.loses_every == 0:
            return
        if self.loses(packet):
            self.missing.append(packet.sequence_number)
            return
        streams = self._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]  # aiortc's private name
        if packet.ssrc not in streams:
            streams[packet.ssrc] = StreamStatistics(self.clock_rate_hz)
        streams[packet.ssrc].add(packet)
        self.arrivals.append(
            Arrival(time.monotonic(), packet.sequence_number, packet.timestamp, packet.marker, packet.payload)
        )
        self.on_arrival()

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            self.reports.append(packet)
        await super()._handle_rtcp_packet(packet)

    async def ask_key(self) -> None:
        """Send a PLI."""
        (ssrc,) = self._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]  # aiortc's private name
        await self._send_rtcp_pli(ssrc)

    def pictures(self) -> list[list[Arrival]]:
        """Return the packets of each whole picture, in order."""
        out: list[list[Arrival]] = []
        for arrival in self.arrivals:
            if not out or out[-1][0].timestamp != arrival.timestamp:
                out.append([])
            out[-1].append(arrival)
        return [picture for picture in out if picture[-1].marker]

    def lost(self) -> int:
        """Return how many sequence numbers are missing between the lowest and the highest; whatever their order."""
        first = self.arrivals[0].sequence
        numbers = {(a.sequence - first + 2**15) % 2**16 for a in self.arrivals}
        return max(numbers) - min(numbers) + 1 - len(numbers)


def annex_b(picture: list[Arrival], codec: Any) -> bytes:
    """Return a picture's packets as a byte stream."""
    return b"".join(depayload(codec, a.payload) for a in picture)


def decoded(receiver: CountingReceiver, codec: Any, most: int = 1000) -> list[av.VideoFrame]:
    """Decode the kept pictures; raises when one cannot be decoded."""
    decoder = av.CodecContext.create("vp8" if codec.mimeType == "video/VP8" else "h264", "r")
    frames: list[av.VideoFrame] = []
    for picture in receiver.pictures()[:most]:
        frames += decoder.decode(av.Packet(annex_b(picture, codec)))
    frames += decoder.decode(None)
    return frames


@dataclass
class Peer:
    """A pupil's browser, as far as a room can tell."""

    kinds: tuple[str, ...] = ("audio", "video", "video")
    with_channel: bool = True
    channel_first: bool = False
    has_h264: bool = True
    """False: a browser like Debian's Firefox, with VP8 alone."""
    pc: RTCPeerConnection = field(init=False)
    receivers: list[CountingReceiver] = field(init=False)
    data: RTCDataChannel | None = field(init=False, default=None)
    heard: list[channel.FromRoom] = field(init=False, default_factory=list)
    states: list[str] = field(init=False, default_factory=list)
    changed: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    repairs: dict[int, list[RtpPacket]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_COMPAT, alwaysNegotiateDataChannels=self.channel_first
            )
        )
        self.receivers = []
        by_ssrc: dict[int, CountingReceiver] = {}
        for kind in self.kinds:
            transceiver = self.pc.addTransceiver(kind, direction="recvonly")
            if kind == "video" and not self.has_h264:
                known = get_capabilities("video").codecs
                transceiver.setCodecPreferences([one for one in known if one.mimeType in ("video/VP8", "video/rtx")])
            receiver = transceiver.receiver
            receiver.__class__ = CountingReceiver
            assert isinstance(receiver, CountingReceiver)
            receiver.arrivals, receiver.reports, receiver.is_deaf, receiver.loses_every = [], [], False, 0
            receiver.loses, receiver.missing = (lambda packet: False), []
            receiver.by_ssrc, receiver.repairs = by_ssrc, self.repairs
            receiver.clock_rate_hz = 48_000 if kind == "audio" else 90_000
            receiver.on_arrival = self.changed.set
            self.receivers.append(receiver)
        if self.with_channel and not self.channel_first:
            self._open_channel()
        self.pc.on("connectionstatechange", self._state)

    def _open_channel(self) -> None:
        self.data = self.pc.createDataChannel(channel.LABEL)
        self.data.on("message", self._hear)
        self.data.on("open", self.changed.set)

    def _state(self) -> None:
        self.states.append(self.pc.connectionState)
        self.changed.set()

    def _hear(self, text: str) -> None:
        self.heard.append(channel.FROM_ROOM.validate_json(text))
        self.changed.set()

    @property
    def sound(self) -> CountingReceiver:
        return self.receivers[0]

    @property
    def board(self) -> CountingReceiver:
        return self.receivers[1]

    @property
    def camera(self) -> CountingReceiver:
        return self.receivers[-1]

    @property
    def codec(self) -> Any:
        """What was agreed for pictures."""
        return self.pc.getTransceivers()[-1]._codecs[0]

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        wire.be_patient(self.pc)
        if self.channel_first:  # aiortc puts the m-line first only while there is no channel yet
            self._open_channel()
        return str(self.pc.localDescription.sdp)

    async def join(
        self,
        publisher: Publisher,
        viewer: str,
        holder: str | None = None,
        *,
        ice_servers: Sequence[IceServer] = (),
        only_relayed: bool = False,
        through: Shaper | None = None,
    ) -> str:
        """Offer, take the answer, and return it. ``only_relayed``: nothing reaches us but from the room's relays.

        ``through`` is a line to be reached by.
        """
        offer = await self.offer()
        if only_relayed:
            reachable: set[int] = set()
            self._hear_only(reachable)
        if through is None:
            answer = await publisher.accept(viewer, offer, ice_servers, holder)
        else:
            answer = await through.answer(await publisher.accept(viewer, through.offer(offer), ice_servers, holder))
        if only_relayed:
            lines = answer.split("\r\n")
            relayed = [line.split() for line in lines if line.startswith("a=candidate") and " typ relay " in line]
            reachable.update(int(words[5]) for words in relayed)
            answer = "\r\n".join(line for line in lines if not line.startswith("a=candidate") or " typ relay " in line)
        of_repairs: dict[int, CountingReceiver] = {}
        parts = [part for part in answer.split("\r\nm=")[1:] if not part.startswith("application")]
        for receiver, part in zip(self.receivers, parts, strict=True):
            receiver.by_ssrc[int(part.split("a=ssrc:")[1].split()[0])] = receiver
            if "a=ssrc-group:FID " in part:
                repair_ssrc = int(part.split("a=ssrc-group:FID ")[1].split()[1])
                self.repairs[repair_ssrc] = []
                of_repairs[repair_ssrc] = receiver
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        for receiver in self.receivers:  # aiortc does not know whose repairs are whose where two pictures come
            receiver.transport._rtp_router.ssrc_table.update(of_repairs)
        return answer

    def _hear_only(self, ports: set[int]) -> None:
        """Drop what comes from another port than these, as a firewall does."""

        def guarded(received: Callable[[bytes, tuple[str, int]], None]) -> Callable[[bytes, tuple[str, int]], None]:
            return lambda data, address: received(data, address) if address[1] in ports else None

        for transceiver in self.pc.getTransceivers():
            for protocol in transceiver.receiver.transport.transport._connection._protocols:
                vars(protocol)["datagram_received"] = guarded(protocol.datagram_received)

    async def until(self, condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
        """Wait until the condition is true; looked at when something arrives here, and 20 times a second."""
        async with asyncio.timeout(deadline_s):
            while not condition():
                self.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self.changed.wait()

    async def close(self) -> None:
        await self.pc.close()
