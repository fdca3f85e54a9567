"""RTCP of viewers: what leaves for all tracks of one together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtcpParameters, RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtp import AnyRtcpPacket, RtcpByePacket, RtcpPacket, RtcpSdesPacket, RtcpSrPacket
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
    """A track whose packets leave by another way."""

    def __init__(self) -> None:
        super().__init__()
        self.left: tuple[int, float] | None = None

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
        self.connection = SimpleNamespace(_nominated={1: pair})
        ice = SimpleNamespace(_connection=self.connection)
        self.dtls = Dtls(session(here, Policy.SSRC_ANY_OUTBOUND), ice)
        self._unprotect = session(here, Policy.SSRC_ANY_INBOUND).unprotect_rtcp
        self.protect = session(there, Policy.SSRC_ANY_OUTBOUND).protect_rtcp
        self.path = wire_path.DirectPath(self.dtls, 16)
        self.rtcp = wire_rtcp.ViewerRtcp(self.path, self.senders, self._call_at, lambda: self.mono_s)

    def _call_at(self, mono_s: float, call: Callable[[], None]) -> None:
        self.timers.append((mono_s, call))

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


async def test_aiortc_still_says_goodbye_and_ends() -> None:
    viewer = Viewer(1)
    await viewer.start()
    await viewer.senders[0].stop()
    assert viewer.transport.sent == [RtcpByePacket(sources=[viewer.senders[0]._ssrc])]


async def test_a_round_trip_is_counted_from_the_report_that_left(viewer: Viewer) -> None:
    viewer.sources[0].leave(77, 1_001.0, 900)
    (report, _) = viewer.tick()
    assert isinstance(report, RtcpSrPacket)
    private = cast("Any", viewer.senders[0])
    assert private._RTCRtpSender__lsr == (report.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
    viewer.tick()
    assert private._RTCRtpSender__lsr is None, "the viewer may mean an earlier one"
