"""The contract with aiortc's receiving side: fails when a release moves one of its private parts."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
)
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtpPacket,
    is_rtcp,
    unpack_remb_fci,
    wrap_rtx,
)

from agent.streams import wire_in

OPUS = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=111)
OTHER = RTCRtpCodecParameters(mimeType="audio/PCMU", clockRate=8_000, channels=1, payloadType=0)


class Sink:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, int, bytes]] = []
        self.byes = 0

    def on_packet(self, ssrc: int, timestamp: int, payload: bytes) -> None:
        self.packets.append((ssrc, timestamp, payload))

    def on_bye(self) -> None:
        self.byes += 1


class Transport:
    """The part of a DTLS transport that a receiver uses."""

    state = "connected"
    _stats_id = "transport"

    def __init__(self) -> None:
        self.reports: list[Any] = []
        self.reported = asyncio.Event()

    def _register_rtp_receiver(self, receiver: Any, parameters: Any) -> None:
        pass

    _unregister_rtp_receiver = lambda self, receiver: None  # noqa: E731  # as short as its duty

    async def _send_rtp(self, data: bytes) -> None:
        assert is_rtcp(data)
        self.reports.append(data)
        self.reported.set()


def packet(sequence: int, payload: bytes, *, payload_type: int = 111, ssrc: int = 9) -> RtpPacket:
    made = RtpPacket(payload_type=payload_type, sequence_number=sequence, timestamp=sequence * 960, ssrc=ssrc)
    made.payload = payload
    return made


async def test_a_receiver_hands_opus_on_as_it_comes_decodes_nothing_and_reports() -> None:
    peer, sink, transport = RTCPeerConnection(RTCConfiguration(iceServers=[])), Sink(), Transport()
    made = wire_in.add_receiving(peer, sink).receiver
    assert isinstance(made, wire_in.TakenReceiver)
    receiver = cast(Any, made)
    own = receiver.transport
    receiver.setTransport(transport)
    receiver._track = type("Track", (), {"_queue": asyncio.Queue()})()
    receiver._set_rtcp_ssrc(1)
    await receiver.receive(RTCRtpReceiveParameters(codecs=[OPUS, OTHER]))
    try:
        for sequence in (5, 7, 6):
            await receiver._handle_rtp_packet(packet(sequence, b"said"), 0)
        await receiver._handle_rtp_packet(packet(8, b"other", payload_type=0), 0)
        await receiver._handle_rtp_packet(packet(8, b"unknown", payload_type=99), 0)
        assert sink.packets == [(9, sequence * 960, b"said") for sequence in (5, 7, 6)]
        assert receiver._track._queue.empty()
        async with asyncio.timeout(5):
            await transport.reported.wait()
        for ssrc in range(20):
            await receiver._handle_rtp_packet(packet(1, b"new", ssrc=ssrc), 0)
        assert len(receiver._RTCRtpReceiver__remote_streams) == 1
        await receiver._handle_rtcp_packet(RtcpByePacket(sources=[9]))
        assert sink.byes == 1
    finally:
        await receiver.stop()
        receiver.setTransport(own)
        await peer.close()


VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)
RTX = RTCRtpCodecParameters(mimeType="video/rtx", clockRate=90_000, payloadType=98, parameters={"apt": 97})


class Screen:
    """Keeps what is told, and asks for a key picture when a test says so."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, int, bytes, bool]] = []
        self.signs = self.byes = 0
        self.wants_key = False

    def on_sign_of_life(self) -> None:
        self.signs += 1

    def on_packet(self, ssrc: int, sequence: int, payload: bytes, ends: bool) -> bool:
        self.packets.append((ssrc, sequence, payload, ends))
        return self.wants_key

    def on_bye(self) -> None:
        self.byes += 1


def piece(sequence: int, *, ssrc: int = 9, ends: bool = False) -> RtpPacket:
    made = packet(sequence, b"\x10\x10shown", payload_type=97, ssrc=ssrc)
    made.marker = int(ends)
    return made


async def test_a_receiver_of_pictures_hands_packets_on_asks_for_what_is_lost_and_reports() -> None:
    peer, sink, transport = RTCPeerConnection(RTCConfiguration(iceServers=[])), Screen(), Transport()
    receiver = cast(Any, wire_in.add_receiving_picture(peer, sink))
    own = receiver.transport
    receiver.setTransport(transport)
    receiver._track = type("Track", (), {"_queue": asyncio.Queue()})()
    receiver._set_rtcp_ssrc(1)
    parameters = RTCRtpReceiveParameters(codecs=[VP8, RTX])
    parameters.encodings = [RTCRtpDecodingParameters(ssrc=9, payloadType=97, rtx=RTCRtpRtxParameters(ssrc=10))]
    await receiver.receive(parameters)

    def sent(kind: type[Any], fmt: int | None = None) -> list[Any]:
        parsed: list[Any] = [one for data in transport.reports for one in RtcpPacket.parse(data)]
        found = [one for one in parsed if isinstance(one, kind)]
        return [one for one in found if fmt is None or one.fmt == fmt]

    try:
        for sequence in (5, 6, 9):
            await receiver._handle_rtp_packet(piece(sequence, ends=sequence == 6), 0)
        [nack] = sent(RtcpRtpfbPacket, RTCP_RTPFB_NACK)
        assert nack.lost == [7, 8]
        again = wrap_rtx(piece(7), payload_type=98, sequence_number=1, ssrc=10)
        await receiver._handle_rtp_packet(again, 0)
        told = [(9, sequence, b"\x10\x10shown", sequence == 6) for sequence in (5, 6, 9, 7)]
        assert sink.packets == told
        assert not sent(RtcpPsfbPacket, RTCP_PSFB_PLI)
        sink.wants_key = True
        await receiver._handle_rtp_packet(piece(10), 0)
        [asked] = sent(RtcpPsfbPacket, RTCP_PSFB_PLI)
        assert asked.media_ssrc == 9
        await receiver.allow(9, 3_000_000)
        [allowed] = sent(RtcpPsfbPacket, RTCP_PSFB_APP)
        rate_bps, ssrcs = unpack_remb_fci(allowed.fci)
        assert ssrcs == [9]
        assert abs(rate_bps - 3_000_000) < 30_000
        await receiver._handle_rtp_packet(packet(11, b"other", payload_type=0), 0)
        assert len(sink.packets) == 5
        assert sink.signs == 6
        assert receiver._track._queue.empty()
        async with asyncio.timeout(5):
            while not sent(RtcpRrPacket):
                transport.reported.clear()
                await transport.reported.wait()
        for ssrc in range(100, 130):
            await receiver._handle_rtp_packet(piece(1, ssrc=ssrc), 0)
        assert len(receiver._RTCRtpReceiver__remote_streams) <= 4
        assert len(receiver._RTCRtpReceiver__active_ssrc) <= 5
        await receiver._handle_rtcp_packet(RtcpByePacket(sources=[9]))
        assert sink.byes == 1
    finally:
        await receiver.stop()
        receiver.setTransport(own)
        await peer.close()
