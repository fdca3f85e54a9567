"""RTCP of a viewer, beside the tasks and queues that aiortc has for it.

aiortc wakes a task up for each report of each track, and another one for each packet that comes, of which it makes a
dozen objects; twenty viewers' reports then cost almost half as much as their pictures. Here all tracks of a viewer
report at once, and what comes is read where it was decrypted. ``tests/unit/streams/test_wire_rtcp.py`` and
``tests/integration/streams/test_direct.py`` fail when a release of aiortc moves what is private of it.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

from aiortc.rtp import (
    RTCP_BYE,
    RTCP_PSFB,
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RR,
    RTCP_RTPFB,
    RTCP_RTPFB_NACK,
    RTCP_SR,
)
from pylibsrtp._binding import ffi, lib

from agent.streams.wire import MOST_DATAGRAM_BYTES, MOST_LOST, ListeningRouter, TakenSender
from agent.streams.wire_path import DirectPath

LEAST_INTERVAL_S, INTERVAL_SPREAD_S = 0.5, 1.0
"""A second between reports, spread so that those of many viewers do not leave at once (RFC 3550 §6.2); as aiortc."""
TOGETHER_S = 0.25
"""Reports leave at multiples of this, those of some viewers in one turn of the loop: waking up for one costs as much as
writing it."""

_HEAD, _SSRC = struct.Struct("!BBHL"), struct.Struct("!L")
_SENDER_INFO_BYTES, _BLOCK = 20, struct.Struct("!LLLLLL")
"""RFC 3550 §6.4.1."""
_LOST = struct.Struct("!HH")
"""RFC 4585 §6.2.1."""
_REMB = struct.Struct("!LBBH")
"""draft-alvestrand-rmcat-remb-03."""
_BUFFER = bytearray(MOST_DATAGRAM_BYTES)
"""One for all: a packet is read before the next one comes. For the loop's thread alone."""
_VIEW, _POINTER, _LENGTH = memoryview(_BUFFER), ffi.from_buffer("char[]", _BUFFER), ffi.new("int *")
_unprotect = lib.srtp_unprotect_rtcp


class ViewerRtcp:
    """Sends the sender reports of all tracks of a viewer as one packet (RFC 8108 §5), and reads what the viewer says.

    Until its path is closed. ``call_at`` calls back at an instant of ``now``. Before the senders are started, and after
    `agent.streams.wire.hear_goodbye`.
    """

    def __init__(
        self,
        path: DirectPath,
        senders: Sequence[TakenSender],
        call_at: Callable[[float, Callable[[], None]], None],
        now: Callable[[], float],
    ) -> None:
        self._path, self._senders = path, {sender._ssrc: sender for sender in senders}
        self._call_at, self._now = call_at, now
        self._router: ListeningRouter = path.dtls._rtp_router
        self._srtp = path.dtls._rx_srtp
        self._session = self._srtp._srtp[0]
        for sender in senders:
            sender.report_with_others()
        for protocol in path.dtls.transport._connection._protocols:
            protocol.on_rtcp = self.take
        self._wait()

    def _wait(self) -> None:
        interval_s = LEAST_INTERVAL_S + INTERVAL_SPREAD_S * random.random()  # noqa: S311  # no secret
        self._call_at(round((self._now() + interval_s) / TOGETHER_S) * TOGETHER_S, self._report)

    def _report(self) -> None:
        if self._path.is_direct is None:
            return  # closed, for good
        self._wait()  # first: an error in one report is not to end them all
        reports = b"".join([sender.sender_report() for sender in self._senders.values()])
        if reports:
            self._path.send_rtcp(reports)

    # --- what comes ---------------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> bool:
        """Read a datagram with RTCP; False: aiortc is to have it, which alone can repeat what it sent itself (TURN).

        What the viewer did not seal, or came twice, is dropped; what cannot be read ends the reading of its packet.
        """
        size = len(data)
        if not self._path.is_direct or any(sender.is_all_sent_here for sender in self._senders.values()):
            return False
        if size > MOST_DATAGRAM_BYTES:
            return True
        _VIEW[:size], _LENGTH[0] = data, size
        if _unprotect(self._session, _POINTER, _LENGTH) == 0:
            self._read(_LENGTH[0])
        return True

    def _read(self, size: int) -> None:
        at = 0
        while at + _HEAD.size <= size:
            first, kind, words, ssrc = _HEAD.unpack_from(_BUFFER, at)
            end, count = at + 4 + 4 * words, first & 0x1F
            if first & 0xC0 != 0x80 or not words or end > size:
                return
            last = end - _BUFFER[end - 1] if first & 0x20 else end
            body = at + _HEAD.size
            if kind == RTCP_RR:
                self._router.hear_reporter(ssrc)
                self._read_reports(body, count, last)
            elif kind == RTCP_SR:
                self._router.hear_reporter(ssrc)
                self._read_reports(body + _SENDER_INFO_BYTES, count, last)
            elif kind == RTCP_PSFB:
                self._read_payload_feedback(count, body, last)
            elif kind == RTCP_RTPFB and count == RTCP_RTPFB_NACK:
                self._read_lost(body, last)
            elif kind == RTCP_BYE:
                sources = max(0, min(count, (last - at - 4) // 4))
                self._router.hear_goodbye(struct.unpack_from(f"!{sources}L", _BUFFER, at + 4))
            at = end

    def _read_reports(self, at: int, count: int, last: int) -> None:
        for block in range(at, min(at + count * _BLOCK.size, last - _BLOCK.size + 1), _BLOCK.size):
            ssrc, losses, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(_BUFFER, block)
            sender = self._senders.get(ssrc)
            if sender is not None:
                lost = (
                    (losses & 0xFFFFFF) ^ 0x800000
                ) - 0x800000  # 24 bits with a sign: what came twice counts against
                sender.hear_report(lost, highest, jitter, lsr, dlsr)

    def _read_payload_feedback(self, kind: int, at: int, last: int) -> None:
        if kind == RTCP_PSFB_PLI and last >= at + 4:
            (about,) = _SSRC.unpack_from(_BUFFER, at)
            self._ask_key(about)
        elif kind == RTCP_PSFB_FIR:
            for entry in range(at + 4, last - 7, 8):
                self._ask_key(*_SSRC.unpack_from(_BUFFER, entry))
        elif kind == RTCP_PSFB_APP and _BUFFER[at + 4 : at + 8] == b"REMB":
            _, count, high, low = _REMB.unpack_from(_BUFFER, at + 4)
            estimate_bps = ((high & 3) << 16 | low) << (high >> 2)
            for about in range(at + 12, min(at + 12 + 4 * count, last - 3), 4):
                sender = self._senders.get(*_SSRC.unpack_from(_BUFFER, about))
                if sender is not None:
                    sender.hear_estimate(estimate_bps)

    def _ask_key(self, ssrc: int) -> None:
        sender = self._senders.get(ssrc)
        if sender is not None:
            sender.hear_key_wanted()

    def _read_lost(self, at: int, last: int) -> None:
        if last < at + 4:
            return
        sender = self._senders.get(*_SSRC.unpack_from(_BUFFER, at))
        if sender is None:
            return
        lost: list[int] = []
        for pair in range(at + 4, last - 3, 4):
            first, others = _LOST.unpack_from(_BUFFER, pair)
            lost.append(first)
            lost += [(first + 1 + bit) & 0xFFFF for bit in range(16) if others >> bit & 1]
            if len(lost) >= MOST_LOST:
                break
        sender.hear_lost(lost[:MOST_LOST])
