"""Everything private of aiortc that we touch, in one place.

``tests/unit/streams/test_wire.py`` fails when a release of aiortc moves any of it. aiortc keeps SDP, ICE, DTLS, SRTP,
RTCP, SCTP and retransmission; what changes here: a sender is given packets that were encoded and cut once for all
viewers; key-frame requests and bandwidth estimates reach us; sender reports carry the time of *capture*; MediaStreams
are ours to name; we are the DTLS server; the answer names the H.264 level that is really sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiortc import RTCIceServer, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver
from aiortc.codecs import get_capabilities
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcicetransport import parse_stun_turn_uri
from aiortc.rtcrtpparameters import RTCRtpCodecCapability, RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import (
    RTCP_PSFB_APP,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)

from agent.streams.clock import RoomClock
from protocol.messages import IceServer

NoCommonCodec = OperationError
"""What aiortc's ``setRemoteDescription`` raises when no codec of an m-line is in our preferences, and only then."""

_SERVER, _AUTO = "server", "auto"

log = logging.getLogger(__name__)

# aioice writes the addresses of both ends at INFO; addresses are for DEBUG alone, so its INFO is not for our logs.
logging.getLogger("aioice").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """RTP payloads of one picture or 20 ms of sound for one viewer, and the instant they stand for."""

    payloads: Sequence[bytes]
    captured_mono_s: float


class Source(Protocol):
    """What a taken-over sender asks and tells."""

    async def next_outgoing(self) -> Outgoing:
        """Return what to send next; wait for it."""
        ...

    def on_key_wanted(self) -> None:
        """Hear that the viewer cannot decode on (RFC 4585 §6.3.1, RFC 5104 §4.3.1)."""
        ...

    def on_report(self, lost_share: float | None, estimate_bps: int | None) -> None:
        """Hear that RTCP came; a receiver report's loss, 0…1, or a REMB estimate when it was one of those."""
        ...

    def on_sent(self) -> None:
        """Hear that an RTP packet left."""
        ...

    def on_sent_again(self) -> None:
        """Hear that an RTP packet that a viewer missed left again, or was asked for in vain."""
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

    ``_run_rtp`` writes the two private time stamps after each packet and ``_run_rtcp`` reads them for the sender
    report. As properties they let the report pair the last packet's RTP time with the NTP time of its *capture*.
    """

    _source: Source
    _clock: RoomClock
    _rate_hz: int
    _handed_mono_s: float
    _sent_mono_s: float
    _sent_rtp: int

    async def _next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        outgoing = await self._source.next_outgoing()
        self._handed_mono_s = outgoing.captured_mono_s
        timestamp = self._clock.rtp(outgoing.captured_mono_s, self._rate_hz)
        # aiortc leaves the audio level out of the header when it is None
        return RTCEncodedFrame(list(outgoing.payloads), timestamp, cast("int", None))

    @property
    def _RTCRtpSender__ntp_timestamp(self) -> int:
        return self._clock.ntp(self._sent_mono_s)

    @_RTCRtpSender__ntp_timestamp.setter
    def _RTCRtpSender__ntp_timestamp(self, sending_ntp: int) -> None:
        pass

    @property
    def _RTCRtpSender__rtp_timestamp(self) -> int:
        return self._sent_rtp

    @_RTCRtpSender__rtp_timestamp.setter
    def _RTCRtpSender__rtp_timestamp(self, rtp: int) -> None:
        self._sent_rtp, self._sent_mono_s = rtp, self._handed_mono_s
        self._source.on_sent()

    async def _retransmit(self, sequence_number: int) -> None:
        await super()._retransmit(sequence_number)
        self._source.on_sent_again()

    def _send_keyframe(self) -> None:
        self._source.on_key_wanted()

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        lost, estimate = None, None
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            lost = next((r.fraction_lost / 256 for r in packet.reports if r.ssrc == self._ssrc), None)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            try:
                estimate = unpack_remb_fci(packet.fci)[0]
            except ValueError:
                estimate = None
        self._source.on_report(lost, estimate)
        await super()._handle_rtcp_packet(packet)


def take_over(sender: RTCRtpSender, source: Source, clock: RoomClock, rate_hz: int) -> None:
    """Let ``sender`` send what ``source`` gives instead of encoding its track. Before it is started."""
    sender.__class__ = TakenSender
    assert isinstance(sender, TakenSender)
    for name in ("_RTCRtpSender__ntp_timestamp", "_RTCRtpSender__rtp_timestamp"):
        vars(sender).pop(name)
    now_s = time.monotonic()
    sender._source, sender._clock, sender._rate_hz = source, clock, rate_hz
    sender._handed_mono_s, sender._sent_mono_s = now_s, now_s
    sender._sent_rtp = clock.rtp(now_s, rate_hz)


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


def add_sending(peer: RTCPeerConnection, kind: str, track: str, media_stream: str) -> RTCRtpTransceiver:
    """Add a transceiver that only sends, with the names of its track and MediaStream as the browser will see them.

    Before ``setRemoteDescription``: m-lines take transceivers of their kind in the order these were added.
    """
    transceiver = peer.addTransceiver(NamedTrack(kind, track), direction="sendonly")
    transceiver.sender._stream_id = media_stream
    transceiver.setCodecPreferences(_preferences(kind))
    return transceiver


def add_silent(peer: RTCPeerConnection, kind: str) -> None:
    """Add a transceiver for an m-line that is answered ``inactive``."""
    peer.addTransceiver(kind, direction="inactive")


def _preferences(kind: str) -> list[RTCRtpCodecCapability]:
    """Opus; H.264 baseline in fragments, constrained (42e0) before plain (4200), with retransmission."""
    codecs = get_capabilities(kind).codecs
    if kind == "audio":
        return [c for c in codecs if c.mimeType == "audio/opus"]
    h264 = [c for c in codecs if c.mimeType == "video/H264"]
    h264.sort(key=lambda c: not str(c.parameters["profile-level-id"]).startswith("42e0"))
    return h264 + [c for c in codecs if c.mimeType == "video/rtx"]


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
    for dtls in _dtls_transports(peer):
        if dtls._role == _AUTO:
            dtls._set_role(_SERVER)


def _dtls_transports(peer: RTCPeerConnection) -> list[Any]:
    transports = [t.receiver.transport for t in peer.getTransceivers()]
    if peer.sctp is not None:
        transports.append(peer.sctp.transport)
    return transports


def srtp_profile(peer: RTCPeerConnection) -> str:
    """Return the name of the cipher that was agreed, such as ``SRTP_AEAD_AES_256_GCM``."""
    name: bytes = _dtls_transports(peer)[0]._ssl.get_selected_srtp_profile()
    return name.decode()


def is_sending(transceiver: RTCRtpTransceiver) -> bool:
    """Say whether the agreed direction lets us send."""
    return transceiver.currentDirection in ("sendonly", "sendrecv")


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
