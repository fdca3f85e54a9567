"""The codecs as a lesson needs them: no delay, a bounded rate, key frames only when asked."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av

from agent.media import BLOCK_S, SAMPLE_RATE_HZ
from agent.streams.layers import SoundLayer, VideoLayer

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.video.codeccontext import VideoCodecContext

VBV_S = 0.5
"""Seconds of rate buffer. Without one x264 answered a target of 1.5 Mb/s with 2.1 on a moving picture."""


def open_h264(layer: VideoLayer, width_px: int, height_px: int) -> VideoCodecContext:
    """Open libx264 for a layer: constrained baseline, no delay, key frames only when asked."""
    codec = av.CodecContext.create("libx264", "w")
    _set_up(codec, layer, width_px, height_px)
    codec.options = {
        "preset": layer.preset,
        "tune": "zerolatency",
        "profile": "baseline",
        "level": layer.level,
        "maxrate": str(layer.bitrate_bps),
        "bufsize": str(int(layer.bitrate_bps * VBV_S)),
        "forced-idr": "1",
        "x264-params": "scenecut=0:keyint=infinite:colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m",
    }
    codec.open()
    return codec


def open_vp8(layer: VideoLayer, width_px: int, height_px: int) -> VideoCodecContext:
    """Open libvpx for a layer: real time, no delay, key frames only when asked."""
    codec = av.CodecContext.create("libvpx", "w")
    _set_up(codec, layer, width_px, height_px)
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "error-resilient": "default",
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
        "minrate": str(layer.bitrate_bps // 2),
        "maxrate": str(layer.bitrate_bps),
        "bufsize": str(int(layer.bitrate_bps * VBV_S)),
        "undershoot-pct": "95",
        "max-intra-rate": "400",
    }
    codec.open()
    return codec


def _set_up(codec: VideoCodecContext, layer: VideoLayer, width_px: int, height_px: int) -> None:
    codec.width, codec.height, codec.pix_fmt = width_px, height_px, "yuv420p"
    codec.framerate = Fraction(layer.max_rate_hz).limit_denominator(1001)
    codec.time_base = 1 / codec.framerate
    codec.bit_rate = layer.bitrate_bps
    codec.gop_size = 1 << 20  # key frames are made on demand only
    codec.thread_count = 1


def open_opus(layer: SoundLayer) -> AudioCodecContext:
    """Open libopus for a layer: 48 kHz mono, in-band FEC, no DTX."""
    codec = av.CodecContext.create("libopus", "w")
    codec.format, codec.layout, codec.sample_rate = "s16", "mono", SAMPLE_RATE_HZ
    codec.time_base = Fraction(1, SAMPLE_RATE_HZ)
    codec.bit_rate = layer.bitrate_bps
    codec.options = {
        "application": "voip",
        "frame_duration": str(round(layer.blocks * BLOCK_S * 1e3)),
        "fec": "1",
        "packet_loss": str(layer.expected_loss_percent),
    }
    codec.open()
    return codec
