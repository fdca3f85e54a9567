"""The direct path with real peers: what arrives, what RTCP does, who leaves, and who is none of its business."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_RTPFB_NACK,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    pack_remb_fci,
)

from agent.streams.datagrams import BURST_PACKETS
from agent.streams.direct import DirectSender
from tests.integration.streams.conftest import Room
from tests.integration.streams.peer import CountingReceiver, Peer, decoded
from tests.integration.streams.relay import ice_servers, relay
from tests.integration.streams.sources import film, picture, speak

pytestmark = pytest.mark.timed

LOSS = 0.2
TEXTURE = np.random.default_rng(12).integers(60, 120, (360, 640), np.uint8)


def senders(room: Room, viewer: str) -> Iterable[DirectSender]:
    return room.publisher._roster.connections[viewer].senders.values()


async def send_rtcp(peer: Peer, packet: object) -> None:
    transport: Any = peer.pc.getTransceivers()[0].receiver.transport
    await transport._send_rtp(bytes(packet))  # type: ignore[call-overload]  # an RTCP packet


async def complain(peer: Peer) -> None:
    """Ask for each lost packet once, and twice a second for a key frame, as browsers do."""
    asked = 0
    for turn in itertools.count(1):
        await asyncio.sleep(0.02)
        lost, asked = peer.camera.missing[asked:], len(peer.camera.missing)
        if lost:
            ssrc = ssrc_of(peer.camera)
            await send_rtcp(peer, RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=ssrc, lost=lost))
        if turn % 25 == 0:
            await peer.camera.ask_key()


def ssrc_of(receiver: CountingReceiver) -> int:
    (ssrc,) = receiver._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]  # aiortc's private name
    return int(ssrc)


def big(number: int) -> Any:
    """A picture with so much in it that its key frame takes many bursts."""
    made = picture(number, 640, 360)
    made.image[:360] = np.roll(TEXTURE, number * 3, axis=1)
    return made


async def test_all_packets_come_in_order_and_decode_and_reports_count_them(room: Room) -> None:
    room.feed(film(room.publisher, "camera", rate_hz=10, make=big))
    room.feed(speak(room.publisher))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.camera.pictures()) >= 25 and len(peer.sound.arrivals) >= 60)
    assert max(map(len, peer.camera.pictures())) > 2 * BURST_PACKETS
    begun = len(peer.camera.reports)
    await peer.until(lambda: len(peer.camera.reports) > begun)
    assert all(sender._numbers is not None for sender in senders(room, "v1")), "no frame went through aiortc"
    report = peer.camera.reports[-1].sender_info
    arrivals = list(peer.camera.arrivals)
    await peer.close()
    for receiver in (peer.camera, peer.sound):
        assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(receiver.arrivals)} == {1}
    assert len(decoded(peer.camera, peer.codec)) >= 25
    told = [n for n, a in enumerate(arrivals) if a.timestamp == report.rtp_timestamp]
    assert told[0] < report.packet_count <= told[-1] + 1  # a report may come between two bursts of a picture
    assert report.octet_count == sum(len(a.payload) for a in arrivals[: report.packet_count])


async def test_reports_of_all_tracks_come_in_one_packet_and_in_no_other(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: peer.camera.arrivals and peer.sound.arrivals)
    transport: Any = peer.pc.getTransceivers()[0].receiver.transport
    theirs, came = transport._handle_rtcp_data, []

    async def take(data: bytes) -> None:
        came.append([packet.ssrc for packet in RtcpPacket.parse(data) if isinstance(packet, RtcpSrPacket)])
        await theirs(data)

    transport._handle_rtcp_data = take
    await peer.until(lambda: len(came) >= 3)
    both = {ssrc_of(peer.camera), ssrc_of(peer.sound)}
    await peer.close()
    assert all(both <= set(reported) for reported in came)


async def test_lost_packets_are_sent_again_when_they_are_asked_for(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.camera.arrivals) >= 30)
    asked, camera = peer.camera.arrivals[-1], ssrc_of(peer.camera)
    before = len(room.left)
    await send_rtcp(peer, RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=camera, lost=[asked.sequence]))
    await peer.until(lambda: any(peer.repairs.values()))
    ((again,),) = filter(None, peer.repairs.values())
    assert again.payload == asked.sequence.to_bytes(2, "big") + asked.payload
    assert again.timestamp == asked.timestamp
    assert len(room.left) > before
    await peer.close()


async def test_the_estimate_of_the_line_is_heard(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.camera.arrivals) >= 5)
    fci = pack_remb_fci(654_000, [ssrc_of(peer.camera)])
    await send_rtcp(peer, RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci))
    await peer.until(lambda: any(sender.estimate_bps for sender in senders(room, "v1")))
    assert room.publisher._roster.connections["v1"].senders["camera"].estimate_bps == 654_000
    await peer.close()


@pytest.mark.parametrize("data", [b"", b"\x80\x60" + bytes(3_000), b"\x80\xc9" + bytes(3_000)])
async def test_a_datagram_from_anywhere_ends_no_connection(room: Room, data: bytes) -> None:
    room.feed(film(room.publisher, "camera"))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.camera.arrivals) >= 5)
    transport: Any = peer.pc.getTransceivers()[0].receiver.transport
    to = transport.transport._connection._nominated[1].remote_addr
    with socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(data, to)
    seen = len(peer.camera.arrivals)
    await peer.until(lambda: len(peer.camera.arrivals) >= seen + 60)
    assert [c.kind for c in room.changes] == ["joined"]
    await peer.close()


async def test_a_viewer_that_says_goodbye_in_rtcp_is_gone_at_once(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    reporters = {receiver._RTCRtpReceiver__rtcp_ssrc for receiver in peer.receivers}  # type: ignore[attr-defined]  # aiortc's
    await peer.until(lambda: len(room.changes) and room.publisher.viewers()[0].line is not None)
    await send_rtcp(peer, RtcpByePacket(sources=sorted(reporters)))
    await peer.until(lambda: not room.publisher.viewers(), 2)
    assert [(c.kind, c.reason) for c in room.changes] == [("joined", ""), ("left", "left")]
    await peer.until(lambda: peer.states[-1] == "closed")
    await peer.close()


async def test_a_pupil_who_loses_a_fifth_costs_the_others_nothing(room: Room) -> None:
    room.feed(film(room.publisher, "camera", rate_hz=15))
    peers = [Peer() for _ in range(5)]
    for number, peer in enumerate(peers):
        await peer.join(room.publisher, f"v{number}")
        await peer.until(lambda peer=peer: peer.camera.arrivals)  # type: ignore[misc]  # bound now
    unlucky = peers[0]
    dice = random.Random(1)
    unlucky.camera.loses = lambda packet: dice.random() < LOSS
    room.feed(complain(unlucky))
    before = room.publisher.tracks()["camera"].key_frames
    seen = [len(peer.camera.pictures()) for peer in peers]
    await unlucky.until(lambda: len(peers[-1].camera.pictures()) >= seen[-1] + 40, 20)
    await unlucky.until(lambda: sum(map(len, unlucky.repairs.values())) >= 3)
    for peer in peers[1:]:
        assert peer.camera.lost() == 0
    keys = room.publisher.tracks()["camera"].key_frames - before
    assert keys <= 5, "requests for key frames have a budget"
    assert len(decoded(peers[-1].camera, peers[-1].codec)) >= 40
    await asyncio.gather(*(peer.close() for peer in peers))


async def test_a_viewer_through_turn_is_sent_to_by_aiortc(room: Room, tmp_path: Path) -> None:
    """The pupil lets nothing reach it but through the room's relay."""
    room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))
    async with relay(tmp_path, quota=10) as port:
        peer = Peer()
        await peer.join(room.publisher, "v1", ice_servers=ice_servers(port), only_relayed=True)
        await peer.until(lambda: len(peer.camera.pictures()) >= 20 and len(peer.sound.arrivals) >= 20)
        assert [sender._numbers for sender in senders(room, "v1")] == [None] * 3
        path = room.publisher._roster.connections["v1"]._path
        assert path is not None
        assert path.is_direct is False
        assert peer.camera.lost() == peer.sound.lost() == 0
        await peer.close()
