"""Each fault of a picture is told in time, and what is none is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.health.baseline import CameraBaseline
from agent.health.picture import PictureChecks
from agent.health.specs import FAST_TOLD_S, SLOW_TOLD_S, STILL_IN_CODEC_TOLD_S
from agent.health.tracker import Tracker
from agent.media import Frame
from protocol.errors import DeviceNotNowError
from protocol.messages import CheckStatus
from tests.unit.health.signals import HEIGHT, NOON, WIDTH, Camera, Coded, Light, image, room


def flat(level: float, slope: float = 0.0) -> Light:
    return np.full((HEIGHT, WIDTH), level, np.float32) + np.linspace(0, slope, WIDTH, dtype=np.float32)


def shifted(light: Light, across: int) -> Light:
    return np.roll(light, across, axis=1)


def somebody(light: Light, x: float, width: float = 60) -> Light:
    """Put a person with a pattern of clothes in, at a share of the width."""
    picture = light.copy()
    left, right = int(x * WIDTH - width / 2), int(x * WIDTH + width / 2)
    left, right = max(0, left), min(WIDTH, right)
    if right > left:
        stripes = 90 + 30 * np.sin(np.arange(HEIGHT) / 5)
        picture[30:, left:right] = stripes[30:, None]
    return picture


# --- fast faults ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_calibrated", [True, False])
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_cap_is_told(is_calibrated: bool, noise: float) -> None:
    camera = Camera(is_calibrated=is_calibrated)
    assert not camera.shows(15)
    camera.noise = noise
    assert camera.told_after("picture-black", flat(0)) <= FAST_TOLD_S
    assert camera.shows(10, flat(0)) == {"picture-black"}, "one cause is one finding"


def test_cap_from_the_first_picture_on_is_told() -> None:
    camera = Camera(is_calibrated=False)
    assert camera.told_after("picture-black", flat(0)) <= FAST_TOLD_S


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_room_that_is_dark_for_a_film_is_no_fault(is_calibrated: bool) -> None:
    camera = Camera(is_calibrated=is_calibrated)
    camera.shows(15)
    camera.noise = 3.0
    assert not camera.shows(25, lambda at_s: camera.scene * (0.05 + 0.05 * math.sin(at_s) ** 2))


def test_film_from_the_first_picture_on_is_no_fault() -> None:
    camera = Camera(is_calibrated=False)
    assert not camera.shows(25, lambda at_s: camera.scene * (0.06 + 0.05 * math.sin(at_s) ** 2))


def test_dark_shots_of_a_film_that_fade_are_no_fault() -> None:
    camera = Camera()
    camera.shows(15)
    assert not camera.shows(90, lambda at_s: camera.scene * 0.12 * math.exp(-0.011 * (at_s % 45)))


def test_long_dark_shots_of_a_film_from_the_first_picture_on_are_no_fault() -> None:
    camera = Camera(is_calibrated=False)
    shots = (0.1, 0.055, 0.14, 0.08)
    assert not camera.shows(120, lambda at_s: camera.scene * shots[int(at_s / 30)])


def test_exposure_that_was_wrong_from_the_first_picture_on_is_told_late() -> None:
    camera = Camera(is_calibrated=False)
    assert "picture-under-exposed" not in camera.shows(55, SCENE * 0.12)
    assert "picture-under-exposed" in camera.shows(40, SCENE * 0.12)


def test_lamps_that_are_put_out_are_no_fault_where_no_screen_is_seen() -> None:
    """The camera takes some seconds to find its exposure."""
    camera = Camera(is_calibrated=False)
    camera.shows(30)
    assert not camera.shows(50, lambda at_s: SCENE * (0.12 + (0.3 if at_s < 1 else 0.05 * max(0.0, 1 - at_s / 8))))


def test_film_on_a_screen_is_not_out_of_focus() -> None:
    """It is less sharp than the room, which it lights alone."""
    camera = Camera()
    camera.shows(30)
    soft = cv2.GaussianBlur(camera.scene, (0, 0), 3).astype(np.float32)
    soft[:, : WIDTH // 3] *= 1.3
    soft[:, WIDTH // 3 :] *= 0.45
    assert not camera.shows(20, soft)


def test_bright_slide_in_the_picture_is_not_out_of_focus() -> None:
    """Its edges outshine the rest of the room: what counts is how sharp the picture is in its usual place."""
    camera = Camera()
    camera.shows(20)
    slide = camera.scene.copy()
    bars = np.where(np.arange(120) // 13 % 2, 250.0, 0.0).astype(np.float32)
    slide[10:100, 190:310] = cv2.GaussianBlur(np.tile(bars, (90, 1)), (0, 0), 2)
    assert not camera.shows(25, slide)


def test_long_dark_shot_of_a_film_is_no_fault() -> None:
    """Its room is lit by the screen alone, so that all of the view darkens alike."""
    camera = Camera(is_calibrated=False)
    lit_by_screen = camera.scene * 0.6
    camera.shows(60, lambda at_s: lit_by_screen * (1.0 if int(at_s / 6) % 2 else 0.6))
    assert not camera.shows(35, lit_by_screen * 0.25)


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_frozen_picture_is_told(is_calibrated: bool) -> None:
    camera = Camera(is_calibrated=is_calibrated)
    assert not camera.shows(25)
    kept = image(camera.scene, camera.rng)
    assert camera.told_after("picture-frozen", kept) <= FAST_TOLD_S


def test_room_in_which_nobody_moves_is_not_frozen() -> None:
    camera = Camera(noise=0.4)
    assert not camera.shows(60)


def test_camera_without_noise_is_not_frozen_in_an_empty_room() -> None:
    """A codec may leave nothing of a still room's noise: the baseline knows."""
    camera = Camera(noise=0.0)
    assert camera.baseline is not None
    assert camera.baseline.stillness == 0
    assert not camera.shows(30)


def test_stillness_that_was_none_before_is_not_frozen_at_once() -> None:
    camera = Camera(is_calibrated=False, noise=0.0)
    assert not camera.shows(8)


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_frozen_picture_is_told_though_a_codec_left_no_noise(is_calibrated: bool) -> None:
    """Its key frames tell: in an empty room as in one that has just become empty, nothing else stirs for 4 s."""
    camera, coded = Camera(is_calibrated=False), Coded()
    if is_calibrated:
        camera.calibrate([coded.sends(camera.scene) for _ in range(32)])
        assert camera.baseline is not None
        assert camera.baseline.stillness < 0.05
    assert not camera.shows(30, lambda at_s: coded.sends(somebody(camera.scene, 0.5 + 0.4 * math.sin(at_s), width=40)))
    assert not camera.shows(40, lambda at_s: coded.sends(camera.scene))
    told_s = camera.told_after("picture-frozen", lambda at_s: coded.sends(camera.scene, is_frozen=True))
    assert told_s <= STILL_IN_CODEC_TOLD_S
    assert camera.shows(20, lambda at_s: coded.sends(camera.scene, is_frozen=True)) == {"picture-frozen"}
    camera.shows(10, lambda at_s: coded.sends(camera.scene))
    assert not camera.faults()


@pytest.mark.parametrize("is_calibrated", [True, False])
@pytest.mark.parametrize("level", [45.0, 190.0])
def test_covered_lens_is_told(is_calibrated: bool, level: float) -> None:
    camera = Camera(is_calibrated=is_calibrated)
    assert not camera.shows(15)
    assert camera.told_after("picture-covered", flat(level, 20)) <= FAST_TOLD_S
    assert camera.shows(30, flat(level, 20)) == {"picture-covered"}


def test_lens_that_was_covered_from_the_first_picture_on_is_told() -> None:
    camera = Camera(is_calibrated=False)
    assert camera.told_after("picture-covered", flat(100, 10)) <= FAST_TOLD_S


def test_somebody_before_the_camera_for_a_moment_is_no_fault() -> None:
    camera = Camera()
    camera.shows(15)
    assert not camera.shows(6, lambda at_s: somebody(camera.scene, at_s / 6, width=250))
    assert not camera.shows(1.5, flat(80, 20))
    assert not camera.shows(10)


def test_people_who_move_are_no_fault() -> None:
    camera = Camera(gives_all=True)
    assert not camera.shows(30, lambda at_s: somebody(camera.scene, 0.5 + 0.4 * math.sin(at_s / 3)))


def test_no_pictures_are_told_first_as_a_warning() -> None:
    camera = Camera()
    camera.shows(5)
    last = Frame(image(camera.scene, camera.rng), WIDTH, HEIGHT, camera.mono_s, 10_000)
    told = []
    for _ in range(16):
        camera.look(last)
        told.append(next(check.status for check in camera.tracker.checks() if check.id == "picture-no-frames"))
        camera.mono_s += 0.25
    assert told == [CheckStatus.OK] * 4 + [CheckStatus.WARNING] * 8 + [CheckStatus.CRITICAL] * 4


def test_camera_that_never_gave_a_picture_is_told() -> None:
    camera = Camera()
    for _ in range(13):
        camera.look(None)
        camera.mono_s += 0.25
    assert camera.faults() == {"picture-no-frames"}


# --- slow faults ------------------------------------------------------------------------------------------------------


SCENE = room()


SLOW: dict[str, Callable[[float], Light | NDArray[np.uint8]]] = {
    "picture-blurred": lambda at_s: cv2.GaussianBlur(SCENE, (0, 0), 2.0).astype(np.float32),
    "picture-over-exposed": lambda at_s: SCENE * 2.4,
    "picture-under-exposed": lambda at_s: SCENE * 0.12,
    "picture-moved": lambda at_s: shifted(SCENE, 20),
    "picture-white-balance": lambda at_s: image(SCENE, np.random.default_rng(int(at_s * 4)), 1.5, (100, 150)),
    "picture-resolution": lambda at_s: image(SCENE[::2, ::2].copy(), np.random.default_rng(int(at_s * 4))),
}


@pytest.mark.parametrize("check", SLOW)
def test_slow_fault_is_told(check: str) -> None:
    camera = Camera()
    assert not camera.shows(15)
    assert camera.told_after(check, SLOW[check]) <= SLOW_TOLD_S
    assert not camera.shows(20) - {check}
    assert not camera.faults()


@pytest.mark.parametrize(("spread_px", "is_told"), [(0.4, False), (0.75, True)])
def test_lens_that_is_a_little_out_of_focus_is_told_and_a_softer_picture_is_not(
    spread_px: float, is_told: bool
) -> None:
    camera = Camera()
    assert not camera.shows(15)
    soft = cv2.GaussianBlur(SCENE, (0, 0), spread_px).astype(np.float32)
    assert ("picture-blurred" in camera.shows(SLOW_TOLD_S, soft)) is is_told


@pytest.mark.parametrize("check", ["picture-blurred", "picture-moved", "picture-white-balance"])
def test_what_needs_a_baseline_says_nothing_without_one(check: str) -> None:
    camera = Camera(is_calibrated=False)
    camera.shows(15)
    assert check not in camera.shows(35, SLOW[check])
    assert check not in {one.id for one in camera.tracker.checks()}


def test_another_scene_has_words_of_its_own() -> None:
    camera = Camera()
    camera.shows(10)
    camera.told_after("picture-moved", room(99))
    (moved,) = (check for check in camera.tracker.checks() if check.id == "picture-moved")
    assert moved.message is not None
    assert "something other" in moved.message.en


def test_slow_camera_is_told_unless_it_is_dark() -> None:
    camera = Camera()
    assert not camera.shows(15)
    camera.rate_hz = 18.0
    assert camera.told_after("picture-rate", room()) <= SLOW_TOLD_S
    dark = Camera()
    dark.shows(15)
    dark.rate_hz = 15.0
    assert not dark.shows(25, lambda at_s: dark.scene * (0.1 + 0.05 * math.sin(at_s) ** 2))


def test_camera_that_turns_has_not_moved() -> None:
    camera = Camera()
    camera.shows(15)
    turning = camera.shows(30, lambda at_s: shifted(SCENE, int(at_s * 10)), is_turning=True)
    assert not turning
    assert not camera.shows(30)


def lit(at_s: float, *, hz: float, bands: float, depth: float = 0.03) -> Light:
    """Return the room in light that beats: ``bands`` of it down the picture, all of the picture alike with none."""
    rows = np.arange(HEIGHT)[:, None] / HEIGHT
    return (SCENE * (1 + depth * np.sin(2 * np.pi * (bands * rows + hz * at_s)))).astype(np.float32)


@pytest.mark.parametrize("bands", [0.0, 2.4])
@pytest.mark.parametrize("hz", [1.3, 4.0, 10.1])
def test_light_that_beats_is_told_in_bands_and_in_all_of_the_picture(hz: float, bands: float) -> None:
    camera = Camera(gives_all=True)
    assert not camera.shows(10)
    assert camera.told_after("picture-flicker", partial(lit, hz=hz, bands=bands)) <= SLOW_TOLD_S
    assert not camera.shows(20) - {"picture-flicker"}
    assert not camera.faults()


def test_camera_that_gives_few_pictures_has_nothing_said_of_its_light() -> None:
    camera = Camera()
    camera.shows(20, partial(lit, hz=1.3, bands=0.0))
    assert "picture-flicker" not in {
        check.id for check in camera.tracker.checks() if check.status is not CheckStatus.UNKNOWN
    }


def test_light_that_hardly_beats_is_no_fault() -> None:
    assert not Camera(gives_all=True).shows(25, partial(lit, hz=4.0, bands=0.0, depth=0.01))


def test_screen_that_blinks_is_no_flicker() -> None:
    """It is in the picture, and most of the room stands in its light no more than in the lamps'."""

    def blinking(at_s: float) -> Light:
        scene = SCENE.copy()
        scene[20:150, 100:220] = 220.0 if at_s * 2 % 1 < 0.5 else 60.0
        return scene

    assert not Camera(gives_all=True, is_calibrated=False).shows(25, blinking)


def test_film_in_a_lit_room_is_no_flicker() -> None:
    rng = np.random.default_rng(5)
    cuts = np.cumsum(rng.exponential(0.7, 80))
    levels = rng.uniform(0.75, 1.25, 81)
    film = Camera(gives_all=True, is_calibrated=False)
    assert "picture-flicker" not in film.shows(40, lambda at_s: SCENE * levels[np.searchsorted(cuts, at_s)])


@pytest.mark.parametrize("within_s", [0.5, 10.0])
def test_lamps_that_are_dimmed_are_no_fault(within_s: float) -> None:
    camera = Camera(gives_all=True)
    camera.shows(10)
    assert not camera.shows(30, lambda at_s: camera.scene * max(0.4, 1 - at_s / within_s))


def test_lamps_that_go_out_while_a_window_stays_are_no_fault() -> None:
    camera = Camera()
    camera.shows(15)
    window = np.linspace(0.35, 0.02, WIDTH, dtype=np.float32)
    assert not camera.shows(30, lambda at_s: camera.scene * window)


def test_chalk_is_no_fault() -> None:
    camera = Camera()
    board = room()

    def write(at_s: float) -> Light:
        x = int(at_s * 4.5)
        cv2.line(board, (x, 50 + x % 9), (x + 3, 54), 230.0, 1)
        return board

    assert not camera.shows(30, write)


# --- board ------------------------------------------------------------------------------------------------------------


def board_told(picture: Light, for_s: float, tint: tuple[int, int] = (128, 128)) -> set[str]:
    checks, tracker = PictureChecks("board"), Tracker()
    whole = image(picture, np.random.default_rng(1), 0.0, tint)
    for look in range(round(for_s * 4)):
        readings = checks.look(Frame(whole, WIDTH, HEIGHT, look / 4, look), look / 4)
        tracker.take(readings, look / 4, NOON)
    return {check.id for check in tracker.checks() if check.status is CheckStatus.WARNING}


def test_board_of_one_colour_is_told() -> None:
    assert board_told(flat(0), 25) == {"board-picture-black"}
    assert board_told(flat(80), 25, (200, 100)) == {"board-picture-black"}


def test_still_board_or_white_page_is_no_fault() -> None:
    assert not board_told(room(), 60)
    page = flat(255)
    page[170:, 10:100] = 120
    assert not board_told(page, 60)
    assert not board_told(flat(0), 10)


# --- baseline ---------------------------------------------------------------------------------------------------------


def test_baseline_survives_being_written() -> None:
    baseline = Camera().baseline
    assert baseline is not None
    assert CameraBaseline.model_validate_json(baseline.model_dump_json()) == baseline


@pytest.mark.parametrize(
    ("light", "count", "word"),
    [(room() * 0.1, 9, "dark"), (flat(120), 9, "too little"), (room(), 3, "only")],
    ids=["dark", "wall", "short"],
)
def test_what_nothing_can_be_compared_with_is_refused(light: Light, count: int, word: str) -> None:
    rng = np.random.default_rng(1)
    frames = [Frame(image(light, rng), WIDTH, HEIGHT, k * 0.25, k) for k in range(count)]
    with pytest.raises(DeviceNotNowError, match=word):
        CameraBaseline.of(frames, NOON)
