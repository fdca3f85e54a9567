"""A recording that plays in a loop at its own speed, picture and sound in step though two processes play them.

Where the loop stands is CLOCK_MONOTONIC modulo the recording's length, so every process on the machine, whenever it
opened the file, is at the same place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.media import BLOCK_S, SAMPLE_RATE_HZ
from protocol.errors import DeviceError, DeviceNotFoundError, DeviceUnsupportedError

SHORTEST_S = 0.2


class Recording:
    """An open file. ``label`` begins the sentences of its errors."""

    def __init__(self, path: Path, label: str) -> None:
        """Open the file. Raises DeviceNotFoundError, DeviceUnsupportedError or DeviceError."""
        self._label, self._path = label, path
        try:
            self._container: InputContainer = av.open(str(path), "r")
        except FileNotFoundError:
            raise DeviceNotFoundError(
                f"{label}: the file {path} does not exist; correct path in the configuration"
            ) from None
        except PermissionError:
            raise DeviceError(f"{label}: the file {path} may not be read; give the agent's user the right to") from None
        except (OSError, av.FFmpegError) as error:
            what = "take a video or sound file that ffmpeg can read"
            raise DeviceUnsupportedError(f"{label}: {path} is no recording ({error.strerror}); {what}") from None

    @property
    def video(self) -> VideoStream:
        """The first video of the file. Raises DeviceUnsupportedError without one."""
        if not self._container.streams.video:
            raise DeviceUnsupportedError(f"{self._label}: {self._path} has no video; take another file")
        return self._container.streams.video[0]

    @property
    def audio(self) -> AudioStream:
        """The first sound of the file. Raises DeviceUnsupportedError without one."""
        if not self._container.streams.audio:
            raise DeviceUnsupportedError(f"{self._label}: {self._path} has no sound; take another file")
        return self._container.streams.audio[0]

    @property
    def length_s(self) -> float:
        """How long one lap takes: what the file itself says, the same for picture and sound."""
        if self._container.duration is None or self._container.duration / av.time_base < SHORTEST_S:
            what = f"a recording must say its length, of at least {SHORTEST_S} s"
            raise DeviceUnsupportedError(f"{self._label}: {self._path} cannot be looped; {what}")
        return self._container.duration / av.time_base

    def pictures(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yield (CLOCK_MONOTONIC at which it is due, picture) for ever.

        The first ones are of the past: from the key frame before the present on, as fast as they are asked for.
        """
        stream = self.video
        stream.thread_type = "NONE"  # one core's thread decodes 720p30 with ease; the others have work of their own
        for lap_mono_s, _into_s in self._laps(stream):
            for frame in self._container.decode(stream):
                at_s = self._time_s(frame)
                if at_s is not None:
                    yield lap_mono_s + at_s, frame

    def sound(self) -> Iterator[tuple[float, bytes]]:
        """Yield (CLOCK_MONOTONIC of the first sample, int16 mono 48 kHz) for ever, from the present on."""
        stream = self.audio
        for lap_mono_s, into_s in self._laps(stream):
            resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
            first_s: float | None = None
            samples = 0
            for frame in self._container.decode(stream):
                at_s = self._time_s(frame)
                if at_s is None or at_s + BLOCK_S < into_s:
                    continue
                if first_s is None:
                    first_s = at_s
                for part in resampler.resample(frame):
                    yield lap_mono_s + first_s + samples / SAMPLE_RATE_HZ, _bytes(part)
                    samples += part.samples
            if first_s is not None:
                for part in resampler.resample(None):
                    yield lap_mono_s + first_s + samples / SAMPLE_RATE_HZ, _bytes(part)
                    samples += part.samples

    def _laps(self, stream: VideoStream | AudioStream) -> Iterator[tuple[float, float]]:
        """Yield (CLOCK_MONOTONIC of the lap's begin, seconds into it from which to play), placed in the file."""
        length_s = self.length_s
        into_s = time.monotonic() % length_s
        lap_mono_s = time.monotonic() - into_s
        while True:
            assert stream.time_base is not None
            start = stream.start_time or 0
            self._container.seek(start + int(into_s / stream.time_base), stream=stream)
            yield lap_mono_s, into_s
            lap_mono_s, into_s = lap_mono_s + length_s, 0.0

    def _time_s(self, frame: VideoFrame | AudioFrame) -> float | None:
        """Return when in the recording this is; files seldom begin at zero."""
        if frame.pts is None or frame.time_base is None:
            return None
        return float(frame.pts * frame.time_base) - (self._container.start_time or 0) / av.time_base


def _bytes(part: AudioFrame) -> bytes:
    return bytes(part.planes[0])[: part.samples * 2]
