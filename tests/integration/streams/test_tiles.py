"""The board as tiles, to a peer behind a line of 64 kb/s and over the network of the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.media import Frame
from agent.streams.ladder import TILES, Choice
from protocol.messages import OnAir
from protocol.tiles import LABEL, Kind
from tests.fakes import board_slides
from tests.integration.streams.conftest import Room
from tests.integration.streams.peer import Peer
from tests.integration.streams.sources import speak
from tests.integration.streams.tile_page import TilePage
from tests.networks.shaper import Line, shaped

AS_TILES = Choice("low", TILES, None, "line")
THIN = Line(rate_bps=64_000, delay_s=0.1, queue_s=0.5)


def board(room: Room, picture: NDArray[np.uint8]) -> None:
    height_px, width_px = picture.shape[0] * 2 // 3, picture.shape[1]
    room.publisher.push_frame("board", Frame(picture, width_px, height_px, time.monotonic(), 0))


def written(picture: NDArray[np.uint8], strokes: int) -> list[NDArray[np.uint8]]:
    """Return the picture with one stroke of a pen more each time."""
    pictures = []
    for number in range(strokes):
        picture, x_px = picture.copy(), 200 + number * 24
        cv2.line(picture, (x_px, 930 + number % 3 * 10), (x_px + 24, 935 + (number + 1) % 3 * 10), 40, 5)
        pictures.append(picture)
    return pictures


def bgr(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420), np.uint8)


def distance(page: TilePage, picture: NDArray[np.uint8]) -> float:
    """Return the mean difference of the canvas from the board, in levels."""
    return float(np.abs(page.canvas.astype(np.int16) - bgr(picture)).mean())


async def watched(room: Room, peer: Peer) -> TilePage:
    """Let a peer in that takes tiles, and return its page."""
    page = TilePage(peer)
    await peer.join(room.publisher, "pupil")
    await in_class(room, peer)
    room.publisher.force("pupil", AS_TILES)
    return page


async def in_class(room: Room, peer: Peer) -> None:
    await peer.until(lambda: any(viewer.is_connected for viewer in room.publisher.viewers()))


async def until_whole(peer: Peer, page: TilePage, picture: NDArray[np.uint8], deadline_s: float = 30.0) -> None:
    """Wait until the page has the board; compared once for each state of the canvas, for that takes its time."""
    looked_at = -1

    def is_there() -> bool:
        nonlocal looked_at
        if not page.is_whole or looked_at == len(page.arrivals):
            return False
        looked_at = len(page.arrivals)
        return distance(page, picture) < 3

    await peer.until(is_there, deadline_s)


async def test_the_page_puts_the_board_together_and_the_video_rests(room: Room) -> None:
    slide = board_slides.handwriting(6.0)
    board(room, slide)
    peer = Peer(kinds=("audio", "video", "video"))
    page = await watched(room, peer)
    await until_whole(peer, page, slide)
    assert page.labels == [LABEL]
    assert page.arrivals[0].message.kind is Kind.BEGIN or page.parts[0].message.scene == 1
    pictures = len(peer.board.arrivals)
    await peer.until(lambda: any(part.message.is_fine for part in page.parts), 30)
    assert len(peer.board.arrivals) == pictures
    assert len(room.left) > len(page.parts), "each message lights the sign"

    room.publisher.force("pupil", None)
    await peer.until(lambda: page.arrivals[-1].message.kind is Kind.END)
    await peer.until(lambda: len(peer.board.arrivals) > pictures)
    await peer.close()


async def test_nothing_of_a_hidden_board_leaves(room: Room) -> None:
    board(room, board_slides.text())
    peer = Peer(kinds=("audio", "video", "video"))
    page = await watched(room, peer)
    await peer.until(lambda: len(page.parts) > 3)
    room.publisher.set_on_air(OnAir(board=False), False)
    board(room, board_slides.handwriting(30.0))  # prepared while nobody shall see it
    await peer.until(lambda: page.scene > 1 and page.is_whole)
    assert page.canvas.std() < 40, "a stand-in is a plain picture"
    green = (np.abs(page.canvas.astype(np.int16) - (60, 84, 44)).max(axis=2) < 12).mean()
    assert green < 0.05, "of the board that is prepared"
    await peer.close()


@pytest.mark.alone
@pytest.mark.timeout(90)
@pytest.mark.parametrize("slide", [board_slides.photograph], ids=["photograph"])
async def test_a_line_of_64_kb_s_carries_slide_ink_and_sound(
    room: Room, slide: Callable[[], NDArray[np.uint8]]
) -> None:
    first, new = board_slides.handwriting(1.0), slide()
    ink = written(new, 20)
    board(room, first)
    room.feed(speak(room.publisher))
    async with shaped(THIN, THIN) as line:
        line.to_viewer.line = line.to_room.line = Line(delay_s=0.1)
        peer = Peer(kinds=("audio", "video", "video"))
        page = TilePage(peer)
        await peer.join(room.publisher, "pupil", through=line)
        await in_class(room, peer)
        room.publisher.force("pupil", AS_TILES)
        await until_whole(peer, page, first)
        line.to_viewer.line = line.to_room.line = THIN
        heard, parts, begun_s = len(peer.sound.arrivals), len(page.parts), time.monotonic()
        board(room, new)
        for picture in ink:
            await asyncio.sleep(0.2)
            board(room, picture)
        await until_whole(peer, page, ink[-1])
        took_s = time.monotonic() - begun_s
        await peer.close()
    ages_s = [part.age_s for part in page.parts[parts:] if part.message.is_ink]
    assert took_s <= 15
    assert len(ages_s) >= 5
    assert max(ages_s) <= 2
    assert max(part.size for part in page.parts) <= 1160, "between two packets the sound has the line"
    late_s = [arrival.mono_s - arrival.timestamp / 48_000 for arrival in peer.sound.arrivals[heard:]]
    assert line.to_viewer.dropped <= 0.01 * line.to_viewer.carried
    assert np.percentile(late_s, 99) - np.median(late_s) <= 0.4
