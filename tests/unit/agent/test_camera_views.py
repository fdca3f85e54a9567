"""What of the camera is shown: only a view that somebody found right, while the camera is known to stand on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from agent.camera_moves import PtzChoice
from agent.camera_views import ASTRAY_S, FRESH_S, LATE_S, SEEN_S, SETTLE_S, CameraViews, made_for
from agent.devices.login import LoginConfig
from agent.devices.ptz import Position, Ptz, PtzCapability, PtzDriver, PtzInfo
from agent.masks import PAINT_Y, Mask
from agent.media import Frame
from agent.view_memory import ViewMemory
from protocol.errors import DeviceNotNowError, DeviceUnsupportedError

SCENE, STAND_IN = 200, 33
ALL: frozenset[PtzCapability] = frozenset({"pan-tilt", "zoom", "presets", "store-presets", "position"})
PLACES = {"board": Position(0, 0, 0), "teacher": Position(50, 0, 0), "class": Position(90, 0, 0)}
MASKED = (Mask(preset="board", rectangle=(0.5, 0, 0.5, 1)),)


def never(_config: object) -> Ptz:
    raise AssertionError


def frame(at_s: float) -> Frame:
    return Frame(np.full((36 * 3 // 2, 64), SCENE, np.uint8), 64, 36, at_s, 0)


@dataclass
class Room:
    """A camera that is asked as `CameraMoves` does, in a time of its own."""

    folder: Path
    masks: tuple[Mask, ...] = MASKED
    class_preset: bool = False
    turns: bool = True
    info: PtzInfo = field(default_factory=lambda: PtzInfo("scripted", "a camera", ALL, 2.0))
    place: Position = field(default_factory=lambda: Position(7, 7, 7))
    presets: Mapping[str, Position] = field(default_factory=lambda: dict(PLACES))
    now_s: float = 100.0
    news: int = 0

    def __post_init__(self) -> None:
        names = {name: name for name in PLACES if name != "class" or self.class_preset}
        driver = PtzDriver("scripted", LoginConfig, never)  # type: ignore[arg-type]
        self.choice = PtzChoice(driver, LoginConfig(), names, self.class_preset) if self.turns else None
        self.restart()

    def restart(self) -> None:
        memory = ViewMemory(self.folder / "views.json", made_for(self.choice, self.masks))

        def stand_in(width: int, height: int) -> Frame:
            return Frame(np.full((height * 3 // 2, width), STAND_IN, np.uint8), width, height, 0.0, 0)

        self.views = CameraViews(
            self.choice, self.masks, memory, stand_in, on_change=self.changed, clock=lambda: self.now_s
        )
        if self.turns:
            self.views.connected(self.info)

    def changed(self) -> None:
        self.news += 1

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_s += 0.25
            self.views.looked(self.place)

    def settle(self) -> None:
        self.look(round((ASTRAY_S + SETTLE_S + LATE_S) / 0.25) + 4)

    def recall(self, view: str) -> None:
        self.views.recalling(view)
        self.views.recalled(view)

    def go(self, view: str) -> None:
        self.recall(view)
        self.place = self.presets[view]
        self.settle()

    def find_right(self, view: str) -> None:
        self.go(view)
        assert self.views.to_check == view
        self.views.draft(frame(self.now_s))
        self.views.confirm(view)
        self.look(4)

    def shown(self, at_s: float | None = None) -> str:
        """Say what pupils see of a picture that is captured now."""
        screened = self.views.screen(frame(self.now_s if at_s is None else at_s))
        left, right = int(screened.image[4, 4]), int(screened.image[4, 60])
        return {
            (SCENE, SCENE): "everything",
            (SCENE, PAINT_Y): "masked",
            (STAND_IN, STAND_IN): "stand-in",
        }[left, right]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A camera that turns, with a mask on *board* and none on *teacher*; both were found right."""
    room = Room(tmp_path)
    room.find_right("board")
    room.find_right("teacher")
    return room


# --- masks ------------------------------------------------------------------------------------------------------------


def test_a_view_that_nobody_looked_at_is_not_shown(tmp_path: Path) -> None:
    room = Room(tmp_path)
    for _ in range(40):
        assert room.shown() == "stand-in"
        room.look()
    assert room.views.sight.cover == "adrift"
    room.go("board")
    assert (room.shown(), room.views.sight.cover, room.views.to_check) == ("stand-in", "unchecked", "board")


def test_a_view_that_was_found_right_is_shown_masked(room: Room) -> None:
    room.go("board")
    assert room.shown() == "masked"
    room.go("teacher")
    assert room.shown() == "everything"


def test_no_picture_of_a_move_is_shown(room: Room) -> None:
    room.go("board")
    on_board_s = room.now_s
    room.views.turning()
    assert room.shown() == "stand-in"
    room.now_s += 0.1
    moving_s = room.now_s
    room.place = Position(30, 0, 0)
    room.views.standing()
    room.settle()
    assert (room.shown(), room.views.sight.cover) == ("stand-in", "adrift")
    room.go("board")
    assert room.shown() == "masked"
    # what an encoder took late, or a network brought late
    assert room.shown(moving_s) == "stand-in"
    assert room.shown(on_board_s) == "stand-in"


def test_a_view_is_shown_when_the_camera_stands_there_and_not_when_it_was_told_to_go(room: Room) -> None:
    room.go("teacher")
    room.recall("board")
    for pan in (50, 50, 40, 30, 20, 10, 3):
        room.place = Position(pan, 0, 0)
        room.look()
        assert room.shown() == "stand-in"
    room.place = PLACES["board"]
    room.look(2)
    assert room.shown(room.now_s) == "stand-in"  # what the lens saw on the way may still arrive
    assert room.shown(room.now_s + LATE_S) == "masked"


def test_a_camera_that_passes_a_view_does_not_stand_on_it(room: Room) -> None:
    room.go("teacher")
    for pan in (40, 20, 1, 0, -20, -40, 0, 20, 0):  # by its remote control
        room.place = Position(pan, 0, 0) if pan else Position(0, 0, 30)
        room.look()
        assert room.shown(room.now_s + LATE_S) == "stand-in"
    room.place = Position(1, 0, 0)
    room.look()
    assert room.shown(room.now_s + LATE_S) == "stand-in"


def test_a_camera_that_begins_late_to_go_has_not_arrived(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.settle()
    room.recall("board")
    room.look(3)
    assert room.views.heading == "board"
    room.place = PLACES["board"]
    room.settle()
    assert (room.views.at, room.views.sight.cover) == ("board", "unchecked")


def test_a_look_from_before_the_recall_shows_nothing(room: Room) -> None:
    """The camera answers with its old place until its motors begin."""
    room.go("board")
    room.recall("teacher")
    for _ in range(4):
        room.look()
        assert room.shown() == "stand-in"


def test_a_camera_that_was_turned_by_hand_makes_its_view_void(room: Room) -> None:
    room.go("board")
    room.place = Position(5, 0, 0)
    room.look()
    assert room.shown() == "stand-in"
    room.go("board")  # and that it is back changes nothing
    assert (room.shown(), room.views.sight.cover, room.views.to_check) == ("stand-in", "moved", "board")
    room.views.draft(frame(room.now_s))
    room.views.confirm("board")
    assert room.shown(room.now_s + LATE_S) == "masked"


def test_a_view_that_the_camera_does_not_find_again_is_void(room: Room) -> None:
    room.presets = {**PLACES, "board": Position(9, 0, 0)}  # stored anew by its remote control
    room.go("board")
    assert (room.shown(), room.views.sight.cover) == ("stand-in", "moved")
    room.restart()
    room.go("board")
    assert (room.shown(), room.views.sight.cover) == ("stand-in", "moved")
    room.go("teacher")
    assert room.shown() == "everything"


def test_a_picture_that_moved_by_itself_makes_every_view_void(room: Room) -> None:
    room.go("board")
    room.views.moved_by_hand()
    assert (room.shown(), room.views.sight.cover) == ("stand-in", "moved")
    room.go("teacher")
    assert room.shown() == "stand-in"


def test_a_view_that_is_stored_anew_has_to_be_looked_at(room: Room) -> None:
    room.views.turning()
    room.place = Position(20, 0, 0)
    room.views.standing()
    room.settle()
    room.views.stored("board")
    room.settle()
    assert (room.shown(), room.views.to_check, room.views.sight.cover) == ("stand-in", "board", "unchecked")
    room.views.draft(frame(room.now_s))
    room.views.confirm("board")
    assert room.shown(room.now_s + LATE_S) == "masked"


def test_a_camera_that_says_nothing_any_more_is_not_shown(room: Room) -> None:
    room.go("board")
    assert room.shown() == "masked"
    assert room.shown(room.now_s + FRESH_S + 0.1) == "stand-in"
    room.views.lost()
    assert (room.shown(), room.views.sight.cover) == ("stand-in", "unknown")
    room.views.connected(room.info)
    assert room.shown() == "stand-in"
    room.look(2)
    assert room.shown(room.now_s + LATE_S) == "masked"


def test_after_a_restart_the_view_is_known_by_its_place(room: Room) -> None:
    room.go("board")
    room.restart()
    assert room.shown() == "stand-in"
    room.settle()
    assert (room.shown(), room.views.at) == ("masked", "board")


def test_what_was_found_right_counts_for_these_masks_alone(room: Room) -> None:
    room.masks = (Mask(preset="board", rectangle=(0.25, 0, 0.75, 1)),)
    room.restart()
    room.go("board")
    assert (room.shown(), room.views.sight.cover) == ("stand-in", "unchecked")


@pytest.mark.parametrize("place", [Position(0, 0, None), Position(None, None, 0)])
def test_a_camera_that_does_not_say_where_it_looks_is_not_shown(tmp_path: Path, place: Position) -> None:
    room = Room(tmp_path)
    room.recall("board")
    room.place = place
    room.settle()
    assert (room.shown(), room.views.sight.cover, room.views.to_check) == ("stand-in", "unknown", None)


def test_nobody_finds_right_what_nobody_saw(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.go("board")
    with pytest.raises(DeviceNotNowError, match="not been looked at"):
        room.views.confirm("board")
    room.views.draft(frame(room.now_s))
    with pytest.raises(DeviceNotNowError, match="not been looked at"):
        room.views.confirm("teacher")
    room.now_s += SEEN_S + 1
    room.views.looked(room.place)
    with pytest.raises(DeviceNotNowError, match="too long ago"):
        room.views.confirm("board")
    room.views.draft(frame(room.now_s))
    room.views.turning()
    with pytest.raises(DeviceNotNowError, match="not been looked at"):
        room.views.confirm("board")
    assert not room.views.is_right("board")


def test_a_camera_that_does_not_turn_is_masked_until_it_is_moved(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=(Mask(rectangle=(0.5, 0, 0.5, 1)),), turns=False)
    room.now_s += 1
    assert room.shown() == "masked"
    room.views.moved_by_hand()
    assert (room.shown(), room.views.sight.cover, room.views.to_check) == ("stand-in", "moved", "camera")
    room.restart()
    room.now_s += 1
    assert room.shown() == "stand-in"
    room.views.draft(frame(room.now_s))
    room.views.confirm("camera")
    assert room.shown(room.now_s + LATE_S) == "masked"


@pytest.mark.parametrize("turns", [False, True])
def test_a_picture_of_another_shape_is_not_masked_as_the_one_before(tmp_path: Path, turns: bool) -> None:
    """A camera that falls back to 4:3, or another one in its place, shows another part of the room."""
    room = Room(tmp_path, masks=(Mask(preset="board" if turns else None, rectangle=(0.5, 0, 0.5, 1)),), turns=turns)
    room.now_s += 1
    room.views.saw(frame(room.now_s))
    if turns:
        room.find_right("board")
    assert room.shown() == "masked"

    def wide(at_s: float) -> Frame:
        return Frame(np.full((48 * 3 // 2, 64), SCENE, np.uint8), 64, 48, at_s, 0)

    def shown_wide() -> int:
        return int(room.views.screen(wide(room.now_s + LATE_S)).image[4, 4])

    assert shown_wide() == STAND_IN, "before anything has looked"
    room.restart()
    assert shown_wide() == STAND_IN, "nor after a restart"
    if turns:
        room.settle()
    for _ in range(3):
        room.views.saw(wide(room.now_s))
        room.look()
    assert (shown_wide(), room.views.sight.cover) == (STAND_IN, "moved")
    view = "board" if turns else "camera"
    room.views.draft(wide(room.now_s))
    room.views.saw(wide(room.now_s))
    room.views.confirm(view)
    room.look(4)
    assert shown_wide() == SCENE
    assert room.shown() == "stand-in", "as it was before"
    room.views.saw(frame(room.now_s))
    assert room.views.sight.cover == "moved"


def test_without_masks_and_without_class_nothing_is_ever_withheld(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=())
    assert not room.views.guards
    room.views.turning()
    assert room.shown() == "everything"
    room.views.standing()
    room.go("teacher")
    assert (room.shown(), room.views.at) == ("everything", "teacher")
    room.place = Position(1, 2, 3)
    room.look()
    assert (room.shown(), room.views.at) == ("everything", None)


# --- the preset with pupils in the picture ----------------------------------------------------------------------------


def test_class_is_not_gone_to_before_somebody_looked_at_it(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=(), class_preset=True)
    with pytest.raises(DeviceNotNowError) as caught:
        room.views.must_be_offered("class", to_check=False)
    assert caught.value.code == "preset-void"
    room.views.must_be_offered("class", to_check=True)
    room.recall("class")
    room.place = PLACES["class"]
    for _ in range(30):
        assert room.shown() == "stand-in"
        room.look()
    room.views.draft(frame(room.now_s))
    room.views.confirm("class")
    room.views.must_be_offered("class", to_check=False)
    assert room.shown(room.now_s + LATE_S) == "everything"


@pytest.mark.parametrize("how", ["by position", "by picture", "stored by its remote control"])
def test_class_is_void_once_the_camera_was_moved(tmp_path: Path, how: str) -> None:
    room = Room(tmp_path, masks=(), class_preset=True)
    room.find_right("class")
    assert room.shown() == "everything"
    if how == "by position":
        room.place = Position(85, 0, 0)
        room.look()
    elif how == "by picture":
        room.views.moved_by_hand()
    else:
        room.go("board")
        room.presets = {**PLACES, "class": Position(80, 0, 0)}
        room.go("class")
    for _ in range(40):
        assert room.shown() == "stand-in"
        room.look()
    with pytest.raises(DeviceNotNowError):
        room.views.must_be_offered("class", to_check=False)
    room.recall("board")
    for _ in range(4):  # it still looks at the class
        assert room.shown() == "stand-in"
        room.look()
    room.go("board")
    assert room.shown() == "everything"
    room.restart()
    assert not room.views.is_right("class")


def test_a_class_that_may_have_moved_unseen_is_not_shown(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=(), class_preset=True)
    room.find_right("class")
    room.views.lost()
    room.place = Position(80, 0, 0)
    room.views.connected(room.info)
    room.settle()
    assert (room.shown(), room.views.sight.cover) == ("stand-in", "adrift")
    room.views.turning()
    room.views.standing()
    room.settle()
    assert room.shown() == "stand-in"  # a touch too short to turn it
    room.views.turning()
    room.place = Position(60, 0, 0)
    room.views.standing()
    room.settle()  # somebody aims it himself
    assert room.shown() == "everything"


@pytest.mark.parametrize("is_checked", [False, True])
def test_a_class_that_must_not_be_shown_is_not_shown_by_a_restart(tmp_path: Path, is_checked: bool) -> None:
    room = Room(tmp_path, masks=(), class_preset=True)
    if is_checked:
        room.find_right("class")
        room.place = Position(80, 0, 0)  # by its remote control
        room.look()
    else:
        room.go("class")
    assert room.shown() == "stand-in"
    room.restart()
    for _ in range(60):
        assert room.shown() == "stand-in"
        room.look()
    room.go("teacher")
    room.restart()
    assert room.shown(room.now_s + LATE_S) == "everything"


def test_touches_too_short_to_turn_the_camera_away_do_not_show_a_class(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=(), class_preset=True)
    room.go("class")
    for _ in range(3):  # sooner than it says where it looks
        room.views.turning()
        room.views.standing()
    room.settle()
    assert room.shown() == "stand-in"
    room.restart()
    room.views.turning()
    room.views.standing()
    room.settle()
    assert room.shown() == "stand-in"


def test_no_part_is_shown_large_of_the_class_nor_of_a_stand_in(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=(), class_preset=True)
    room.go("teacher")
    assert room.views.may_be_framed()
    room.recall("class")
    assert not room.views.may_be_framed()
    room.place = PLACES["class"]
    room.settle()
    assert not room.views.may_be_framed()
    room.views.draft(frame(room.now_s))
    room.views.confirm("class")
    assert not room.views.may_be_framed()
    room.go("teacher")
    assert room.views.may_be_framed()
    assert not Room(tmp_path / "masked").views.may_be_framed()


def test_a_room_with_class_shows_every_other_view_at_once(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=(), class_preset=True)
    room.settle()
    room.recall("teacher")
    assert room.shown() == "everything"
    room.views.turning()
    assert room.shown() == "everything"


def test_a_camera_that_does_not_say_where_it_looks_has_no_class(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=(), class_preset=True, info=PtzInfo("scripted", "a camera", ALL - {"position"}))
    with pytest.raises(DeviceUnsupportedError):
        room.views.must_be_offered("class", to_check=True)


# --- the panel --------------------------------------------------------------------------------------------------------


def test_a_camera_without_positions_stands_where_it_was_last_sent(tmp_path: Path) -> None:
    room = Room(tmp_path, masks=(), info=PtzInfo("scripted", "a camera", ALL - {"position"}))
    room.recall("board")
    assert (room.views.at, room.views.heading) == ("board", None)
    room.views.turning()
    assert room.views.at is None


def test_the_panel_hears_of_changes_and_not_of_looks(room: Room) -> None:
    room.go("board")
    before = room.news
    room.look(50)
    assert room.news == before
    room.views.turning()
    assert room.news == before + 1


def test_a_damaged_memory_calls_nothing_right(room: Room) -> None:
    (room.folder / "views.json").write_text('{"confirmed": {"board": [0, 0]}}')
    room.restart()
    room.go("board")
    assert room.shown() == "stand-in"
