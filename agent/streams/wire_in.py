"""Everything private of aiortc's receiving side that we touch; `agent.streams.wire` is the sending side.

``tests/unit/streams/test_wire_in.py`` fails when a release of aiortc moves any of it. aiortc keeps ICE, DTLS, SRTP and
RTCP; a taken-over receiver hands packets on as they come. Its own jitter buffer holds sixteen packets back after the
first loss and never catches up again, and what it decodes waits without a bound.
"""

from __future__ import annotations

from typing import Protocol, cast

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpTransceiver
from aiortc.codecs import get_capabilities
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import AnyRtcpPacket, RtcpByePacket, RtpPacket

OPUS = "audio/opus"


class Sink(Protocol):
    """What a taken-over receiver tells, on the loop."""

    def on_packet(self, ssrc: int, timestamp: int, payload: bytes) -> None:
        """Hear of a packet: its stream, its RTP time in samples of 48 kHz, one Opus packet."""
        ...

    def on_bye(self) -> None:
        """Hear that the sender says it ends (RFC 3550 §6.6)."""
        ...


class TakenReceiver(RTCRtpReceiver):
    """aiortc's receiver that hands Opus packets to a `Sink` and decodes nothing. Made by `take_over_receiver`."""

    _sink: Sink

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        # aiortc's private names
        codecs: dict[int, RTCRtpCodecParameters] = self._RTCRtpReceiver__codecs  # type: ignore[attr-defined]
        codec = codecs.get(packet.payload_type)
        if codec is None or codec.mimeType.lower() != OPUS:
            return
        streams: dict[int, StreamStatistics] = self._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]
        if packet.ssrc not in streams:
            streams.clear()  # a sender that changes its stream again and again must not fill the reports
            streams[packet.ssrc] = StreamStatistics(codec.clockRate)
        streams[packet.ssrc].add(packet)
        self._sink.on_packet(packet.ssrc, packet.timestamp, packet.payload)

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        await super()._handle_rtcp_packet(packet)
        if isinstance(packet, RtcpByePacket):
            self._sink.on_bye()


def add_receiving(peer: RTCPeerConnection, sink: Sink) -> RTCRtpTransceiver:
    """Add a transceiver that only receives Opus, for ``sink``. Before ``setRemoteDescription``."""
    transceiver = peer.addTransceiver("audio", direction="recvonly")
    transceiver.setCodecPreferences([c for c in get_capabilities("audio").codecs if c.mimeType == OPUS])
    receiver = transceiver.receiver
    receiver.__class__ = TakenReceiver
    cast("TakenReceiver", receiver)._sink = sink
    return transceiver
