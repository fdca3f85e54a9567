"""A network camera's pictures through FFmpeg, on a thread of their own; in the capture process only.

FFmpeg waits for a picture as long as it takes; the thread that speaks with the agent must not. So one thread reads and
decodes, and keeps the newest picture for the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.devices.rtsp_words import Place, StreamClock, full
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DevicePasswordError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)

av.logging.set_level(av.logging.PANIC)  # FFmpeg's own lines may hold the address with its password

OPEN_S = 3.0
"""From the first word to the description of the stream: 0.4 to 2.2 s were measured."""

SILENT_S = 2.0
"""A camera gives a packet at each of its pictures; one that gave none for so long is gone. The stand-in shows after
0.6 s, so nobody waits for this; a camera on a bad radio link may yet go on before."""

GIVE_UP_S = 3 * SILENT_S
"""FFmpeg's own limit on a read. A read that it breaks off gives the picture that was under way, which looks like news
from the camera; so it comes after `SILENT_S`, when nobody waits any more."""

CLOSE_S = 0.2
"""For the thread to say TEARDOWN, so that the camera frees the place at once."""


class RtspReader:
    """An open stream. ``label`` begins the sentences of its errors."""

    def __init__(self, address: str, place: Place, label: str, transport: str) -> None:
        """Open the stream; ``address`` may hold the login and is told to nobody. Raises DeviceError and its kinds."""
        self._place, self._label = place, label
        self._container = self._open(address, transport)
        if not self._container.streams.video:
            self._container.close()
            raise DeviceUnsupportedError(f"{label}: {place} sends no video at that path; correct the address")
        self._video: VideoStream = self._container.streams.video[0]
        # One thread decodes 1080p in 5 ms; several would each hold a picture back.
        self._video.thread_count = 1
        self._clock = StreamClock()
        self._newest: tuple[VideoFrame, float] | None = None
        self._failure: DeviceError | None = None
        self._is_closing = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="rtsp", daemon=True)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as the camera described them; (0, 0) where only the pictures say."""
        return self._video.width, self._video.height

    @property
    def rate_hz(self) -> float:
        return float(self._video.average_rate or self._video.guessed_rate or 0)

    @property
    def codec(self) -> str:
        return self._video.codec_context.name

    def start(self) -> None:
        self._packet_mono_s = time.monotonic()
        self._thread.start()

    def next(self, most_s: float) -> tuple[VideoFrame, float] | None:
        """Return the newest picture not yet returned, with its time on CLOCK_MONOTONIC; None when none came in time.

        Raises what ended the stream.
        """
        with self._news:
            if self._newest is None and self._failure is None:
                self._news.wait(most_s)
            taken, self._newest = self._newest, None
            if taken is None and self._failure is not None:
                raise self._failure
        if taken is None and time.monotonic() - self._packet_mono_s > SILENT_S:
            raise self._silent()
        return taken

    def close(self) -> None:
        """Let the thread end the stream in good order; it has `CLOSE_S` for it."""
        self._is_closing = True
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        try:
            for packet in self._packets():
                self._packet_mono_s = arrived_mono_s = time.monotonic()
                if self._is_closing:
                    break
                for frame in self._decode(packet):
                    captured_mono_s = self._clock.captured(frame.time, arrived_mono_s)
                    with self._news:
                        self._newest = frame, captured_mono_s
                        self._news.notify()
            else:
                what = "it restarted, or was told to; it is tried again"
                self._fail(DeviceLostError(f"{self._label}: {self._place} ended the connection; {what}"))
        except DeviceError as error:
            self._fail(error)
        except Exception as error:  # the other thread waits for it; the text of it may hold the address
            self._fail(DeviceError(f"{self._label}: reading the stream failed: {type(error).__name__}"))
        finally:
            self._container.close()

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        try:
            yield from self._container.demux(self._video)
        except (TimeoutError, av.error.ExitError):
            raise self._silent() from None
        except (OSError, av.FFmpegError) as error:
            raise DeviceLostError(f"{self._label}: the connection to {self._place} broke ({error.strerror})") from None

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        try:
            return packet.decode()
        except (OSError, av.FFmpegError):
            return []  # damaged on the way; the next key picture mends it

    def _silent(self) -> DeviceError:
        what = "check its power and its cable"
        return DeviceLostError(f"{self._label}: {self._place} gave nothing for {SILENT_S:g} s; {what}")

    def _fail(self, error: DeviceError) -> None:
        with self._news:
            self._failure = error
            self._news.notify()

    def _open(self, address: str, transport: str) -> InputContainer:
        options = {
            "rtsp_transport": transport,
            "allowed_media_types": "video",
            "fflags": "nobuffer",
            "flags": "low_delay",
            # Cameras describe their stream; the default of 5 s of analysis would only make Start wait.
            "analyzeduration": "200000",
        }
        began_mono_s = time.monotonic()
        try:
            return av.open(address, "r", format="rtsp", options=options, timeout=(OPEN_S, GIVE_UP_S))
        except (OSError, av.FFmpegError) as error:
            # Its own text holds the address with its password.
            raise self._refused(error, time.monotonic() - began_mono_s) from None

    def _refused(self, error: OSError | av.FFmpegError, took_s: float) -> DeviceError:
        label, place = self._label, self._place
        match error:
            case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
                what = "correct user and the password file; it is tried again when that file has changed"
                return DevicePasswordError(f"{label}: {place} refuses this name or password; {what}")
            case av.error.HTTPNotFoundError():
                what = "correct the path in its address, as the camera's own page shows it"
                return DeviceNotFoundError(f"{label}: {place} has no stream at this path; {what}")
            case av.error.HTTPOtherClientError() | av.error.HTTPServerError():
                return DeviceBusyError(f"{label}: {full(place)}")
            case _ if took_s >= OPEN_S:  # a reading that FFmpeg broke off ends as "invalid data"
                what = "check its power and its cable, or restart it"
                return DeviceTimeoutError(f"{label}: {place} did not describe its stream in {took_s:.0f} s; {what}")
        what = "restart the camera"
        return DeviceError(f"{label}: the stream of {place} cannot be opened ({error.strerror}); {what}")
