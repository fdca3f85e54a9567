"""A page that takes the board as tiles: puts together what comes over the data channel, and notes when it came."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import av
import numpy as np
from aiortc import RTCDataChannel
from numpy.typing import NDArray

from protocol import tiles
from protocol.tiles import Kind, TileMessage
from tests.integration.streams.peer import Peer

CELL_PX = 16


@dataclass(frozen=True)
class TileArrival:
    """One message, and when it came."""

    mono_s: float
    size: int
    message: TileMessage

    @property
    def age_s(self) -> float:
        """How long ago the change that it shows was captured; room and page share a clock here."""
        return ((int(self.mono_s * 1000) - self.message.captured_ms) % (1 << 32)) / 1000


@dataclass
class TilePage:
    """The canvas of one peer, in BGR. Of two messages that overlap the later number is shown, whatever came first."""

    peer: Peer
    arrivals: list[TileArrival] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    canvas: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))
    scene: int = 0

    def __post_init__(self) -> None:
        self.peer.pc.on("datachannel", self._opened)
        self._numbers = np.zeros((0, 0), np.int64)

    def _opened(self, data: RTCDataChannel) -> None:
        self.labels.append(data.label)
        data.on("message", self._take)

    def _take(self, data: bytes) -> None:
        message = tiles.unpack(data)
        self.arrivals.append(TileArrival(time.monotonic(), len(data), message))
        if message.scene > self.scene:
            self.scene = message.scene
            self.canvas = np.zeros((message.board_height_px, message.board_width_px, 3), np.uint8)
            shape = (-(-message.board_height_px // CELL_PX), -(-message.board_width_px // CELL_PX))
            self._numbers = np.full(shape, -1, np.int64)
        if message.kind is Kind.PART and message.scene == self.scene:
            self._draw(message)
        self.peer.changed.set()

    def _draw(self, message: TileMessage) -> None:
        picture = decoded(message.picture)
        assert picture.shape[:2] == (message.height_px, message.width_px)
        rows = slice(message.y_px // CELL_PX, -(-(message.y_px + message.height_px) // CELL_PX))
        columns = slice(message.x_px // CELL_PX, -(-(message.x_px + message.width_px) // CELL_PX))
        is_newer = self._numbers[rows, columns] < message.number
        self._numbers[rows, columns][is_newer] = message.number
        where = is_newer.repeat(CELL_PX, 0).repeat(CELL_PX, 1)[: message.height_px, : message.width_px, None]
        into = self.canvas[
            message.y_px : message.y_px + message.height_px, message.x_px : message.x_px + message.width_px
        ]
        np.copyto(into, picture, where=where)

    @property
    def parts(self) -> list[TileArrival]:
        """What of the board came."""
        return [arrival for arrival in self.arrivals if arrival.message.kind is Kind.PART]

    @property
    def is_whole(self) -> bool:
        """Of what the room has sent nothing is on its way, and it knew of nothing else."""
        own = [one.message for one in self.arrivals if one.message.scene == self.scene]
        newest = max(own, key=lambda message: message.number, default=None)
        return newest is not None and newest.behind_ms == 0 and newest.number == len(own) - 1 > 0


def decoded(picture: bytes) -> NDArray[np.uint8]:
    """Return a WebP file as BGR."""
    decoder = av.CodecContext.create("webp", "r")
    frames = [*decoder.decode(av.Packet(picture)), *decoder.decode(None)]
    return np.asarray(frames[0].to_ndarray(format="bgr24"), np.uint8)
