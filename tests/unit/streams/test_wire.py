"""The contract with aiortc's private parts: fails when a release moves one of them."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aioice.turn import TurnTransport
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCRtpSender
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtcsctptransport import SCTP_RTO_MIN, DataChunk
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtpPacket,
    is_rtcp,
    pack_remb_fci,
)
from pylibsrtp import Policy, Session

from agent.streams import wire, wire_path, wire_sctp, wire_stun
from agent.streams.clock import VIDEO_RATE_HZ, RoomClock
from agent.streams.senders import AiortcSender
from protocol.messages import IceServer

CLOCK = RoomClock(epoch_mono_s=1_000.0, epoch_unix_s=1_700_000_000.0)
GCM = Policy.SRTP_PROFILE_AEAD_AES_256_GCM
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
        self.packets = self.payload_bytes = 0
        self.newest: tuple[int, float] | None = None
        self.emptied = asyncio.Event()

    async def next_outgoing(self) -> wire.Outgoing:
        if not self.frames:
            self.emptied.set()
            await asyncio.Event().wait()
        return self.frames.pop(0)

    def on_key_wanted(self) -> None:
        self.told.append("key")

    def on_report(self, report: wire.Report | None, estimate_bps: int | None) -> None:
        self.told.append((report, estimate_bps))

    def on_sent(self) -> None:
        self.packets += 1
        self.told.append("sent")

    def on_sent_again(self) -> None:
        self.told.append("sent again")

    def send_again(self, sequence: int) -> bool:
        return False


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
    assert private._RTCRtpSender__packet_count == 1
    source.payload_bytes = 3
    assert private._RTCRtpSender__octet_count == 3
    assert private._RTCRtpSender__rtp_timestamp == transport.packets[0].timestamp
    assert private._RTCRtpSender__ntp_timestamp == CLOCK.ntp(1_001.0)
    await sender.stop()


def test_the_sender_report_still_reads_these_names() -> None:
    report = inspect.getsource(RTCRtpSender._run_rtcp)
    assert "ntp_timestamp=self.__ntp_timestamp" in report
    assert "rtp_timestamp=self.__rtp_timestamp" in report
    assert "packet_count=self.__packet_count & 0xFFFFFFFF" in report
    assert "octet_count=self.__octet_count & 0xFFFFFFFF" in report
    assert "self.__lsr = ((self.__ntp_timestamp) >> 16) & 0xFFFFFFFF" in report
    loop = inspect.getsource(RTCRtpSender._run_rtp)
    assert "await self._next_encoded_frame(codec)" in loop
    assert "self.__rtp_timestamp = packet.timestamp" in loop
    assert "self.__packet_count += 1" in loop
    assert list(inspect.signature(RTCEncodedFrame).parameters) == ["payloads", "timestamp", "audio_level"]


async def test_packets_beside_aiortc_go_on_where_its_own_stopped() -> None:
    transport = Transport()
    source = Source(*(wire.Outgoing((b"one", b"two"), 1_001.0 + number) for number in range(80)))
    sender = cast("wire.TakenSender", taken(source, transport))
    sender.replaceTrack(wire.NamedTrack("video", "camera"))
    assert not sender.is_started
    extension = RTCRtpHeaderExtensionParameters(id=3, uri="urn:ietf:params:rtp-hdrext:sdes:mid")
    rtx = RTCRtpCodecParameters(mimeType="video/rtx", clockRate=90_000, payloadType=103, parameters={"apt": 102})
    await sender.send(RTCRtpSendParameters(codecs=[H264, rtx], headerExtensions=[extension], muxId="m"))
    assert sender.is_started
    before = sender.numbers()
    await source.emptied.wait()
    numbers, last = sender.numbers(), transport.packets[-1]
    await sender.stop()
    assert (numbers.payload_type, numbers.ssrc, numbers.rtx_payload_type) == (102, last.ssrc, 103)
    assert numbers.extensions.block == bytes([0xBE, 0xDE, 0, 1, 0x30, ord("m"), 0, 0])
    assert numbers.extensions.time_at is None
    assert numbers.rtx_ssrc == sender._rtx_ssrc
    assert numbers.first_sequence == (last.sequence_number + 1) & 0xFFFF
    assert (numbers.origin_rtp + CLOCK.rtp(1_080.0, VIDEO_RATE_HZ)) & 0xFFFFFFFF == last.timestamp
    assert before.first_sequence < 0x8000
    assert sender.next_rtx_sequence() + 1 == sender.next_rtx_sequence()


async def test_lost_packets_are_asked_of_us_first() -> None:
    class Ours(Source):
        def send_again(self, sequence: int) -> bool:
            self.told.append(sequence)
            return True

    source = Ours()
    await taken(source)._handle_rtcp_packet(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=2, lost=[7, 9]))
    assert source.told == [7, 9, (None, None)]


async def test_a_goodbye_for_all_that_a_viewer_reported_as_is_heard() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        dtls = wire.add_sending(peer, "audio", "sound", "s").receiver.transport
        heard: list[str] = []
        wire.hear_goodbye(peer, lambda: heard.append("bye"))

        async def comes(*packets: Any) -> None:
            await dtls._handle_rtcp_data(b"".join(map(bytes, packets)))

        await comes(RtcpByePacket(sources=[9]))
        await comes(RtcpRrPacket(ssrc=1), RtcpRrPacket(ssrc=2))
        await comes(RtcpByePacket(sources=[1]), RtcpByePacket(sources=[3]))
        assert heard == []
        await comes(RtcpByePacket(sources=[2, 1]))
        assert heard == ["bye"]
        for source in range(1_000):  # made up, one after the other
            await comes(RtcpRrPacket(ssrc=source))
        router = cast("wire.ListeningRouter", dtls._rtp_router)
        assert len(router._reporters) == wire.MOST_REPORTERS
    finally:
        await peer.close()


async def test_of_the_packets_that_a_nack_names_a_few_are_looked_for() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        asked: list[int] = []

        class Source(AiortcSender):
            def send_again(self, sequence: int) -> bool:
                asked.append(sequence)
                return True

        sender = wire.add_sending(peer, "video", "camera", "s").sender
        wire.take_over(sender, Source(), RoomClock(), VIDEO_RATE_HZ)
        nack = RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=sender._ssrc, lost=list(range(6_000)))
        await sender._handle_rtcp_packet(nack)
        assert asked == list(range(wire.MOST_LOST))
    finally:
        await peer.close()


async def test_the_direct_path_finds_session_pair_and_socket_and_gives_its_own_back() -> None:
    here, there = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        here.createDataChannel("any")
        await here.setLocalDescription(await here.createOffer())
        transport = here.sctp.transport  # type: ignore[union-attr]  # there is one for the channel
        ice: Any = transport.transport
        (protocol, *_) = ice._connection._protocols
        address = ("192.0.2.1", 9)
        pair = SimpleNamespace(protocol=protocol, remote_addr=address)
        policy = Policy(key=bytes(44), ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=GCM)
        transport._tx_srtp, transport._state = Session(policy), State.CONNECTED
        transport._ssl = SimpleNamespace(get_selected_srtp_profile=lambda: b"SRTP_AEAD_AES_256_GCM")
        path = wire_path.direct_path(here)
        assert path is not None
        assert path.tag_bytes == 16
        assert path.is_direct is None, "ICE has nominated nothing"
        ice._connection._nominated[1] = pair
        assert path.is_direct
        socket = path._socket
        assert socket is not None
        assert socket.getsockname()[1] == protocol.transport.get_extra_info("sockname")[1]
        ice._connection._nominated.clear()
        assert path.is_direct is None
        assert socket.fileno() == -1
        ice._connection._nominated[1] = pair
        assert path.is_direct
        transport._set_state(State.CLOSED)
        assert path.is_direct is None
        ice._connection._nominated[1] = pair
        assert path.is_direct is None, "what is closed stays closed"
        assert not protocol.transport.is_closing()
        transport._ssl = SimpleNamespace(get_selected_srtp_profile=lambda: b"SRTP_OF_THE_FUTURE")
        assert wire_path.direct_path(here) is None, "what we do not know goes through aiortc"
    finally:
        transport._ssl, transport._state = None, State.NEW
        await here.close()
        await there.close()


def test_turn_is_no_socket_of_ours() -> None:
    transport = TurnTransport(cast("Any", None))
    assert transport.get_extra_info("socket") is None
    assert list(inspect.signature(transport.sendto).parameters) == ["data", "addr"]


@pytest.mark.parametrize("fmt", [RTCP_PSFB_PLI, RTCP_PSFB_FIR])
async def test_a_request_for_a_key_frame_reaches_us(fmt: int) -> None:
    source = Source()
    await taken(source)._handle_rtcp_packet(RtcpPsfbPacket(fmt=fmt, ssrc=1, media_ssrc=2))
    assert source.told == ["key", (None, None)]


async def test_loss_delay_and_the_estimate_of_the_line_reach_us() -> None:
    source = Source()
    sender = taken(source)
    info = RtcpReceiverInfo(
        ssrc=sender._ssrc, fraction_lost=64, packets_lost=7, highest_sequence=70_000, jitter=1800, lsr=9, dlsr=32768
    )
    private = cast("Any", sender)
    private._RTCRtpSender__lsr = 9
    private._reported_mono_s -= 0.7
    await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[info]))
    remb = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=pack_remb_fci(800_000, [sender._ssrc]))
    await sender._handle_rtcp_packet(remb)
    await sender._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=b"????"))
    report = cast("tuple[wire.Report, None]", source.told.pop(0))[0]
    assert (report.packets_lost, report.highest_sequence, report.jitter_s) == (7, 70_000, 0.02)
    assert report.round_trip_s == pytest.approx(0.2, abs=0.1)
    assert source.told == [(None, 800_000), (None, None)]


async def test_a_round_trip_is_that_of_its_report_alone() -> None:
    """Averaged over reports, a queue that has drained goes on costing layers for seconds."""
    source = Source()
    sender = taken(source)
    private = cast("Any", sender)
    for since_s, lsr in ((0.7, 9), (0.1, 10), (0.1, 4)):
        private._RTCRtpSender__lsr = max(lsr, 9)
        private._reported_mono_s -= since_s
        info = RtcpReceiverInfo(
            ssrc=sender._ssrc, fraction_lost=0, packets_lost=0, highest_sequence=1, jitter=0, lsr=lsr, dlsr=1
        )
        await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[info]))
    told = [cast("tuple[wire.Report, None]", one)[0].round_trip_s for one in source.told]
    assert told[:2] == [pytest.approx(0.7, abs=0.09), pytest.approx(0.1, abs=0.09)]
    assert told[2] is None, "one of a time before is not told again"


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


async def test_a_receiver_of_which_nothing_is_asked_counts_no_rates() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    usual = peer.addTransceiver("video", direction="sendonly").receiver
    ours = wire.add_sending(peer, "video", "board", "estrade-board").receiver
    name = "_RTCRtpReceiver__remote_bitrate_estimator"
    assert vars(usual)[name] is not None
    assert vars(ours)[name] is None
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


async def test_a_round_trip_is_known_by_a_report_that_is_like_no_other() -> None:
    sender: Any = taken(Source())
    sender._RTCRtpSender__lsr = 7
    assert sender._RTCRtpSender__lsr == 7
    sender._RTCRtpSender__lsr = 7
    assert sender._RTCRtpSender__lsr is None, "the viewer may mean an earlier one"
    sender._RTCRtpSender__lsr = 8
    assert sender._RTCRtpSender__lsr == 8


async def test_a_heavy_check_is_answered_like_any_and_only_heavier() -> None:
    page, room = RTCPeerConnection(RTCConfiguration(iceServers=[])), RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        page.createDataChannel("lesson")
        await page.setLocalDescription(await page.createOffer())
        await room.setRemoteDescription(page.localDescription)
        await room.setLocalDescription(await room.createAnswer())
        await page.setRemoteDescription(room.localDescription)
        async with asyncio.timeout(10):
            completed = asyncio.Event()
            room.on("iceconnectionstatechange", completed.set)
            while room.iceConnectionState != "completed":
                completed.clear()
                await completed.wait()
        (ice,) = cast("Any", room)._RTCPeerConnection__iceTransports
        pair = ice._connection._nominated[1]
        sizes: list[int] = []
        send_stun = pair.protocol.send_stun

        def send_and_weigh(message: Any, to: Any) -> None:
            sizes.append(len(bytes(message)))
            send_stun(message, to)

        pair.protocol.send_stun = send_and_weigh
        for ballast_bytes in (0, 1100):
            answered = asyncio.Event()
            end = wire_stun.check(room, ballast_bytes, answered.set)
            async with asyncio.timeout(5):
                await answered.wait()
            end()
        assert sizes[1] - sizes[0] == 1104
        assert not pair.protocol.transactions
    finally:
        await page.close()
        await room.close()


@dataclass
class Channels:
    """A room and a page that are connected; the room opened ``data`` on the association of the page's own channel."""

    room: RTCPeerConnection
    data: RTCDataChannel
    heard: list[bytes]
    came: asyncio.Event

    async def until_heard(self, message: bytes) -> None:
        async with asyncio.timeout(10):
            while message not in self.heard:
                self.came.clear()
                await self.came.wait()


@pytest.fixture
async def channels() -> AsyncIterator[Channels]:
    page, room = RTCPeerConnection(RTCConfiguration(iceServers=[])), RTCPeerConnection(RTCConfiguration(iceServers=[]))
    heard: list[bytes] = []
    opened, came = asyncio.Event(), asyncio.Event()

    def take(message: bytes) -> None:
        heard.append(message)
        came.set()

    page.on("datachannel", lambda channel: channel.on("message", take))
    page.createDataChannel("lesson")
    await page.setLocalDescription(await page.createOffer())
    await room.setRemoteDescription(page.localDescription)
    await room.setLocalDescription(await room.createAnswer())
    wire.be_patient(room)
    wire_sctp.adapt(room, lambda: None)
    await page.setRemoteDescription(room.localDescription)
    data = room.createDataChannel("tiles", ordered=False)
    data.on("open", opened.set)
    async with asyncio.timeout(10):
        await opened.wait()
    yield Channels(room, data, heard, came)
    await asyncio.gather(page.close(), room.close())


async def test_consent_checks_are_patient(channels: Channels) -> None:
    transports = cast(Any, channels.room)._RTCPeerConnection__iceTransports
    protocols = [protocol for transport in transports for protocol in transport._connection._protocols]
    assert protocols
    assert all(isinstance(protocol, wire.PatientStun) for protocol in protocols)


async def test_what_waits_on_a_data_channel_is_seen_and_can_be_taken_back(channels: Channels) -> None:
    for number in range(30):
        channels.data.send(number.to_bytes() * 1000)
    await asyncio.sleep(0)  # the association takes what its window holds
    assert wire_sctp.unacknowledged_bytes(channels.data) >= 30_000
    wire_sctp.forget_unsent(channels.data)
    channels.data.send(b"after")
    await channels.until_heard(b"after")
    assert len(channels.heard) < 10
    assert channels.heard[-1] == b"after"
    assert channels.data.bufferedAmount == 0


async def test_what_was_lost_is_sent_again_soon_and_nothing_else(channels: Channels) -> None:
    """Two that follow are too few to tell the sender that one was lost: it waits for its time."""
    association: Any = channels.room.sctp
    send, sent = association._send_chunk, []

    async def lossy(chunk: Any) -> None:
        if isinstance(chunk, DataChunk):
            sent.append(chunk.user_data)
            if len(sent) == 1:
                return
        await send(chunk)

    channels.data.send(b"before")
    await channels.until_heard(b"before")
    association._send_chunk = lossy
    for message in (b"lost", b"one", b"two"):
        channels.data.send(message)
    await channels.until_heard(b"lost")
    assert sent == [b"lost", b"one", b"two", b"lost"]
    assert wire_sctp.LEAST_RTO_S <= association._rto < SCTP_RTO_MIN
