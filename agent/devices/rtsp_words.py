"""What is said to a network camera before its pictures come, and what its answers mean; no socket, no FFmpeg.

RTSP/1.0 is RFC 2326. FFmpeg speaks it for the pictures; the few words here tell *not there*, *not RTSP* and *full*
apart, which FFmpeg reports alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from agent.devices.login import UNTOLD
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceNotFoundError,
    DevicePasswordError,
    DeviceProtocolError,
)

RTSP_PORT = 554

LONGEST_LOGIN = 127
"""FFmpeg keeps ``user:password``, percent-encoded, in 128 bytes (``RTSPState.auth``) and cuts what is longer without a
word: a wrong password that nobody typed."""


def check_address(address: str) -> str:
    """Return a usable RTSP address unchanged. Raises what pydantic tells of it, of type `UNTOLD`."""
    if "@" in address.partition("://")[2].partition("/")[0]:
        raise PydanticCustomError(
            UNTOLD, "must not hold a name or password; write them as user = … and password_file = …"
        )
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise PydanticCustomError(UNTOLD, "must be rtsp://HOST:PORT/PATH with a port of 1 to 65535") from None
    if parts.scheme != "rtsp" or not parts.hostname or port == 0 or not address.isascii() or not address.isprintable():
        raise PydanticCustomError(UNTOLD, "must be rtsp://HOST:PORT/PATH, as the camera's own page shows it")
    if " " in address or parts.fragment:
        raise PydanticCustomError(UNTOLD, "must be rtsp://HOST:PORT/PATH, without spaces and without #")
    return address


RtspAddress = Annotated[str, AfterValidator(check_address)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an RTSP address leads."""

    host: str
    port: int

    @classmethod
    def of(cls, address: str) -> Place:
        parts = urlsplit(address)
        assert parts.hostname is not None, "check_address comes first"
        return cls(parts.hostname, parts.port or RTSP_PORT)

    def __str__(self) -> str:
        # A device's address, from the room's own configuration: who mends the room needs it in the sentence. The rule
        # that keeps addresses out of the log is about people's.
        return f"{self.host} port {self.port}"


def with_login(address: str, user: str, password: str, label: str) -> str:
    """Return the address with name and password, for FFmpeg alone. DevicePasswordError if FFmpeg would cut it."""
    if not user:
        return address
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    if len(login) > LONGEST_LOGIN:
        raise DevicePasswordError(
            f"{label}: user and password are too long together for RTSP ({len(login)} characters when encoded, "
            f"{LONGEST_LOGIN} at most); give the camera a shorter password"
        )
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{login}@{rest}"


def greeting(address: str) -> bytes:
    """Return an OPTIONS request (RFC 2326 §10.1): every RTSP server answers it, and it opens nothing."""
    return f"OPTIONS {address} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: Estrade\r\n\r\n".encode("ascii")


def judge_greeting(answer: bytes, place: Place, label: str) -> None:
    """Return if the first bytes of an answer are RTSP. Raises the DeviceError that says what they are instead."""
    if not answer:
        what = "it may serve as many as it can already: close other programs that show this camera"
        raise DeviceBusyError(f"{label}: {place} hung up without a word; {what}")
    status_line = answer.split(b"\r\n", 1)[0]
    protocol, _, rest = status_line.partition(b" ")
    if not protocol.startswith(b"RTSP/1."):
        is_web = protocol.startswith(b"HTTP/") or b"<html" in answer.lower()
        kind = "a web page (HTTP)" if is_web else "something that is not RTSP"
        raise DeviceProtocolError(
            f"{label}: {place} answers with {kind}; use the camera's RTSP port, usually {RTSP_PORT}"
        )
    if rest[:3] in (b"453", b"503"):
        raise DeviceBusyError(f"{label}: {full(place)}")


def full(place: Place) -> str:
    """Say that a camera takes nobody more (453 Not Enough Bandwidth, 503 Service Unavailable)."""
    return f"{place} takes no further connection; close other programs that show this camera, or restart it"


def cannot_connect(error: OSError | UnicodeError, place: Place, label: str) -> DeviceError:
    """Return what a failed TCP connection to the camera means."""
    if isinstance(error, ConnectionRefusedError):
        what = "switch RTSP on in the camera's settings, or correct the port"
        return DeviceNotFoundError(f"{label}: {place.host} is there but nothing listens on port {place.port}; {what}")
    if isinstance(error, UnicodeError) or type(error).__name__ == "gaierror":
        return DeviceNotFoundError(
            f"{label}: no address is known for {place.host}; correct its name, or write its IP address"
        )
    what = "check its power, its cable and its address"
    return DeviceNotFoundError(f"{label}: {place} cannot be reached; {what}")


class StreamClock:
    """Turns a stream's own times into CLOCK_MONOTONIC, without the network's jitter.

    The picture that was least under way in the last 5 to 10 s gives the distance between the two clocks; so the two
    may drift, and a picture that the network held back still has the time at which it would have come.
    """

    WINDOW_S = 5.0
    JUMP_S = 1.0
    """A stream that seems later than this was restarted by the camera: its times begin anew."""

    def __init__(self) -> None:
        self._window_mono_s = 0.0
        self._least_s = self._least_before_s = float("inf")
        self._last_mono_s = float("-inf")

    def captured(self, stream_s: float | None, arrived_mono_s: float) -> float:
        """Return when a picture was taken; never later than its arrival, and never earlier than the one before."""
        at_mono_s = arrived_mono_s if stream_s is None else self._fitted(stream_s, arrived_mono_s)
        self._last_mono_s = max(self._last_mono_s, at_mono_s)
        return self._last_mono_s

    def _fitted(self, stream_s: float, arrived_mono_s: float) -> float:
        way_s = arrived_mono_s - stream_s
        if way_s - min(self._least_s, self._least_before_s) > self.JUMP_S:
            self._least_s = self._least_before_s = float("inf")
        if arrived_mono_s - self._window_mono_s > self.WINDOW_S:
            self._least_before_s, self._least_s = self._least_s, float("inf")
            self._window_mono_s = arrived_mono_s
        self._least_s = min(self._least_s, way_s)
        return stream_s + min(self._least_s, self._least_before_s)
