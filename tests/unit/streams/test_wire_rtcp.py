"""RTCP of viewers: what leaves for all tracks of one together, and what is read of what comes."""

from __future__ import annotations

import asyncio
import os
import random
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtcpParameters, RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    pack_remb_fci,
)
from pylibsrtp import Policy, Session

from agent.streams import wire, wire_path, wire_rtcp
from agent.streams.clock import VIDEO_RATE_HZ, RoomClock
from agent.streams.senders import AiortcSender
from tests.unit.streams.direct_viewer import Dtls, Relay

CLOCK = RoomClock(epoch_mono_s=1_000.0, epoch_unix_s=1_700_000_000.0)
H264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=102)
GCM = Policy.SRTP_PROFILE_AEAD_AES_256_GCM


class Transport:
    """The part of a DTLS transport that aiortc's sender uses."""

    state = "connected"
    _stats_id = "transport"

    def __init__(self) -> None:
        self.sent: list[AnyRtcpPacket] = []
        self.senders: dict[int, Any] = {}

    def _register_rtp_sender(self, sender: Any, parameters: Any) -> None:
        self.senders[sender._ssrc] = sender

    def _unregister_rtp_sender(self, sender: Any) -> None:
        del self.senders[sender._ssrc]

    async def _send_rtp(self, data: bytes) -> None:
        self.sent += RtcpPacket.parse(data)


class Source(AiortcSender):
    """A track whose packets leave by another way; it keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.left: tuple[int, float] | None = None
        self.told: list[object] = []

    def on_key_wanted(self) -> None:
        self.told.append("key")

    def on_report(self, report: wire.Report | None, estimate_bps: int | None) -> None:
        self.told.append((report, estimate_bps))

    def send_again(self, sequence: int) -> bool:
        self.told.append(sequence)
        return True

    @property
    def newest(self) -> tuple[int, float] | None:
        return self.left

    def leave(self, rtp: int, captured_mono_s: float, payload_bytes: int) -> None:
        """Count a packet that left."""
        self.left = rtp, captured_mono_s
        self._packets += 1
        self._payload_bytes += payload_bytes


class Viewer:
    """A viewer of several tracks, on a clock that stands still, with a relay that keeps what it is given."""

    def __init__(self, tracks: int) -> None:
        self.mono_s = 1_000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.packets: list[bytes] = []
        self.transport = Transport()
        self.sources = [Source() for _ in range(tracks)]
        self.senders = []
        for source in self.sources:
            sender = RTCRtpSender("video", cast("Any", self.transport))
            self.senders.append(wire.take_over(sender, source, CLOCK, VIDEO_RATE_HZ))
        here, there = os.urandom(44), os.urandom(44)

        def session(key: bytes, kind: int) -> Session:
            return Session(Policy(key=key, ssrc_type=kind, srtp_profile=GCM))

        pair = SimpleNamespace(
            remote_addr=("192.0.2.1", 5), protocol=SimpleNamespace(transport=Relay(self.packets.append))
        )
        self.protocol = SimpleNamespace(on_rtcp=None)
        self.connection = SimpleNamespace(_nominated={1: pair}, _protocols=[self.protocol])
        ice = SimpleNamespace(_connection=self.connection)
        self.dtls = Dtls(session(here, Policy.SSRC_ANY_OUTBOUND), ice)
        self.byes: list[str] = []
        self.router = wire.ListeningRouter()
        self.router._on_goodbye, self.router._reporters = lambda: self.byes.append("bye"), set()
        private = cast("Any", self.dtls)
        private._rtp_router, private._rx_srtp = self.router, session(there, Policy.SSRC_ANY_INBOUND)
        self._unprotect = session(here, Policy.SSRC_ANY_INBOUND).unprotect_rtcp
        self.protect = session(there, Policy.SSRC_ANY_OUTBOUND).protect_rtcp
        self.path = wire_path.DirectPath(self.dtls, 16)
        self.rtcp = wire_rtcp.ViewerRtcp(self.path, self.senders, self._call_at, lambda: self.mono_s)

    def _call_at(self, mono_s: float, call: Callable[[], None]) -> None:
        self.timers.append((mono_s, call))

    def comes(self, *packets: AnyRtcpPacket | bytes) -> bool:
        """Let a compound packet come from the viewer; say whether it was taken."""
        self.path.is_direct = True  # in place of the relay that keeps what leaves
        took: bool = self.protocol.on_rtcp(self.protect(b"".join(map(bytes, packets))))
        self.path.is_direct = False
        return took

    def told(self) -> list[list[object]]:
        """Return what each track was told since the last call."""
        told = [source.told for source in self.sources]
        for source in self.sources:
            source.told = []
        return told

    async def start(self) -> None:
        for sender in self.senders:
            await sender.send(RTCRtpSendParameters(codecs=[H264], rtcp=RTCRtcpParameters(cname="room")))
        await asyncio.sleep(0)  # aiortc's tasks begin

    def tick(self) -> list[AnyRtcpPacket]:
        """Let the timer fire; return what left, one compound packet at most."""
        ((self.mono_s, call),) = self.timers
        self.timers.clear()
        call()
        plain = [RtcpPacket.parse(self._unprotect(packet)) for packet in self.packets]
        self.packets.clear()
        assert len(plain) <= 1
        return plain[0] if plain else []


@pytest.fixture
async def viewer() -> Any:
    made = Viewer(3)
    await made.start()
    yield made
    for sender in made.senders:
        await sender.stop()


async def test_the_reports_of_all_tracks_that_sent_leave_as_one_packet_with_names(viewer: Viewer) -> None:
    assert viewer.tick() == [], "nothing has left yet: who sends nothing reports nothing"
    viewer.sources[0].leave(77, 1_001.0, 900)
    viewer.sources[2].leave(88, 1_001.5, 100)
    viewer.sources[2].leave(99, 1_002.0, 50)
    packets = viewer.tick()
    reports = [packet for packet in packets if isinstance(packet, RtcpSrPacket)]
    first, third = viewer.senders[0]._ssrc, viewer.senders[2]._ssrc
    told = [(report.ssrc, report.sender_info) for report in reports]
    assert [ssrc for ssrc, _ in told] == [first, third]
    assert [(i.rtp_timestamp, i.ntp_timestamp) for _, i in told] == [(77, CLOCK.ntp(1_001.0)), (99, CLOCK.ntp(1_002.0))]
    assert [(i.packet_count, i.octet_count) for _, i in told] == [(1, 900), (2, 150)]
    names = [chunk for packet in packets if isinstance(packet, RtcpSdesPacket) for chunk in packet.chunks]
    assert [(chunk.ssrc, chunk.items) for chunk in names] == [(first, [(1, b"room")]), (third, [(1, b"room")])]
    assert isinstance(packets[0], RtcpSrPacket), "a compound packet begins with a report"


async def test_reports_come_about_once_a_second_until_the_path_is_closed(viewer: Viewer) -> None:
    viewer.sources[0].leave(77, 1_001.0, 900)
    times = []
    for _ in range(20):
        before_s = viewer.mono_s
        assert viewer.tick()
        times.append(viewer.mono_s - before_s)
    assert all(0.5 <= interval_s <= 1.5 for interval_s in times)
    assert len(set(times)) > 1, "viewers who came together are not reported to together for ever"
    viewer.dtls.end()
    assert viewer.tick() == []
    assert viewer.timers == []


async def test_reports_of_many_viewers_leave_in_few_turns_of_the_loop() -> None:
    instants = []
    for number in range(20):
        viewer = Viewer(1)
        viewer.mono_s += number * 0.0137
        viewer.rtcp._wait()
        instants += [mono_s for mono_s, _ in viewer.timers]
    assert all((mono_s / wire_rtcp.TOGETHER_S).is_integer() for mono_s in instants)
    assert 2 < len(set(instants)) <= 7


async def test_a_report_that_cannot_be_made_is_not_the_last(viewer: Viewer) -> None:
    viewer.sources[0].leave(1 << 32, 1_001.0, 900)
    with pytest.raises(struct.error):
        viewer.tick()
    viewer.sources[0].leave(77, 1_001.0, 900)
    assert viewer.tick()


async def test_aiortc_still_says_goodbye_and_ends() -> None:
    viewer = Viewer(1)
    await viewer.start()
    await viewer.senders[0].stop()
    assert viewer.transport.sent == [RtcpByePacket(sources=[viewer.senders[0]._ssrc])]


async def test_a_round_trip_is_counted_from_the_report_that_left(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.sources[0].leave(77, 1_001.0, 900)
    (report, _) = viewer.tick()
    assert isinstance(report, RtcpSrPacket)
    lsr = (report.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
    seen = RtcpReceiverInfo(viewer.senders[0]._ssrc, 0, 0, 1, 0, lsr, dlsr=32768)
    monkeypatch.setattr(time, "time", lambda: 0.0)  # somebody sets the room's clock
    viewer.senders[0]._reported_mono_s -= 0.7
    viewer.comes(RtcpRrPacket(1, [seen]))
    (((told, _),), *_) = cast("Any", viewer.told())
    assert told.round_trip_s == pytest.approx(0.2, abs=0.1)
    viewer.comes(RtcpRrPacket(1, [replace(seen, dlsr=3 * 65536)]))
    (((shorter, _),), *_) = cast("Any", viewer.told())
    assert shorter.round_trip_s == 0, "the viewer says that it took longer than there was time"
    viewer.tick()
    viewer.comes(RtcpRrPacket(1, [seen]))
    (((again, _),), *_) = cast("Any", viewer.told())
    assert again.round_trip_s is None, "the viewer may mean an earlier one: nothing new is known"


async def test_each_track_is_told_what_a_viewer_says_of_it(viewer: Viewer) -> None:
    first, second, third = (sender._ssrc for sender in viewer.senders)
    infos = [RtcpReceiverInfo(third, 9, -3, 70_000, 1800, 0, 0), RtcpReceiverInfo(5, 9, 7, 1, 1, 0, 0)]
    estimate = RtcpPsfbPacket(RTCP_PSFB_APP, 1, 0, pack_remb_fci(800_000, [9, first, third]))
    assert viewer.comes(
        RtcpRrPacket(1, infos),
        RtcpSdesPacket([RtcpSourceInfo(1, [(1, b"pupil")])]),
        estimate,
        RtcpPsfbPacket(RTCP_PSFB_PLI, 1, second),
        RtcpRtpfbPacket(RTCP_RTPFB_NACK, 1, first, [7, 9, 65_535, 65_536]),
    )
    report = wire.Report(-3, 70_000, 0.02, None)
    seen = (None, None)
    assert viewer.told() == [
        [(None, 800_000), 7, 9, 65_535, 0, seen],
        ["key", seen],
        [(report, None), (None, 800_000)],
    ]


async def test_sender_reports_and_full_intra_requests_of_a_viewer_are_read(viewer: Viewer) -> None:
    about = viewer.senders[1]._ssrc
    info = RtcpReceiverInfo(about, 0, 4, 8, 0, 0, 0)
    entry = about.to_bytes(4, "big") + bytes(4)
    fir = RtcpPsfbPacket(RTCP_PSFB_FIR, 1, 0, entry)
    assert viewer.comes(RtcpSrPacket(1, RtcpSenderInfo(1, 2, 3, 4), [info]), fir)
    assert viewer.told()[1] == [(wire.Report(4, 8, 0.0, None), None), "key", (None, None)]


async def test_a_goodbye_is_heard_here_as_by_aiortc(viewer: Viewer) -> None:
    viewer.comes(RtcpRrPacket(1))
    viewer.comes(RtcpRrPacket(2), RtcpByePacket([1, 3]))
    assert viewer.byes == []
    viewer.comes(RtcpRrPacket(2), RtcpByePacket([2]))
    assert viewer.byes == ["bye"]


async def test_of_a_nack_that_names_thousands_a_few_are_looked_for(viewer: Viewer) -> None:
    viewer.comes(RtcpRtpfbPacket(RTCP_RTPFB_NACK, 1, viewer.senders[0]._ssrc, list(range(2_000))))
    assert viewer.told()[0] == [*range(wire.MOST_LOST), (None, None)]


async def test_through_a_relay_all_is_left_to_aiortc(viewer: Viewer) -> None:
    assert viewer.path.is_direct is False
    assert viewer.protocol.on_rtcp(viewer.protect(bytes(RtcpRrPacket(1)))) is False
    assert viewer.router._reporters == set()


async def test_so_is_what_comes_after_a_change_from_a_relay_until_packets_leave_directly(viewer: Viewer) -> None:
    """Packets are missed that aiortc sent through the relay, and it alone has them."""
    nack = RtcpRtpfbPacket(RTCP_RTPFB_NACK, 1, viewer.senders[1]._ssrc, [7])
    viewer.sources[1].on_sent()
    assert not viewer.comes(nack)
    assert viewer.told()[1] == []
    viewer.sources[1].leave(77, 1_001.0, 900)
    assert viewer.comes(nack), "the other tracks, of which nothing has left, change nothing"
    assert viewer.told()[1] == [7, (None, None)]


async def test_what_was_forged_repeated_or_is_too_long_is_dropped(viewer: Viewer) -> None:
    viewer.path.is_direct = True
    sealed = viewer.protect(bytes(RtcpPsfbPacket(RTCP_PSFB_PLI, 1, viewer.senders[0]._ssrc)))
    take = viewer.protocol.on_rtcp
    for data in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:9], b"\x80\xc9", b"\x80\xc9" + bytes(3_000)):
        assert take(data)
    assert viewer.told() == [[], [], []]
    assert take(sealed)
    assert take(sealed)
    assert viewer.told() == [["key", (None, None)], [], []], "the second time it is a replay"


async def test_nothing_is_read_beyond_the_end_of_a_packet_whatever_it_says(viewer: Viewer) -> None:
    """What lies behind it in memory is another viewer's."""
    about = viewer.senders[0]._ssrc
    info = RtcpReceiverInfo(about, 0, 4, 8, 0, 0, 0)
    whole = bytes(RtcpRrPacket(1, [info] * 8)) + bytes(RtcpRtpfbPacket(RTCP_RTPFB_NACK, 1, about, [1, 100, 200]))
    padded = bytearray(bytes(RtcpRtpfbPacket(RTCP_RTPFB_NACK, 1, about, [1, 100])))
    padded[0] |= 0x20
    padded[-4:] = bytes([0, 0, 0, 4])
    dice = random.Random(7)
    viewer.comes(whole)
    assert len(viewer.told()[0]) == 12
    viewer.comes(whole[:8])  # as long as it says, it would reach into the packet before it
    assert viewer.told()[0] == []
    estimate = bytes(RtcpPsfbPacket(RTCP_PSFB_APP, 1, 0, pack_remb_fci(800_000, [about])))
    viewer.comes(estimate)
    assert viewer.told()[0] == [(None, 800_000)]
    viewer.comes(estimate[:2] + b"\x00\x02" + estimate[4:12])
    assert viewer.told()[0] == []
    cut = bytearray(bytes(RtcpRrPacket(1, [info])))
    cut[0] |= 0x1F  # 31 blocks are promised, one is there
    viewer.comes(bytes(cut))
    assert len(viewer.told()[0]) == 1
    viewer.comes(bytes(padded))
    assert viewer.told()[0] == [1, (None, None)], "what fills a packet up names no loss"
    for bad in (b"\x80\xcd\x00\x01" + bytes(4), b"\x8f\xce\x00\x02" + bytes(8), b"\xbf\xcb\x00\x01\xff\xff\xff\xff"):
        viewer.comes(bad)
    for _ in range(3_000):
        damaged = bytearray(whole)
        for _ in range(dice.randrange(1, 12)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        viewer.comes(bytes(damaged[: 4 * dice.randrange(2, len(damaged) // 4 + 1)]))


async def test_aioice_gives_us_rtcp_first_and_aiortc_the_rest() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.createDataChannel("any")
    try:
        await peer.setLocalDescription(await peer.createOffer())
        wire.be_patient(peer)
        connection = cast("Any", peer.sctp).transport.transport._connection
        protocol: Any = connection._protocols[0]
        came: list[bytes] = []
        report, rtp, dtls = b"\x80\xc9" + bytes(30), b"\x80\x60" + bytes(30), b"\x16\xc9" + bytes(30)
        protocol.datagram_received(report, ("192.0.2.1", 9))

        def take(data: bytes) -> bool:
            came.append(data)
            return len(came) == 1

        protocol.on_rtcp = take
        for data in (report, report, rtp, dtls, b"\x80"):
            protocol.datagram_received(data, ("192.0.2.1", 9))
        queued = [connection._queue.get_nowait()[0] for _ in range(connection._queue.qsize())]
        assert came == [report, report]
        assert queued == [report, report, rtp, dtls, b"\x80"], "before there is anybody, and where it says no"
    finally:
        await peer.close()
