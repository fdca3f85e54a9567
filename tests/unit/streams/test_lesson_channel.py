"""The lesson channel: what a page may say, and how much of it is read."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, cast

import pytest
from pyee.asyncio import AsyncIOEventEmitter

from agent.streams.lesson_channel import (
    MAX_WAITING_BYTES,
    MESSAGES_A_SECOND,
    MISUSE_MOST,
    OF_NO_FORM,
    LessonChannel,
)
from protocol import channel


class Data(AsyncIOEventEmitter):
    """A data channel by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.readyState = "open"
        self.bufferedAmount = 0
        self.sent: list[str] = []

    def send(self, text: str) -> None:
        self.sent.append(text)


class Desk:
    """A channel with what was heard on it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.data = Data()
        self.heard: list[object] = []
        self.misused = 0
        self.channel = LessonChannel(cast("Any", self.data), self.heard.append, lambda: self.now_s, self._misused)

    def _misused(self) -> None:
        self.misused += 1

    def say(self, text: str | bytes) -> None:
        self.data.emit("message", text)


ENDED = channel.Ended(reason="lesson-ended")


async def test_a_page_says_who_it_is_and_what_it_gets() -> None:
    desk = Desk()
    desk.say('{"type": "hello", "name": " Zoé ", "is_in_room": true, "new_field": 1}')
    desk.say(
        json.dumps(
            {"type": "reception", "board_fps": 5, "camera_fps": 30, "is_heard": True, "loss_percent": 0.5, "rtt_ms": 20}
        )
    )
    desk.say(b'{"type": "bye"}')
    assert desk.heard == [
        channel.Hello(name="Zoé", is_in_room=True),
        channel.Reception(board_fps=5, camera_fps=30, is_heard=True, loss_percent=0.5, rtt_ms=20),
        channel.Bye(),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        '{"type": "shout"}',
        b"\xff\xfe",
        "\ud800",
        '{"type": "hello", "name": "' + "x" * 41 + '"}',
        '{"type": "hello", "name": "' + " " * 20_000 + '"}',
        '{"type": "reception", "board_fps": -1, "camera_fps": 1, "is_heard": true, "loss_percent": 0}',
        "[" * 5_000,
    ],
)
async def test_what_is_not_understood_is_left_and_never_quoted(
    text: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    with caplog.at_level(logging.DEBUG):
        desk.say(text)
    assert desk.heard == []
    assert desk.channel.ignored == 1
    (record,) = caplog.records
    assert record.getMessage().startswith("A message on the lesson channel ")
    assert record.args == ()


async def test_a_flood_is_read_at_a_bounded_rate_and_then_not_at_all() -> None:
    desk = Desk()
    for n in range(1_000):
        desk.now_s = n * 0.01
        desk.say('{"type": "hello"}')
    read_s = MISUSE_MOST / (100 - MESSAGES_A_SECOND)  # of 100 a second
    assert desk.misused == 1
    assert len(desk.heard) == pytest.approx(MESSAGES_A_SECOND * (1 + read_s), abs=3)
    assert desk.channel.ignored == 1_000 - len(desk.heard)


@pytest.mark.parametrize("garbage", ["hello", '{"type": "hand", "is_raised": "perhaps"}', "x" * 20_000])
async def test_a_page_that_says_garbage_is_shown_out_after_some_of_it(garbage: str) -> None:
    desk = Desk()
    most = int(MISUSE_MOST / OF_NO_FORM)
    for n in range(3 * most):
        desk.now_s = n * 0.1
        desk.say(garbage)
        assert desk.misused == (desk.channel.ignored >= most + 1)  # some of it heals meanwhile
    desk.say('{"type": "hello"}')
    assert desk.heard == []


async def test_a_newer_page_and_an_odd_message_now_and_then_are_no_misuse() -> None:
    desk = Desk()
    for n in range(2_000):
        desk.now_s = n * 0.2
        desk.say('{"type": "dance", "step": 1}')
        if n % 50 == 0:
            desk.say("garbage")
    desk.say('{"type": "hello"}')
    assert desk.misused == 0
    assert desk.heard == [channel.Hello()]


async def test_nothing_is_sent_to_a_page_that_takes_nothing() -> None:
    desk = Desk()
    desk.channel.send(ENDED)
    desk.data.bufferedAmount = MAX_WAITING_BYTES + 1
    desk.channel.send(ENDED)
    desk.data.bufferedAmount, desk.data.readyState = 0, "closing"
    desk.channel.send(ENDED)
    assert [json.loads(text) for text in desk.data.sent] == [{"type": "ended", "reason": "lesson-ended"}]


async def test_a_last_word_is_waited_for_until_it_has_left() -> None:
    desk = Desk()
    await desk.channel.flush()
    desk.data.bufferedAmount = 10
    flushing = asyncio.ensure_future(desk.channel.flush())
    await asyncio.sleep(0)
    assert not flushing.done()
    desk.data.emit("bufferedamountlow")
    await flushing
