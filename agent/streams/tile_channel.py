"""The data channel ``tiles`` of one viewer: opened by the room, unordered, and only ever written to."""

from __future__ import annotations

from collections.abc import Callable

from aiortc import RTCPeerConnection

from agent.streams import wire_sctp
from protocol.tiles import LABEL


class TileChannel:
    """A `tile_feed.TileLine`. ``on_packet`` hears of each message, for what leaves the room lights the sign.

    It opens in band (RFC 8832) on the association that the page's offer asked for.
    """

    def __init__(self, peer: RTCPeerConnection, on_packet: Callable[[], None]) -> None:
        self._data = peer.createDataChannel(LABEL, ordered=False)
        self._on_packet = on_packet
        self._scene = 0

    @property
    def is_open(self) -> bool:
        return bool(self._data.readyState == "open")

    @property
    def waiting_bytes(self) -> int:
        return wire_sctp.unacknowledged_bytes(self._data)

    @property
    def round_trip_s(self) -> float | None:
        return wire_sctp.round_trip_s(self._data)

    def send(self, message: bytes) -> None:
        self._data.send(message)
        self._on_packet()

    def next_scene(self) -> int:
        self._scene += 1
        return self._scene

    def forget(self) -> None:
        wire_sctp.forget_unsent(self._data)
