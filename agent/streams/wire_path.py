"""What the direct path touches of aiortc, aioice and pylibsrtp; `agent.streams.wire` has the rest of the sending side.

``tests/unit/streams/test_wire.py`` fails when a release of them moves any of it.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import State
from aiortc.rtp import HeaderExtensions
from pylibsrtp._binding import ffi, lib

from agent.streams.fan_loop import NO_RUNS, REFUSED

log = logging.getLogger(__name__)


class Extensions:
    """The header extensions that were agreed, as aiortc writes them: the m-line's name and the time of sending."""

    def __init__(self, agreed: Any, mid: str | None) -> None:
        zero, ones = (agreed.set(HeaderExtensions(mid=mid, abs_send_time=time)) for time in (0, 0xFFFFFF))
        profile, values = zero
        self.block: bytes = (
            profile.to_bytes(2, "big") + (len(values) // 4).to_bytes(2, "big") + values if values else b""
        )
        timed = [at + 4 for at in range(len(values)) if values[at] != ones[1][at]]
        self.time_at = timed[0] if timed else None
        """Where in the block the time of sending stands: 24 bits, `RoomClock.send_time`."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What stands in the packets of one track of one viewer."""

    payload_type: int
    ssrc: int
    first_sequence: int
    origin_rtp: int
    rtx_payload_type: int | None
    """None: the viewer takes no RTX; what it missed is sent as it was."""
    rtx_ssrc: int
    extensions: Extensions


_KNOWN = "srtp_err_status_t(*)(struct srtp_ctx_t_ *, void *, int *)"
if ffi.typeof(lib.srtp_protect).cname != _KNOWN:
    raise ImportError(
        f"pylibsrtp's srtp_protect is not the {_KNOWN} that fan_loop.c calls: install the locked pylibsrtp"
    )
PROTECT = int(ffi.cast("uintptr_t", ffi.addressof(lib, "srtp_protect")))
"""Its address, for `fan_loop.Rows`: there is one libsrtp, pylibsrtp's."""

Row = tuple[object, int, int, bytes, bool, int, int, int]
"""What `fan_loop.Rows` takes."""

_TAG_BYTES = {b"SRTP_AEAD_AES_256_GCM": 16, b"SRTP_AEAD_AES_128_GCM": 16, b"SRTP_AES128_CM_SHA1_80": 10}
"""RFC 7714 §13, RFC 5764 §4.1.2."""


class Nominated(dict[int, Any]):
    """aioice's pairs by component, which tell when one is nominated and when the connection ends."""

    def __init__(self, pairs: dict[int, Any], on_change: Callable[[Any], None]) -> None:
        super().__init__(pairs)
        self._on_change = on_change

    def __setitem__(self, component: int, pair: Any) -> None:
        super().__setitem__(component, pair)
        if component == 1:
            self._on_change(pair)

    def clear(self) -> None:
        super().clear()
        self._on_change(None)


class DirectPath:
    """One viewer's SRTP session and the socket of the pair that ICE nominated. Made once the viewer is connected."""

    def __init__(self, dtls: Any, tag_bytes: int) -> None:
        self.tag_bytes = tag_bytes
        self.lost = 0
        """Packets that the kernel had no place for; nobody waits for it."""
        self.dtls = dtls
        self._srtp = dtls._tx_srtp
        self.is_direct: bool | None = None
        """By which way packets leave now. None: nothing can be sent. False: the socket is not ours alone (TURN), so
        they go one by one through aioice, as aiortc sends them."""
        self._socket: socket.socket | None = None
        self._address: Any = None
        self._packed = b""
        self._takes_runs = False
        self._send: Callable[[bytes, Any], object]
        self._listeners: set[Callable[[], None]] = set()
        self._is_closed = False
        connection = dtls.transport._connection
        connection._nominated = Nominated(connection._nominated, self._follow)
        self._follow(connection._nominated.get(1))
        dtls.on("statechange", self._look)
        self._look()

    def _look(self) -> None:
        if self.dtls._state is not State.CONNECTED:
            self.close()

    def listen(self, on_change: Callable[[], None]) -> None:
        """Call back when `row` is not what it was any more, before anything of it is let go of."""
        self._listeners.add(on_change)

    def ignore(self, on_change: Callable[[], None]) -> None:
        """Call back no more."""
        self._listeners.discard(on_change)

    def row(self, first_sequence: int, origin_rtp: int, ssrc: int) -> Row:
        """Return one track of this viewer as `fan_loop.Rows` takes it, until it changes. Only while `is_direct`."""
        assert self._socket is not None
        session, descriptor = session_address(self._srtp), self._socket.fileno()
        return self._srtp, session, descriptor, self._packed, self._takes_runs, first_sequence, origin_rtp, ssrc

    def hear(self, lost: int, trouble: int) -> None:
        """Hear what `fan_loop.Rows.send` says of a burst that did not leave as it should have."""
        self.lost += lost
        if trouble & REFUSED:
            log.error("Packets could not be protected; their viewer is sent nothing any more")
            self.close()
        elif trouble & NO_RUNS:
            log.info("The kernel takes no runs of packets to a viewer; they are sent singly")
            self._takes_runs = False
            self._tell()

    def send_packet(self, packet: bytes) -> None:
        """Protect and send one RTP packet. Only while `is_direct` is not None."""
        self._send_one(self._srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send one compound RTCP packet. Only while `is_direct` is not None."""
        self._send_one(self._srtp.protect_rtcp(packet))

    def _send_one(self, packet: bytes) -> None:
        try:
            self._send(packet, self._address)
        except OSError:
            self.lost += 1

    def _follow(self, pair: Any) -> None:
        self._let_go()
        if pair is None or self._is_closed:
            return
        transport = pair.protocol.transport
        theirs = transport.get_extra_info("socket")
        if theirs is None:
            self._send, self._address = transport.sendto, pair.remote_addr
            self.is_direct = False
            return
        # a descriptor of our own: the number of theirs may be another file's once they have closed it
        self._socket = socket.socket(fileno=os.dup(theirs.fileno()))
        self._socket.setblocking(False)
        # with the numbers of IPv6 that aioice leaves out; nothing is asked of anybody
        host, port = pair.remote_addr
        ((*_, self._address),) = socket.getaddrinfo(
            host, port, self._socket.family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST
        )
        self._packed = packed_address(self._socket.family, self._address)
        self._send = self._socket.sendto
        self.is_direct = self._takes_runs = True

    def close(self) -> None:
        """Send nothing any more."""
        self._is_closed = True
        self._let_go()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _let_go(self) -> None:
        """Give the socket back; aioice closes its own."""
        self._tell()
        self.is_direct = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def session_address(srtp: Any) -> int:
    """Return where libsrtp's session of a `pylibsrtp.Session` is, as long as that one lives."""
    return int(ffi.cast("uintptr_t", srtp._srtp[0]))


def packed_address(family: int, address: tuple[Any, ...]) -> bytes:
    """Return the ``sockaddr_in`` or ``sockaddr_in6`` of what `socket.getaddrinfo` returned."""
    host, port, *numbers = address
    begun = struct.pack("=H", family) + struct.pack("!H", port)
    raw = socket.inet_pton(family, host.partition("%")[0])
    if family == socket.AF_INET:
        return begun + raw + bytes(8)
    flow, scope = numbers
    return begun + struct.pack("!L", flow) + raw + struct.pack("=L", scope)


def direct_path(peer: RTCPeerConnection) -> DirectPath | None:
    """Return the direct path to a connected viewer; None where something is unusual: then aiortc sends."""
    dtls = dtls_transports(peer)[0]
    tag_bytes = _TAG_BYTES.get(dtls._ssl.get_selected_srtp_profile())
    return None if tag_bytes is None or dtls._tx_srtp is None else DirectPath(dtls, tag_bytes)


def dtls_transports(peer: RTCPeerConnection) -> list[Any]:
    """Return aiortc's transports of a connection, of which there is mostly one."""
    transports = [t.receiver.transport for t in peer.getTransceivers()]
    if peer.sctp is not None:
        transports.append(peer.sctp.transport)
    return transports
