"""H.264 from the machine's own graphics: found by trying, used where it does what libx264 does, and never trusted.

PyAV's wheels hold encoders that take a picture from memory: Intel's (``h264_qsv``), NVIDIA's, AMD's, and those of
small boards (``h264_v4l2m2m``). ``h264_vaapi`` takes pictures on the graphics card alone, which PyAV cannot put there.
Each is tried in a process of its own: a driver that hangs or crashes costs that process and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import av

from agent.streams.codecs import VBV_S
from agent.streams.layers import VideoLayer

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

log = logging.getLogger(__name__)

TRY_S = 6.0
"""For one encoder, with the start of its process."""

DEVICES: Mapping[str, str] = MappingProxyType(
    {
        "h264_qsv": "dri/renderD*",
        "h264_nvenc": "nvidia[0-9]*",
        "h264_amf": "dri/renderD*",
        "h264_v4l2m2m": "video*",
    }
)
"""Encoders in the order in which they are tried, and what must be in /dev for it to make sense."""

_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "h264_qsv": {"preset": "veryfast", "async_depth": "1", "forced_idr": "1", "look_ahead": "0"},
    "h264_nvenc": {"preset": "p2", "tune": "ull", "zerolatency": "1", "delay": "0", "rc": "cbr", "forced-idr": "1"},
    "h264_amf": {"usage": "ultralowlatency", "rc": "cbr", "forced_idr": "1"},
    "h264_v4l2m2m": {},
}
_PROFILES: Mapping[str, str] = {"h264_amf": "constrained_baseline"}


@dataclass(frozen=True)
class Hardware:
    """What was found. ``encoder`` is FFmpeg's name, None for libx264; ``refused`` says why others are not used."""

    encoder: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


async def find(encoders: Sequence[str] | None = None) -> Hardware:
    """Return the first encoder that works here; None of ``encoders`` means those that this machine may have."""
    refused: dict[str, str] = {}
    for name in likely() if encoders is None else encoders:
        why = await _try(name)
        if why is None:
            log.info("Pictures are encoded by the machine's graphics", extra={"encoder": name})
            return Hardware(name, refused)
        log.info("An encoder of the machine's graphics is not used", extra={"encoder": name, "why": why})
        refused[name] = why
    return Hardware(None, refused)


def likely(dev: Path = Path("/dev")) -> list[str]:
    """Return the encoders of this build whose device is there."""
    return [name for name, device in DEVICES.items() if name in av.codecs_available and any(dev.glob(device))]


async def _try(name: str) -> str | None:
    """Return why an encoder is not to be used; None when it is."""
    argv = (sys.executable, "-m", "agent.streams.hardware_trial", name)
    none, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(*argv, stdin=none, stdout=pipe, stderr=none)
    except OSError as error:
        return f"it could not be tried: {error.strerror}"
    try:
        async with asyncio.timeout(TRY_S):
            said, _ = await child.communicate()
        if child.returncode != 0:
            return f"its trial ended with {child.returncode}"
        why: str | None = json.loads(said)["why"]
    except TimeoutError:
        return f"it did not encode two dozen pictures within {TRY_S:g} s"
    except (ValueError, KeyError, TypeError):
        return "its trial said nothing that can be read"
    else:
        return why
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def open_hardware(name: str, layer: VideoLayer, width_px: int, height_px: int) -> VideoCodecContext:
    """Open an encoder for a layer: baseline, one picture in and one out. Raises av.FFmpegError, ValueError."""
    error: Exception = ValueError(f"this build has no {name}")
    for pixels in ("nv12", "yuv420p"):
        try:
            codec = cast("VideoCodecContext", av.CodecContext.create(name, "w"))
            codec.width, codec.height, codec.pix_fmt = width_px, height_px, pixels
            codec.framerate = Fraction(layer.max_rate_hz).limit_denominator(1001)
            codec.time_base = 1 / codec.framerate
            codec.bit_rate = layer.bitrate_bps
            codec.gop_size = 1 << 15  # of 16 bits with some drivers; key frames are made on demand
            codec.max_b_frames = 0
            codec.options = {
                "profile": _PROFILES.get(name, "baseline"),
                "maxrate": str(layer.bitrate_bps),
                "bufsize": str(int(layer.bitrate_bps * VBV_S)),
                **_OPTIONS.get(name, {}),
            }
            codec.open()
        except (av.FFmpegError, ValueError) as refusal:
            error = refusal
        else:
            return codec
    raise error
