"""A viewer for tests: aiortc's ICE, DTLS and SRTP, and receivers that count and keep packets but never decode.

A plain aiortc receiver decodes everything, about 20 % of a core each. Kept pictures are decoded afterwards by
`decoded`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
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
from aiortc.codecs import depayload
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtcpSrPacket, RtpPacket

from agent.streams.publisher import Publisher
from protocol import channel

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
    by_ssrc: dict[int, CountingReceiver]
    """Whose packets are whose. aiortc hands a packet that comes while receivers are still being set up to whichever of
    them is there already."""

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        if not self.is_deaf:
            self.by_ssrc.get(packet.ssrc, self).keep(packet)

    def keep(self, packet: RtpPacket) -> None:
        """Count a packet and keep it."""
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
    decoder = av.CodecContext.create("h264", "r")
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
    pc: RTCPeerConnection = field(init=False)
    receivers: list[CountingReceiver] = field(init=False)
    data: RTCDataChannel | None = field(init=False, default=None)
    heard: list[channel.Notice | channel.Ended] = field(init=False, default_factory=list)
    states: list[str] = field(init=False, default_factory=list)
    changed: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_COMPAT, alwaysNegotiateDataChannels=self.channel_first
            )
        )
        self.receivers = []
        by_ssrc: dict[int, CountingReceiver] = {}
        for kind in self.kinds:
            receiver = self.pc.addTransceiver(kind, direction="recvonly").receiver
            receiver.__class__ = CountingReceiver
            assert isinstance(receiver, CountingReceiver)
            receiver.arrivals, receiver.reports, receiver.is_deaf = [], [], False
            receiver.by_ssrc = by_ssrc
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
        """The H.264 that was agreed."""
        return self.pc.getTransceivers()[-1]._codecs[0]

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        if self.channel_first:  # aiortc puts the m-line first only while there is no channel yet
            self._open_channel()
        return str(self.pc.localDescription.sdp)

    async def join(self, publisher: Publisher, viewer: str, holder: str | None = None) -> str:
        """Offer, take the answer, and return it."""
        answer = await publisher.accept(viewer, await self.offer(), (), holder)
        parts = [part for part in answer.split("\r\nm=")[1:] if not part.startswith("application")]
        for receiver, part in zip(self.receivers, parts, strict=True):
            receiver.by_ssrc[int(part.split("a=ssrc:")[1].split()[0])] = receiver
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return answer

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
