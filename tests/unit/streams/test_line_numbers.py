"""One viewer's line in numbers, from scripted counters and reports."""

from __future__ import annotations

import time

import pytest

from agent.streams.adaptation import Numbers
from agent.streams.layers import TrackName
from agent.streams.line_numbers import FRESH_S, HEARD_S, LEAST_PACKETS, RESTED_S, SOUND_HEARD_S, LineNumbers
from agent.streams.senders import AiortcSender
from agent.streams.wire import Report


class Line:
    """A viewer's senders, whose counters and reports a test sets, looked at twice a second."""

    def __init__(self) -> None:
        self.senders: dict[TrackName, AiortcSender] = {name: AiortcSender() for name in ("sound", "board", "camera")}
        self.numbers = LineNumbers(self.senders)
        self.now_s = time.monotonic()

    def look(self, falls: int = 0, *, after_s: float = 0.5, has_pictures: bool = True) -> Numbers:
        self.now_s += after_s
        return self.numbers.look(falls, self.now_s, has_pictures=has_pictures)

    def report(
        self, track: TrackName, lost: int, highest: int, round_trip_s: float | None = None, bps: int | None = None
    ) -> None:
        sender = self.senders[track]
        sender._packets = highest
        sender.on_report(Report(lost, highest, 0.0, round_trip_s), bps)
        sender.reported_mono_s = sender.report_came_mono_s = sender.estimated_mono_s = self.now_s


def test_nothing_is_known_of_a_viewer_that_has_said_nothing() -> None:
    assert Line().look() == Numbers(
        is_heard=False, estimate_bps=None, sent_bps=0.0, came_bps=None, loss=None, round_trip_s=None, falls=0
    )


def test_loss_is_the_share_of_what_was_expected_since_the_last_look_on_all_tracks() -> None:
    line = Line()
    line.report("camera", 5, 1000)
    line.report("board", 0, 400)
    assert line.look().loss is None, "the first report counts from before the viewer was looked at"
    line.report("camera", 9, 1050)
    line.report("board", 1, 450)
    assert line.look().loss == pytest.approx(5 / 100)
    assert line.look().loss is None, "one report is counted once"
    line.report("camera", 7, 1100)  # what was sent again came: fewer are lost than before
    assert line.look().loss == 0.0


def test_of_a_few_packets_no_share_is_made_until_they_are_enough() -> None:
    line = Line()
    line.report("camera", 0, 100)
    line.look()
    line.report("camera", 2, 100 + LEAST_PACKETS // 2)
    assert line.look().loss is None
    line.report("camera", 2, 100 + LEAST_PACKETS)
    assert line.look().loss == pytest.approx(2 / LEAST_PACKETS)


def test_what_is_sent_is_averaged_over_two_seconds_of_pictures_without_the_sound() -> None:
    line = Line()
    for _ in range(8):
        line.senders["camera"]._payload_bytes += 50_000
        line.senders["sound"]._payload_bytes += 10_000
        numbers = line.look()
    assert numbers.sent_bps == pytest.approx(8 * 100_000)
    for _ in range(4):
        numbers = line.look()
    assert numbers.sent_bps == 0.0


def test_what_came_is_counted_by_reports_of_all_tracks_with_headers() -> None:
    """A browser's own estimate is 0.85 of what came in the last second, often of a still board."""
    line = Line()
    for n in range(1, 9):
        if n % 2:  # a browser reports each second
            line.report("camera", lost=25 * n, highest=100 * n)
        line.senders["camera"]._payload_bytes = 100 * n * 1000
        line.senders["camera"]._packets = 100 * n
        numbers = line.look()
    assert numbers.came_bps == pytest.approx(150 * 8 * (1000 + 65))
    for _ in range(8):
        numbers = line.look()
    assert numbers.came_bps is None, "of another time"


@pytest.mark.parametrize("rates", [(200, 200, 200, 30), (0, 0, 0, 120)])
def test_what_came_is_of_the_last_second_by_when_its_reports_came(rates: tuple[int, ...]) -> None:
    """A line that narrowed carries no more what came before, and one that a slide fills carries more."""
    line, highest = Line(), 1000
    for packets, looked_s in zip(rates, (0.05, 0.45, 0.05, 0.45), strict=True):
        highest += packets
        line.report("board", 0, highest)
        line.senders["board"]._payload_bytes = 1000 * highest
        numbers = line.look(after_s=looked_s)
        line.now_s += 1.0 - looked_s
    assert numbers.came_bps == pytest.approx(rates[-1] * 8 * (1000 + 65))


def test_an_estimate_counts_while_pictures_are_sent_and_the_least_of_all_tracks() -> None:
    line = Line()
    line.report("camera", 0, 0, bps=900_000)
    line.report("board", 0, 0, bps=700_000)
    assert line.look().estimate_bps is None
    for _ in range(3):
        line.senders["board"]._payload_bytes += 5_000
        numbers = line.look()
    assert numbers.estimate_bps == 700_000


def test_the_longest_round_trip_of_new_reports_is_told_once() -> None:
    line = Line()
    for highest in (10, 20):  # the first says nothing of a time between
        line.report("sound", 0, highest, 0.040)
        line.report("camera", 0, highest, 0.120)
        line.report("board", 0, highest)
        line.look()
        line.report("camera", 0, highest + 5, 0.120)
    assert line.look().round_trip_s == 0.120
    assert line.look().round_trip_s is None


@pytest.mark.parametrize(("has_pictures", "most_s"), [(True, HEARD_S), (False, SOUND_HEARD_S)])
def test_a_viewer_is_heard_for_as_long_as_its_reports_may_take(has_pictures: bool, most_s: float) -> None:
    line = Line()
    line.report("sound", 0, 0)
    assert line.look(after_s=most_s, has_pictures=has_pictures).is_heard
    assert not line.look(after_s=0.1, has_pictures=has_pictures).is_heard


def test_falls_are_told_as_they_come() -> None:
    line = Line()
    assert [line.look(falls).falls for falls in (2, 2, 5)] == [2, 0, 3]


def test_what_was_lost_before_a_track_rested_is_not_told_when_it_goes_on() -> None:
    line = Line()
    line.report("board", 0, 100)
    line.look()
    line.look(after_s=RESTED_S + 1)
    line.report("board", 80, 160)
    assert line.look().loss is None
    line.report("board", 83, 220)
    assert line.look().loss == pytest.approx(0.05)


def test_the_round_trip_of_a_track_that_rests_is_not_told() -> None:
    line = Line()
    line.report("board", 0, 100, 0.1)
    line.report("sound", 0, 100, 0.1)
    line.look()
    line.report("board", 0, 100, 3.0)
    line.report("sound", 0, 110, 0.2)
    assert line.look().round_trip_s == 0.2


def test_an_estimate_of_long_ago_is_none() -> None:
    line = Line()
    sender = line.senders["board"]
    sender.on_report(None, 300_000)
    for _ in range(3):
        sender._payload_bytes += 50_000
        numbers = line.look()
    assert numbers.estimate_bps == 300_000
    while line.now_s <= sender.estimated_mono_s + FRESH_S:
        sender._payload_bytes += 50_000
        numbers = line.look()
    assert numbers.sent_bps > 0
    assert numbers.estimate_bps is None
