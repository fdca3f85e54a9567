"""The pictures that are sent while a device is away, a track is switched off or the lesson is paused.

French and English on one picture, for a pupil who looks at it: no name, no code, no clock. They lie in ``pictures/`` as
PNG, drawn by ``pictures/make_pictures.py``.
"""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from importlib.resources import files

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from agent.media import Frame
from agent.streams.layers import PictureTrackName
from agent.streams.picture_track import StandInReason

PAPER_Y, PAPER_U, PAPER_V = 61, 128, 116
"""The slate of the pictures' edges, #1f3a34 in studio-range BT.709, for what a wider or taller size leaves over."""


class StandIns:
    """Makes stand-ins at any size and keeps those it made. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[str, int, int], Frame] = {}

    def picture(self, track: PictureTrackName, reason: StandInReason, width_px: int, height_px: int) -> Frame:
        """Return the picture for a reason, at a size; both sides even."""
        name = "paused" if reason == "paused" else f"{track}-{reason}"
        with self._lock:
            key = (name, width_px, height_px)
            if key not in self._made:
                if len(self._made) > 12:  # a camera that keeps changing its size
                    self._made.clear()
                self._made[key] = _drawn(name, width_px, height_px)
            return self._made[key]


def _drawn(name: str, width_px: int, height_px: int) -> Frame:
    source = _png(name)
    share = min(width_px / source.width, height_px / source.height)
    inner_w, inner_h = (max(2, round(side * share / 2) * 2) for side in (source.width, source.height))
    inner_w, inner_h = min(inner_w, width_px), min(inner_h, height_px)
    scaled = VideoReformatter().reformat(
        source, inner_w, inner_h, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range="MPEG"
    )
    y, u, v = _planes(scaled.to_ndarray().astype(np.uint8, copy=False), inner_w, inner_h)
    left, top = (width_px - inner_w) // 4 * 2, (height_px - inner_h) // 4 * 2
    image = np.empty((height_px * 3 // 2, width_px), np.uint8)
    for plane, inner, edge, half in zip(
        _planes(image, width_px, height_px), (y, u, v), (PAPER_Y, PAPER_U, PAPER_V), (1, 2, 2), strict=True
    ):
        plane[:] = edge
        plane[top // half : top // half + inner.shape[0], left // half : left // half + inner.shape[1]] = inner
    return Frame(image, width_px, height_px, time.monotonic(), 0)


def _planes(
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], width_px: int, height_px: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ...]:
    """Return views of Y, U and V of an I420 picture."""
    flat, luma = image.reshape(-1), width_px * height_px
    half = (height_px // 2, width_px // 2)
    return (
        flat[:luma].reshape(height_px, width_px),
        flat[luma : luma * 5 // 4].reshape(half),
        flat[luma * 5 // 4 : luma * 3 // 2].reshape(half),
    )


@lru_cache(maxsize=8)
def _png(name: str) -> av.VideoFrame:
    codec = av.CodecContext.create("png", "r")
    data = (files("agent.streams") / "pictures" / f"{name}.png").read_bytes()
    frames = [*codec.decode(av.Packet(data)), *codec.decode(None)]
    frame = frames[0]
    assert isinstance(frame, av.VideoFrame)
    return frame
