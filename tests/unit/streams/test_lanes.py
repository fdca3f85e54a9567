"""Viewers in step: a frame leaves to all of them in one loop, and each is sent what it would be sent alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.streams.datagrams import BURST_PACKETS
from agent.streams.encoders import EncodedFrame
from agent.streams.fanout import Fan
from agent.streams.feed import Feed, PictureFeed, SoundFeed
from agent.streams.history import KEPT_S
from agent.streams.lanes import SPREAD_S, Column, Lane
from tests.unit.streams.direct_viewer import Relay, Viewer, extensions_map, frame


def picture(at_s: float, payload: bytes, *, key: bool = False, packets: int = 1, layer: str = "720p") -> EncodedFrame:
    made = EncodedFrame("camera", layer, key, at_s, ())
    vars(made)["payloads"] = (payload,) * packets
    return made


def fan(layer: str = "720p", replay_frames: int = 30) -> Fan:
    return Fan(layer, make_key=lambda: None, on_use=lambda _: None, replay_frames=replay_frames)


@dataclass
class Class:
    """Viewers of one camera whose numbers have nothing in common."""

    viewers: list[Viewer] = field(
        default_factory=lambda: [
            Viewer(first_sequence=5),
            Viewer(first_sequence=0xFFFE),
            Viewer(first_sequence=900, extensions=extensions_map(send_time=7)),
            Viewer("AES-CM-SHA1-80", first_sequence=40),
        ]
    )
    camera: Fan = field(default_factory=fan)
    feeds: list[PictureFeed] = field(init=False)
    now_s: float = 1_000.0

    def __post_init__(self) -> None:
        self.feeds = [
            PictureFeed(v.sender, now=lambda v=v: v.mono_s, call_later=None)  # type: ignore[arg-type, misc]  # none is late
            for v in self.viewers
        ]
        for feed in self.feeds:
            feed.want(self.camera)

    def play(self, *payloads: bytes, key: bool = False, packets: int = 1) -> None:
        for payload in payloads:
            self.now_s += 0.04
            for viewer in self.viewers:
                viewer.wait(0.04)
            self.camera.deliver(picture(self.now_s, payload, key=key, packets=packets))

    def begin(self) -> None:
        """Send a key frame and a picture after it; from now on all are in step."""
        self.play(b"key", key=True)
        self.play(b"first")
        for viewer in self.viewers:
            viewer.arrived()


def is_in_step(taker: Feed, camera: Fan) -> bool:
    return taker in camera._in_step


def test_each_viewer_in_step_is_sent_its_own_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Class()
    room.begin()
    asked: list[object] = []
    monkeypatch.setattr(PictureFeed, "take", lambda *arguments: asked.append(arguments))
    signs = [viewer.signs for viewer in room.viewers]
    room.play(b"one", b"two")
    room.play(b"three", packets=3)
    assert asked == []
    assert sum(v.signs for v in room.viewers) - sum(signs) == 3 * 3, "each burst of each column is told once"
    for viewer, first in zip(room.viewers, (7, 0, 902, 42), strict=True):
        packets = viewer.arrived()
        assert [p.payload for p in packets] == [b"one", b"two", b"three", b"three", b"three"]
        assert [p.sequence_number for p in packets] == [first + n for n in range(5)]
        assert [p.marker for p in packets] == [1, 1, 0, 0, 1]
        assert [p.timestamp for p in packets] == [77 + n * 3600 for n in (3, 4, 5, 5, 5)]
        assert {p.ssrc for p in packets} == {0xABCD}
        assert (viewer.sender.packets, viewer.sender.payload_bytes) == (7, 8 + 6 + 15)
        assert viewer.sender.newest is not None
        assert viewer.sender.newest[0] == 77 + 5 * 3600
        assert viewer.sender.newest[1] == pytest.approx(1_000.2)
    assert room.viewers[2].packets == room.viewers[0].packets == []


def test_a_key_frame_and_a_large_picture_leave_at_each_ones_own_pace() -> None:
    room = Class()
    room.begin()
    slow, quick = room.viewers[:2]
    slow.sender.on_report(None, 100_000)
    room.play(bytes(1180), packets=3 * BURST_PACKETS)
    assert len(slow.packets) == len(quick.packets) == BURST_PACKETS
    room.play(b"next")
    assert [p.payload for p in quick.arrived()] == [bytes(1180)] * 30 + [b"next"]
    assert (len(slow.packets), slow.sender.backlog) == (BURST_PACKETS, 2)
    assert [is_in_step(feed, room.camera) for feed in room.feeds] == [False, True, True, True]
    slow.wait(2)
    room.play(b"again", b"in step")
    packets = slow.arrived()
    assert [p.payload for p in packets] == [bytes(1180)] * 30 + [b"next", b"again", b"in step"]
    assert [p.sequence_number for p in packets] == list(range(7, 40))
    assert is_in_step(room.feeds[0], room.camera)


def large(number: int) -> bytes:
    return bytes([number]) * 1180


def test_a_large_picture_leaves_to_those_in_step_together_spread_over_the_time_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Class()
    room.begin()
    room.viewers[3].sender.on_report(None, 100_000)
    asked: list[PictureFeed] = []
    take = PictureFeed.take

    def note(feed: PictureFeed, *given: Any) -> None:
        asked.append(feed)
        take(feed, *given)

    monkeypatch.setattr(PictureFeed, "take", note)
    room.play(large(1), packets=3 * BURST_PACKETS)
    assert asked == [room.feeds[3]], "it leaves at the pace of that line"
    assert not is_in_step(room.feeds[3], room.camera)
    quick = room.viewers[:3]
    for bursts in (1, 2, 3):
        assert [len(v.packets) for v in quick] == [bursts * BURST_PACKETS] * 3
        for viewer in room.viewers:
            viewer.wait(SPREAD_S / 2 * 1.05)
    room.play(large(2), packets=BURST_PACKETS + 1)
    room.play(b"next")
    for viewer, first in zip(quick, (7, 0, 902), strict=True):
        packets = viewer.arrived()
        assert [p.payload for p in packets] == [*[large(1)] * 30, *[large(2)] * 11, b"next"]
        assert [p.sequence_number for p in packets] == [first + n for n in range(42)]
        assert [n for n, p in enumerate(packets) if p.marker] == [29, 40, 41]
        assert len({p.timestamp for p in packets}) == 3
    assert [is_in_step(feed, room.camera) for feed in room.feeds] == [True, True, True, False]


def test_a_loop_that_was_late_does_not_send_the_rest_of_a_large_picture_at_once() -> None:
    room = Class()
    room.begin()
    room.play(large(1), packets=3 * BURST_PACKETS)
    for viewer in room.viewers:
        viewer.mono_s += 1.05 * SPREAD_S
    for bursts in (2, 3):
        for viewer in room.viewers:
            viewer.wait(0)
        assert [len(viewer.packets) for viewer in room.viewers] == [bursts * BURST_PACKETS] * 4
        for viewer in room.viewers:
            viewer.wait(1.05 * SPREAD_S / 2)
    for viewer in room.viewers:
        assert [p.marker for p in viewer.arrived()] == [0] * 29 + [1]


def test_a_large_picture_leaves_whole_though_the_next_one_comes_or_somebody_wants_another_layer() -> None:
    room = Class()
    room.begin()
    room.play(large(1), packets=2 * BURST_PACKETS)
    room.camera.deliver(picture(room.now_s + 0.001, b"close behind"))
    room.play(large(2), packets=2 * BURST_PACKETS)
    room.feeds[0].want(fan("360p"))
    room.play(b"last")
    for viewer in room.viewers:
        packets = viewer.arrived()
        assert [p.payload for p in packets] == [*[large(1)] * 20, b"close behind", *[large(2)] * 20, b"last"]
        assert [(p.sequence_number - packets[0].sequence_number) & 0xFFFF for p in packets] == list(range(42))


def test_a_large_picture_ends_where_its_track_does() -> None:
    room = Class()
    room.begin()
    room.play(large(1), packets=2 * BURST_PACKETS)
    room.feeds[0].want(None)
    assert [len(viewer.packets) for viewer in room.viewers] == [BURST_PACKETS] * 4
    for viewer in room.viewers:
        viewer.wait(SPREAD_S)
    assert [len(viewer.packets) for viewer in room.viewers] == [BURST_PACKETS, *[2 * BURST_PACKETS] * 3]
    room.play(large(2), packets=2 * BURST_PACKETS)
    room.camera.begin_scene(1)
    for viewer in room.viewers:
        viewer.wait(1)
    assert [len(viewer.packets) for viewer in room.viewers] == [BURST_PACKETS, *[3 * BURST_PACKETS] * 3]


def test_what_was_missed_is_found_however_it_left() -> None:
    room = Class()
    room.begin()
    room.play(b"a", b"b")
    room.play(b"large", packets=BURST_PACKETS + 1)
    room.play(b"c", b"d", b"e")
    viewer = room.viewers[1]
    sent = {p.sequence_number: p for p in viewer.arrived()}
    assert list(sent) == list(range(16))
    for sequence, original in sent.items():
        viewer.sender.send_again(sequence)
        (again,) = viewer.arrived()
        assert (again.payload, again.timestamp) == (sequence.to_bytes(2, "big") + original.payload, original.timestamp)
        assert again.marker == original.marker
    viewer.sender.send_again(16)
    assert viewer.packets == []


def test_without_rtx_the_very_same_packet_leaves_again_though_it_left_to_all() -> None:
    room = Class([Viewer(rtx_payload_type=None), Viewer()])
    room.begin()
    room.play(b"one", b"two")
    (viewer, _), (one, _) = room.viewers, room.viewers[0].packets
    viewer.packets.clear()
    viewer.sender.send_again(7)
    assert viewer.packets == [one]


def test_a_newcomer_is_given_what_was_before_and_then_keeps_step() -> None:
    room = Class([Viewer()])
    room.play(b"key", key=True, packets=BURST_PACKETS + 1)
    room.play(b"one", b"two")
    late = Viewer(first_sequence=70)
    feed = PictureFeed(late.sender, now=lambda: late.mono_s, call_later=None)  # type: ignore[arg-type]  # none is late
    room.viewers.append(late)
    feed.want(room.camera)
    room.play(b"three", b"four", b"five")
    for viewer in room.viewers:
        packets = viewer.arrived()
        assert [p.payload for p in packets] == [b"key"] * 11 + [b"one", b"two", b"three", b"four", b"five"]
        assert [p.sequence_number - packets[0].sequence_number for p in packets] == list(range(16))
    assert is_in_step(feed, room.camera)
    assert late.sender.packets == len(packets)
    assert late.sender.payload_bytes == sum(len(p.payload) for p in packets)


def test_who_is_given_another_layer_at_once_goes_on_from_what_it_was_sent_in_step() -> None:
    room = Class([Viewer()])
    room.begin()
    small = fan("360p")
    room.play(b"one", b"two")
    small.deliver(picture(room.now_s - 0.02, b"small key", key=True, layer="360p"))
    room.feeds[0].want(small)
    packets = room.viewers[0].arrived()
    assert [p.payload for p in packets] == [b"one", b"two", b"small key"]
    assert packets[2].timestamp - packets[1].timestamp == 90


def test_who_changes_the_layer_is_out_of_step_and_its_time_goes_on() -> None:
    room = Class()
    room.begin()
    small = fan("360p")
    room.play(b"one")
    room.feeds[0].want(small)
    room.play(b"two")
    small.deliver(picture(room.now_s - 0.02, b"small key", key=True, layer="360p"))
    room.play(b"three")
    small.deliver(picture(room.now_s, b"small", layer="360p"))
    changed, stays = room.viewers[0].arrived(), room.viewers[1].arrived()
    assert [p.payload for p in stays] == [b"one", b"two", b"three"]
    assert [p.payload for p in changed] == [b"one", b"two", b"small key", b"small"]
    assert [p.sequence_number for p in changed] == [7, 8, 9, 10]
    assert [p.timestamp for p in changed] == [77 + n for n in (3 * 3600, 4 * 3600, 4 * 3600 + 90, 5 * 3600)]
    room.feeds[1].close()
    room.play(b"four")
    assert [v.sender.packets for v in room.viewers] == [6, 5, 6, 6]


def test_a_new_scene_takes_everybody_out_of_step() -> None:
    room = Class()
    room.begin()
    room.camera.begin_scene(1)
    late = replace(picture(room.now_s + 0.01, b"of before"), scene=0)
    room.camera.deliver(late)
    assert all(viewer.packets == [] for viewer in room.viewers)
    assert not any(is_in_step(feed, room.camera) for feed in room.feeds)


def test_one_whose_connection_ends_is_sent_nothing_more_and_the_others_go_on() -> None:
    room = Class()
    room.begin()
    room.viewers[0].dtls.end()
    room.play(b"one")
    assert [len(viewer.packets) for viewer in room.viewers] == [0, 1, 1, 1]


def test_one_who_cannot_be_sent_to_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    room = Class()
    room.begin()
    broken, refused = room.viewers[0], room.viewers[3]

    def fail(data: bytes) -> None:
        raise ValueError("what nobody thought of")

    broken.nominate(Relay(fail))
    far = frame(b"far ahead of the others, which SRTP's window leaves behind")
    refused.number(9_000)
    refused.sender.send(far, 1_000.0)
    refused.number(42)
    room.camera.fall_out(room.feeds[3])
    refused.arrived()
    signs = [viewer.signs for viewer in room.viewers]
    room.play(b"one", b"two")
    assert [len(viewer.arrived()) for viewer in room.viewers] == [0, 2, 2, 0]
    assert [viewer.path.is_direct for viewer in room.viewers] == [None, True, True, None]
    assert "cannot be sent to" in caplog.text
    assert "could not be protected" in caplog.text
    assert room.viewers[3].signs == signs[3], "nothing left"


def test_who_goes_behind_a_relay_and_comes_back_stays_in_step() -> None:
    room = Class()
    room.begin()
    room.play(b"one")
    relayed: list[bytes] = []
    room.viewers[1].nominate(Relay(relayed.append))
    room.play(b"two", b"three")
    room.play(b"four", packets=3)
    assert len(relayed) == 5
    assert len(room.viewers[1].packets) == 1
    room.viewers[1].packets.extend(relayed)
    room.viewers[1].nominate(room.viewers[1].line)
    room.play(b"five")
    for viewer, first in zip(room.viewers, (7, 0, 902, 42), strict=True):
        packets = viewer.arrived()
        assert [p.payload for p in packets] == [b"one", b"two", b"three", *[b"four"] * 3, b"five"]
        assert [p.sequence_number for p in packets] == [first + n for n in range(7)]
        assert [p.timestamp for p in packets] == [77 + n * 3600 for n in (3, 4, 5, 6, 6, 6, 7)]
        assert is_in_step(room.feeds[1], room.camera)


def test_time_that_a_change_pushed_ahead_does_not_go_back_in_step() -> None:
    room = Class([Viewer()])
    room.begin()
    room.feeds[0]._last_stamp_s = 1_000.3
    room.camera.begin_scene(0)
    room.play(b"key", key=True)
    room.play(b"one", b"two", b"three", b"four", b"five", b"six")
    stamps = [p.timestamp for p in room.viewers[0].arrived()]
    assert stamps == sorted(set(stamps))
    assert is_in_step(room.feeds[0], room.camera)


def test_sound_is_in_step_until_another_layer_is_wanted() -> None:
    viewer = Viewer()
    layers = {name: fan(name, replay_frames=0) for name in ("32k", "14k")}
    feed = SoundFeed(viewer.sender)
    feed.want(layers["32k"])

    def play(layer: str, block: int, blocks: int = 1) -> None:
        at_s = 1_000.0 + block * 0.02
        layers[layer].deliver(
            EncodedFrame("sound", layer, True, at_s, (f"{layer} {block}".encode(),), duration_s=blocks * 0.02)
        )

    for block in range(3):
        play("32k", block)
    assert is_in_step(feed, layers["32k"])
    feed.want(layers["14k"])
    play("14k", 1, 3)  # most of it was sent by the other one, which may stop where this ends
    for block in range(3, 6):
        play("32k", block)
    play("14k", 4, 3)
    play("14k", 7, 3)
    assert [p.payload.decode() for p in viewer.arrived()] == ["32k 0", "32k 1", "32k 2", "32k 3", "14k 4", "14k 7"]
    assert is_in_step(feed, layers["14k"])


def test_robust_sound_is_taken_by_each_viewer_as_it_leaves_twice() -> None:
    viewer, robust = Viewer(rtx_payload_type=None), fan("robust", replay_frames=0)
    feed = SoundFeed(viewer.sender)
    feed.want(robust)
    for block in range(5):
        robust.deliver(EncodedFrame("sound", "robust", True, 1_000.0 + block * 0.02, (b"%d" % block,), duration_s=0.02))
    assert not is_in_step(feed, robust)
    sent = [int.from_bytes(packet[2:4], "big") for packet in viewer.packets]
    assert sent == [5, 6, 7, 5, 8, 6, 9, 7]


def test_frames_that_nobody_will_ask_for_are_let_go_of() -> None:
    viewer = Viewer()
    lane = viewer.sender.lane
    assert lane is not None
    viewer.sender.send(picture(1_000.0, b"alone"), 1_000.0)
    lane.join(Column(lane.track, lane.headers))
    assert len(lane._history._stretches) == 1
    viewer.mono_s += KEPT_S
    viewer.sender.on_report(None, None)
    assert len(lane._history._stretches) == 1
    viewer.mono_s += 0.01
    viewer.sender.on_report(None, None)
    assert len(lane._history._stretches) == 0


def test_an_empty_column_is_forgotten() -> None:
    room = Class()
    room.begin()
    assert len(room.camera._columns) == 3
    lane: Lane = next(iter(room.camera._in_step.values()))
    room.feeds[0].close()
    room.feeds[1].close()
    assert len(room.camera._columns) == 2
    assert lane.headers not in room.camera._columns
