"""The qualities that a room sends, best first for each track, and the settings they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from agent.streams.relay_settings import RelaySettings

WITHOUT_PUPIL = "without-pupil"
"""Name of the sound layer for whoever must not hear the pupil who speaks."""

TrackName = Literal["sound", "board", "camera"]
PictureTrackName = Literal["camera", "board"]
Codec = Literal["h264", "vp8"]


@dataclass(frozen=True, slots=True)
class VideoLayer:
    """One quality of a picture track. The encoder never exceeds the bit rate.

    ``level`` and ``preset`` are H.264's and x264's, as in ``3.1``; VP8 has neither.
    """

    track: PictureTrackName
    name: str
    max_width_px: int
    max_height_px: int
    max_rate_hz: float
    bitrate_bps: int
    level: str
    preset: str
    replay_frames: int
    """A newcomer is given the pictures since the last key frame when they are at most this many."""
    codec: Codec = "h264"

    def fit(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return the size to encode a picture at: its own, or smaller with the same shape; both even."""
        share = min(1.0, self.max_width_px / width_px, self.max_height_px / height_px)
        return max(2, round(width_px * share / 2) * 2), max(2, round(height_px * share / 2) * 2)


@dataclass(frozen=True, slots=True)
class SoundLayer:
    """One quality of the sound: Opus, 48 kHz mono, in-band FEC, steady flow. ``blocks`` of 20 ms make a packet."""

    name: str
    bitrate_bps: int
    expected_loss_percent: int
    blocks: int = 1


Width = Annotated[int, Field(ge=64, le=1920, multiple_of=2)]
Height = Annotated[int, Field(ge=64, le=1088, multiple_of=2)]
Rate = Annotated[float, Field(ge=1, le=30)]
Bitrate = Annotated[int, Field(ge=50_000, le=20_000_000)]
Seconds = Annotated[float, Field(gt=0, le=600)]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast"]
"""x264's. superfast costs 20 % of a core for 720p30 of a classroom, veryfast 35 %; both come as near to it."""
SMALL_PRESET: Preset = "veryfast"
"""For layers of a quarter of the pixels or fewer: where bits are few, a better search for them costs little."""
ROBUST = "robust"
"""Name of the sound layer for lines that lose much."""
ROBUST_BPS, ROBUST_LOSS_PERCENT = 24_000, 30
"""Told to expect this loss, libopus puts more of the packet before into each: 20 % are lost and few are missed."""
LOW_BPS = 14_000
"""In packets of 60 ms: with 20 ms the headers would be three times as much, 26 kb/s for 14 of sound."""
VP8_CAMERA_PX, VP8_BOARD_PX = (640, 360), (1280, 720)
"""A second encoder beside H.264, for few: no larger than what a classroom's mini-PC has left."""
LEAST_HEIGHT_PX = 90
"""A camera picture lower than this shows nobody."""


@dataclass(frozen=True)
class StreamSettings:
    """How a room sends (DESIGN §5). The bounds are checked where the settings come from a file."""

    camera_max_width_px: Width = 1280
    camera_max_height_px: Height = 720
    camera_max_rate_hz: Rate = 30.0
    camera_bitrate_bps: Bitrate = 1_500_000
    camera_half_bitrate_bps: Bitrate = 450_000
    """Half the width and height: 360p of 720p."""
    camera_quarter_bitrate_bps: Bitrate = 150_000
    camera_quarter_max_rate_hz: Rate = 25.0
    """What who reads lips needs at least."""
    camera_preset: Preset = "superfast"
    board_max_width_px: Width = 1920
    board_max_height_px: Height = 1080
    board_max_rate_hz: Rate = 10.0
    board_bitrate_bps: Bitrate = 1_500_000
    board_half_bitrate_bps: Bitrate = 400_000
    board_half_max_rate_hz: Rate = 5.0
    board_preset: Preset = "superfast"
    use_hardware: bool = True
    """Let the machine's graphics encode H.264 where a trial at start shows that they can."""
    sound_bitrate_bps: Annotated[int, Field(ge=6_000, le=128_000)] = 32_000
    sound_expected_loss_percent: Annotated[int, Field(ge=0, le=50)] = 10
    board_keep_alive_s: Seconds = 2.0
    """An unchanged board is encoded again this often: a lost packet must not blur it until the next slide."""
    stand_in_after_s: Seconds = 0.6
    """A camera that gave no picture for this long is replaced by the stand-in."""
    stand_in_interval_s: Seconds = 0.5
    silence_after_s: Annotated[float, Field(ge=0.1, le=2)] = 0.3
    """A microphone that gave no sound for this long is no longer waited for."""
    max_viewers: Annotated[int, Field(ge=1, le=1000)] = 50
    viewer_silence_s: Seconds = 9.0
    """A viewer whose RTCP stays away this long is gone: off the panel's list within 10 s of leaving without a word. A
    browser reports video each second or so, and sound alone at least each 7.5 s (RFC 3550 §6.2)."""
    viewer_connect_s: Seconds = 30.0
    """A viewer that has not connected after this long is given up: a person on a slow relay needs up to 20 s."""
    camera_preview_max_width_px: Width = 480
    board_preview_max_width_px: Width = 960
    preview_max_rate_hz: Rate = 5.0
    uplink_bps: Annotated[int, Field(ge=500_000, le=10_000_000_000)] | None = None
    """What the room's line may carry upwards, for all pupils together; absent: learnt from what they report."""
    relay: RelaySettings | None = None
    """``[relay]`` of the room's file."""

    @property
    def wanted_bps(self) -> int:
        """What one viewer is sent at most, on average."""
        return self.camera_bitrate_bps + self.board_bitrate_bps + self.sound_bitrate_bps

    def camera_layers(self) -> tuple[VideoLayer, ...]:
        """Return the camera's layers, best first: ``720p``, ``360p``, ``180p`` of 720 lines."""
        full = VideoLayer(
            track="camera",
            name=f"{self.camera_max_height_px}p",
            max_width_px=self.camera_max_width_px,
            max_height_px=self.camera_max_height_px,
            max_rate_hz=self.camera_max_rate_hz,
            bitrate_bps=self.camera_bitrate_bps,
            level=_level(self.camera_max_width_px, self.camera_max_height_px),
            preset=self.camera_preset,
            replay_frames=8,
        )
        smaller = (
            _share(full, 2, self.camera_half_bitrate_bps, self.camera_max_rate_hz),
            _share(full, 4, self.camera_quarter_bitrate_bps, self.camera_quarter_max_rate_hz),
        )
        return full, *(
            replace(layer, name=f"{layer.max_height_px}p")
            for layer in smaller
            if layer.max_height_px >= LEAST_HEIGHT_PX and layer.bitrate_bps < full.bitrate_bps
        )

    def board_layers(self) -> tuple[VideoLayer, ...]:
        """Return the board's layers, best first: ``full``, ``half``."""
        full = VideoLayer(
            track="board",
            name="full",
            max_width_px=self.board_max_width_px,
            max_height_px=self.board_max_height_px,
            max_rate_hz=self.board_max_rate_hz,
            bitrate_bps=self.board_bitrate_bps,
            level=_level(self.board_max_width_px, self.board_max_height_px),
            preset=self.board_preset,
            replay_frames=12,
        )
        half = replace(_share(full, 2, self.board_half_bitrate_bps, self.board_half_max_rate_hz), name="half")
        return (full, half) if half.bitrate_bps < full.bitrate_bps else (full,)

    def vp8_layers(self) -> tuple[VideoLayer, ...]:
        """Return the one layer of camera and of board for viewers whose browser has no H.264."""
        camera, board = self.camera_layers()[0], self.board_layers()[0]
        return (
            _vp8(camera, VP8_CAMERA_PX, 15, self.camera_half_bitrate_bps),
            _vp8(board, VP8_BOARD_PX, 5, self.board_bitrate_bps // 2),
        )

    def sound_layers(self) -> tuple[SoundLayer, ...]:
        """Return the sound's layers, best first: ``voice``, ``robust`` for lines that lose much, ``low``."""
        voice = SoundLayer("voice", self.sound_bitrate_bps, self.sound_expected_loss_percent)
        return (
            voice,
            SoundLayer(
                ROBUST, min(ROBUST_BPS, voice.bitrate_bps), max(ROBUST_LOSS_PERCENT, voice.expected_loss_percent)
            ),
            SoundLayer("low", min(LOW_BPS, voice.bitrate_bps), voice.expected_loss_percent, blocks=3),
        )

    def without_pupil_layer(self) -> SoundLayer:
        """Return the layer of the programme without the pupil who speaks: for that pupil's line, and for recordings."""
        voice, robust, *_ = self.sound_layers()
        return replace(robust, name=WITHOUT_PUPIL, bitrate_bps=voice.bitrate_bps)


def _share(full: VideoLayer, parts: int, bitrate_bps: int, rate_hz: float) -> VideoLayer:
    """Return a layer of a part of the width and height, and at most the rates."""
    width_px, height_px = (max(2, size // parts // 2 * 2) for size in (full.max_width_px, full.max_height_px))
    return replace(
        full,
        max_width_px=width_px,
        max_height_px=height_px,
        max_rate_hz=min(rate_hz, full.max_rate_hz),
        bitrate_bps=bitrate_bps,
        level=_level(width_px, height_px),
        preset=SMALL_PRESET,
    )


def _vp8(full: VideoLayer, size_px: tuple[int, int], rate_hz: float, bitrate_bps: int) -> VideoLayer:
    return replace(
        full,
        name="vp8",
        max_width_px=min(size_px[0], full.max_width_px),
        max_height_px=min(size_px[1], full.max_height_px),
        max_rate_hz=min(rate_hz, full.max_rate_hz),
        bitrate_bps=min(bitrate_bps, full.bitrate_bps),
        level="",
        codec="vp8",
    )


def _level(width_px: int, height_px: int) -> str:
    """Return the H.264 level for a size at 30 a second at most: 3.1 holds 1280×720, 4.0 holds 1920×1088 (table A-1)."""
    return "3.1" if width_px * height_px <= 1280 * 720 else "4.0"
