"""What the direct path touches of aiortc, aioice and pylibsrtp; `agent.streams.wire` has the rest of the sending side.

``tests/unit/streams/test_wire.py`` fails when a release of them moves any of it.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import State
from aiortc.rtp import HeaderExtensions
from pylibsrtp._binding import ffi, lib

if TYPE_CHECKING:
    from agent.streams.datagrams import Layout, Run

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


class Workbench:
    """Where packets are protected, in place; see `agent.streams.datagrams`."""

    def __init__(self, size: int, packets: int) -> None:
        self.packets = bytearray(size)
        self.view = memoryview(self.packets)
        lengths = bytearray(4 * packets)
        self.lengths = memoryview(lengths)
        self._packets = ffi.from_buffer("char[]", self.packets)
        c_lengths = ffi.from_buffer("int[]", lengths)
        self.length_pointers = tuple(c_lengths + number for number in range(packets))

    def pointer(self, offset: int) -> Any:
        """Return where libsrtp finds a packet."""
        return self._packets + offset


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
        self._session = self._srtp._srtp[0]
        self.is_direct: bool | None = None
        """By which way packets leave now. None: nothing can be sent. False: the socket is not ours alone (TURN), so
        they go one by one through aioice, as aiortc sends them."""
        self._socket: socket.socket | None = None
        self._address: Any = None
        self._takes_runs = False
        self._send: Callable[[Any, Any], object]
        self._send_run: Callable[..., object]
        self._is_closed = False
        connection = dtls.transport._connection
        connection._nominated = Nominated(connection._nominated, self._follow)
        self._follow(connection._nominated.get(1))
        dtls.on("statechange", self._look)
        self._look()

    def _look(self) -> None:
        if self.dtls._state is not State.CONNECTED:
            self.close()

    def send_burst(self, bench: Workbench, layout: Layout) -> bool:
        """Protect a burst that lies on the workbench, and send it, if anything can be; say so. Never waits."""
        if self.is_direct is None:
            return False
        layout.lengths_place[:] = layout.lengths
        if layout.packets == 1:
            refused = _protect(self._session, layout.pointers[0], bench.length_pointers[0])
        else:
            refused = any(map(_protect, repeat(self._session), layout.pointers, bench.length_pointers))
        if refused:
            log.error("Packets could not be protected; their viewer is sent nothing any more")
            self.close()
            return False
        for run in layout.runs:
            if run.packets == 1:
                self._send_one(run.buffers[0])
                continue
            if not self._takes_runs:
                self._send_singly(run)
                continue
            try:
                self._send_run(run.buffers, run.ancillary, 0, self._address)
            except OSError as error:
                if error.errno in _NO_RUNS:
                    self._takes_runs = False
                    log.info("The kernel takes no runs of packets to a viewer; they are sent singly")
                    self._send_singly(run)
                else:
                    self.lost += run.packets
        return True

    def send_packet(self, packet: bytes) -> None:
        """Protect and send one RTP packet. Only while `is_direct` is not None."""
        self._send_one(self._srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send one compound RTCP packet. Only while `is_direct` is not None."""
        self._send_one(self._srtp.protect_rtcp(packet))

    def _send_singly(self, run: Run) -> None:
        for packet in run.singles():
            self._send_one(packet)

    def _send_one(self, packet: bytes | memoryview) -> None:
        try:
            self._send(packet, self._address)
        except OSError:
            self.lost += 1

    def _follow(self, pair: Any) -> None:
        self._let_go()
        if pair is None or self._is_closed:
            return
        self._address = pair.remote_addr
        transport = pair.protocol.transport
        theirs = transport.get_extra_info("socket")
        if theirs is None:
            self.is_direct = self._takes_runs = False
            self._send = lambda packet, address: transport.sendto(bytes(packet), address)
            return
        # a descriptor of our own: the number of theirs may be another file's once they have closed it
        self._socket = socket.socket(fileno=os.dup(theirs.fileno()))
        self._socket.setblocking(False)
        self.is_direct = self._takes_runs = True
        self._send, self._send_run = self._socket.sendto, self._socket.sendmsg

    def close(self) -> None:
        """Send nothing any more."""
        self._is_closed = True
        self._let_go()

    def _let_go(self) -> None:
        """Give the socket back; aioice closes its own."""
        self.is_direct = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None


_protect = lib.srtp_protect
_NO_RUNS = frozenset({errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EMSGSIZE})
"""What sendmsg says where UDP_SEGMENT is not known, the line's packets are smaller, or IPsec is in the way."""


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
