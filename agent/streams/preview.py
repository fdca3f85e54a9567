"""A small JPEG of what is sent, for the panel: made only while somebody asks, and seldom."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from fractions import Fraction
from functools import partial

import av
from av.video.reformatter import Interpolation, VideoReformatter

from agent.streams.encoders import Picture
from agent.streams.layers import PictureTrackName, StreamSettings
from agent.streams.picture_track import PictureTrack


class Preview:
    """The newest small picture of one track.

    ``shown`` gives the picture that is sent now. The work is done by ``executor``; `jpeg` returns at once.
    """

    def __init__(
        self,
        shown: Callable[[], Picture],
        executor: Executor,
        *,
        max_width_px: int,
        max_rate_hz: float,
        now: Callable[[], float],
    ) -> None:
        self.made = 0
        self._shown = shown
        self._executor = executor
        self._max_width_px = max_width_px
        self._interval_s = 1 / max_rate_hz
        self._now = now
        self._begun_s = float("-inf")
        self._source: Picture | None = None
        self._jpeg: bytes | None = None

    def jpeg(self) -> bytes | None:
        """Return the newest JPEG, None before the first, and have a newer one made for the next time."""
        shown, now_s = self._shown(), self._now()
        if shown is not self._source and now_s - self._begun_s >= self._interval_s:
            self._source, self._begun_s = shown, now_s
            self._executor.submit(self._make, shown)
        return self._jpeg

    def _make(self, picture: Picture) -> None:
        self._jpeg = to_jpeg(picture, self._max_width_px)
        self.made += 1


class Previews:
    """The previews of a lesson's picture tracks, made on one thread."""

    def __init__(self, settings: StreamSettings, pictures: Mapping[PictureTrackName, PictureTrack]) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._previews = {
            track: Preview(
                partial(getattr, picture, "shown"),
                self._executor,
                max_width_px=getattr(settings, f"{track}_preview_max_width_px"),
                max_rate_hz=settings.preview_max_rate_hz,
                now=time.monotonic,
            )
            for track, picture in pictures.items()
        }

    def jpeg(self, track: PictureTrackName) -> bytes | None:
        """Return a track's newest JPEG, as `Preview.jpeg` does."""
        return self._previews[track].jpeg()

    def close(self) -> None:
        """Make no more of them."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def to_jpeg(picture: Picture, max_width_px: int) -> bytes:
    """Return a picture as JPEG, at most ``max_width_px`` wide."""
    source = picture.frame()
    share = min(1.0, max_width_px / source.width_px)
    width, height = max(2, int(source.width_px * share) // 2 * 2), max(2, int(source.height_px * share) // 2 * 2)
    frame = VideoReformatter().reformat(
        av.VideoFrame.from_numpy_buffer(source.image, format="yuv420p"),
        width,
        height,
        format="yuvj420p",
        interpolation=Interpolation.AREA,
        src_color_range="MPEG",
        dst_color_range="JPEG",
    )
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, "yuvj420p", Fraction(1, 25)
    codec.options = {"q": "5"}
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
