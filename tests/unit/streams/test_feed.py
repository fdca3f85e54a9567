"""One viewer's one track: the change from one layer to another, seen in what its sender is given."""

from __future__ import annotations

from itertools import pairwise

import pytest

from agent.media import BLOCK_S
from agent.streams.encoders import EncodedFrame
from agent.streams.fanout import Fan
from agent.streams.feed import REPEATED_AFTER, Feed, KeyBudget, PictureFeed, SoundFeed
from tests.unit.streams.test_fanout import Clock, Sender


class Layers:
    """Two layers of a camera whose encoders are played by hand, and one viewer."""

    def __init__(self, *, is_stuck: bool = False, replay_frames: int = 0) -> None:
        self.clock = Clock()
        self.keys: list[str] = []
        self.uses: list[tuple[str, bool]] = []
        self.fans = {name: self._fan(name, replay_frames or 4) for name in ("720p", "360p")}
        self.sender = Sender(is_stuck=is_stuck)
        self.budget = KeyBudget()
        self.feed = PictureFeed(
            self.sender, now=self.clock.now, call_later=self.clock.call_later, backlog_limit=5, budget=self.budget
        )

    def _fan(self, name: str, replay_frames: int) -> Fan:
        return Fan(
            name,
            make_key=lambda: self.keys.append(name),
            on_use=lambda is_used: self.uses.append((name, is_used)),
            replay_frames=replay_frames,
        )

    def play(self, history: str, *only: str) -> None:
        """A letter is a picture of both layers, or of those named: K a key frame."""
        for letter in history:
            self.clock.pass_s(1 / 30)
            for name in only or ("720p", "360p"):
                fan = self.fans[name]
                if fan.is_used:
                    fan.deliver(EncodedFrame("camera", name, letter == "K", self.clock.now_s, (b"picture",)))

    @property
    def given(self) -> str:
        """The sender's history: H and h a key frame and another of 720p, L and l of 360p."""
        letters = {("720p", True): "H", ("720p", False): "h", ("360p", True): "L", ("360p", False): "l"}
        return "".join(letters[frame.layer, frame.key] for frame, _ in self.sender.sent)


def test_the_layer_in_hand_goes_on_until_the_wanted_ones_key_frame() -> None:
    room = Layers()
    room.feed.want(room.fans["720p"])
    room.play("Kpp")
    room.feed.want(room.fans["360p"])
    assert room.keys == ["720p", "360p"]
    room.play("pp", "720p")
    room.play("p")
    room.play("K", "360p")
    room.play("pp")
    assert room.given == "HhhhhhLll"
    assert room.feed.layer == "360p"
    assert room.uses == [("720p", True), ("360p", True), ("720p", False)], "the layer left rests"


def test_time_stamps_never_go_back_over_a_change() -> None:
    room = Layers(replay_frames=8)
    watcher = Sender()
    other = PictureFeed(watcher, now=room.clock.now, call_later=room.clock.call_later)
    other.want(room.fans["360p"])
    room.feed.want(room.fans["720p"])
    room.play("Kpp")
    room.feed.want(room.fans["360p"])  # its key frame and what followed are given again at once
    assert room.given == "HhhLll"
    room.play("pp")
    room.feed.want(room.fans["720p"])
    room.play("Kp")
    assert room.given == "HhhLllllHh"
    stamps = [stamp_s for _, stamp_s in room.sender.sent]
    assert all(later > earlier for earlier, later in pairwise(stamps))


def test_who_waits_for_a_change_does_not_pay_for_another_key_frame() -> None:
    room = Layers()
    room.feed.want(room.fans["720p"])
    room.play("Kppppppp")
    room.feed.want(room.fans["360p"])
    for _ in range(10):
        room.feed.want_key()  # the page has lost a picture of the layer in hand meanwhile
        room.feed.want(room.fans["360p"])
    assert room.keys == ["720p", "360p"]
    assert room.budget.wait_s(room.clock.now_s) == 0.0, "of three, one was for the first picture, one for the change"


def test_who_changes_its_mind_stays_where_it_is() -> None:
    room = Layers()
    room.feed.want(room.fans["720p"])
    room.play("Kpp")
    room.feed.want(room.fans["360p"])
    room.feed.want(room.fans["720p"])
    room.play("pKp")
    assert room.given == "HhhhHh"
    assert not room.fans["360p"].is_used


def test_a_viewer_who_changes_without_end_is_held_to_its_budget() -> None:
    room = Layers()
    for n in range(200):
        room.feed.want(room.fans["720p" if n % 2 else "360p"])
        room.play("pppppp")
    assert len(room.keys) <= 3 + 200 * 0.2 / 3 + 1


def test_a_track_that_rests_gives_nothing_and_comes_back_with_a_key_frame() -> None:
    room = Layers(is_stuck=True)
    room.feed.want(room.fans["720p"])
    room.play("Kpp")
    room.feed.want(None)
    assert room.sender.rests == 1, "what was sent is asked for in vain"
    assert room.sender.backlog == 0
    room.play("pK")
    assert room.feed.layer is None
    assert room.uses == [("720p", True), ("720p", False)]
    room.feed.want(room.fans["720p"])
    room.play("pKp")
    assert room.given == "HhhHh"


def test_the_slow_are_given_the_smaller_layer_in_place_of_what_waits() -> None:
    room = Layers(is_stuck=True)
    room.feed.want(room.fans["720p"])
    room.play("Kpppppp")
    assert (room.given, room.feed.falls_behind, room.sender.backlog) == ("Hhhhh", 1, 5)
    room.feed.want(room.fans["360p"])
    room.play("K", "360p")
    assert room.given == "HhhhhL"
    assert room.sender.backlog == 1


def test_a_new_scene_drops_the_old_one_while_a_change_is_waited_for() -> None:
    room = Layers(is_stuck=True)
    room.feed.want(room.fans["720p"])
    room.play("Kpp")
    room.feed.want(room.fans["360p"])
    for fan in room.fans.values():
        fan.begin_scene(1)
    assert room.sender.backlog == 0
    room.play("KK")
    assert room.given == "Hhh", "of before the change of scene"
    for name, key in (("720p", True), ("720p", False), ("360p", True)):
        room.fans[name].deliver(EncodedFrame("camera", name, key, room.clock.now_s, (b"x",), scene=1))
    assert room.given == "HhhHhL"


BLOCKS = {"voice": 1, "robust": 1, "low": 3}


class Sounds:
    """Sound in packets of 20 and of 60 ms, each encoder as late as its packet is long."""

    def __init__(self) -> None:
        self.fans = {name: Fan(name, make_key=lambda: None, on_use=lambda _: None, replay_frames=0) for name in BLOCKS}
        self.sender = Sender()
        self.feed: Feed = SoundFeed(self.sender)
        self.block = 0

    def speak(self, blocks: int) -> None:
        for _ in range(blocks):
            self.block += 1
            for name, length in BLOCKS.items():
                if self.block % length == 0:
                    begun_s = (self.block - length) * BLOCK_S
                    frame = EncodedFrame("sound", name, True, begun_s, (b"x",), duration_s=length * BLOCK_S)
                    self.fans[name].deliver(frame)


@pytest.mark.parametrize("blocks", range(1, 7))
@pytest.mark.parametrize(("one", "other"), [("voice", "low"), ("voice", "robust"), ("low", "robust")])
def test_sound_changes_without_a_hole_and_without_an_overlap(one: str, other: str, blocks: int) -> None:
    room = Sounds()
    room.feed.want(room.fans[one])
    room.speak(6 + blocks)
    room.feed.want(room.fans[other])
    room.speak(8)
    assert room.feed.layer == other
    room.feed.want(room.fans[one])
    room.speak(12)
    assert room.feed.layer == one
    sent = [frame for frame, _ in room.sender.sent]
    for before, after in pairwise(sent):
        assert after.captured_mono_s == pytest.approx(before.captured_mono_s + before.duration_s)


def test_each_packet_of_robust_sound_leaves_twice() -> None:
    room = Sounds()
    room.feed.want(room.fans["voice"])
    room.speak(5)
    assert room.sender.repeated == []
    room.feed.want(room.fans["robust"])
    room.speak(5)
    sent = [frame for frame, _ in room.sender.sent]
    first = next(number for number, frame in enumerate(sent) if frame.layer == "robust")
    assert first <= len(sent) - 4
    assert room.sender.repeated == sent[first - REPEATED_AFTER : -REPEATED_AFTER]


def test_sound_does_not_wait_for_a_layer_that_stalled() -> None:
    room = Sounds()
    room.feed.want(room.fans["voice"])
    room.speak(3)
    room.feed.want(room.fans["robust"])
    room.feed.want(room.fans["voice"])
    room.fans["voice"].remove(room.feed)  # its encoder gives nothing more
    room.feed.want(room.fans["robust"])
    room.block += 20
    room.speak(2)
    assert room.feed.layer == "robust"
