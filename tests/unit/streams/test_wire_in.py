"""The contract with aiortc's receiving side: fails when a release moves one of its private parts."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import RtcpByePacket, RtpPacket, is_rtcp

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
