"""What one viewer is sent: from tables of lines, and on a simulated line that narrows and widens."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.streams.adaptation import FIRST_TRY_S, Adaptation, Numbers
from agent.streams.ladder import TILES, Choice, Layers, rungs
from agent.streams.layers import StreamSettings
from agent.streams.line_numbers import CAME_OVER_S, CAME_WITHIN_S, LEAST_PACKETS
from protocol.channel import Wish

TRACKS = ("sound", "board", "camera")
ROOM = Layers.of(StreamSettings(), TRACKS)
LOOK_S = 0.5
CALM = Numbers(is_heard=True, estimate_bps=None, sent_bps=1e6, came_bps=None, loss=0.0, round_trip_s=0.03, falls=0)


def look(viewer: Adaptation, numbers: Numbers, now_s: float, carries_bps: float | None = None) -> Choice:
    """Look, at a line that is tried when that is wanted, and is found to carry this."""
    viewer.look(numbers, now_s)
    if viewer.wants_trial_bps is not None:
        viewer.tried(carries_bps, now_s)
    return viewer.choice(now_s)


def names(choice: Any) -> tuple[str | None, str | None, str | None]:
    return choice.sound, choice.board, choice.camera


@pytest.mark.parametrize(
    ("wish", "ladder"),
    [
        (
            Wish(),
            "voice full 720p, voice full 360p, voice full 180p, voice half 180p, voice half -, low half -, low tiles -",
        ),
        (
            Wish(reads_lips=True),
            "voice full 720p, voice half 720p, voice half 360p, voice half 180p, "
            "low tiles 180p, low - 180p, low tiles -",
        ),
        (Wish(use="save-data"), "low half -, low tiles -"),
        (Wish(use="save-data", reads_lips=True), "low half 180p, low tiles 180p, low - 180p, low tiles -"),
        (Wish(use="sound-only"), "voice - -, low - -"),
    ],
)
def test_each_wish_has_its_own_order_of_sacrifice(wish: Wish, ladder: str) -> None:
    made = rungs(ROOM, wish)
    assert ", ".join(" ".join(name or "-" for name in names(rung)) for rung in made) == ladder
    assert [rung.cost_bps for rung in made] == sorted((rung.cost_bps for rung in made), reverse=True)


@pytest.mark.parametrize("tracks", [("sound", "camera"), ("sound", "board"), ("board",), ("sound",)])
def test_a_player_without_some_tracks_has_a_ladder_too(tracks: tuple[str, ...]) -> None:
    for use in ("automatic", "save-data", "sound-only"):
        for rung in rungs(Layers.of(StreamSettings(), tracks), Wish.model_validate({"use": use})):
            given = dict(zip(TRACKS, names(rung), strict=True))
            assert {track for track, name in given.items() if name} <= set(tracks)
            assert given["sound"] or "sound" not in tracks, "sound is never given up"


def test_a_calm_line_is_given_the_best_at_once_and_for_good() -> None:
    viewer = Adaptation(ROOM)
    assert {viewer.look(CALM, n * LOOK_S) for n in range(7200)} == {Choice("voice", "full", "720p", "best")}


TROUBLES: dict[str, dict[str, Any]] = {
    "a queue that grows, by estimate": {"estimate_bps": 4e5, "round_trip_s": 0.25},
    "the same with loss": {"estimate_bps": 4e5, "loss": 0.08},
    "a round trip of a second": {"round_trip_s": 1.0},
    "a fifth of the packets lost": {"loss": 0.35},
    "a sender that cannot keep up": {"falls": 1},
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_costs_a_rung_within_two_seconds(trouble: str) -> None:
    viewer = Adaptation(ROOM)
    for n in range(20):
        viewer.look(CALM, n * LOOK_S)
    numbers = Numbers(**{**vars_of(CALM), **TROUBLES[trouble]})
    choices = [viewer.look(numbers, 10 + n * LOOK_S) for n in range(4)]
    assert choices[-1].camera != "720p"
    assert choices[-1].why == "line"


def test_a_long_round_trip_is_believed_until_the_next_one_is_told() -> None:
    viewer = Adaptation(ROOM)
    for n in range(20):
        viewer.look(CALM, n * LOOK_S)
    for n in range(4):
        told = {"round_trip_s": None if n % 2 else 1.0}
        viewer.look(Numbers(**{**vars_of(CALM), **told}), 10 + n * LOOK_S)
    assert viewer.choice(12.0).camera != "720p"
    for n in range(60):
        viewer.look(Numbers(**{**vars_of(CALM), "round_trip_s": None}), 12 + n * LOOK_S)
    assert viewer.choice(42.0).camera == "720p", "and for no longer"


@pytest.mark.parametrize("impossible_s", [-0.5, 0.0])
def test_a_round_trip_that_no_line_has_is_forgotten_like_another(impossible_s: float) -> None:
    viewer = Adaptation(ROOM)
    viewer.look(Numbers(**{**vars_of(CALM), "round_trip_s": impossible_s}), 0.0)
    for n in range(1, 120):
        assert viewer.look(CALM, n * LOOK_S).camera == "720p"
    for n in range(120, 14_400):
        look(viewer, Numbers(**{**vars_of(CALM), "round_trip_s": 0.4}), n * LOOK_S)
    assert viewer.choice(7_200.0).camera == "720p", "the line has become a longer one"


@pytest.mark.parametrize("loss", [None, 0.0])
def test_a_single_long_round_trip_costs_nothing(loss: float | None) -> None:
    viewer = Adaptation(ROOM)
    for n in range(40):
        round_trip_s = 0.03 if n < 20 else 1.0 if n == 20 else None
        told = {"round_trip_s": round_trip_s, "loss": loss}
        assert viewer.look(Numbers(**{**vars_of(CALM), **told}), n * LOOK_S).camera == "720p"


def test_a_line_that_carries_next_to_nothing_of_the_best_is_known_by_what_it_loses() -> None:
    """A browser says what it could receive some seconds after it came in; what it lost, with its first report."""
    viewer = Adaptation(ROOM)
    viewer.look(CALM, 0.0)
    flooded = Numbers(**{**vars_of(CALM), "sent_bps": 1.5e6, "loss": 0.96, "round_trip_s": 0.7})
    assert [names(viewer.look(flooded, 2 + n * LOOK_S)) for n in range(2)][-1] == ("low", "tiles", None)


def test_a_flood_is_never_taken_for_what_a_line_loses_by_itself() -> None:
    viewer = Adaptation(ROOM)
    viewer.look(CALM, 0.0)
    for n in range(12):
        viewer.look(Numbers(**{**vars_of(CALM), "sent_bps": 1.5e6, "loss": 0.96, "round_trip_s": None}), 2 + n * LOOK_S)
    now_s = 8.0
    while look(viewer, Numbers(**{**vars_of(CALM), "sent_bps": 0.0}), now_s).board == "tiles":
        now_s += LOOK_S
    trial = Numbers(**{**vars_of(CALM), "sent_bps": 3e5, "estimate_bps": 66e3, "loss": 0.8, "round_trip_s": None})
    told = [viewer.look(trial, now_s + (n + 1) * LOOK_S).board for n in range(4)]
    assert told[-1] == "tiles"


def test_a_full_line_is_left_for_what_came_over_it_when_the_estimate_is_of_another_time() -> None:
    """After a still board a browser's estimate is a third of what a line carries, and grows by 8 % a second."""
    viewer = Adaptation(ROOM)
    viewer.look(CALM, 0.0)
    full = {"estimate_bps": 3e5, "sent_bps": 1.1e6, "came_bps": 0.95e6, "round_trip_s": 0.4}
    for n in range(2):
        viewer.look(Numbers(**{**vars_of(CALM), **full}), 2 + n * LOOK_S)
    assert names(viewer.choice(3.0)) == ("voice", "full", "180p")


def test_what_a_line_loses_by_itself_is_added_to_what_came_over_it() -> None:
    viewer = Adaptation(ROOM)
    lossy = {**vars_of(CALM), "loss": 0.2}
    for n in range(240):
        viewer.look(Numbers(**lossy), n * LOOK_S)
    full = {**lossy, "estimate_bps": 3e5, "sent_bps": 1.6e6, "came_bps": 1.1e6, "round_trip_s": 0.25}
    for n in range(2):
        viewer.look(Numbers(**full), 120 + n * LOOK_S)
    assert names(viewer.choice(121.0)) == ("robust", "full", "360p")


def test_without_a_queue_an_estimate_costs_no_more_than_a_rung() -> None:
    viewer = Adaptation(ROOM)
    viewer.look(CALM, 0.0)
    for n in range(4):
        viewer.look(Numbers(**{**vars_of(CALM), "estimate_bps": 2e5, "loss": 0.08}), 2 + n * LOOK_S)
    assert names(viewer.choice(4.0))[1:] == ("full", "360p")


@pytest.mark.parametrize(("carried_bps", "waited_s"), [(50e3, 60.0), (120e3, 2 * FIRST_TRY_S)])
def test_where_a_line_cannot_be_tried_one_far_below_the_least_video_gets_it_after_a_minute_at_the_soonest(
    carried_bps: float, waited_s: float
) -> None:
    viewer = Adaptation(ROOM)
    viewer.look(CALM, 0.0)
    now_s, waits_s = 0.0, []
    for _ in range(2):
        while viewer.choice(now_s).board != "tiles":
            now_s += LOOK_S
            viewer.look(Numbers(**{**vars_of(CALM), "estimate_bps": carried_bps, "round_trip_s": 0.7}), now_s)
        begun_s = now_s
        while look(viewer, Numbers(**{**vars_of(CALM), "sent_bps": 0.0}), now_s).board == "tiles":
            now_s += LOOK_S
        waits_s.append(now_s - begun_s)
    assert waits_s[0] == pytest.approx(FIRST_TRY_S, abs=2 * LOOK_S), "what it carries was guessed in a flood"
    assert waits_s[1] == pytest.approx(waited_s, abs=2 * LOOK_S)


def on_tiles() -> Adaptation:
    viewer = Adaptation(ROOM)
    viewer.look(CALM, 0.0)
    flooded = Numbers(**{**vars_of(CALM), "sent_bps": 1.5e6, "loss": 0.96, "round_trip_s": 0.7})
    for n in range(2):
        viewer.look(flooded, 2 + n * LOOK_S)
    assert viewer.choice(3.0).board == "tiles"
    return viewer


def seconds_until_tried(viewer: Adaptation, now_s: float) -> float:
    begun_s = now_s
    while viewer.wants_trial_bps is None:
        assert viewer.look(Numbers(**{**vars_of(CALM), "sent_bps": 0.0}), now_s).board == "tiles"
        now_s += LOOK_S
        assert now_s - begun_s < 100
    return now_s - begun_s


def test_no_video_takes_the_place_of_tiles_before_the_line_was_tried_for_it() -> None:
    viewer, now_s, waits_s = on_tiles(), 3.0, []
    for _ in range(7):
        waits_s.append(seconds_until_tried(viewer, now_s))
        now_s += waits_s[-1]
        assert viewer.wants_trial_bps == pytest.approx(191e3, rel=0.02)
        viewer.tried(64e3, now_s)
        assert viewer.choice(now_s).board == "tiles"
    assert waits_s[-1] == pytest.approx(60, abs=2 * LOOK_S), "and it is tried again, for it may have widened"
    assert waits_s == sorted(waits_s)
    now_s += seconds_until_tried(viewer, now_s)
    viewer.tried(1e6, now_s)
    assert viewer.choice(now_s).board == "half"


@pytest.mark.parametrize(
    ("wish", "carries_bps", "first"),
    [
        (Wish(), 64e3, ("low", "tiles", None)),
        (Wish(reads_lips=True), 64e3, ("low", "tiles", None)),
        (Wish(use="sound-only"), 64e3, ("voice", None, None)),
        (Wish(use="sound-only"), 50e3, ("low", None, None)),
    ],
)
def test_over_a_line_that_was_found_to_be_thin_is_sent_first_what_it_carries(
    wish: Wish, carries_bps: float, first: Any
) -> None:
    viewer = Adaptation(ROOM)
    viewer.wish(wish)
    viewer.thin(carries_bps)
    assert names(viewer.choice(0.0)) == first
    assert viewer.choice(0.0).why == ("wish" if first[0] == "voice" else "line")


def test_a_line_that_was_taken_for_thin_is_tried_again_soon() -> None:
    viewer = Adaptation(ROOM)
    viewer.thin(64e3)
    assert seconds_until_tried(viewer, 0.0) <= FIRST_TRY_S + LOOK_S


def test_a_trial_that_ends_when_the_line_is_in_trouble_again_changes_nothing() -> None:
    viewer = on_tiles()
    now_s = 3.0 + seconds_until_tried(viewer, 3.0)
    for n in range(4):
        viewer.look(Numbers(**{**vars_of(CALM), "sent_bps": 0.0, "round_trip_s": 0.9}), now_s + n * LOOK_S)
    viewer.tried(1e6, now_s + 2.0)
    assert viewer.choice(now_s + 2.0).board == "tiles"


def vars_of(numbers: Numbers) -> dict[str, Any]:
    return {name: getattr(numbers, name) for name in Numbers.__slots__}


@pytest.mark.parametrize(
    "harmless",
    [
        {
            "estimate_bps": 3e5
        },  # less is said than is sent, while nothing waits and nothing is lost: the board stood still
        {"round_trip_s": 0.09},
        {"loss": 0.04},
        {"is_heard": False, "loss": None, "round_trip_s": None},
    ],
)
def test_what_is_no_trouble_costs_nothing(harmless: dict[str, Any]) -> None:
    viewer = Adaptation(ROOM)
    for n in range(20):
        viewer.look(CALM, n * LOOK_S)
    numbers = Numbers(**{**vars_of(CALM), **harmless})
    assert {names(viewer.look(numbers, 10 + n * LOOK_S))[1:] for n in range(60)} == {("full", "720p")}


def test_a_line_that_loses_whatever_is_sent_keeps_its_pictures_and_gets_robust_sound() -> None:
    viewer = Adaptation(ROOM)
    lossy = Numbers(**{**vars_of(CALM), "loss": 0.2})
    choices = [viewer.look(lossy, n * LOOK_S) for n in range(240)]
    assert choices[8].sound == "robust", "within four seconds"
    worst = max(
        rungs(ROOM, Wish()).index(rung) for rung in rungs(ROOM, Wish()) for c in choices if rung.camera == c.camera
    )
    assert choices[-1] == Choice("robust", "full", "720p", "best")
    assert {choice.board for choice in choices} == {"full"}
    assert worst <= 2
    after = [viewer.look(CALM, 120 + n * LOOK_S).sound for n in range(60)]
    assert after[-1] == "voice"
    assert after[10] == "robust", "it does not go by a single good second"


def test_what_a_line_loses_by_itself_is_no_sign_that_it_is_full() -> None:
    """A browser answers a moment's jitter with 0.85 of what came: on such a line two thirds of what was sent."""
    viewer = Adaptation(ROOM)
    lossy = {**vars_of(CALM), "loss": 0.2}
    for n in range(240):
        viewer.look(Numbers(**lossy), n * LOOK_S)
    before = viewer.choice(120.0)
    for n in range(4):
        viewer.look(Numbers(**{**lossy, "estimate_bps": 0.68e6}), 120 + n * LOOK_S)
    assert viewer.choice(122.0) == before


def test_robust_sound_takes_no_more_than_the_rooms_line_has_for_a_viewer() -> None:
    viewer = Adaptation(ROOM)
    lossy = Numbers(**{**vars_of(CALM), "loss": 0.2})
    for n in range(40):
        viewer.look(lossy, n * LOOK_S)
    viewer.share(195e3)
    assert names(viewer.look(lossy, 20.0)) == ("low", "half", None)


def test_a_rung_that_was_given_up_for_what_the_line_loses_by_itself_is_taken_back_without_a_trial() -> None:
    viewer = Adaptation(ROOM)
    cameras = [told_each_second(viewer, [0.2], n) for n in range(12)]
    assert set(cameras) == {"720p", "360p"}
    assert cameras[8:] == ["720p"] * 4, "within eight seconds"


def told_each_second(viewer: Adaptation, losses: list[float | None], second: int) -> str | None:
    """Look twice, with news at the first look only, and return the camera. The last of ``losses`` stays."""
    loss = losses[min(second, len(losses) - 1)]
    told = Numbers(**{**vars_of(CALM), "loss": loss, "round_trip_s": None if loss is None else 0.03})
    viewer.look(told, float(second))
    return viewer.look(Numbers(**{**vars_of(CALM), "loss": None, "round_trip_s": None}), second + LOOK_S).camera


@pytest.mark.parametrize("late", [[0.0], [0.16, None, None, None, 0.0]])
def test_a_loss_that_ends_when_less_is_sent_is_not_the_lines_own_however_rarely_it_is_told(
    late: list[float | None],
) -> None:
    """A line that is policed loses what is too much and delays nothing. ``late`` is told 4 s after less is sent.

    The first report may count packets from before.
    """
    viewer = Adaptation(ROOM)
    losses = [0.3, 0.3, 0.3, None, None, None, *late]
    assert [told_each_second(viewer, losses, n) for n in range(12)] == ["720p"] * 2 + ["360p"] * 10


def test_reports_of_no_loss_cost_nothing_while_an_average_still_has_what_was_lost_before() -> None:
    viewer = Adaptation(ROOM)
    losses = [0.45, 0.45, None, None, None, None, 0.0]
    assert [told_each_second(viewer, losses, n) for n in range(12)] == ["720p"] + ["360p"] * 11


@pytest.mark.parametrize("of_sound", [(0.0, 0.0), (0.4, 0.4)])
def test_what_a_flood_took_away_is_not_taken_back_for_what_is_told_afterwards(of_sound: tuple[float, float]) -> None:
    viewer = Adaptation(ROOM)
    viewer.look(CALM, 0.0)
    flooded = Numbers(**{**vars_of(CALM), "sent_bps": 1.5e6, "loss": 0.95, "round_trip_s": 0.7})
    for at_s in (2.0, 3.0):
        viewer.look(flooded, at_s)
    boards = []
    for n in range(1, 14):
        losses = {2: 0.62, 8: of_sound[0], 13: of_sound[1]}  # the camera's last report comes first
        told = {"loss": losses.get(n), "round_trip_s": 0.03 if n in (8, 13) else None}
        boards.append(viewer.look(Numbers(**{**vars_of(CALM), "sent_bps": 0.0, **told}), 3 + n * LOOK_S).board)
    assert boards == ["tiles"] * 13


def test_a_line_that_loses_a_little_whatever_is_sent_climbs_like_a_clean_one() -> None:
    chance, viewer = random.Random(1), Adaptation(ROOM)
    for n in range(3):
        viewer.look(Numbers(**{**vars_of(CALM), "falls": 1}), n * 2.0)
    assert viewer.choice(6.0).camera == "180p"
    for n in range(240):
        viewer.look(Numbers(**{**vars_of(CALM), "loss": chance.choice((0.0, 0.05, 0.1))}), 6 + n * LOOK_S)
    assert names(viewer.choice(126.0))[1:] == ("full", "720p")


def test_an_outage_changes_nothing_and_a_line_unheard_is_not_tried() -> None:
    viewer = Adaptation(ROOM)
    for _ in range(2):
        viewer.look(Numbers(**{**vars_of(CALM), "falls": 1}), 0.0)
    before = viewer.choice(0.0)
    silent = Numbers(
        is_heard=False, estimate_bps=None, sent_bps=0.0, came_bps=None, loss=None, round_trip_s=None, falls=0
    )
    assert {names(viewer.look(silent, 1 + n * LOOK_S)) for n in range(120)} == {names(before)}


def test_a_wish_holds_at_once_and_what_the_line_carries_is_not_forgotten() -> None:
    viewer = Adaptation(ROOM)
    for n in range(3):
        viewer.look(Numbers(**{**vars_of(CALM), "falls": 1}), n * 2.0)
    narrow = viewer.choice(6.0)
    assert names(narrow) == ("voice", "half", "180p")
    viewer.wish(Wish(use="sound-only"))
    assert viewer.choice(6.0) == Choice("voice", None, None, "wish")
    for n in range(60):
        viewer.look(CALM, 6 + n * LOOK_S)
    viewer.wish(Wish())
    assert viewer.choice(36.0) == narrow


def test_a_machine_that_is_hot_lowers_the_best_and_says_so() -> None:
    viewer = Adaptation(ROOM)
    viewer.limit(1, 1)
    assert viewer.choice(0.0) == Choice("voice", "half", "360p", "machine")
    viewer.limit(5, 5)
    assert names(viewer.choice(0.0)) == ("voice", "half", "180p")
    viewer.limit(0, 0)
    assert viewer.choice(0.0) == Choice("voice", "full", "720p", "best")


def test_a_board_that_is_received_and_never_shown_is_made_smaller() -> None:
    viewer = Adaptation(ROOM)
    viewer.board_began(10.0)
    for at_s in (11.0, 12.0, 13.0):
        viewer.received(0.0, 24.0, at_s)
    assert viewer.choice(13.0) == Choice("voice", "half", "720p", "decoder")
    viewer.board_began(13.1)
    for n in range(20):
        viewer.received(0.0, 24.0, 14.0 + n)
    assert viewer.choice(40.0).board == "half", "there is no smaller one"


@pytest.mark.parametrize("frames", [[(0.0, 24.0), (0.5, 24.0)] + [(0.0, 24.0)] * 20, [(0.0, 0.0)] * 20])
def test_a_still_board_and_a_page_in_the_background_keep_theirs(frames: list[tuple[float, float]]) -> None:
    viewer = Adaptation(ROOM)
    viewer.board_began(10.0)
    for n, (board_fps, camera_fps) in enumerate(frames, 11):
        viewer.received(board_fps, camera_fps, float(n))
    assert viewer.choice(40.0).board == "full"


# --- a simulated line ---------------------------------------------------------------------------------------------


class Reports:
    """What a viewer tells of what is sent to it, as rarely as Chromium does.

    Of camera and board each second, half a second apart, of the sound alone each 2.5 to 7.5 s (RFC 3550 §6.2).
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._lost = self._expected = self._came_bits = 0.0
        self._came = deque([(0.0, 0.0)])
        self._told_s = 0.0
        self._sound_each_s = 5.0

    def told(self, line: Numbers, sent: Choice, offered_bps: float, now_s: float) -> Numbers:
        """Return of ``line``, which is the truth of the last `LOOK_S`, what is told of it at ``now_s``."""
        assert line.came_bps is not None
        assert line.loss is not None
        pictures = sum(one not in (None, TILES) for one in (sent.board, sent.camera))
        packets = LOOK_S * (offered_bps / 9_000 if pictures else 17)
        self._expected += packets
        self._lost += packets * line.loss
        self._came_bits += line.came_bps * LOOK_S
        loss = None
        is_told = now_s - self._told_s >= (1.0 if pictures else self._sound_each_s)
        if is_told:
            self._told_s, self._sound_each_s = now_s, self._chance.uniform(2.5, 7.5)
            self._came.append((now_s, self._came_bits))
            while len(self._came) > 2 and self._came[1][0] <= now_s - CAME_OVER_S:
                self._came.popleft()
            if self._expected >= LEAST_PACKETS:
                loss = self._lost / self._expected
                self._lost = self._expected = 0.0
        (first_s, first_bits), (last_s, last_bits) = self._came[0], self._came[-1]
        is_known = last_s > first_s and now_s - last_s <= CAME_WITHIN_S
        return replace(
            line,
            came_bps=(last_bits - first_bits) / (last_s - first_s) if is_known else None,
            loss=loss,
            round_trip_s=line.round_trip_s if is_told or pictures > 1 else None,
        )


@dataclass
class Line:
    """A bottleneck with a queue of 0.4 s, and a viewer that estimates as Chromium does (draft-ietf-rmcat-gcc)."""

    viewer: Adaptation
    capacity_bps: Callable[[float], float]
    seed: int = 1
    noise: float = 0.0
    now_s: float = 0.0
    waiting_bits: float = 0.0
    estimate_bps: float = 1e6
    choices: list[tuple[float, Choice]] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        chance = random.Random(self.seed)
        reports = Reports(random.Random(self.seed))
        costs = {names(rung): rung.cost_bps for wish in (Wish(), Wish(reads_lips=True)) for rung in rungs(ROOM, wish)}
        more_bps = 42e3  # robust sound, each packet sent twice
        costs.update({("robust", *given[1:]): cost + more_bps for given, cost in costs.items() if given[0] == "voice"})
        sent_bps = 0.0
        for _ in range(round(seconds / LOOK_S)):
            self.now_s += LOOK_S
            capacity_bps = self.capacity_bps(self.now_s)
            sent = self.viewer.choice(self.now_s)
            offered_bps = costs[names(sent)] * chance.uniform(0.6, 1.2)
            sent_bps += (offered_bps - sent_bps) * 0.5
            grew = self.waiting_bits + (offered_bps - capacity_bps) * LOOK_S
            most = 0.4 * capacity_bps
            lost = max(0.0, grew - most) / (offered_bps * LOOK_S)
            is_growing = grew > self.waiting_bits and grew > 0.05 * capacity_bps
            self.waiting_bits = min(max(0.0, grew), most)
            came_bps = min(offered_bps, capacity_bps)
            self.estimate_bps = 0.85 * came_bps if is_growing else min(self.estimate_bps * 1.04, 1.5 * came_bps + 1e4)
            loss = lost + (chance.random() * self.noise if chance.random() < 0.3 else 0.0)
            delay_s = self.waiting_bits / capacity_bps + chance.random() * self.noise
            line = Numbers(True, self.estimate_bps, sent_bps, came_bps, min(1.0, loss), 0.04 + delay_s, 0)
            told = reports.told(line, sent, offered_bps, self.now_s)
            choice = look(self.viewer, told, self.now_s, capacity_bps)
            if not self.choices or self.choices[-1][1] != choice:
                self.choices.append((self.now_s, choice))

    def at(self, mono_s: float) -> Choice:
        return [choice for since_s, choice in self.choices if since_s <= mono_s][-1]


def test_a_line_that_narrows_and_widens_is_followed() -> None:
    def capacity(now_s: float) -> float:
        return 300e3 if 60 <= now_s < 180 else 6e6

    line = Line(Adaptation(ROOM), capacity)
    line.run(360)
    assert line.at(59).camera == "720p"
    fell_s = next(since_s for since_s, choice in line.choices if since_s >= 60 and choice.camera != "720p")
    assert fell_s - 60 <= 2.0, "down fast"
    fitting_s = next(s for s, c in line.choices if s >= 60 and names(c) in NARROW)
    assert fitting_s - 60 <= 3.0
    back_s = next(since_s for since_s, choice in line.choices if since_s >= 180 and choice.camera == "720p")
    assert FIRST_TRY_S < back_s - 180 <= 120, "up slowly, and all the way: what was tried in vain is waited for"
    assert line.at(360).camera == "720p"


NARROW = {("voice", "half", None), ("robust", "half", None), ("low", "half", None), ("low", "tiles", None)}


@pytest.mark.parametrize("capacity_bps", [70e3, 215e3, 300e3, 500e3, 1e6, 1.6e6, 3e6])
def test_a_steady_line_is_not_tried_without_end(capacity_bps: float) -> None:
    line = Line(Adaptation(ROOM), lambda _: capacity_bps)
    line.run(3600)
    late = [since_s for since_s, _ in line.choices if since_s > 600]
    assert len(late) <= 50 * 2, f"{len(late)} changes"


@pytest.mark.parametrize("seed", range(5))
def test_a_flooded_line_is_given_no_camera_again_by_what_is_told_of_the_flood(seed: int) -> None:
    line = Line(Adaptation(ROOM), lambda _: 70e3, seed=seed)
    line.run(60)
    assert names(line.at(3.0)) == ("low", "tiles", None)
    assert {names(choice) for since_s, choice in line.choices if since_s >= 3.0} <= {("low", "tiles", None)}


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_moves_nothing(seed: int) -> None:
    """Loss of up to 6 % in bursts and 60 ms of jitter, as a Wi-Fi in a block of flats has them."""
    line = Line(Adaptation(ROOM), lambda _: 8e6, seed=seed, noise=0.06)
    line.run(3600)
    assert len(line.choices) <= 4


def test_who_reads_lips_keeps_the_camera_on_a_line_of_a_quarter_megabit() -> None:
    viewer = Adaptation(ROOM)
    viewer.wish(Wish(reads_lips=True))
    line = Line(viewer, lambda _: 260e3)
    line.run(120)
    assert {choice.camera for since_s, choice in line.choices if since_s > 8} <= {"180p", "360p"}


def test_the_rooms_own_line_lowers_layers_at_once_and_gives_them_back() -> None:
    viewer = Adaptation(ROOM)
    best, *_, least = rungs(ROOM, Wish())
    viewer.share(rungs(ROOM, Wish())[2].cost_bps)
    assert viewer.look(CALM, 0.0) == Choice("voice", "full", "180p", "uplink")
    viewer.share(1.0)
    assert viewer.look(CALM, 0.5) == Choice(least.sound, least.board, least.camera, "uplink"), "sound to the last"
    viewer.share(best.cost_bps)
    assert viewer.look(CALM, 1.0).why == "best"
