"""Encode once: each layer has one encoder in a thread of its own, whoever watches.

The loop hands pictures and sound over and never waits; a picture that comes while one is encoded and one waits replaces
the waiting one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from agent import memory
from agent.media import BLOCK_S, SAMPLE_RATE_HZ, AudioBlock, Frame
from agent.streams import datagrams, packetize, vp8
from agent.streams.codecs import open_h264, open_opus, open_vp8
from agent.streams.hardware import open_hardware
from agent.streams.layers import Codec, SoundLayer, TrackName, VideoLayer

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

log = logging.getLogger(__name__)

HELD_BACK = 2
"""So many pictures may be inside of a hardware encoder: it was seen to give one for each."""
HANGS_S = 2.0
"""A hardware encoder that takes longer, for one picture or to open, is no longer waited for."""
OPUS_DELAY_S: Final = 312 / SAMPLE_RATE_HZ
"""libopus looks ahead this far: what a packet plays first was said this much before its block (opus_encoder.c)."""


@dataclass(frozen=True)
class EncodedFrame:
    """One encoded picture or 20 or 60 ms of sound, made once for every viewer, recorder and relay.

    ``units`` are NAL units without start codes, one VP8 picture or one Opus packet. ``captured_mono_s`` never goes back
    within a layer; a picture that is encoded again carries the instant at which it was still true. ``scene`` counts
    changes between the device's picture and stand-ins (`agent.streams.picture_track`). ``duration_s`` is that of a
    packet of sound.
    """

    track: TrackName
    layer: str
    key: bool
    captured_mono_s: float
    units: tuple[bytes, ...]
    scene: int = 0
    duration_s: float = 0.0
    codec: Codec = "h264"

    @cached_property
    def payloads(self) -> tuple[bytes, ...]:
        """RTP payloads, cut when the first viewer asks."""
        if self.track == "sound":
            return self.units
        return packetize.payloads(self.units) if self.codec == "h264" else vp8.payloads(self.units[0])

    def bursts(self, shape: datagrams.Shape) -> tuple[datagrams.Burst, ...]:
        """Return the packets as they are finished for each viewer of this shape, written when the first one asks."""
        found = self.images.get(shape)
        if found is None:
            found = self.images[shape] = datagrams.bursts(self.payloads, shape)
        return found

    @cached_property
    def images(self) -> dict[datagrams.Shape, tuple[datagrams.Burst, ...]]:
        """What `bursts` has returned, by shape."""
        return {}

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


class _LeftBehindError(Exception):
    """Another thread has taken the place of this one, which a driver held for too long."""


class VideoEncoder:
    """libx264, or libvpx for VP8, for one layer. ``on_encoded`` and ``on_fault`` are called in the encoder's thread.

    ``hardware`` is an encoder of `agent.streams.hardware` to be used in place of libx264, until it fails once.
    """

    def __init__(
        self,
        layer: VideoLayer,
        on_encoded: Callable[[EncodedFrame], None],
        on_fault: Callable[[BaseException], None],
        hardware: str | None = None,
    ) -> None:
        self.layer = layer
        self.hardware = hardware if layer.codec == "h264" else None
        """None: it is encoded by the processor."""
        self._held_back = 0
        self._asked_mono_s: float | None = None
        """Since when the hardware works on what it was given."""
        self.counts = EncoderCounts()
        self._on_encoded = on_encoded
        self._on_fault = on_fault
        self._wake = threading.Condition()
        self._waiting: tuple[Picture, float, int] | None = None
        self._expected_size: tuple[int, int] | None = None
        self._prepared_size: tuple[int, int] | None = None
        self._key_wanted = False
        self._stopped = False
        self._is_resting = False
        self._codec: VideoCodecContext | None = None
        self._reformatter = VideoReformatter()
        self._pts = 0
        self._last_stamp_s = float("-inf")
        self._thread = self._make_thread()

    def start(self) -> None:
        """Begin to encode, or go on after `rest`; what was submitted before waits until then."""
        with self._wake:
            self._is_resting = False
            if self._thread.ident is None:
                self._thread.start()
            self._wake.notify()

    def rest(self) -> None:
        """Give the codec's memory back until `start`; nobody watches this layer."""
        with self._wake:
            self._is_resting, self._waiting = True, None
            self._wake.notify()

    def submit(self, picture: Picture, stamp_mono_s: float, *, scene: int = 0, key: bool = False) -> None:
        """Hand a picture over with the instant it stands for; the newest wins. Never blocks for an encode.

        ``key``: this picture, or the one that takes its place while it waits, is a key frame.
        """
        with self._wake:
            if self._waiting is not None:
                self.counts.dropped += 1
            self._waiting = (picture, stamp_mono_s, scene)
            self._key_wanted = self._key_wanted or key
            if self._asked_mono_s is not None and time.monotonic() - self._asked_mono_s > HANGS_S:
                self._leave_thread_behind()
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
                    while self._waiting is None and not self._stopped and self._is_settled():
                        self._wake.wait()
                    expected = None if self._is_resting else self._expected_size
                    if self._stopped:
                        return
                    submitted, self._waiting = self._waiting, None
                    if submitted is not None:
                        key, self._key_wanted = self._key_wanted, False
                if submitted is not None:
                    self._encode(*submitted, key)
                else:
                    self._prepared_size = expected
                    if expected is None:
                        self._codec = None
                        memory.give_back()
                    else:
                        self._open(expected)
        except _LeftBehindError:
            return
        except BaseException as error:
            self._on_fault(error)
        finally:
            with self._wake:
                if threading.current_thread() is self._thread:  # else it is the codec of who took this one's place
                    self._codec = None  # tens of MB, which would else wait until a collector finds the lesson's cycles

    def _make_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name=f"encode-{self.layer.track}-{self.layer.name}", daemon=True)

    def _leave_thread_behind(self) -> None:
        """Go on without the hardware in another thread: nothing frees one from a driver that hangs."""
        self._give_up_hardware(f"it hangs: nothing came for {HANGS_S:g} s")
        self._asked_mono_s = None
        self._thread = self._make_thread()
        self._thread.start()

    @contextmanager
    def _asking_hardware(self) -> Iterator[None]:
        """Have `submit` notice when what is asked in the body takes too long; raises _LeftBehindError when it did."""
        with self._wake:
            self._asked_mono_s = time.monotonic()
        try:
            yield
        finally:
            with self._wake:
                if threading.current_thread() is not self._thread:
                    raise _LeftBehindError
                self._asked_mono_s = None

    def _is_settled(self) -> bool:
        """Say whether the codec is as it should be: none while the layer rests, else open for the expected size."""
        if self._is_resting:
            return self._codec is None
        return self._expected_size is None or self._expected_size == self._prepared_size

    def _open(self, size: tuple[int, int]) -> VideoCodecContext:
        """Return the codec for a size; a new one begins with a key frame by itself."""
        if self._codec is None or (self._codec.width, self._codec.height) != size:
            self._codec = self._opened(size)
            self._pts = self._held_back = 0
        return self._codec

    def _opened(self, size: tuple[int, int]) -> VideoCodecContext:
        if self.hardware is not None:
            try:
                with self._asking_hardware():
                    return open_hardware(self.hardware, self.layer, *size)
            except (av.FFmpegError, ValueError) as error:
                self._give_up_hardware(str(error))
        return (open_h264 if self.layer.codec == "h264" else open_vp8)(self.layer, *size)

    def _give_up_hardware(self, why: str) -> None:
        about = {"encoder": self.hardware, "track": self.layer.track, "layer": self.layer.name, "why": why}
        log.warning("A hardware encoder failed; the processor encodes from now on", extra=about)
        self.hardware = self._codec = None

    def _packets(self, frame: av.VideoFrame, size: tuple[int, int], *, key: bool) -> list[Any]:
        """Encode one picture. A hardware encoder that fails, or holds pictures back, is given up on the spot."""
        codec = self._open(size)
        if frame.format.name != codec.pix_fmt:
            frame = self._reformatter.reformat(frame, format=codec.pix_fmt)
        frame.pts, frame.time_base = self._pts, codec.time_base
        self._pts += 1
        # PyAV keeps the type of a frame that was encoded before: set it every time, or one key frame becomes many.
        frame.pict_type = PictureType.I if key else PictureType.NONE
        try:
            with nullcontext() if self.hardware is None else self._asking_hardware():
                packets = codec.encode(frame)
        except av.FFmpegError as error:
            if self.hardware is None:
                raise
            self._give_up_hardware(str(error))
            return self._packets(frame, size, key=key)
        self._held_back += 1 - len(packets)
        if self.hardware is not None and self._held_back > HELD_BACK:
            self._give_up_hardware("it holds pictures back")
            return self._packets(frame, size, key=key)
        return packets

    def _encode(self, picture: Picture, stamp_s: float, scene: int, key: bool) -> None:
        began_s = time.perf_counter()
        source = picture.frame()
        frame = av.VideoFrame.from_numpy_buffer(source.image, format="yuv420p")
        size = self.layer.fit(source.width_px, source.height_px)
        if size != (source.width_px, source.height_px):
            frame = self._reformatter.reformat(frame, size[0], size[1], interpolation=Interpolation.FAST_BILINEAR)
        for packet in self._packets(frame, size, key=key):
            is_h264 = self.layer.codec == "h264"
            units = packetize.nal_units(bytes(packet)) if is_h264 else (bytes(packet),)
            is_key = packetize.is_key(units) if is_h264 else vp8.is_key(units[0])
            stamp_s = max(stamp_s, self._last_stamp_s + 0.001)
            self._last_stamp_s = stamp_s
            encoded = EncodedFrame(
                self.layer.track, self.layer.name, is_key, stamp_s, units, scene, codec=self.layer.codec
            )
            counts, took_ms = self.counts, (time.perf_counter() - began_s) * 1e3
            counts.encoded += 1
            counts.keys += encoded.key
            counts.bytes += packet.size
            counts.encode_ms += (took_ms - counts.encode_ms) / min(counts.encoded, 30)
            counts.width_px, counts.height_px = size
            self._on_encoded(encoded)


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
        """Begin to encode, if it has not begun; what was submitted before waits until then."""
        if self._thread.ident is None:
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
            gathered: list[AudioBlock] = []
            while True:
                with self._wake:
                    while not self._blocks and not self._stopped:
                        self._wake.wait()
                    if self._stopped:
                        return
                    block = self._blocks.popleft()
                if gathered and block.sequence != gathered[-1].sequence + 1:
                    gathered.clear()  # a packet holds what was said in one go
                gathered.append(block)
                if len(gathered) < self.layer.blocks:
                    continue
                began_s = time.perf_counter()
                samples = np.concatenate([one.samples for one in gathered]).reshape(1, -1)
                stamp_s = gathered[0].captured_mono_s - OPUS_DELAY_S
                gathered.clear()
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, pts, Fraction(1, SAMPLE_RATE_HZ)
                pts += samples.size
                for packet in codec.encode(frame):
                    counts, took_ms = self.counts, (time.perf_counter() - began_s) * 1e3
                    counts.encoded += 1
                    counts.bytes += packet.size
                    counts.encode_ms += (took_ms - counts.encode_ms) / min(counts.encoded, 30)
                    self._on_encoded(
                        EncodedFrame(
                            "sound",
                            self.layer.name,
                            True,
                            stamp_s,
                            (bytes(packet),),
                            duration_s=self.layer.blocks * BLOCK_S,
                        )
                    )
        except BaseException as error:
            self._on_fault(error)
