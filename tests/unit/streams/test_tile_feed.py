"""When one viewer's tiles are sent, on a scripted clock and line."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agent.streams.tile_encoder import EncodedPart
from agent.streams.tile_feed import BUDGET_BPS, IN_FLIGHT_S, PACKET_OVERHEAD_BYTES, QUEUED_S, TileFeed
from agent.streams.tiles import BoardView, Part
from protocol.tiles import HEADER_BYTES, Kind, TileMessage, unpack
from tests.unit.streams.test_fanout import Clock

ROWS, COLUMNS = 16, 32
"""Four blocks."""


def view(change: int = 1, *, ink: bool = False, width_px: int = 512) -> BoardView:
    shape = (ROWS, width_px // 16)
    changes = np.ones(shape, np.int32)
    changes[0, 0] = change
    times = np.where(changes > 1, float(change), 0.0)
    is_ink = (changes > 1) & ink
    return BoardView(width_px, 256, change, changes, times, is_ink, np.ones(shape, np.bool_))


@dataclass
class Wire:
    """What was sent; ``waiting_bytes`` is set by the test."""

    sent: list[TileMessage] = field(default_factory=list)
    waiting_bytes: int = 0
    round_trip_s: float | None = None
    is_open: bool = True
    forgotten: int = 0
    scene: int = 0

    def send(self, message: bytes) -> None:
        self.sent.append(unpack(message))

    def next_scene(self) -> int:
        self.scene += 1
        return self.scene

    def forget(self) -> None:
        self.forgotten += 1


class Viewer:
    """A feed whose parts take no time to make, unless ``is_slow``."""

    def __init__(self) -> None:
        self.clock, self.line = Clock(), Wire()
        self.asked: list[Part] = []
        self.is_slow = False
        self.change = 1
        self.feed = TileFeed(self.line, ask=self._ask, now=self.clock.now, call_later=self.clock.call_later)

    def _ask(self, feed: TileFeed, part: Part) -> None:
        self.asked.append(part)
        if not self.is_slow:
            self.make(part)

    def make(self, part: Part, size: int = 1000) -> None:
        picture = bytes(size - HEADER_BYTES - PACKET_OVERHEAD_BYTES)
        self.feed.take_part(EncodedPart(part, 0, 512, 256, self.change, 0.0, picture, True))

    def show(self, shown: BoardView) -> None:
        self.change = shown.change
        self.feed.take_board(shown)

    @property
    def kinds(self) -> list[Kind]:
        return [message.kind for message in self.line.sent]


def test_parts_are_paced_by_the_budget() -> None:
    viewer = Viewer()
    viewer.show(view())
    begun_s = viewer.clock.now()
    viewer.clock.pass_s(5.0)
    assert viewer.kinds == [Kind.BEGIN, *[Kind.PART] * 4]
    assert [message.number for message in viewer.line.sent] == list(range(5))
    assert [message.behind_ms > 0 for message in viewer.line.sent[1:]] == [True, True, True, False]
    assert BUDGET_BPS * (viewer.clock.now() - begun_s) >= viewer.feed.bytes_sent * 8


def test_the_fourth_part_comes_when_three_have_left() -> None:
    viewer = Viewer()
    viewer.show(view())
    viewer.clock.pass_s(3 * 1000 * 8 / BUDGET_BPS - 0.25)
    assert len(viewer.kinds) == 4
    viewer.clock.pass_s(0.3)
    assert len(viewer.kinds) == 5


def test_a_line_that_acknowledges_nothing_is_given_nothing_more() -> None:
    viewer = Viewer()
    viewer.line.waiting_bytes = int(BUDGET_BPS / 8 * IN_FLIGHT_S) + 1
    viewer.show(view())
    viewer.clock.pass_s(10.0)
    assert viewer.kinds == [Kind.BEGIN]
    viewer.line.waiting_bytes = 0
    viewer.clock.pass_s(0.1)
    assert Kind.PART in viewer.kinds


def test_what_may_wait_in_a_queue_is_the_less_the_shorter_the_line() -> None:
    viewer = Viewer()
    viewer.line.round_trip_s = 0.1
    viewer.line.waiting_bytes = int(BUDGET_BPS / 8 * (0.1 + QUEUED_S)) + 1
    viewer.show(view())
    viewer.line.round_trip_s = 0.6  # a queue has grown, which is no reason to fill it
    viewer.clock.pass_s(10.0)
    assert viewer.kinds == [Kind.BEGIN]
    viewer.line.waiting_bytes -= 2
    viewer.clock.pass_s(0.1)
    assert Kind.PART in viewer.kinds


def test_ink_is_next_whatever_waits() -> None:
    viewer = Viewer()
    viewer.show(view())
    viewer.show(view(2, ink=True))
    viewer.clock.pass_s(0.3)
    ink = [message for message in viewer.line.sent if message.is_ink]
    assert (ink[0].x_px, ink[0].y_px, ink[0].width_px, ink[0].height_px) == (0, 0, 16, 16)
    assert ink[0].number <= 2


def test_a_part_of_an_earlier_scene_is_not_sent() -> None:
    viewer = Viewer()
    viewer.is_slow = True
    viewer.show(view())
    viewer.feed.begin_scene()
    assert viewer.line.forgotten == 1
    viewer.make(viewer.asked[0])
    assert viewer.kinds == [Kind.BEGIN, Kind.BEGIN]
    assert [message.scene for message in viewer.line.sent] == [1, 2]
    viewer.is_slow = False
    viewer.show(view())
    viewer.clock.pass_s(5.0)
    assert {message.scene for message in viewer.line.sent[2:]} == {2}
    assert viewer.kinds.count(Kind.BEGIN) == 2


def test_another_size_begins_the_board_anew() -> None:
    viewer = Viewer()
    viewer.show(view())
    viewer.is_slow = True
    viewer.show(view(width_px=256))
    assert viewer.line.sent[-1].kind is Kind.BEGIN
    assert (viewer.line.sent[-1].scene, viewer.line.sent[-1].board_width_px) == (2, 256)


def test_the_end_is_said_and_nothing_follows() -> None:
    viewer = Viewer()
    viewer.show(view())
    viewer.feed.stop()
    viewer.clock.pass_s(10.0)
    assert viewer.kinds[-1] is Kind.END
    assert viewer.kinds.count(Kind.PART) < 4


def test_a_channel_that_is_not_open_yet_is_waited_for() -> None:
    viewer = Viewer()
    viewer.line.is_open = False
    viewer.show(view())
    viewer.clock.pass_s(1.0)
    assert viewer.kinds == []
    viewer.line.is_open = True
    viewer.clock.pass_s(2.0)
    assert viewer.kinds == [Kind.PART] * 4
    assert viewer.line.sent[0].number == 0
