"""The contract with aiortc's private parts: fails when a release moves one of them."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any, cast

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtpPacket,
    is_rtcp,
    pack_remb_fci,
)

from agent.streams import wire
from agent.streams.clock import VIDEO_RATE_HZ, RoomClock
from protocol.messages import IceServer

CLOCK = RoomClock(epoch_mono_s=1_000.0, epoch_unix_s=1_700_000_000.0)
H264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=102)


class Transport:
    """The part of a DTLS transport that a sender uses."""

    state = "connected"
    _stats_id = "transport"

    def __init__(self) -> None:
        self.packets: list[RtpPacket] = []
        self.sent = asyncio.Event()

    def _register_rtp_sender(self, sender: Any, parameters: Any) -> None:
        pass

    _unregister_rtp_sender = lambda self, sender: None  # noqa: E731  # as short as its duty

    async def _send_rtp(self, data: bytes) -> None:
        if not is_rtcp(data):
            self.packets.append(RtpPacket.parse(data))
            self.sent.set()


class Source:
    """Scripted frames, and what the sender told."""

    def __init__(self, *frames: wire.Outgoing) -> None:
        self.frames = list(frames)
        self.told: list[object] = []
        self.emptied = asyncio.Event()

    async def next_outgoing(self) -> wire.Outgoing:
        if not self.frames:
            self.emptied.set()
            await asyncio.Event().wait()
        return self.frames.pop(0)

    def on_key_wanted(self) -> None:
        self.told.append("key")

    def on_report(self, lost_share: float | None, estimate_bps: int | None) -> None:
        self.told.append((lost_share, estimate_bps))

    def on_sent(self) -> None:
        self.told.append("sent")

    def on_sent_again(self) -> None:
        self.told.append("sent again")


def taken(source: Source, transport: Transport | None = None) -> RTCRtpSender:
    sender = RTCRtpSender("video", cast("Any", transport or Transport()))
    wire.take_over(sender, source, CLOCK, VIDEO_RATE_HZ)
    return sender


async def test_packets_are_ours_as_they_are_with_the_time_of_capture() -> None:
    transport = Transport()
    source = Source(wire.Outgoing((b"one", b"two"), 1_001.0), wire.Outgoing((b"three",), 1_001.5))
    sender = taken(source, transport)
    sender.replaceTrack(wire.NamedTrack("video", "camera"))
    await sender.send(RTCRtpSendParameters(codecs=[H264]))
    await source.emptied.wait()
    await sender._retransmit(transport.packets[0].sequence_number)
    await sender.stop()
    again = transport.packets.pop()
    assert again.payload.endswith(b"one")
    assert [(p.payload, p.marker) for p in transport.packets] == [(b"one", 0), (b"two", 1), (b"three", 1)]
    times = [p.timestamp for p in transport.packets]
    assert times[0] == times[1]
    assert (times[2] - times[0]) & 0xFFFFFFFF == 45_000
    assert source.told == [*["sent"] * 3, "sent again"], "a packet that leaves again is one that left"


async def test_what_the_sender_report_reads_pairs_rtp_time_with_capture() -> None:
    source = Source(wire.Outgoing((b"one",), 1_001.0))
    transport = Transport()
    sender = taken(source, transport)
    sender.replaceTrack(wire.NamedTrack("video", "camera"))
    await sender.send(RTCRtpSendParameters(codecs=[H264]))
    await source.emptied.wait()
    private = cast("Any", sender)
    assert private._RTCRtpSender__rtp_timestamp == transport.packets[0].timestamp
    assert private._RTCRtpSender__ntp_timestamp == CLOCK.ntp(1_001.0)
    await sender.stop()


def test_the_sender_report_still_reads_these_names() -> None:
    report = inspect.getsource(RTCRtpSender._run_rtcp)
    assert "ntp_timestamp=self.__ntp_timestamp" in report
    assert "rtp_timestamp=self.__rtp_timestamp" in report
    loop = inspect.getsource(RTCRtpSender._run_rtp)
    assert "await self._next_encoded_frame(codec)" in loop
    assert "self.__rtp_timestamp = packet.timestamp" in loop
    assert list(inspect.signature(RTCEncodedFrame).parameters) == ["payloads", "timestamp", "audio_level"]


@pytest.mark.parametrize("fmt", [RTCP_PSFB_PLI, RTCP_PSFB_FIR])
async def test_a_request_for_a_key_frame_reaches_us(fmt: int) -> None:
    source = Source()
    await taken(source)._handle_rtcp_packet(RtcpPsfbPacket(fmt=fmt, ssrc=1, media_ssrc=2))
    assert source.told == [(None, None), "key"]


async def test_loss_and_the_estimate_of_the_line_reach_us() -> None:
    source = Source()
    sender = taken(source)
    info = RtcpReceiverInfo(
        ssrc=sender._ssrc, fraction_lost=64, packets_lost=1, highest_sequence=1, jitter=0, lsr=0, dlsr=0
    )
    await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[info]))
    remb = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=pack_remb_fci(800_000, [sender._ssrc]))
    await sender._handle_rtcp_packet(remb)
    await sender._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=b"????"))
    assert source.told == [(0.25, None), (None, 800_000), (None, None)]


async def test_names_of_tracks_and_media_streams_are_ours() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        sound = wire.add_sending(peer, "audio", "sound", "estrade-lesson")
        board = wire.add_sending(peer, "video", "board", "estrade-board")
        offer = (await peer.createOffer()).sdp
        assert "a=msid:estrade-lesson sound" in offer
        assert "a=msid:estrade-board board" in offer
        assert [c.mimeType for c in sound._codecs] == ["audio/opus"]
        assert [c.mimeType for c in board._codecs][::2] == ["video/H264", "video/H264"]
        assert str(board._codecs[0].parameters["profile-level-id"]).startswith("42e0")
    finally:
        await peer.close()


async def test_the_level_is_changed_for_this_viewer_only() -> None:
    first, second = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        transceivers = [wire.add_sending(p, "video", "board", "b") for p in (first, second)]
        for peer in (first, second):
            await peer.createOffer()
        transceivers[0]._codecs = [*map(_copy, transceivers[0]._codecs)]
        wire.state_level(transceivers[0], "4.0")
        levels = [str(t._codecs[0].parameters["profile-level-id"]) for t in transceivers]
        assert levels == ["42e028", "42e01f"]
    finally:
        await first.close()
        await second.close()


def _copy(codec: RTCRtpCodecParameters) -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(**{**vars(codec), "parameters": dict(codec.parameters)})


async def test_we_are_the_dtls_server_where_the_offer_leaves_the_choice() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        transceiver = wire.add_sending(peer, "audio", "sound", "s")
        dtls = transceiver.receiver.transport
        assert dtls._role == "auto"
        wire.be_dtls_server(peer)
        assert dtls._role == "server"
        dtls._set_role("client")
        wire.be_dtls_server(peer)
        assert dtls._role == "client"
    finally:
        await peer.close()


def test_ice_servers_that_cannot_be_read_are_left_out_and_none_is_ever_made_up() -> None:
    assert wire.ice_servers(()) == []
    turn = IceServer(urls=("turn:turn.example.org:3478?transport=udp", "http://x"), username="u", credential="c")
    (kept,) = wire.ice_servers((turn, IceServer(urls=("stun:", "nonsense"))))
    assert (kept.urls, kept.username, kept.credential) == (["turn:turn.example.org:3478?transport=udp"], "u", "c")


def test_addresses_of_viewers_do_not_reach_the_log() -> None:
    assert not logging.getLogger("aioice.ice").isEnabledFor(logging.INFO)


async def test_sockets_that_were_opened_while_a_peer_was_closed_are_closed_with_the_second_call() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("any")
    gathering = asyncio.create_task(peer.setLocalDescription(await peer.createOffer()))
    transport = peer.sctp.transport.transport  # type: ignore[union-attr]  # there is one for the channel
    while not transport._connection._local_candidates_start:  # noqa: ASYNC110  # there is no event to wait for
        await asyncio.sleep(0)
    await wire.close_peer(peer, 1.0)
    await asyncio.wait({gathering})
    left = list(transport._connection._protocols)
    assert left, "aioice forgets no sockets any more: the second call is not needed"
    await wire.close_peer(peer, 1.0)
    assert all(protocol.transport.is_closing() for protocol in left)
