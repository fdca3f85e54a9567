"""What a viewer can be given, best first: each rung gives up what a pupil misses least. Pure.

The order is: a lower layer, then no camera, then the board as tiles; sound last, and never given up. Who reads lips
gives the board up before the camera, and the camera never has fewer than 25 pictures a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from agent.streams.layers import Codec, SoundLayer, StreamSettings, VideoLayer
from agent.streams.tile_feed import BUDGET_BPS
from protocol.channel import Wish

TILES: Final = "tiles"
"""The board as pictures of its changed parts, over a data channel, where a video of text cannot be read any more."""
BOARD_SHARE = 0.4
"""Of its bit rate a board uses so much: it stands still most of the time."""
PACKET_BITS = 8 * 65
"""RTP header and extensions, SRTP tag, UDP, IPv6: what each packet of sound costs beside its sound."""
PICTURE_SHARE = 1.05
"""The same for packets of pictures, which are full."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What the room can send one viewer, best first; a track that it does not take is empty."""

    sound: tuple[SoundLayer, ...]
    board: tuple[VideoLayer, ...]
    camera: tuple[VideoLayer, ...]

    @classmethod
    def of(cls, settings: StreamSettings, tracks: Sequence[str], codec: Codec = "h264") -> Layers:
        """Return a room's layers of the tracks that a viewer takes, in the codec that it has."""
        vp8 = settings.vp8_layers()
        boards = settings.board_layers() if codec == "h264" else tuple(one for one in vp8 if one.track == "board")
        cameras = settings.camera_layers() if codec == "h264" else tuple(one for one in vp8 if one.track == "camera")
        return cls(
            settings.sound_layers() if "sound" in tracks else (),
            boards if "board" in tracks else (),
            cameras if "camera" in tracks else (),
        )

    def without(self, cameras: int, boards: int) -> Layers:
        """Return them without so many of the best; one of each track stays."""
        return Layers(
            self.sound,
            self.board[min(boards, max(0, len(self.board) - 1)) :],
            self.camera[min(cameras, max(0, len(self.camera) - 1)) :],
        )


Why = Literal["best", "line", "wish", "machine", "uplink", "decoder"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Layers by name, None where a track rests, and why it is not more."""

    sound: str | None
    board: str | None
    camera: str | None
    why: Why


@dataclass(frozen=True, slots=True)
class Rung:
    """Names of layers, None where a track rests, and what they take of a line."""

    sound: str | None
    board: str | None
    camera: str | None
    cost_bps: float


def rungs(layers: Layers, wish: Wish) -> tuple[Rung, ...]:
    """Return the ladder for what a pupil wishes; never empty, and each rung costs less than the one before."""
    voice, low = (layers.sound[0], layers.sound[-1]) if layers.sound else (None, None)
    boards: list[VideoLayer | str | None] = [*layers.board] or [None]
    cameras: list[VideoLayer | None] = [*layers.camera] or [None]
    tiles = TILES if layers.board else None
    small, face = boards[-1], cameras[-1]
    steps: list[tuple[SoundLayer | None, VideoLayer | str | None, VideoLayer | None]]
    if wish.use == "sound-only":
        steps = [(voice, None, None), (low, None, None)]
    elif wish.reads_lips:
        if wish.use == "save-data":
            steps = [(low, small, face)]
        else:
            steps = [(voice, board, cameras[0]) for board in boards]
            steps += [(voice, small, camera) for camera in cameras[1:]]
        steps += [(low, tiles, face), (low, None, face), (low, tiles, None)]
    elif wish.use == "save-data":
        steps = [(low, small, None if layers.board else face), (low, tiles, None)]
    else:
        steps = [(voice, boards[0], camera) for camera in cameras]
        steps += [(voice, board, face) for board in boards[1:]]
        steps += [(voice, small, None), (low, small, None), (low, tiles, None)]
    out: list[Rung] = []
    for sound, board, camera in steps:
        rung = Rung(
            _name(sound), _name(board), _name(camera), _sound_bps(sound) + _board_bps(board) + _camera_bps(camera)
        )
        if not out or rung.cost_bps < out[-1].cost_bps:
            out.append(rung)
    return tuple(out)


def _name(layer: SoundLayer | VideoLayer | str | None) -> str | None:
    return layer if layer is None or isinstance(layer, str) else layer.name


def _sound_bps(layer: SoundLayer | None) -> float:
    return 0.0 if layer is None else layer.bitrate_bps + PACKET_BITS * 50 / layer.blocks


def _board_bps(layer: VideoLayer | str | None) -> float:
    if isinstance(layer, str):
        return BUDGET_BPS
    return 0.0 if layer is None else layer.bitrate_bps * BOARD_SHARE * PICTURE_SHARE


def _camera_bps(layer: VideoLayer | None) -> float:
    return 0.0 if layer is None else layer.bitrate_bps * PICTURE_SHARE
