"""A network camera that speaks RTSP: its pictures through FFmpeg, over TCP unless the configuration says otherwise.

Order of an opening, at most 5 s: connect and greet (`rtsp_words`: what is there?), describe and play (FFmpeg, in
`rtsp_reader`), say *opened*, then the first key picture, which may take the camera's whole key interval. The loss of a
camera is known `rtsp_reader.SILENT_S` after its last packet; until then the capture process says *alive*.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from agent.devices.base import CaptureDriver
from agent.devices.capture_child import CaptureChild
from agent.devices.file_camera import fit, to_i420
from agent.devices.login import LoginConfig
from agent.devices.rtsp_words import (
    Place,
    RtspAddress,
    cannot_connect,
    greeting,
    judge_greeting,
    with_login,
)
from protocol.errors import DeviceError, DeviceLostError, DeviceTimeoutError
from protocol.messages import DeviceRole

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from agent.devices.rtsp_reader import RtspReader

CONNECT_S = 1.0
"""A school's network answers within milliseconds. Tried each second, a camera that comes back is found at once; with
a longer wait the kernel's own repetitions, at 1, 3 and 7 s, would decide."""

ANSWER_S = 1.5
"""From the greeting to its answer; slow cameras take some tenths of a second."""

LONGEST_LINE = 4096

TURN_S = 0.05
"""How long to wait for a picture before the agent is told that all is well and asked whether to stop."""

NO_PICTURE_S = 12.0
"""Packets but no picture: cameras that save bandwidth send a key picture each 10 s."""


class RtspConfig(LoginConfig):
    """The picture is made smaller, never larger, to fit ``width_px`` × ``height_px``, and keeps its shape."""

    address: RtspAddress = Field(description="rtsp://HOST:PORT/PATH of the stream to take, without name and password")
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="udp only where a camera cannot do tcp")
    width_px: int = Field(default=1280, ge=160, le=1920, multiple_of=2)
    height_px: int = Field(default=720, ge=90, le=1080, multiple_of=2)
    delay_s: float = Field(default=0.0, ge=0, le=2, description="what the camera itself needs from light to network")


def greet(address: str, label: str) -> None:
    """Return if an RTSP server answers at the address. Raises the DeviceError that says what is there instead."""
    place = Place.of(address)
    try:
        connection = socket.create_connection((place.host, place.port), CONNECT_S)
    except (OSError, UnicodeError) as error:
        raise cannot_connect(error, place, label) from None
    with connection:
        judge_greeting(_answer(connection, greeting(address), place, label), place, label)


def _answer(connection: socket.socket, request: bytes, place: Place, label: str) -> bytes:
    """Return what comes until the first line is whole, the other side closes, or enough is there to judge it."""
    answer, until_mono_s = b"", time.monotonic() + ANSWER_S
    try:
        connection.settimeout(ANSWER_S)
        connection.sendall(request)
        while b"\r\n" not in answer and len(answer) < LONGEST_LINE:
            connection.settimeout(max(until_mono_s - time.monotonic(), 0.001))
            more = connection.recv(LONGEST_LINE)
            if not more:
                break
            answer += more
    except TimeoutError:
        if not answer:
            what = "it may be starting, or hang: restart it"
            raise DeviceTimeoutError(f"{label}: {place} takes the connection and does not answer; {what}") from None
    except ConnectionError:
        pass
    return answer


def capture(child: CaptureChild, config: RtspConfig) -> None:
    """Capture until told to stop."""
    from agent.devices.rtsp_reader import RtspReader  # it imports av, which belongs in the capture process only

    address = with_login(config.address, config.user, config.password(child.label), child.label)
    greet(config.address, child.label)
    show(child, config, RtspReader(address, Place.of(config.address), child.label, config.transport))


def show(child: CaptureChild, config: RtspConfig, reader: RtspReader) -> None:
    """Hand the pictures of an open stream over until told to stop."""
    reader.start()
    try:
        taken = None
        size = reader.size
        if 0 in size:  # said by the pictures alone
            taken = _first(child, reader)
            if taken is None:
                return
            size = taken[0].width, taken[0].height
        width_px, height_px = fit(*size, config.width_px, config.height_px)
        host = Place.of(config.address).host
        child.opened(f"{host} ({reader.codec})", width_px=width_px, height_px=height_px, rate_hz=reader.rate_hz)
        last_mono_s = time.monotonic()
        while not child.should_stop():
            if taken is None:
                child.alive()
                if time.monotonic() - last_mono_s > NO_PICTURE_S:
                    raise _no_picture(child, config)
            else:
                frame, captured_mono_s = taken
                if (frame.width, frame.height) != size:
                    what = f"changed its picture from {size[0]}x{size[1]} to {frame.width}x{frame.height}"
                    raise DeviceLostError(f"{child.label}: {host} {what}; it is opened again")
                last_mono_s = time.monotonic()
                child.send_frame(to_i420(frame, width_px, height_px), captured_mono_s - config.delay_s)
            taken = reader.next(TURN_S)
    finally:
        reader.close()


def _first(child: CaptureChild, reader: RtspReader) -> tuple[VideoFrame, float] | None:
    while not child.should_stop():
        taken = reader.next(TURN_S)
        if taken is not None:
            return taken
    return None


def _no_picture(child: CaptureChild, config: RtspConfig) -> DeviceError:
    what = "set its video to H.264 or H.265 with a key picture each second"
    place = Place.of(config.address)
    return DeviceLostError(f"{child.label}: {place} sends data but no picture for {NO_PICTURE_S:g} s; {what}")


driver = CaptureDriver(
    name="rtsp",
    role=DeviceRole.CAMERA,
    config=RtspConfig,
    child="agent.devices.rtsp:capture",
    imports=("av", "agent.devices.i420", "agent.devices.rtsp_reader"),
)
