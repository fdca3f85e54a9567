"""What a capture card says of the signal at its socket. Structures and numbers: linux/videodev2.h.

Cards with digital timings (``QUERY_DV_TIMINGS``) know whether there is one and its size; others know an input's status;
most USB sticks know neither, and send a picture of their own when there is nothing.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

INPUT = struct.Struct("<I32sIIIQII12x4x")
"""struct v4l2_input: index, name, type, audioset, tuner, std, status, capabilities."""
INDEX = struct.Struct("<i")
TIMINGS_BYTES = 132
TIMINGS = struct.Struct("<IIIIIQ")
"""The beginning of struct v4l2_dv_timings (packed): type, width, height, interlaced, polarities, pixel clock in Hz."""
VIDIOC_ENUMINPUT, VIDIOC_G_INPUT = 0xC050561A, 0x80045626
VIDIOC_QUERY_DV_TIMINGS, VIDIOC_S_DV_TIMINGS = 0x80845663, 0xC0845657
NO_POWER, NO_SIGNAL, NO_H_LOCK, NO_V_LOCK, NO_SYNC = 0x1, 0x2, 0x100, 0x400, 0x10000
NOTHING, UNSTEADY = NO_POWER | NO_SIGNAL, NO_H_LOCK | NO_V_LOCK | NO_SYNC

Ioctl = Callable[[int, bytearray], object]
"""``fcntl.ioctl`` on an open card: number and structure, which it may change. Raises OSError."""


class Found(StrEnum):
    """What arrives."""

    SIGNAL = "signal"
    NOTHING = "nothing"
    UNSTEADY = "unsteady"
    UNFIT = "unfit"
    UNKNOWN = "unknown"
    """The card does not say."""


WORDS = {
    Found.NOTHING: "no signal arrives; check the HDMI cable, and that what it comes from is on",
    Found.UNSTEADY: "the signal that arrives is not steady; push the HDMI cable home, or take a shorter one",
    Found.UNFIT: "the signal that arrives has a size or rate that the card cannot take; set its source to 1920 × 1080",
}
"""How a sentence about the card goes on."""


@dataclass(frozen=True, slots=True)
class Signal:
    """``width_px`` × ``height_px`` where the card knows them, else 0; ``timings`` is what it measured, whole."""

    found: Found
    width_px: int = 0
    height_px: int = 0
    timings: bytes = b""

    @property
    def clock_hz(self) -> int:
        """The pixel clock, by which two signals of one size differ."""
        return int(TIMINGS.unpack_from(self.timings)[5]) if self.timings else 0

    def is_other_than(self, other: Signal) -> bool:
        """Return whether the source changed size or rate; measured clocks wander by less than a hundredth."""
        if (self.width_px, self.height_px) != (other.width_px, other.height_px):
            return True
        return abs(self.clock_hz - other.clock_hz) > other.clock_hz / 100


def look(ioctl: Ioctl) -> Signal:
    """Ask the card what arrives at the input that is chosen. Raises OSError when the card itself is gone."""
    timings = bytearray(TIMINGS_BYTES)
    try:
        ioctl(VIDIOC_QUERY_DV_TIMINGS, timings)
    except OSError as error:
        if error.errno == errno.ENOLINK:
            return Signal(Found.NOTHING)
        if error.errno == errno.ENOLCK:
            return Signal(Found.UNSTEADY)
        if error.errno == errno.ERANGE:
            return Signal(Found.UNFIT)
        if error.errno in (errno.ENODEV, errno.ENXIO):
            raise
        return _by_status(ioctl)
    _type, width_px, height_px, *_ = TIMINGS.unpack_from(timings)
    return Signal(Found.SIGNAL, width_px, height_px, bytes(timings))


def _by_status(ioctl: Ioctl) -> Signal:
    """Ask for the input's status. Without any flag it means little: a card that knows nothing sets none."""
    index, answer = bytearray(INDEX.size), bytearray(INPUT.size)
    try:
        ioctl(VIDIOC_G_INPUT, index)
        answer[: INDEX.size] = index
        ioctl(VIDIOC_ENUMINPUT, answer)
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ENXIO):
            raise
        return Signal(Found.UNKNOWN)
    status = INPUT.unpack(answer)[6]
    if status & NOTHING:
        return Signal(Found.NOTHING)
    return Signal(Found.UNSTEADY if status & UNSTEADY else Found.UNKNOWN)


def take_timings(ioctl: Ioctl, signal: Signal) -> None:
    """Set the card to what it measured; cards with timings do not do so by themselves. Raises OSError."""
    if signal.timings:
        ioctl(VIDIOC_S_DV_TIMINGS, bytearray(signal.timings))
