"""What is private of aiortc's data channels (SCTP); the rest is in `wire`, and the same test watches over both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSctpTransport
from aiortc.rtcsctptransport import SCTP_RTO_MAX, WEBRTC_DCEP, DataChunk, InboundStream

FIRST_RTO_S, LEAST_RTO_S = 1.0, 0.4
"""Before a lost packet is sent again. aiortc has RFC 9260's 3 s and 1 s, browsers half a second and less. The other end
may keep its answer for 0.2 s, which the measured round trip has in it."""
MOST_HELD_BYTES, MOST_HELD_CHUNKS = 524_288, 1024
"""What may be held of messages that are not whole, or come after one that is lost. aiortc tells the other end that it
has room for 1 MiB, and takes whatever comes all the same; a page of ours says some kB a second."""
WINDOW_BYTES = 1_048_576


class RoomAssociation(RTCSctpTransport):
    """aiortc's association, that is sooner to send again what was lost, and only that; and bounded. Made by `adapt`."""

    _on_flood: Callable[[], None]
    _held_chunks: int
    _is_flooded: bool
    _advertised_rwnd: int
    _inbound_streams: dict[int, InboundStream]
    _sack_misordered: set[int]
    _sent_queue: deque[Any]
    _srtt: float
    _rttvar: float
    _rto: float

    def _update_rto(self, R: float) -> None:  # aiortc's name
        super()._update_rto(R)
        self._rto = max(LEAST_RTO_S, min(self._srtt + 4 * self._rttvar, SCTP_RTO_MAX))

    def _t3_expired(self) -> None:
        super()._t3_expired()
        for chunk in self._sent_queue:
            if chunk._acked:  # aiortc sends all again that left after the one that was lost
                chunk._retransmit = False

    async def _receive_data_chunk(self, chunk: DataChunk) -> None:
        if self._is_flooded:
            return
        stream = self._get_inbound_stream(chunk.stream_id)
        before = len(stream.reassembly)
        await super()._receive_data_chunk(chunk)
        self._held_chunks += len(stream.reassembly) - before
        if self._held_chunks > MOST_HELD_CHUNKS:  # of a message that was given up, aiortc forgets them elsewhere
            self._held_chunks = sum(len(one.reassembly) for one in self._inbound_streams.values())
        if (
            self._held_chunks > MOST_HELD_CHUNKS
            or len(self._sack_misordered) > MOST_HELD_CHUNKS
            or WINDOW_BYTES - self._advertised_rwnd > MOST_HELD_BYTES
        ):
            self._is_flooded = True
            self._inbound_streams.clear()
            self._sack_misordered.clear()
            self._on_flood()


def adapt(peer: RTCPeerConnection, on_flood: Callable[[], None]) -> None:
    """Have a connection's data channels mend losses as soon as a browser's do, and hold no more than they may.

    ``on_flood`` is called once, when the other end sends past that; nothing of it is taken after that. Before the
    connection is made.
    """
    if peer.sctp is not None:
        association = cast("Any", peer.sctp)
        association.__class__ = RoomAssociation
        association._rto = FIRST_RTO_S
        association._on_flood, association._held_chunks, association._is_flooded = on_flood, 0, False


def unacknowledged_bytes(data: RTCDataChannel) -> int:
    """Return how much was handed over to a connection's data channels and is not acknowledged by the other end.

    Its own ``bufferedAmount`` leaves out what the association has taken: a queue for seconds on a thin line.
    """
    association = cast(Any, data.transport)
    queued: int = sum(len(message) for _, _, message in association._data_channel_queue)
    unsent: int = sum(chunk._book_size for chunk in association._outbound_queue)
    in_flight: int = association._flight_size
    return queued + unsent + in_flight


def round_trip_s(data: RTCDataChannel) -> float | None:
    """Return the smoothed round trip of a channel's association, the other end's delay of up to 0.2 s in it."""
    measured: float | None = cast(Any, data.transport)._srtt
    return measured


def forget_unsent(data: RTCDataChannel) -> None:
    """Let nothing leave any more of what a channel was handed: not for the first time, and not again.

    Messages that have not begun are as if they had never been. The others are given up like those whose time is over
    (RFC 3758 §3.5): the other end hears it with the next message. What is on its way is not called back.
    """
    association = cast(Any, data.transport)
    kept = [entry for entry in association._data_channel_queue if entry[0] is not data or entry[1] == WEBRTC_DCEP]
    for _, _, message in (e for e in association._data_channel_queue if e[0] is data and e[1] != WEBRTC_DCEP):
        data._addBufferedAmount(-len(message))
    association._data_channel_queue = deque(kept)
    chunks = [
        chunk
        for chunk in (*association._sent_queue, *association._outbound_queue)
        if chunk.stream_id == data.id and chunk.protocol != WEBRTC_DCEP and not chunk._acked
    ]
    if chunks and association._remote_partial_reliability:
        for chunk in chunks:
            chunk._abandoned, chunk._retransmit = True, False
            association._flight_size_decrease(chunk)
        association._update_advanced_peer_ack_point()
