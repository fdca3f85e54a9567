"""The data channel: whatever a page sends, the room listens on and the channel's own bounds hold."""

from __future__ import annotations

import json
from typing import Any, cast

from aiortc import RTCDataChannel
from hypothesis import given
from hypothesis import strategies as st

from agent.streams.lesson_channel import LessonChannel
from protocol import channel
from tests.fuzz.inputs import payloads
from tests.unit.protocol.samples import SAMPLES

GOOD = [json.loads(SAMPLES[name].model_dump_json()) for name in SAMPLES if name.startswith("channel-")]
SAID = payloads(GOOD) | st.integers(0, 40_000).map(lambda size: b'{"type":"hello","name":"' + b"x" * size + b'"}')


class Data:
    """The part of a data channel that is listened to."""

    readyState = "open"
    bufferedAmount = 0

    def __init__(self) -> None:
        self.hear: Any = None

    def on(self, event: str, handler: Any) -> None:
        self.hear = handler


@given(st.lists(st.tuples(SAID, st.booleans(), st.floats(0, 1)), max_size=20))
def test_a_page_may_say_anything(said: list[tuple[bytes, bool, float]]) -> None:
    heard: list[channel.FromPupil] = []
    misused: list[float] = []
    data, now_s = Data(), 0.0
    lesson_channel = LessonChannel(
        cast(RTCDataChannel, data), heard.append, lambda: now_s, lambda: misused.append(now_s)
    )
    for payload, is_text, wait_s in said:
        now_s += wait_s
        data.hear(payload.decode("utf-8", "replace") if is_text else payload)
    assert len(heard) + lesson_channel.ignored == len(said)
    assert len(misused) <= 1
    assert all(len(message.name) <= 40 for message in heard if isinstance(message, channel.Hello))
