"""Everything private of aiortc that we touch; what the direct path touches is in `agent.streams.wire_path`.

``tests/unit/streams/test_wire.py`` fails when a release of aiortc, aioice or pylibsrtp moves any of it. aiortc keeps
SDP, ICE, DTLS, RTCP and SCTP; what changes here: a sender is given packets that were encoded and cut once for all
viewers, or sends none because they leave by the direct path; key-frame requests, requests for lost packets, bandwidth
estimates and goodbyes reach us; sender reports carry the time of *capture*; MediaStreams are ours to name; we are the
DTLS server; the answer names the H.264 level that is really sent.
"""

from __future__ import annotations

import asyncio
import logging
import random
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aioice.ice import StunProtocol
from aioice.stun import Message
from aiortc import RTCIceServer, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver
from aiortc.codecs import get_capabilities
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcicetransport import parse_stun_turn_uri
from aiortc.rtcrtpparameters import RTCRtpCodecCapability, RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtcrtpsender import RTP_HISTORY_SIZE, RTCEncodedFrame  # type: ignore[attr-defined]  # aiortc's own
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_SR,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSourceInfo,
    RtcpSrPacket,
    RtpPacket,
    is_rtcp,
    unpack_remb_fci,
)

from agent.streams.clock import RoomClock
from agent.streams.layers import Codec
from agent.streams.wire_path import Extensions, Numbers, dtls_transports
from protocol.messages import IceServer

NoCommonCodec = OperationError
"""What aiortc's ``setRemoteDescription`` raises when no codec of an m-line is in our preferences, and only then."""

MOST_LOST = 64
"""Of the packets that one NACK names, so many are looked for: it has room for thousands, and each costs time of all."""
MOST_REPORTERS = 16
"""A viewer has one or two sources; who makes up others must fill no memory."""
MOST_DATAGRAM_BYTES = 1_500
"""For a longer one, or an empty one, aiortc ends the connection, whoever sent it."""
CONSENT_RETRANSMISSIONS = 2
"""Half a second, one and two: an answer may take 3.5 s."""
_SERVER, _AUTO = "server", "auto"
_SENDER_REPORT = struct.Struct("!BBHLQLLL")
_CNAME = 1
"""RFC 3550 §6.5.1."""

log = logging.getLogger(__name__)

# aioice writes the addresses of both ends at INFO; addresses are for DEBUG alone, so its INFO is not for our logs.
logging.getLogger("aioice").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """RTP payloads of one picture or 20 ms of sound for one viewer, and the instant they stand for."""

    payloads: Sequence[bytes]
    captured_mono_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a viewer's receiver report says of one track (RFC 3550 §6.4.1). ``highest_sequence`` goes on past 65 535.

    ``round_trip_s`` is this report's own, not averaged; None where it says none.
    """

    packets_lost: int
    highest_sequence: int
    jitter_s: float
    round_trip_s: float | None


class Source(Protocol):
    """What a taken-over sender asks and tells. ``packets`` and ``payload_bytes`` count what left, for its reports."""

    @property
    def packets(self) -> int: ...

    @property
    def payload_bytes(self) -> int: ...

    @property
    def newest(self) -> tuple[int, float] | None:
        """RTP time, and time of capture, of the last packet that left beside aiortc's sender; None before the first."""
        ...

    async def next_outgoing(self) -> Outgoing:
        """Return what to send next; wait for it."""
        ...

    def on_key_wanted(self) -> None:
        """Hear that the viewer cannot decode on (RFC 4585 §6.3.1, RFC 5104 §4.3.1)."""
        ...

    def on_report(self, report: Report | None, estimate_bps: int | None) -> None:
        """Hear that RTCP came; what it says when it was a receiver report or a REMB estimate."""
        ...

    def on_sent(self) -> None:
        """Hear that an RTP packet left."""
        ...

    def on_sent_again(self) -> None:
        """Hear that an RTP packet that a viewer missed left again, or was asked for in vain."""
        ...

    def send_again(self, sequence: int) -> bool:
        """Send a packet that a viewer missed again (RFC 4585 §6.2.1); False: aiortc sent it, and has it."""
        ...


class NamedTrack(MediaStreamTrack):
    """Names a sender's track in the SDP; pictures and sound reach the sender by another way."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__()
        self.kind = kind
        self._id = name

    async def recv(self) -> Any:
        """Never called: a taken-over sender does not read its track."""
        raise AssertionError(self._id)


class TakenSender(RTCRtpSender):
    """aiortc's sender with its inputs replaced. Made by `take_over`, never constructed.

    ``_run_rtp`` writes two private time stamps and two counts after each packet and ``_run_rtcp`` reads them for the
    sender report. As properties they let the report pair the last packet's RTP time with the NTP time of its *capture*,
    and count packets that left by the direct path. A round trip is known by the NTP time of the report that the viewer
    saw last: of a track that rests all reports have the same, and none is known.
    """

    _source: Source
    _clock: RoomClock
    _rate_hz: int
    _handed_mono_s: float
    _sent_mono_s: float
    """When was captured what the last packet of this object carries."""
    _sent_rtp: int
    """RTP time of that packet."""
    _agreed_payload_type: int
    _reports_alone: bool
    """As aiortc does; else somebody asks for `sender_report`."""
    _description: bytes
    _reported_ntp: int | None
    _reported_mono_s: float
    _is_reported_again: bool

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        self._agreed_payload_type = parameters.codecs[0].payloadType or 0
        name = (_CNAME, (parameters.rtcp.cname or "").encode())
        self._description = bytes(RtcpSdesPacket([RtcpSourceInfo(self._ssrc, [name])]))
        await super().send(parameters)

    def report_with_others(self) -> None:
        """Send no sender reports: from now on `sender_report` is asked for them. Before the sender is started."""
        self._reports_alone = False

    def sender_report(self) -> bytes:
        """Return a sender report and who it is of (RFC 3550 §6.4.1, §6.5); nothing before a packet has left."""
        packets = self._source.packets
        if not packets:
            return b""
        rtp, mono_s = self._newest()
        ntp = self._clock.ntp(mono_s)
        cast("Any", self)._RTCRtpSender__lsr = (ntp >> 16) & 0xFFFFFFFF
        octets = self._source.payload_bytes & 0xFFFFFFFF
        report = _SENDER_REPORT.pack(0x80, RTCP_SR, 6, self._ssrc, ntp, rtp, packets & 0xFFFFFFFF, octets)
        return report + self._description

    async def _run_rtcp(self) -> None:
        if self._reports_alone:
            await super()._run_rtcp()
            return
        private = cast("Any", self)
        private._RTCRtpSender__rtcp_started.set()
        with suppress(asyncio.CancelledError):  # which is how aiortc tells its own task to say goodbye
            await asyncio.Event().wait()
        await self._send_rtcp([RtcpByePacket(sources=[self._ssrc])])
        private._RTCRtpSender__rtcp_exited.set()

    async def _next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        outgoing = await self._source.next_outgoing()
        self._handed_mono_s = outgoing.captured_mono_s
        timestamp = self._clock.rtp(outgoing.captured_mono_s, self._rate_hz)
        # aiortc leaves the audio level out of the header when it is None
        return RTCEncodedFrame(list(outgoing.payloads), timestamp, cast("int", None))

    @property
    def _RTCRtpSender__ntp_timestamp(self) -> int:
        return self._clock.ntp(self._newest()[1])

    @_RTCRtpSender__ntp_timestamp.setter
    def _RTCRtpSender__ntp_timestamp(self, sending_ntp: int) -> None:
        pass

    @property
    def _RTCRtpSender__rtp_timestamp(self) -> int:
        return self._newest()[0]

    @_RTCRtpSender__rtp_timestamp.setter
    def _RTCRtpSender__rtp_timestamp(self, rtp: int) -> None:
        self._sent_rtp, self._sent_mono_s = rtp, self._handed_mono_s
        self._source.on_sent()

    def _newest(self) -> tuple[int, float]:
        return self._source.newest or (self._sent_rtp, self._sent_mono_s)

    def captured_mono_s(self, rtp: int) -> float:
        """Return when was captured what a packet of this RTP time carries; the stream begins at a number of its own."""
        newest_rtp, newest_mono_s = self._newest()
        distance = ((rtp - newest_rtp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        return newest_mono_s + distance / self._rate_hz

    @property
    def _RTCRtpSender__packet_count(self) -> int:
        return self._source.packets

    @_RTCRtpSender__packet_count.setter
    def _RTCRtpSender__packet_count(self, count: int) -> None:
        pass

    @property
    def _RTCRtpSender__octet_count(self) -> int:
        return self._source.payload_bytes

    @_RTCRtpSender__octet_count.setter
    def _RTCRtpSender__octet_count(self, count: int) -> None:
        pass

    @property
    def _RTCRtpSender__lsr(self) -> int | None:
        return None if self._is_reported_again else self._reported_ntp

    @_RTCRtpSender__lsr.setter
    def _RTCRtpSender__lsr(self, ntp: int) -> None:
        self._is_reported_again = ntp == self._reported_ntp
        # not when aiortc says: by the wall clock, which may be set meanwhile
        self._reported_ntp, self._reported_mono_s = ntp, time.monotonic()

    async def _retransmit(self, sequence_number: int) -> None:
        if self._source.send_again(sequence_number):
            return
        history: dict[int, RtpPacket] = self._RTCRtpSender__rtp_history  # type: ignore[attr-defined]  # aiortc's private name
        known = history.get(sequence_number % RTP_HISTORY_SIZE)
        if known is not None and known.sequence_number == sequence_number:
            await super()._retransmit(sequence_number)
            self._source.on_sent_again()

    def _send_keyframe(self) -> None:
        self._source.on_key_wanted()

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for one in packet.reports:
                if one.ssrc == self._ssrc:
                    self.hear_report(one.packets_lost, one.highest_sequence, one.jitter, one.lsr, one.dlsr)
            return
        if isinstance(packet, RtcpRtpfbPacket):
            packet.lost = [sequence & 0xFFFF for sequence in packet.lost[:MOST_LOST]]
        await super()._handle_rtcp_packet(packet)
        estimate = None
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            try:
                estimate = unpack_remb_fci(packet.fci)[0]
            except ValueError:
                estimate = None
        self._source.on_report(None, estimate)

    def hear_report(self, lost: int, highest: int, jitter: int, lsr: int, dlsr: int) -> None:
        """Hear what a receiver reports of this track, in RTCP's units (RFC 3550 §6.4.1)."""
        round_trip_s = None
        if dlsr and lsr == cast("Any", self)._RTCRtpSender__lsr:
            # not averaged, as aiortc does: a queue that has drained would be seen ten reports later
            round_trip_s = max(0.0, time.monotonic() - self._reported_mono_s - dlsr / 65536)
        self._source.on_report(Report(lost, highest, jitter / self._rate_hz, round_trip_s), None)

    def hear_lost(self, sequences: Sequence[int]) -> None:
        """Hear which packets a viewer missed (RFC 4585 §6.2.1)."""
        for sequence in sequences:
            self._source.send_again(sequence)
        self._source.on_report(None, None)

    def hear_key_wanted(self) -> None:
        """Hear that a viewer cannot decode on."""
        self._source.on_key_wanted()
        self._source.on_report(None, None)

    def hear_estimate(self, estimate_bps: int) -> None:
        """Hear how much a viewer thinks that its line carries."""
        self._source.on_report(None, estimate_bps)

    def numbers(self) -> Numbers:
        """Return what packets that leave beside this object carry; they go on where aiortc's stopped."""
        private = cast("Any", self)
        history: dict[int, RtpPacket] = private._RTCRtpSender__rtp_history
        if history:
            some = next(iter(history.values())).sequence_number
            newest = max(history.values(), key=lambda p: (p.sequence_number - some + 0x8000) & 0xFFFF)
            sequence = (newest.sequence_number + 1) & 0xFFFF
            origin = newest.timestamp - self._clock.rtp(self._sent_mono_s, self._rate_hz)
        else:
            # in the lower half: a first number close to the wrap, lost, would leave a receiver with the wrong rollover
            sequence, origin = random.randrange(0x8000), random.getrandbits(32)  # noqa: S311  # RFC 3550 §5.1
        return Numbers(
            self._agreed_payload_type,
            self._ssrc,
            sequence,
            origin & 0xFFFFFFFF,
            private._RTCRtpSender__rtx_payload_type,
            self._rtx_ssrc,
            Extensions(private._RTCRtpSender__rtp_header_extensions_map, private._RTCRtpSender__mid),
        )

    def next_rtx_sequence(self) -> int:
        """Return the number of the next retransmission (RFC 4588 §4)."""
        private = cast("Any", self)
        number: int = private._RTCRtpSender__rtx_sequence_number
        private._RTCRtpSender__rtx_sequence_number = (number + 1) & 0xFFFF
        return number

    @property
    def is_all_sent_here(self) -> bool:
        """Say whether something left, and all of it through this object: nobody else can send it again."""
        return self._source.newest is None and self._source.packets > 0

    @property
    def is_started(self) -> bool:
        """Say whether what was agreed is known here: some instants after the connection is."""
        return bool(cast("Any", self)._RTCRtpSender__started)


def take_over(sender: RTCRtpSender, source: Source, clock: RoomClock, rate_hz: int) -> TakenSender:
    """Let ``sender`` send what ``source`` gives instead of encoding its track. Before it is started."""
    sender.__class__ = TakenSender
    assert isinstance(sender, TakenSender)
    for name in ("ntp_timestamp", "rtp_timestamp", "packet_count", "octet_count", "lsr"):
        vars(sender).pop(f"_RTCRtpSender__{name}")
    now_s = time.monotonic()
    sender._source, sender._clock, sender._rate_hz = source, clock, rate_hz
    sender._reports_alone = True
    sender._reported_ntp, sender._reported_mono_s, sender._is_reported_again = None, now_s, False
    sender._handed_mono_s, sender._sent_mono_s = now_s, now_s
    sender._sent_rtp = clock.rtp(now_s, rate_hz)
    return sender


class ListeningRouter(RtpRouter):
    """aiortc's distribution of RTCP, which lets nobody hear a goodbye of who only receives. Made by `hear_goodbye`."""

    _on_goodbye: Callable[[], None]
    _reporters: set[int]

    def route_rtcp(self, packet: AnyRtcpPacket) -> set[Any]:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            self.hear_reporter(packet.ssrc)
        elif isinstance(packet, RtcpByePacket):
            self.hear_goodbye(packet.sources)
        return super().route_rtcp(packet)

    def hear_reporter(self, ssrc: int) -> None:
        """Hear as whom the viewer reports."""
        if len(self._reporters) < MOST_REPORTERS:
            self._reporters.add(ssrc)

    def hear_goodbye(self, ssrcs: Iterable[int]) -> None:
        """Hear for whom it says BYE."""
        if self._reporters:
            self._reporters.difference_update(ssrcs)
            if not self._reporters:
                self._on_goodbye()


def hear_goodbye(peer: RTCPeerConnection, on_goodbye: Callable[[], None]) -> None:
    """Have ``on_goodbye`` hear when the viewer has said BYE for all that it reported as (RFC 3550 §6.6)."""
    router = dtls_transports(peer)[0]._rtp_router
    router.__class__ = ListeningRouter
    router._on_goodbye, router._reporters = on_goodbye, set()


def ice_servers(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """Return the servers as aiortc takes them, without addresses it cannot read: a pupil may connect without those.

    A list even when empty, never None: aiortc's default asks a public server.
    """
    readable = []
    for server in servers:
        urls = []
        for url in server.urls:
            try:
                parse_stun_turn_uri(url)
            except ValueError:
                log.warning("An ICE server's address cannot be read", extra={"url": url})
            else:
                urls.append(url)
        if urls:
            readable.append(RTCIceServer(urls=urls, username=server.username, credential=server.credential))
    return readable


def add_sending(
    peer: RTCPeerConnection, kind: str, track: str, media_stream: str, codec: Codec = "h264"
) -> RTCRtpTransceiver:
    """Add a transceiver that only sends, with the names of its track and MediaStream as the browser will see them.

    Before ``setRemoteDescription``: m-lines take transceivers of their kind in the order these were added.
    """
    transceiver = peer.addTransceiver(NamedTrack(kind, track), direction="sendonly")
    transceiver.sender._stream_id = media_stream
    # a thousand objects for each receiver of pictures, and of ours none ever comes to it
    cast(Any, transceiver.receiver)._RTCRtpReceiver__remote_bitrate_estimator = None
    transceiver.setCodecPreferences(_preferences(kind, codec))
    return transceiver


def add_silent(peer: RTCPeerConnection, kind: str) -> None:
    """Add a transceiver for an m-line that is answered ``inactive``."""
    peer.addTransceiver(kind, direction="inactive")


def _preferences(kind: str, codec: Codec) -> list[RTCRtpCodecCapability]:
    """Opus; VP8, or H.264 baseline in fragments, constrained (42e0) before plain (4200); with retransmission."""
    codecs = get_capabilities(kind).codecs
    if kind == "audio":
        return [c for c in codecs if c.mimeType == "audio/opus"]
    again = [c for c in codecs if c.mimeType == "video/rtx"]
    if codec == "vp8":
        return [c for c in codecs if c.mimeType == "video/VP8"] + again
    h264 = [c for c in codecs if c.mimeType == "video/H264"]
    h264.sort(key=lambda c: not str(c.parameters["profile-level-id"]).startswith("42e0"))
    return h264 + again


def state_level(transceiver: RTCRtpTransceiver, level: str) -> None:
    """Name ``level`` ("3.1") in the answer's profile-level-id. Between ``setRemoteDescription`` and the answer."""
    idc = f"{round(float(level) * 10):02x}"
    for codec in transceiver._codecs:
        profile = codec.parameters.get("profile-level-id")
        if isinstance(profile, str):
            codec.parameters = {**codec.parameters, "profile-level-id": profile[:4] + idc}


def be_dtls_server(peer: RTCPeerConnection) -> None:
    """Answer as DTLS server where the offer leaves the choice.

    Browsers then agree on AES-256-GCM, half the cost of what they choose as server, and the first picture is sooner.
    """
    for dtls in dtls_transports(peer):
        if dtls._role == _AUTO:
            dtls._set_role(_SERVER)


class PatientStun(StunProtocol):
    """aioice's STUN with patience for the checks that ask whether the other end still wants packets (RFC 7675).

    aioice gives each of those half a second, and closes the connection after six: a thin line whose queue makes the way
    there and back longer than that would lose every viewer after 30 s. Made by `be_patient`.
    """

    on_rtcp: Callable[[bytes], bool] | None = None
    """Is given each packet with RTCP first, and says whether that was all."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        if not 0 < len(data) <= MOST_DATAGRAM_BYTES:
            return
        took = self.on_rtcp
        if took is not None and isinstance(data, bytes) and is_rtcp(data) and 127 < data[0] < 192 and took(data):
            return
        super().datagram_received(data, addr)

    async def request(
        self,
        request: Message,
        addr: tuple[str, int],
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[Message, tuple[str, int]]:
        if retransmissions == 0:
            retransmissions = CONSENT_RETRANSMISSIONS
        return await super().request(request, addr, integrity_key, retransmissions)


def be_patient(peer: RTCPeerConnection) -> None:
    """Let consent checks wait for a slow line. After the local addresses were gathered."""
    for transport in cast(Any, peer)._RTCPeerConnection__iceTransports:
        for protocol in transport._connection._protocols:
            protocol.__class__ = PatientStun


async def close_peer(peer: RTCPeerConnection, limit_s: float) -> None:
    """Close, and wait ``limit_s`` for it at most: a dead relay takes seconds, and goes on by itself.

    Closing is never cancelled: aiortc may be closing the peer already, and would find its own future cancelled. To be
    called again once an answer under way is done: aioice forgets the sockets that it opens while it is being closed.
    """
    closing = asyncio.ensure_future(_close_peer(peer))
    await asyncio.wait({closing}, timeout=limit_s)


async def _close_peer(peer: RTCPeerConnection) -> None:
    await peer.close()
    for transport in cast(Any, peer)._RTCPeerConnection__iceTransports:
        connection = transport._connection
        left, connection._protocols = connection._protocols, []
        for protocol in left:
            await protocol.close()
