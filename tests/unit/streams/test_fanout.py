"""The rules of the fan-out: who gets which frame, and when a key frame is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from agent.streams.encoders import EncodedFrame
from agent.streams.fanout import REPLAY_BYTES, Fan
from agent.streams.feed import KeyBudget, PictureFeed, SoundFeed
from agent.streams.layers import TrackName


class Clock:
    """Time and timers by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, function: Callable[[], None]) -> asyncio.TimerHandle:
        entry = (self.now_s + delay_s, function)
        self.timers.append(entry)

        class Handle:
            def cancel(handle) -> None:
                if entry in self.timers:
                    self.timers.remove(entry)

        return cast("asyncio.TimerHandle", Handle())

    def pass_s(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while due := sorted((t for t in self.timers if t[0] <= end_s), key=lambda t: t[0]):
            self.timers.remove(due[0])
            self.now_s = due[0][0]
            due[0][1]()
        self.now_s = end_s


class Sender:
    """A viewer's way out that sends only when told to."""

    def __init__(self, *, is_stuck: bool = False) -> None:
        self.sent: list[tuple[EncodedFrame, float]] = []
        self.repeated: list[EncodedFrame | None] = []
        self.waiting = self.rests = 0
        self.is_stuck = is_stuck

    @property
    def backlog(self) -> int:
        return self.waiting

    @property
    def lane(self) -> None:
        return

    def send(self, frame: EncodedFrame, stamp_mono_s: float) -> None:
        self.sent.append((frame, stamp_mono_s))
        self.waiting += self.is_stuck

    def drop_oldest(self) -> None:
        self.waiting -= 1

    def rest(self) -> None:
        self.rests += 1

    def repeat(self, packets_ago: int) -> None:
        self.repeated.append(self.sent[-1 - packets_ago][0] if len(self.sent) > packets_ago else None)

    @property
    def history(self) -> str:
        """K for a key frame, p for another."""
        return "".join("K" if frame.key else "p" for frame, _ in self.sent)


class Room:
    """A fan with an encoder that is played by hand."""

    def __init__(self, replay_frames: int = 4) -> None:
        self.clock = Clock()
        self.keys_made: list[float] = []
        self.uses: list[bool] = []
        self.number = 0
        self.fan = Fan(
            "720p",
            make_key=lambda: self.keys_made.append(self.clock.now_s),
            on_use=self.uses.append,
            replay_frames=replay_frames,
        )

    def frame(self, *, key: bool = False, size: int = 10, track: TrackName = "camera", scene: int = 0) -> EncodedFrame:
        self.number += 1
        return EncodedFrame(track, "720p", key, self.clock.now_s, (bytes(size),), scene)

    def play(self, history: str) -> None:
        for letter in history:
            self.clock.pass_s(1 / 30)
            self.fan.deliver(self.frame(key=letter == "K"))

    def join(self, sender: Sender | None = None) -> tuple[PictureFeed, Sender]:
        sender = sender or Sender()
        feed = PictureFeed(sender, now=self.clock.now, call_later=self.clock.call_later, backlog_limit=5)
        feed.want(self.fan)
        return feed, sender


def test_the_first_viewer_has_a_key_frame_made_and_nothing_before_it() -> None:
    room = Room()
    _, sender = room.join()
    assert room.keys_made == [100.0]
    assert room.uses == [True]
    room.play("ppKpp")
    assert sender.history == "Kpp"


def test_a_newcomer_is_given_the_pictures_since_a_recent_key_frame() -> None:
    room = Room()
    _, first = room.join()
    room.play("Kpp")
    _, second = room.join()
    assert second.history == "Kpp"
    assert len(room.keys_made) == 1, "nobody else pays for the newcomer"
    room.play("p")
    assert first.history == second.history == "Kppp"


def test_what_a_newcomer_is_given_goes_forward_in_time() -> None:
    room = Room()
    room.join()
    room.play("Kpp")
    _, newcomer = room.join()
    room.play("pp")
    stamps = [stamp for _, stamp in newcomer.sent]
    assert stamps == sorted(stamps)
    assert stamps[2] - stamps[0] == pytest.approx(0.002)
    assert stamps[2:] == pytest.approx([frame.captured_mono_s for frame, _ in newcomer.sent[2:]])


def test_a_newcomer_long_after_the_key_frame_has_a_new_one_made() -> None:
    room = Room(replay_frames=4)
    _, first = room.join()
    room.play("Kppppppp")
    _, second = room.join()
    assert len(room.keys_made) == 2
    room.play("pKp")
    assert first.history == "KppppppppKp"
    assert second.history == "Kp"


def test_a_large_replay_is_not_given() -> None:
    room = Room()
    room.join()
    room.fan.deliver(room.frame(key=True, size=REPLAY_BYTES))
    room.fan.deliver(room.frame())
    _, second = room.join()
    assert second.history == ""
    assert len(room.keys_made) == 2


def test_twenty_who_come_at_once_share_one_key_frame() -> None:
    room = Room()
    senders = [room.join()[1] for _ in range(20)]
    assert len(room.keys_made) == 1
    room.play("Kp")
    assert {sender.history for sender in senders} == {"Kp"}


def test_a_viewer_that_cannot_be_given_a_layer_is_left_out_and_the_others_are_given_it() -> None:
    room = Room()
    bad, good = Sender(), Sender()
    room.join(bad)
    room.join(good)

    def fail(frame: EncodedFrame, stamp_mono_s: float) -> None:
        raise AssertionError("an extension that no header has room for")

    bad.send = fail  # type: ignore[method-assign]
    room.play("Kpp")
    assert good.history == "Kpp"
    assert len(room.fan.takers) == 1


def test_an_expected_viewer_finds_its_key_frame_ready() -> None:
    room = Room()
    room.fan.hold()
    assert room.uses == [True]
    room.play("Kp")
    _, sender = room.join()
    room.fan.release()
    assert sender.history == "Kp"
    assert room.uses == [True]


def test_the_encoder_rests_when_the_last_one_has_gone() -> None:
    room = Room()
    room.fan.hold()
    feed, _ = room.join()
    room.fan.release()
    feed.close()
    feed.close()
    assert room.uses == [True, False]
    room.fan.hold()
    room.fan.release()
    assert room.uses == [True, False, True, False]


def test_a_slow_viewer_is_left_out_until_the_next_key_frame() -> None:
    room = Room()
    feed, slow = room.join(Sender(is_stuck=True))
    _, quick = room.join()
    room.play("Kppppppp")
    assert slow.history == "Kpppp"
    assert quick.history == "Kppppppp"
    assert (feed.falls_behind, feed.skipped) == (1, 3)
    assert len(room.keys_made) == 1, "a viewer that is stuck costs the others nothing"
    slow.waiting = 0
    room.clock.pass_s(1.0)
    feed.drained()
    assert len(room.keys_made) == 2
    room.play("pKp")
    assert slow.history == "KppppKp"
    assert quick.history == "KppppppppKp"


def test_slow_sound_loses_its_oldest_and_goes_on() -> None:
    room = Room(replay_frames=0)
    sender = Sender(is_stuck=True)
    SoundFeed(sender, backlog_limit=5).want(room.fan)
    for _ in range(9):
        room.clock.pass_s(0.02)
        room.fan.deliver(room.frame(key=True, track="sound"))
    assert len(sender.sent) == 9
    assert sender.backlog == 5


def test_requests_of_many_viewers_become_one_key_frame() -> None:
    room = Room()
    feeds = [room.join()[0] for _ in range(5)]
    room.play("Kpppppppp")
    for feed in feeds:
        feed.want_key()
    assert len(room.keys_made) == 2
    room.play("K")
    for feed in feeds:
        feed.want_key()
    assert len(room.keys_made) == 2, "the key frame that just left is the answer"


def test_a_viewer_on_a_bad_line_is_held_to_its_budget_and_not_forgotten() -> None:
    room = Room()
    feed, _ = room.join()
    room.play("K")
    for _ in range(300):
        made = len(room.keys_made)
        room.play("p")
        feed.want_key()
        if len(room.keys_made) > made:
            room.play("K")
    assert 3 <= len(room.keys_made) - 1 <= 3 + 1 + 300 / 30 / 3
    assert room.clock.timers, "the next one is planned"
    room.clock.pass_s(3.0)
    assert room.keys_made[-1] > room.clock.now_s - 3.0


def test_a_viewer_that_leaves_takes_its_plans_with_it() -> None:
    room = Room()
    feed, _ = room.join()
    room.play("K")
    for _ in range(20):
        room.play("ppppppK")
        feed.want_key()
    feed.close()
    assert room.clock.timers == []


def test_a_budget_fills_up_again_and_no_further() -> None:
    budget = KeyBudget(burst=2, refill_s=3.0)
    assert [budget.wait_s(0.0), budget.wait_s(0.0)] == [0.0, 0.0]
    assert budget.wait_s(1.0) == pytest.approx(2.0)
    assert budget.wait_s(3.1) == 0.0
    assert [budget.wait_s(1_000.0) for _ in range(3)] == pytest.approx([0.0, 0.0, 3.0])


def test_what_was_switched_off_is_not_replayed_to_a_newcomer() -> None:
    room = Room()
    first = Sender()
    room.join(first)
    room.fan.deliver(room.frame(key=True))
    room.fan.deliver(room.frame())
    room.fan.begin_scene(1)
    late = Sender()
    room.join(late)
    room.fan.deliver(room.frame(key=True))  # of before: it was being encoded
    room.fan.deliver(room.frame(key=True, scene=1))
    room.fan.deliver(room.frame(scene=1))
    assert [frame.scene for frame, _ in late.sent] == [1, 1]
    assert [frame.scene for frame, _ in first.sent] == [0, 0, 1, 1]
    assert late.history == "Kp"


def test_what_waits_for_a_slow_viewer_does_not_leave_after_it_was_switched_off() -> None:
    room = Room()
    slow = Sender(is_stuck=True)
    room.join(slow)
    room.fan.deliver(room.frame(key=True))
    room.fan.deliver(room.frame())
    assert slow.backlog == 2
    room.fan.begin_scene(1)
    assert slow.backlog == 0
    room.fan.deliver(room.frame(scene=1))
    assert slow.history == "Kp"  # a scene begins with its key frame
