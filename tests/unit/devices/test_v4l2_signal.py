"""What a capture card says of its signal, in bytes of the kernel's structures, and what counts as a changed picture."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import numpy as np
import pytest

from agent.devices import v4l2_signal
from agent.devices.hdmi import is_changed
from agent.devices.v4l2_signal import INPUT, TIMINGS, TIMINGS_BYTES, Found, Signal, look, take_timings

HD, CLOCK_HZ = (1920, 1080), 148_500_000


def timings(width_px: int, height_px: int, clock_hz: int = CLOCK_HZ) -> bytes:
    return TIMINGS.pack(0, width_px, height_px, 0, 3, clock_hz).ljust(TIMINGS_BYTES, b"\7")


class Card:
    """Answers as a kernel's driver would: with timings or an error number, and with an input's status or an error."""

    def __init__(self, measured: bytes | int, status: int | None = None) -> None:
        self._measured, self._status = measured, status
        self.set: list[bytes] = []

    def ioctl(self, number: int, what: bytearray) -> None:
        if number == v4l2_signal.VIDIOC_QUERY_DV_TIMINGS and isinstance(self._measured, bytes):
            what[:] = self._measured
        elif number == v4l2_signal.VIDIOC_QUERY_DV_TIMINGS:
            assert isinstance(self._measured, int)
            raise OSError(self._measured, os.strerror(self._measured))
        elif number == v4l2_signal.VIDIOC_S_DV_TIMINGS:
            self.set.append(bytes(what))
        elif self._status is None:
            raise OSError(errno.ENOTTY, "no such question")
        elif number == v4l2_signal.VIDIOC_G_INPUT:
            what[:] = (1).to_bytes(4, "little")
        else:
            assert what[:4] == b"\1\0\0\0"
            what[:] = INPUT.pack(1, b"HDMI 0", 2, 0, 0, 0, self._status, 2)


def test_structures_have_the_kernel_s_size() -> None:
    assert (INPUT.size, TIMINGS_BYTES) == (80, 132)


def test_a_card_with_timings_says_the_size_and_is_set_to_what_it_measured() -> None:
    card = Card(timings(*HD))
    signal = look(card.ioctl)
    assert (signal.found, signal.width_px, signal.height_px, signal.clock_hz) == (Found.SIGNAL, *HD, CLOCK_HZ)
    take_timings(card.ioctl, signal)
    assert card.set == [timings(*HD)]


@pytest.mark.parametrize(
    ("number", "found"),
    [(errno.ENOLINK, Found.NOTHING), (errno.ENOLCK, Found.UNSTEADY), (errno.ERANGE, Found.UNFIT)],
)
def test_what_keeps_a_card_from_measuring_is_told_apart(number: int, found: Found) -> None:
    assert look(Card(number).ioctl).found is found
    assert "; " in v4l2_signal.WORDS[found]


@pytest.mark.parametrize("number", [errno.ENOTTY, errno.ENODATA, errno.EINVAL])
@pytest.mark.parametrize(
    ("status", "found"),
    [(0x2, Found.NOTHING), (0x1, Found.NOTHING), (0x10000, Found.UNSTEADY), (0, Found.UNKNOWN), (None, Found.UNKNOWN)],
)
def test_a_card_without_timings_is_asked_for_its_input(number: int, status: int | None, found: Found) -> None:
    card = Card(number, status)
    assert look(card.ioctl) == Signal(found)
    take_timings(card.ioctl, look(card.ioctl))
    assert card.set == []


def test_a_card_that_is_gone_is_not_one_without_a_signal() -> None:
    with pytest.raises(OSError, match="No such device"):
        look(Card(errno.ENODEV).ioctl)


@pytest.mark.parametrize(
    ("other", "is_other"),
    [
        (timings(*HD), False),
        (timings(*HD, clock_hz=148_351_648), False),  # as measured; 59.94 Hz is the same to a capture
        (timings(*HD, clock_hz=74_250_000), True),
        (timings(1280, 720), True),
    ],
)
def test_another_size_or_rate_is_another_signal(other: bytes, is_other: bool) -> None:
    first = look(Card(timings(*HD)).ioctl)
    assert look(Card(other).ioctl).is_other_than(first) == is_other


def _noise(image: np.ndarray) -> None:
    image += np.random.default_rng(5).integers(0, 8, image.shape, np.uint8)


def _dot(image: np.ndarray) -> None:
    image[100:104, 200:204] += 60


def _speck(image: np.ndarray) -> None:
    image[100:102, 200:204] += 60


@pytest.mark.parametrize(("touch", "is_new"), [(_noise, False), (_speck, False), (_dot, True)])
def test_a_dot_of_chalk_is_a_change_and_the_card_s_noise_is_none(
    touch: Callable[[np.ndarray], None], is_new: bool
) -> None:
    before = np.full((1620, 1920), 90, np.uint8)
    after = before.copy()
    touch(after)
    assert is_changed(after, before) == is_new
