"""VISCA as bytes: what is said to a camera and what its answers mean. Pure: no socket, no clock.

Sources: Sony, *VISCA command list* of the BRC-X400/X401 (pp. 6-13) and of the SRG-300H (p. 32); PTZOptics, *G2 VISCA
over IP command list*. A request is ``8x … FF`` (x the camera's address, 1 over IP), an answer ``y0 … FF`` (y = 8 + x).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

END = 0xFF
LONGEST_FRAME = 16
"""Bytes, with address and end (Sony, *VISCA packet structure*)."""

TOP_PAN, TOP_TILT, TOP_ZOOM = 0x18, 0x14, 0x07
"""Fastest speeds that every model takes: pan 01-18, tilt 01-14 (some go to 17 or 18), zoom 0-7."""

MOST_PRESET = 127
MENU_PRESET = 95
"""5Fh opens the menu on screen of PTZOptics cameras and many like them, in front of the class."""

PT_POSITION = b"\x09\x06\x12"
ZOOM_POSITION = b"\x09\x04\x47"
VERSION = b"\x09\x00\x02"
IF_CLEAR = b"\x01\x00\x01"
"""Forget what is half done (serial and raw IP, at the start)."""
ADDRESS_SET = b"\x88\x30\x01\xff"
"""Whole frame, to all on a serial line: each takes the next number. It comes back as ``88 30 0w FF``."""
BROADCAST = 0x88
PAN_TILT_STOP = b"\x01\x06\x01\x01\x01\x03\x03"
ZOOM_STOP = b"\x01\x04\x07\x00"


def frame(body: bytes, address: int = 1) -> bytes:
    """Return a request to the camera of this address, 1-7."""
    assert 1 <= address <= 7, address
    return bytes((0x80 | address,)) + body + bytes((END,))


def is_inquiry(body: bytes) -> bool:
    return body[:1] == b"\x09"


def pan_tilt(pan: float, tilt: float, top_pan: int = TOP_PAN, top_tilt: int = TOP_TILT) -> bytes:
    """Return a pan-tilt drive at these shares of the top speed, -1 left and down … 1 right and up; 0 stands."""
    across = 0x03 if pan == 0 else 0x01 if pan < 0 else 0x02
    along = 0x03 if tilt == 0 else 0x01 if tilt > 0 else 0x02
    return bytes((0x01, 0x06, 0x01, _speed(pan, top_pan), _speed(tilt, top_tilt), across, along))


def zoom(speed: float) -> bytes:
    """Return a zoom at this share of the top speed, -1 wide … 1 narrow (tele); 0 stands."""
    if speed == 0:
        return ZOOM_STOP
    return bytes((0x01, 0x04, 0x07, (0x20 if speed > 0 else 0x30) | round(abs(speed) * TOP_ZOOM)))


def _speed(share: float, top: int) -> int:
    assert -1 <= share <= 1, share
    return max(1, round(abs(share) * top))


def recall_preset(number: int) -> bytes:
    return bytes((0x01, 0x04, 0x3F, 0x02, _preset(number)))


def store_preset(number: int) -> bytes:
    return bytes((0x01, 0x04, 0x3F, 0x01, _preset(number)))


def _preset(number: int) -> int:
    assert 0 <= number <= MOST_PRESET, number
    assert number != MENU_PRESET
    return number


def pan_tilt_position(answer: bytes) -> tuple[int, int] | None:
    """Return pan and tilt in the camera's steps, signed; None if the answer is not of a known form.

    Four or five half bytes of pan (newer Sony), four of tilt.
    """
    if len(answer) not in (8, 9) or any(byte > 0x0F for byte in answer):
        return None
    return _signed(answer[:-4]), _signed(answer[-4:])


def zoom_position(answer: bytes) -> int | None:
    """Return the zoom, 0 wide; 4000h is usually the end of the optical range."""
    if len(answer) != 4 or any(byte > 0x0F for byte in answer):
        return None
    return _unsigned(answer)


def version(answer: bytes) -> tuple[int, int] | None:
    """Return vendor (1 is Sony) and model of a version answer."""
    return struct.unpack(">HH", answer[:4]) if len(answer) == 7 else None


def _unsigned(half_bytes: bytes) -> int:
    number = 0
    for half_byte in half_bytes:
        number = number << 4 | half_byte
    return number


def _signed(half_bytes: bytes) -> int:
    number, bits = _unsigned(half_bytes), 4 * len(half_bytes)
    return number - (1 << bits) if number >> (bits - 1) else number


class Why(IntEnum):
    """The reasons of a refusal (Sony, *error messages*)."""

    LENGTH = 0x01
    SYNTAX = 0x02
    """The camera does not know the command."""
    FULL = 0x03
    """Both of its sockets are in use; again in a moment."""
    CANCELLED = 0x04
    NO_SOCKET = 0x05
    NOT_NOW = 0x41
    """It knows the command and cannot: standby, or for up to 240 ms after a preset."""


@dataclass(frozen=True, slots=True)
class Ack:
    socket: int


@dataclass(frozen=True, slots=True)
class Done:
    socket: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What an inquiry gave, without address, kind and end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    socket: int
    why: int


Reply = Ack | Done | Answer | Refusal


def parse(frame: bytes, address: int = 1) -> Reply | None:
    """Return what a frame from the camera of this address says; None for what is not for us or not VISCA."""
    if not 3 <= len(frame) <= LONGEST_FRAME or frame[-1] != END or frame[0] != (8 + address) << 4 or END in frame[:-1]:
        return None
    kind, socket, data = frame[1] >> 4, frame[1] & 0x0F, frame[2:-1]
    match kind:
        case 4 if not data:
            return Ack(socket)
        case 5 if data:
            return Answer(data)
        case 5:
            return Done(socket)
        case 6 if len(data) == 1:
            return Refusal(socket, data[0])
    return None


class Splitter:
    """Cuts a stream of bytes into frames. What has no end within the longest frame is thrown away and counted."""

    def __init__(self) -> None:
        self._rest = b""
        self._garbage = 0

    @property
    def garbage(self) -> int:
        """Bytes so far that belong to no frame; those that still wait for their end count."""
        return self._garbage + len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that these bytes complete, ends included."""
        *whole, self._rest = (self._rest + data).split(b"\xff")
        if len(self._rest) >= LONGEST_FRAME:
            self._garbage += len(self._rest)
            self._rest = b""
        return [part + b"\xff" for part in whole]


# Sony's frame around it, over UDP ("VISCA over IP").

SONY_HEADER = struct.Struct(">HHI")
"""Payload type, payload length, sequence number."""


class Payload(IntEnum):
    COMMAND = 0x0100
    INQUIRY = 0x0110
    REPLY = 0x0111
    CONTROL = 0x0200
    CONTROL_REPLY = 0x0201


SONY_RESET = SONY_HEADER.pack(Payload.CONTROL, 1, 0) + b"\x01"
"""Begin counting anew: the next request has number 0. Answered by `Payload.CONTROL_REPLY` 01."""
SONY_RESET_DONE = b"\x01"
SONY_BAD_NUMBER = b"\x0f\x01"
"""The number is not the next one. After a request was sent again: it *was* carried out, its answer was lost."""
SONY_BAD_TYPE = b"\x0f\x02"


def sony_packet(request: bytes, number: int) -> bytes:
    """Return the packet of one request (a `frame`)."""
    kind = Payload.INQUIRY if is_inquiry(request[1:]) else Payload.COMMAND
    return SONY_HEADER.pack(kind, len(request), number) + request


@dataclass(frozen=True, slots=True)
class SonyPacket:
    kind: int
    number: int
    payload: bytes


def parse_sony(packet: bytes) -> SonyPacket | None:
    """Return a packet taken apart; None if it is not one."""
    if len(packet) <= SONY_HEADER.size:
        return None
    kind, length, number = SONY_HEADER.unpack_from(packet)
    payload = packet[SONY_HEADER.size :]
    if length != len(payload) or kind not in (Payload.REPLY, Payload.CONTROL_REPLY):
        return None
    return SonyPacket(kind, number, payload)
