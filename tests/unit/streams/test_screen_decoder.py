"""A shared screen becomes the room's frames: in every size, never more than it can, and nonsense harms nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import numpy as np
import pytest

from agent.media import Frame
from agent.streams.screen_decoder import MOST_WAITING, ScreenDecoder, fitted
from tests.waiting import until


def film(width_px: int, height_px: int, count: int, luma: int = 40) -> list[bytes]:
    """Return VP8 pictures, each 5 steps lighter than the one before; the first is a key picture."""
    codec = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height, codec.pix_fmt = width_px, height_px, "yuv420p"
    codec.time_base, codec.bit_rate = Fraction(1, 15), 4_000_000
    codec.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    made: list[bytes] = []
    for number in range(count):
        picture = av.VideoFrame(width_px, height_px, "yuv420p")
        for plane, value in zip(picture.planes, (luma + 5 * number, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        picture.pts = number
        made += [bytes(packet) for packet in codec.encode(picture)]
    return made


class Shown:
    """A decoder and what it told."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.broken = self.too_large = 0
        self.decoder = ScreenDecoder(
            asyncio.get_running_loop(),
            on_frame=self.frames.append,
            on_broken=self._broken,
            on_too_large=self._too_large,
        )

    def _broken(self) -> None:
        self.broken += 1

    def _too_large(self) -> None:
        self.too_large += 1

    async def show(self, pictures: list[bytes]) -> Frame:
        """Give pictures one after the other and return the last one's frame."""
        for number, picture in enumerate(pictures):
            before = len(self.frames)
            self.decoder.put(picture, float(number))
            await until(lambda before=before: len(self.frames) > before, "a picture is shown")  # type: ignore[misc]
        return self.frames[-1]


@pytest.fixture
async def shown() -> AsyncIterator[Shown]:
    made = Shown()
    yield made
    made.decoder.close()
    await made.decoder.join()
    assert "shared screen" not in {thread.name for thread in threading.enumerate()}


async def test_pictures_become_frames_with_the_instant_at_which_they_came(shown: Shown) -> None:
    last = await shown.show(film(640, 360, 3))
    assert (last.width_px, last.height_px, last.captured_mono_s, last.sequence) == (640, 360, 2.0, 2)
    assert last.image.flags.c_contiguous
    assert last.image.dtype == np.uint8
    assert abs(float(last.image[:360].mean()) - 50) < 2
    assert abs(float(last.image[360:].mean()) - 128) < 2


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((1920, 1080), (1920, 1080)),
        ((1365, 767), (1364, 766)),
        ((3840, 2160), (1920, 1080)),
        ((1920, 1200), (1728, 1080)),
        ((1080, 1920), (606, 1080)),
        ((4000, 20), (1920, 64)),
        ((1, 1), (64, 64)),
    ],
)
def test_every_size_is_made_even_and_no_larger_than_a_board(given: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert fitted(*given) == wanted


async def test_a_window_that_changes_its_size_goes_on(shown: Shown) -> None:
    await shown.show(film(640, 360, 2))
    smaller = await shown.show(film(301, 201, 2))
    assert (smaller.width_px, smaller.height_px) == (300, 200)
    larger = await shown.show(film(2560, 1440, 1))
    assert (larger.width_px, larger.height_px) == (1920, 1080)


async def test_an_8k_screen_is_told_and_not_decoded(shown: Shown) -> None:
    key = bytearray(film(640, 360, 1)[0])
    key[6:10] = (7680).to_bytes(2, "little") + (4320).to_bytes(2, "little")
    shown.decoder.put(bytes(key), 0.0)
    assert shown.too_large == 1
    await shown.show(film(640, 360, 1))
    assert shown.decoder.counts.decoded == 1


async def test_nonsense_asks_for_a_key_picture_and_the_next_one_is_shown(shown: Shown) -> None:
    pictures = film(640, 360, 2)
    shown.decoder.put(pictures[1], 0.0)
    shown.decoder.put(b"\x10" + bytes(range(256)) * 20, 0.0)
    shown.decoder.put(pictures[0][:9], 0.0)
    await until(lambda: shown.broken >= 2, "that a key picture is needed")
    assert not shown.frames
    await shown.show(film(640, 360, 1))


async def test_of_pictures_that_wait_only_the_newest_is_shown(shown: Shown) -> None:
    pictures = film(1920, 1080, MOST_WAITING)
    for picture in pictures:
        shown.decoder.put(picture, 0.0)
    await until(lambda: shown.decoder.counts.decoded == MOST_WAITING, "all are decoded")
    await until(lambda: bool(shown.frames), "the newest is shown")
    assert len(shown.frames) < MOST_WAITING / 2
    assert abs(float(shown.frames[-1].image[:1080].mean()) - (40 + 5 * (MOST_WAITING - 1))) < 2


async def test_more_than_it_can_is_left_out_up_to_a_key_picture(shown: Shown) -> None:
    pictures = film(1280, 720, 2 * MOST_WAITING + 4)
    for picture in pictures:
        shown.decoder.put(picture, 0.0)
        assert shown.decoder._waiting.qsize() <= MOST_WAITING
    assert shown.decoder.counts.overrun > 0
    assert shown.broken >= shown.decoder.counts.overrun
    await until(lambda: shown.decoder._waiting.empty(), "the thread has caught up")
    before = len(shown.frames)
    await shown.show(film(640, 360, 1))
    assert len(shown.frames) == before + 1
