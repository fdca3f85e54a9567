"""A real sender's screen in the board's place: let in, lost, back, stopped, and never a burden."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest

from agent.board_source import BoardSource
from agent.shared_screen import LOOK_S, SILENT_S, SharedScreen
from agent.streams.ladder import Choice
from protocol.errors import SignallingError
from protocol.messages import ScreenTold
from tests.integration.streams.conftest import Room, open_room
from tests.integration.streams.peer import Peer, decoded
from tests.integration.streams.screen_sender import ScreenSender, grey, shows
from tests.integration.streams.sources import picture
from tests.integration.streams.tile_page import TilePage
from tests.waiting import until

pytestmark = pytest.mark.alone

OWN, SHARED = 200, 90


def told(holder: str) -> ScreenTold:
    return ScreenTold(code="ABCD-EFGH", page="https://estrade.example/screen", holder=holder, life_s=600)


@dataclass
class Lesson:
    """A room whose board shows one grey, and what its panel showed of a shared screen."""

    room: Room
    board: BoardSource
    screen: SharedScreen
    panel: list[str] = field(default_factory=list)

    def state(self) -> str:
        view = self.screen.view()
        return view.state if view is not None else "none"

    async def shows(self, luma: int) -> None:
        await until(lambda: shows(self.room.publisher, luma), f"pupils are sent {luma}")


@asynccontextmanager
async def a_lesson() -> AsyncIterator[Lesson]:
    async with open_room() as room:
        board = BoardSource(room.publisher)
        lesson = Lesson(room, board, SharedScreen(board, on_change=lambda: lesson.panel.append(lesson.state())))
        run = asyncio.create_task(lesson.screen.run())
        board.push_frame("board", picture(0, luma=OWN))
        try:
            yield lesson
        finally:
            run.cancel()
            with suppress(asyncio.CancelledError):
                await run
            await until(lambda: "shared screen" not in {one.name for one in threading.enumerate()}, "its thread ends")


async def refused(lesson: Lesson, holder: str) -> str:
    sender = ScreenSender(SHARED)
    try:
        with pytest.raises(SignallingError) as error:
            await sender.share(lesson.screen, "other", holder)
        return error.value.code
    finally:
        await sender.pc.close()


async def test_the_screen_of_whoever_has_the_code_is_the_board_until_the_room_ends_it() -> None:
    async with a_lesson() as lesson:
        await lesson.shows(OWN)
        assert await refused(lesson, "h") == "screen-not-granted"
        lesson.screen.offer(told("h"))
        view = lesson.screen.view()
        assert view is not None
        assert (view.state, view.code, view.address) == ("offered", "ABCD-EFGH", "https://estrade.example/screen")
        assert view.remaining_s is not None
        assert 590 < view.remaining_s <= 600
        assert await refused(lesson, "another") == "screen-not-granted"
        sender = ScreenSender(SHARED)
        await sender.share(lesson.screen, "s", "h")
        await lesson.shows(SHARED)
        lesson.board.push_frame("board", picture(1, luma=OWN - 20))
        sender.screen.picture = grey(SHARED + 30, 301, 201)
        await lesson.shows(SHARED + 30)
        newest = lesson.room.publisher.board_shown()
        assert newest is not None
        assert (newest.frame().width_px, newest.frame().height_px) == (300, 200)
        lesson.screen.end()
        assert shows(lesson.room.publisher, OWN - 20), "the board's newest, at once"
        assert lesson.panel == ["offered", "waiting", "shown", "none"]
        assert await refused(lesson, "h") == "screen-stopped"
        await until(lambda: sender.pc.connectionState == "closed", "the sender hears of the end")
        await sender.pc.close()


@pytest.mark.parametrize("turns", [1, 2, 4])
async def test_a_share_that_ends_while_the_room_answers_is_the_reason_that_is_told(turns: int) -> None:
    async with a_lesson() as lesson:
        lesson.screen.offer(told("h"))
        sender = ScreenSender(SHARED)
        answering = asyncio.create_task(lesson.screen.accept("s", await sender.offer(), (), "h"))
        for _ in range(turns):
            await asyncio.sleep(0)
        assert lesson.screen.knows("s")
        assert not answering.done()
        lesson.screen.end()
        with pytest.raises(SignallingError) as refusal:
            await answering
        assert refusal.value.code == "screen-stopped"
        await sender.pc.close()


async def test_a_computer_that_vanishes_gives_the_board_back_and_may_come_again() -> None:
    async with a_lesson() as lesson:
        lesson.screen.offer(told("h"))
        first, second = ScreenSender(SHARED), ScreenSender(SHARED + 20)
        await first.share(lesson.screen, "s1", "h")
        await lesson.shows(SHARED)
        await asyncio.sleep(SILENT_S + 1)
        assert lesson.state() == "shown", "reports and repetitions keep it"
        first.vanish()
        gone_s = time.monotonic()
        await lesson.shows(OWN)
        assert SILENT_S - 1 < time.monotonic() - gone_s < SILENT_S + 4 * LOOK_S
        assert lesson.state() == "silent"
        await second.share(lesson.screen, "s2", "h")
        await lesson.shows(SHARED + 20)
        assert not lesson.screen.knows("s1")
        lesson.screen.leave("s1")
        assert lesson.state() == "shown", "the goodbye of a connection before ends nothing"
        lesson.screen.leave("s2")
        assert shows(lesson.room.publisher, OWN)
        assert await refused(lesson, "h") == "screen-not-granted", "who ended it needs a new code"
        for one in (first, second):
            await one.pc.close()


async def test_a_page_that_closes_gives_the_board_back_at_once_and_its_goodbye_ends_it() -> None:
    async with a_lesson() as lesson:
        lesson.screen.offer(told("h"))
        sender = ScreenSender(SHARED)
        await sender.share(lesson.screen, "s", "h")
        await lesson.shows(SHARED)
        gone_s = time.monotonic()
        await sender.pc.close()
        await lesson.shows(OWN)
        assert time.monotonic() - gone_s < SILENT_S - 1
        assert lesson.state() == "lost"
        lesson.screen.leave("s")
        assert lesson.state() == "none"
        assert await refused(lesson, "h") == "screen-not-granted"


async def test_another_code_takes_the_place_of_the_one_before() -> None:
    async with a_lesson() as lesson:
        lesson.screen.offer(told("h1"))
        first, second = ScreenSender(SHARED), ScreenSender(SHARED + 20)
        await first.share(lesson.screen, "s1", "h1")
        await lesson.shows(SHARED)
        lesson.screen.offer(told("h2"))
        await lesson.shows(OWN)
        assert await refused(lesson, "h1") == "screen-replaced"
        await second.share(lesson.screen, "s2", "h2")
        await lesson.shows(SHARED + 20)
        for one in (first, second):
            await one.pc.close()


async def test_on_a_line_that_loses_packets_the_screen_stays() -> None:
    async with a_lesson() as lesson:
        lesson.screen.offer(told("h"))
        sender = ScreenSender(SHARED)
        await sender.share(lesson.screen, "s", "h")
        await lesson.shows(SHARED)
        sender.lose(lambda number: number % 5 == 0)
        for luma in range(SHARED, SHARED + 60, 10):
            sender.screen.picture = grey(luma, 1280, 720)
            await lesson.shows(luma)
        assert "silent" not in lesson.panel
        await sender.pc.close()


async def test_nonsense_from_the_sender_hurts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with a_lesson() as lesson:
        lesson.screen.offer(told("h"))
        sender = ScreenSender(SHARED)
        await sender.share(lesson.screen, "s", "h")
        await lesson.shows(SHARED)
        [transceiver] = sender.pc.getTransceivers()
        transport = transceiver.sender.transport
        for number in range(2_000):
            kind = 97 if number % 3 else 98
            head = bytes([0x80, kind | (0x80 if number % 7 == 0 else 0)]) + (number * 37 % 65_536).to_bytes(2, "big")
            body = bytes((number * 31 + at) % 256 for at in range(number % 50))
            await transport._send_rtp(head + bytes(4) + (number % 9 + 1).to_bytes(4, "big") + body)
        sender.screen.picture = grey(SHARED + 40)
        await lesson.shows(SHARED + 40)
        assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
        await sender.pc.close()


async def test_an_offer_without_a_picture_or_without_vp8_is_refused_and_the_next_one_taken() -> None:
    async with a_lesson() as lesson:
        lesson.screen.offer(told("h"))
        sender = ScreenSender(SHARED)
        offer = await sender.offer()
        for changed, code in (
            ("v=0\r\n", "offer-invalid"),
            (offer.replace("a=sendonly", "a=recvonly"), "offer-invalid"),
            (offer.replace("VP8", "VP9"), "no-common-codec"),
        ):
            with pytest.raises(SignallingError) as error:
                await lesson.screen.accept("s", changed, (), "h")
            assert error.value.code == code
        await sender.take(await lesson.screen.accept("s", offer, (), "h"))
        await lesson.shows(SHARED)
        await sender.pc.close()


SIZES = ((301, 201), (40, 900), (1921, 65))


@pytest.mark.parametrize("board", ["full", "half", "tiles"])
async def test_a_window_of_any_size_reaches_pupils_on_every_line(board: str) -> None:
    async with a_lesson() as lesson:
        publisher, lina = lesson.room.publisher, Peer()
        page = TilePage(lina)
        await lina.join(publisher, "v1")
        await lina.until(lambda: any(viewer.is_connected for viewer in publisher.viewers()))
        publisher.force("v1", Choice("low", board, None, "line"))
        lesson.screen.offer(told("h"))
        sender = ScreenSender(SHARED)
        await sender.share(lesson.screen, "s", "h")

        def has(luma: int) -> bool:
            if board == "tiles":
                return page.is_whole and abs(float(page.canvas.mean()) - 1.164 * (luma - 16)) < 6
            frames = decoded(lina.board, lina.codec)
            return bool(frames) and abs(float(frames[-1].to_ndarray()[: frames[-1].height].mean()) - luma) < 4

        for number, size in enumerate(SIZES):
            luma = SHARED + 30 * number
            sender.screen.picture = grey(luma, *size)
            await lesson.shows(luma)
            await lina.until(partial(has, luma), 15)
        assert not lesson.room.run.done(), "no encoder fell"
        await sender.pc.close()
        await lina.close()
