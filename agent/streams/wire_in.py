"""Everything private of aiortc's receiving side that we touch; `agent.streams.wire` is the sending side.

``tests/unit/streams/test_wire_in.py`` fails when a release of aiortc moves any of it. aiortc keeps ICE, DTLS, SRTP and
RTCP; a taken-over receiver hands packets on as they come. Its own jitter buffer holds sixteen packets of sound back
after the first loss and never catches up again, and a picture until the next one begins; what it decodes waits without
a bound.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpTransceiver
from aiortc.codecs import get_capabilities
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RTCP_PSFB_APP, AnyRtcpPacket, RtcpByePacket, RtcpPsfbPacket, RtpPacket, pack_remb_fci

OPUS, VP8, RTX = "audio/opus", "video/VP8", "video/rtx"
_MOST_STREAMS = 4
"""A picture, what is sent again of it, and the same two of a stream that began anew."""


class Sink(Protocol):
    """What a taken-over receiver tells, on the loop."""

    def on_packet(self, ssrc: int, timestamp: int, payload: bytes) -> None:
        """Hear of a packet: its stream, its RTP time in samples of 48 kHz, one Opus packet."""
        ...

    def on_bye(self) -> None:
        """Hear that the sender says it ends (RFC 3550 §6.6)."""
        ...


class TakenReceiver(RTCRtpReceiver):
    """aiortc's receiver that hands Opus packets to a `Sink` and decodes nothing. Made by `add_receiving`."""

    _sink: Sink

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        codecs: dict[int, RTCRtpCodecParameters] = self._RTCRtpReceiver__codecs  # type: ignore[attr-defined]  # aiortc's private name
        codec = codecs.get(packet.payload_type)
        if codec is None or codec.mimeType.lower() != OPUS:
            return
        streams: dict[int, StreamStatistics] = self._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]  # aiortc's private name
        if packet.ssrc not in streams:
            streams.clear()  # a sender that changes its stream again and again must not fill the reports
            streams[packet.ssrc] = StreamStatistics(codec.clockRate)
        streams[packet.ssrc].add(packet)
        self._sink.on_packet(packet.ssrc, packet.timestamp, packet.payload)

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        await super()._handle_rtcp_packet(packet)
        if isinstance(packet, RtcpByePacket):
            self._sink.on_bye()


class PictureSink(Protocol):
    """What a taken-over receiver of pictures tells, on the loop."""

    def on_sign_of_life(self) -> None:
        """Hear that anything came: a packet, also one that only probes the line, or a report of the sender."""
        ...

    def on_packet(self, ssrc: int, sequence: int, payload: bytes, ends: bool) -> bool:
        """Hear of an RTP packet with VP8, in time or sent again; say whether a key picture is to be asked for."""
        ...

    def on_bye(self) -> None:
        """Hear that the sender says it ends (RFC 3550 §6.6)."""
        ...


class _Hand:
    """Stands where aiortc has its jitter buffer, and keeps nothing."""

    def __init__(self, sink: PictureSink) -> None:
        self._sink = sink

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Return whether to send a PLI, and never a frame to decode."""
        ends = bool(packet.marker)
        return self._sink.on_packet(packet.ssrc, packet.sequence_number, packet.payload, ends), None


class TakenPictureReceiver(RTCRtpReceiver):
    """aiortc's receiver, which asks for what is lost and tells how much the line carries, before a `PictureSink`.

    Made by `add_receiving_picture`.
    """

    _sink: PictureSink

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self._sink.on_sign_of_life()
        streams: dict[int, StreamStatistics] = self._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]  # aiortc's private name
        if packet.ssrc not in streams and len(streams) >= _MOST_STREAMS:
            streams.clear()  # a sender that changes its stream again and again must not fill the reports
            self._RTCRtpReceiver__active_ssrc.clear()  # type: ignore[attr-defined]  # aiortc's private name
        await super()._handle_rtp_packet(packet, arrival_time_ms)

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        self._sink.on_sign_of_life()
        await super()._handle_rtcp_packet(packet)
        if isinstance(packet, RtcpByePacket):
            self._sink.on_bye()

    async def allow(self, ssrc: int, bitrate_bps: int) -> None:
        """Tell the sender that so much may come (REMB), before aiortc has an estimate of its own."""
        own: int | None = self._RTCRtpReceiver__rtcp_ssrc  # type: ignore[attr-defined]  # aiortc's private name
        if own is not None:
            fci = pack_remb_fci(bitrate_bps, [ssrc])
            await self._send_rtcp(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=own, media_ssrc=0, fci=fci))


def add_receiving_picture(peer: RTCPeerConnection, sink: PictureSink) -> TakenPictureReceiver:
    """Add a transceiver that only receives VP8, for ``sink``. Before ``setRemoteDescription``."""
    transceiver = peer.addTransceiver("video", direction="recvonly")
    kinds = {VP8, RTX}
    transceiver.setCodecPreferences([c for c in get_capabilities("video").codecs if c.mimeType in kinds])
    receiver: Any = transceiver.receiver
    receiver.__class__ = TakenPictureReceiver
    receiver._sink = sink
    receiver._RTCRtpReceiver__jitter_buffer = _Hand(sink)
    return cast("TakenPictureReceiver", receiver)


def add_receiving(peer: RTCPeerConnection, sink: Sink) -> RTCRtpTransceiver:
    """Add a transceiver that only receives Opus, for ``sink``. Before ``setRemoteDescription``."""
    transceiver = peer.addTransceiver("audio", direction="recvonly")
    transceiver.setCodecPreferences([c for c in get_capabilities("audio").codecs if c.mimeType == OPUS])
    receiver = transceiver.receiver
    receiver.__class__ = TakenReceiver
    cast("TakenReceiver", receiver)._sink = sink
    return transceiver
