"""Encode once: each layer has one encoder in a thread of its own, whoever watches.

The loop hands pictures and sound over and never waits; a picture that comes while one is encoded and one waits replaces
the waiting one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Final

import av
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock, Frame
from agent.streams import packetize
from agent.streams.layers import SoundLayer, TrackName, VideoLayer

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.video.codeccontext import VideoCodecContext

log = logging.getLogger(__name__)

VBV_S = 0.5
"""Seconds of rate buffer. Without one x264 answered a target of 1.5 Mb/s with 2.1 on a moving picture."""
OPUS_DELAY_S: Final = 312 / SAMPLE_RATE_HZ
"""libopus looks ahead this far: what a packet plays first was said this much before its block (opus_encoder.c)."""


@dataclass(frozen=True)
class EncodedFrame:
    """One encoded picture or 20 ms of sound, made once for every viewer, recorder and relay.

    ``units`` are NAL units without start codes, or one Opus packet. ``captured_mono_s`` never goes back within a
    layer; a picture that is encoded again carries the instant at which it was still true. ``scene`` counts changes
    between the device's picture and stand-ins (`agent.streams.picture_track`).
    """

    track: TrackName
    layer: str
    key: bool
    captured_mono_s: float
    units: tuple[bytes, ...]
    scene: int = 0

    @cached_property
    def payloads(self) -> tuple[bytes, ...]:
        """RTP payloads, cut when the first viewer asks."""
        return self.units if self.track == "sound" else packetize.payloads(self.units)

    @property
    def size(self) -> int:
        """Bytes of the encoded picture or sound."""
        return sum(map(len, self.units))


class Picture:
    """A picture on its way out. ``make`` (filters, a stand-in) runs once, in whichever thread needs it first."""

    def __init__(self, captured_mono_s: float, make: Callable[[], Frame]) -> None:
        self.captured_mono_s = captured_mono_s
        self._make = make
        self._lock = threading.Lock()
        self._frame: Frame | None = None

    def frame(self) -> Frame:
        """Return the picture as it may leave the room. Any thread, not the loop's."""
        with self._lock:
            if self._frame is None:
                self._frame = self._make()
            return self._frame


@dataclass(slots=True)
class EncoderCounts:
    """What an encoder did since it began; written by its thread."""

    encoded: int = 0
    keys: int = 0
    dropped: int = 0
    bytes: int = 0
    encode_ms: float = 0.0
    """Time for one picture, smoothed."""
    width_px: int = 0
    height_px: int = 0


class VideoEncoder:
    """libx264 for one layer. ``on_encoded`` and ``on_fault`` are called in the encoder's thread."""

    def __init__(
        self,
        layer: VideoLayer,
        on_encoded: Callable[[EncodedFrame], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.layer = layer
        self.counts = EncoderCounts()
        self._on_encoded = on_encoded
        self._on_fault = on_fault
        self._wake = threading.Condition()
        self._waiting: tuple[Picture, float, int] | None = None
        self._expected_size: tuple[int, int] | None = None
        self._prepared_size: tuple[int, int] | None = None
        self._key_wanted = False
        self._stopped = False
        self._codec: VideoCodecContext | None = None
        self._reformatter = VideoReformatter()
        self._pts = 0
        self._last_stamp_s = float("-inf")
        self._thread = threading.Thread(target=self._run, name=f"encode-{layer.track}-{layer.name}", daemon=True)

    def start(self) -> None:
        """Begin to encode; what was submitted before waits until then."""
        self._thread.start()

    def submit(self, picture: Picture, stamp_mono_s: float, *, scene: int = 0, key: bool = False) -> None:
        """Hand a picture over with the instant it stands for; the newest wins. Never blocks for an encode.

        ``key``: this picture, or the one that takes its place while it waits, is a key frame.
        """
        with self._wake:
            if self._waiting is not None:
                self.counts.dropped += 1
            self._waiting = (picture, stamp_mono_s, scene)
            self._key_wanted = self._key_wanted or key
            self._wake.notify()

    def prepare(self, width_px: int, height_px: int) -> None:
        """Open the codec for pictures of this size before one is submitted: it takes tens of ms."""
        size = self.layer.fit(width_px, height_px)
        if size != self._expected_size:
            with self._wake:
                self._expected_size = size
                self._wake.notify()

    def want_key(self) -> None:
        """Make the next picture a key frame."""
        with self._wake:
            self._key_wanted = True

    @property
    def has_waiting(self) -> bool:
        """A picture already waits, so the next one comes without being asked for."""
        return self._waiting is not None

    def stop(self) -> None:
        """End the thread after the picture at hand; see `join`."""
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, if it was started. Not on the loop."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while True:
                with self._wake:
                    expected = self._expected_size
                    while self._waiting is None and not self._stopped and expected == self._prepared_size:
                        self._wake.wait()
                        expected = self._expected_size
                    if self._stopped:
                        return
                    submitted, self._waiting = self._waiting, None
                    if submitted is not None:
                        key, self._key_wanted = self._key_wanted, False
                if submitted is not None:
                    self._encode(*submitted, key)
                elif expected is not None:
                    self._prepared_size = expected
                    self._open(expected)
        except BaseException as error:
            self._on_fault(error)

    def _open(self, size: tuple[int, int]) -> VideoCodecContext:
        """Return the codec for a size; a new one begins with a key frame by itself."""
        if self._codec is None or (self._codec.width, self._codec.height) != size:
            self._codec = open_h264(self.layer, *size)
            self._pts = 0
        return self._codec

    def _encode(self, picture: Picture, stamp_s: float, scene: int, key: bool) -> None:
        began_s = time.perf_counter()
        source = picture.frame()
        frame = av.VideoFrame.from_numpy_buffer(source.image, format="yuv420p")
        size = self.layer.fit(source.width_px, source.height_px)
        if size != (source.width_px, source.height_px):
            frame = self._reformatter.reformat(frame, size[0], size[1], interpolation=Interpolation.FAST_BILINEAR)
        codec = self._open(size)
        frame.pts, frame.time_base = self._pts, codec.time_base
        self._pts += 1
        # PyAV keeps the type of a frame that was encoded before: set it every time, or one key frame becomes many.
        frame.pict_type = PictureType.I if key else PictureType.NONE
        for packet in codec.encode(frame):
            units = packetize.nal_units(bytes(packet))
            stamp_s = max(stamp_s, self._last_stamp_s + 0.001)
            self._last_stamp_s = stamp_s
            encoded = EncodedFrame(self.layer.track, self.layer.name, packetize.is_key(units), stamp_s, units, scene)
            counts, took_ms = self.counts, (time.perf_counter() - began_s) * 1e3
            counts.encoded += 1
            counts.keys += encoded.key
            counts.bytes += packet.size
            counts.encode_ms += (took_ms - counts.encode_ms) / min(counts.encoded, 30)
            counts.width_px, counts.height_px = size
            self._on_encoded(encoded)


def open_h264(layer: VideoLayer, width_px: int, height_px: int) -> VideoCodecContext:
    """Open libx264 for a layer: constrained baseline, no delay, key frames only when asked."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width_px, height_px, "yuv420p"
    codec.framerate = Fraction(layer.max_rate_hz).limit_denominator(1001)
    codec.time_base = 1 / codec.framerate
    codec.bit_rate = layer.bitrate_bps
    codec.gop_size = 1 << 20  # key frames are made on demand only
    codec.thread_count = 1
    codec.options = {
        "preset": layer.preset,
        "tune": "zerolatency",
        "profile": "baseline",
        "level": layer.level,
        "maxrate": str(layer.bitrate_bps),
        "bufsize": str(int(layer.bitrate_bps * VBV_S)),
        "forced-idr": "1",
        "x264-params": "scenecut=0:keyint=infinite:colorprim=bt709:transfer=bt709:colormatrix=bt709",
    }
    codec.open()
    return codec


class SoundEncoder:
    """Opus for one layer, in its own thread. ``on_encoded`` and ``on_fault`` are called there."""

    QUEUE = 25
    """Blocks that may wait: half a second; then the oldest goes."""

    def __init__(
        self,
        layer: SoundLayer,
        on_encoded: Callable[[EncodedFrame], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.layer = layer
        self.counts = EncoderCounts()
        self._on_encoded = on_encoded
        self._on_fault = on_fault
        self._wake = threading.Condition()
        self._blocks: deque[AudioBlock] = deque(maxlen=self.QUEUE)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"encode-sound-{layer.name}", daemon=True)

    def start(self) -> None:
        """Begin to encode; what was submitted before waits until then."""
        self._thread.start()

    def submit(self, block: AudioBlock) -> None:
        """Hand a block over; in order, the oldest is dropped when the thread is far behind."""
        with self._wake:
            if len(self._blocks) == self.QUEUE:
                self.counts.dropped += 1
            self._blocks.append(block)
            self._wake.notify()

    def stop(self) -> None:
        """End the thread after the block at hand; see `join`."""
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, if it was started. Not on the loop."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            codec = open_opus(self.layer)
            pts = 0
            while True:
                with self._wake:
                    while not self._blocks and not self._stopped:
                        self._wake.wait()
                    if self._stopped:
                        return
                    block = self._blocks.popleft()
                began_s = time.perf_counter()
                frame = av.AudioFrame.from_ndarray(block.samples.reshape(1, -1), format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, pts, Fraction(1, SAMPLE_RATE_HZ)
                pts += BLOCK_SAMPLES
                for packet in codec.encode(frame):
                    counts, took_ms = self.counts, (time.perf_counter() - began_s) * 1e3
                    counts.encoded += 1
                    counts.bytes += packet.size
                    counts.encode_ms += (took_ms - counts.encode_ms) / min(counts.encoded, 30)
                    stamp_s = block.captured_mono_s - OPUS_DELAY_S
                    self._on_encoded(EncodedFrame("sound", self.layer.name, True, stamp_s, (bytes(packet),)))
        except BaseException as error:
            self._on_fault(error)


def open_opus(layer: SoundLayer) -> AudioCodecContext:
    """Open libopus for a layer: 48 kHz mono, 20 ms, in-band FEC, no DTX."""
    codec = av.CodecContext.create("libopus", "w")
    codec.format, codec.layout, codec.sample_rate = "s16", "mono", SAMPLE_RATE_HZ
    codec.time_base = Fraction(1, SAMPLE_RATE_HZ)
    codec.bit_rate = layer.bitrate_bps
    codec.options = {
        "application": "voip",
        "frame_duration": "20",
        "fec": "1",
        "packet_loss": str(layer.expected_loss_percent),
    }
    codec.open()
    return codec
