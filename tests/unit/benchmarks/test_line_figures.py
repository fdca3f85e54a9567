"""What looks at a page behind a line amount to, from looks that are written down here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import line_figures
from benchmarks.line_figures import Look, Slide, Stroke
from benchmarks.networks import missed

NOTHING = Look(0.0, 1, 0, 0, 0, 0, 0, 0, 0, (frozenset(), frozenset()), None)
STEP_SAMPLES = 4800


def heard(*concealed: int) -> list[Look]:
    """Return looks 0.1 s apart in which so many samples more were made up each time, in runs of their own."""
    looks, all_concealed, runs, was = [NOTHING], 0, 0, 0
    for number, one in enumerate(concealed, 1):
        all_concealed += one
        runs += one > 0 and was == 0
        was = one
        looks.append(
            replace(
                NOTHING,
                at_s=number / 10,
                samples=number * STEP_SAMPLES,
                concealed=all_concealed,
                concealments=runs,
                sound_packets=number * 5,
            )
        )
    return looks


def seen(at_s: float, *lit: int, row: int = 0, share: float | None = None) -> Look:
    rows = (frozenset(lit), frozenset[int]()) if row == 0 else (frozenset[int](), frozenset(lit))
    shares = None if share is None else ((share, 0.0) if row == 0 else (0.0, share))
    return replace(NOTHING, at_s=at_s, lit=rows, shares=shares)


def test_gaps_are_the_share_of_made_up_samples() -> None:
    assert line_figures.gap_percent(heard(0, 480, 0, 0)) == pytest.approx(100 * 480 / (4 * STEP_SAMPLES))
    assert line_figures.gap_percent([NOTHING]) is None


def test_another_connection_counts_from_its_own_beginning() -> None:
    first, second = heard(0, 0), [replace(look, connection=2, at_s=look.at_s + 5) for look in heard(0, 4800)]
    assert line_figures.gap_percent([*first, *second]) == pytest.approx(25)


def test_a_hole_is_a_run_of_more_than_100_ms() -> None:
    assert line_figures.holes(heard(4000, 0, 4000, 0)) == []
    assert line_figures.holes(heard(0, 2000, 3000, 4800, 0)) == [0.3]
    assert line_figures.holes(heard(0, 4801, 0, 4801)) == [0.2, 0.4]
    assert line_figures.with_holes_percent(heard(*[0] * 12, 3000, 3000, *[0] * 26)) == pytest.approx(20)


def test_two_short_runs_in_one_look_are_no_hole() -> None:
    before, after = heard(0)
    assert line_figures.holes([before, replace(after, concealed=6000, concealments=2)]) == []


def test_ink_is_late_until_it_is_seen_on_its_own_row() -> None:
    slides = [Slide(0, 0.0, 10.0), Slide(1, 10.0, 20.0)]
    strokes = [Stroke(0, 3, 1.0), Stroke(1, 3, 11.0), Stroke(1, 4, 12.0)]
    looks = [seen(0.5, 3), seen(1.1), seen(1.5, 3), seen(11.5, 3), seen(13.0, 3, row=1)]
    assert line_figures.ink_late_s(strokes, slides, looks) == [0.5, 2.0, 8.0]


def test_a_slide_is_there_when_nearly_all_of_it_can_be_read() -> None:
    looks = [seen(10.5, row=1, share=0.5), seen(11.0, row=0, share=1.0), seen(14.0, row=1, share=0.98)]
    assert line_figures.slide_s(Slide(1, 10.0, 30.0), looks) == 4.0
    assert line_figures.slide_s(Slide(1, 10.0, 12.0), looks) == 2.0


def test_the_board_is_as_old_as_the_oldest_that_it_lacks() -> None:
    slides, strokes = [Slide(0, 0.0, 10.0)], [Stroke(0, 1, 2.0), Stroke(0, 2, 3.0)]
    looks = [seen(1.0, share=1.0), seen(2.5), seen(3.5), seen(4.0, 1), seen(4.5, 1, 2)]
    assert line_figures.board_ages_s(strokes, slides, looks) == [0.0, 0.5, 1.5, 1.0, 0.0]


def test_the_layer_is_what_was_seen_most_of_the_time() -> None:
    def camera(at: int, frames: int, height_px: int) -> Look:
        return replace(NOTHING, at_s=at / 10, camera_frames=frames, camera_height_px=height_px)

    assert line_figures.camera_layer([camera(n, n, 720 if n < 3 else 360) for n in range(9)]) == "360p"
    assert line_figures.camera_layer([camera(n, 4, 720) for n in range(9)]) is None
    assert line_figures.camera_layer([]) is None


def test_back_is_when_both_sound_and_picture_are() -> None:
    looks = [
        replace(NOTHING, at_s=1.0, sound_packets=9, camera_frames=9),
        replace(NOTHING, at_s=5.0, sound_packets=9, camera_frames=9),
        replace(NOTHING, at_s=6.0, connection=2, sound_packets=1),
        replace(NOTHING, at_s=6.5, connection=2, sound_packets=2, camera_frames=1),
    ]
    assert line_figures.recover_s(looks, 4.0) == 2.5
    assert line_figures.recover_s(looks[:3], 4.0) is None


def test_a_bar_is_missed_by_what_is_over_it_or_was_never_reached() -> None:
    row = {"network": "64k", "sound_gap_percent": 1.0, "ink_p95_s": 2.01, "new_slide_s": 9.0}
    assert missed([row, {"network": "outage-30s", "recover_s": None}]) == ["64k ink_p95_s", "outage-30s recover_s"]


def test_the_bars_hold_in_firefox_too() -> None:
    good, bad = {"sound_with_holes_percent": 1.0}, {"sound_with_holes_percent": 1.01}
    rows = [{"network": "loss-20", **good, "firefox": bad}, {"network": "fibre", **bad, "firefox": bad}]
    assert missed(rows) == ["loss-20 firefox sound_with_holes_percent"]
    assert missed([{"network": "loss-20", **good, "firefox": good}]) == []
