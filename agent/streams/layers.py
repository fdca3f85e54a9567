"""The qualities that a room sends: a list per track, even of one, and the settings they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

TrackName = Literal["sound", "board", "camera"]
PictureTrackName = Literal["camera", "board"]


@dataclass(frozen=True, slots=True)
class VideoLayer:
    """One quality of a picture track. ``level`` is H.264's, as in ``3.1``; the encoder never exceeds the bit rate."""

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

    def fit(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return the size to encode a picture at: its own, or smaller with the same shape; both even."""
        share = min(1.0, self.max_width_px / width_px, self.max_height_px / height_px)
        return max(2, round(width_px * share / 2) * 2), max(2, round(height_px * share / 2) * 2)


@dataclass(frozen=True, slots=True)
class SoundLayer:
    """One quality of the sound: Opus, 48 kHz mono, 20 ms, in-band FEC, steady flow."""

    name: str
    bitrate_bps: int
    expected_loss_percent: int


Width = Annotated[int, Field(ge=64, le=1920, multiple_of=2)]
Height = Annotated[int, Field(ge=64, le=1088, multiple_of=2)]
Rate = Annotated[float, Field(ge=1, le=30)]
Bitrate = Annotated[int, Field(ge=50_000, le=20_000_000)]
Seconds = Annotated[float, Field(gt=0, le=600)]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast"]
"""x264's. superfast costs 20 % of a core for 720p30 of a classroom, veryfast 35 %; both come as near to it."""


@dataclass(frozen=True)
class StreamSettings:
    """How a room sends (DESIGN §5). The bounds are checked where the settings come from a file."""

    camera_max_width_px: Width = 1280
    camera_max_height_px: Height = 720
    camera_max_rate_hz: Rate = 30.0
    camera_bitrate_bps: Bitrate = 1_500_000
    camera_preset: Preset = "superfast"
    board_max_width_px: Width = 1920
    board_max_height_px: Height = 1080
    board_max_rate_hz: Rate = 10.0
    board_bitrate_bps: Bitrate = 1_500_000
    board_preset: Preset = "superfast"
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

    def camera_layers(self) -> tuple[VideoLayer, ...]:
        """Return the camera's layers, best first."""
        return (
            VideoLayer(
                track="camera",
                name=f"{self.camera_max_height_px}p",
                max_width_px=self.camera_max_width_px,
                max_height_px=self.camera_max_height_px,
                max_rate_hz=self.camera_max_rate_hz,
                bitrate_bps=self.camera_bitrate_bps,
                level=_level(self.camera_max_width_px, self.camera_max_height_px),
                preset=self.camera_preset,
                replay_frames=8,
            ),
        )

    def board_layers(self) -> tuple[VideoLayer, ...]:
        """Return the board's layers, best first."""
        return (
            VideoLayer(
                track="board",
                name="full",
                max_width_px=self.board_max_width_px,
                max_height_px=self.board_max_height_px,
                max_rate_hz=self.board_max_rate_hz,
                bitrate_bps=self.board_bitrate_bps,
                level=_level(self.board_max_width_px, self.board_max_height_px),
                preset=self.board_preset,
                replay_frames=12,
            ),
        )

    def sound_layers(self) -> tuple[SoundLayer, ...]:
        """Return the sound's layers, best first."""
        return (SoundLayer("voice", self.sound_bitrate_bps, self.sound_expected_loss_percent),)


def _level(width_px: int, height_px: int) -> str:
    """Return the H.264 level for a size at 30 a second at most: 3.1 holds 1280×720, 4.0 holds 1920×1088 (table A-1)."""
    return "3.1" if width_px * height_px <= 1280 * 720 else "4.0"
