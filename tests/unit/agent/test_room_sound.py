"""Between devices and publisher: one microphone goes on, the board's sound beside it and to the echo cancellers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from agent.board_source import BoardSource
from agent.device_slot import DeviceSlot
from agent.devices.speech import speech
from agent.levels import RoomLevels
from agent.media import BLOCK_SAMPLES, AudioBlock
from agent.microphones import Change
from agent.room_sound import LOOK_S, OVERLAP_S, RoomSound
from agent.streams.mixer import BOARD_SOUND
from agent.streams.publisher import Publisher
from protocol.errors import DeviceNotFoundError
from protocol.messages import DeviceRole, Problem


class Said:
    """A publisher that keeps what it is told."""

    def __init__(self) -> None:
        self.sound: list[str] = []
        self.heard: list[str] = []

    def push_sound(self, source: str, block: AudioBlock) -> None:
        self.sound.append(source)

    def hear(self, microphone: str) -> None:
        self.heard.append(microphone)


@dataclass
class Slot:
    id: str
    role: DeviceRole = DeviceRole.MICROPHONE
    problem: Problem | None = None
    is_working: bool = True
    sound: Any = None
    references: list[float] = field(default_factory=list)
    source: str = "hdmi"

    @property
    def choice(self) -> Any:
        return SimpleNamespace(id=self.id, config=SimpleNamespace(source=self.source))

    def takes_echo_away(self) -> None:
        info = SimpleNamespace(capabilities=frozenset({"echo-reference"}))
        self.sound = SimpleNamespace(info=info, reference=lambda samples, mono_s: self.references.append(mono_s))

    def has_loudspeaker(self, played: list[Any]) -> None:
        self.takes_echo_away()
        self.sound.info = SimpleNamespace(capabilities=frozenset({"echo-reference", "playback"}))
        self.sound.play = played.append


class Classroom:
    def __init__(self, *slots: Slot, dead: set[str] | None = None) -> None:
        self.now_s = 100.0
        self.said = Said()
        self.slots = {slot.id: slot for slot in slots}
        self.dead = dead or set()
        self.changes: list[Change | None] = []
        self.levels = RoomLevels()
        self.sound = RoomSound(
            cast("Publisher", self.said),
            BoardSource(cast("Publisher", self.said)),
            cast("list[DeviceSlot]", list(slots)),
            levels=self.levels,
            wanted=None,
            is_dead=lambda microphone: microphone in self.dead,
            on_change=self.changes.append,
            clock=lambda: self.now_s,
        )

    def go(self, seconds: float, *giving: str) -> None:
        """Let time pass, with sound from these."""
        for n in range(round(seconds / 0.02)):
            self.now_s += 0.02
            for source in giving:
                block = AudioBlock(np.full(BLOCK_SAMPLES, 100, np.int16), self.now_s - 0.02, n)
                self.sound.push_sound(source, block)
            if n % round(LOOK_S / 0.02) == 0 and self.sound.microphones is not None:
                self.sound.look()


def test_the_microphone_in_use_alone_goes_on_and_for_a_moment_the_one_before() -> None:
    room = Classroom(Slot("desk"), Slot("ceiling"))
    room.go(1, "desk", "ceiling")
    assert set(room.said.sound) == {"microphone/desk"}
    room.said.sound.clear()
    room.sound.choose("ceiling")
    room.go(2, "desk", "ceiling")
    assert room.said.heard == ["microphone/desk", "microphone/ceiling"]
    assert room.said.sound.count("microphone/ceiling") == 100
    assert room.said.sound.count("microphone/desk") == pytest.approx(OVERLAP_S / 0.02, abs=2)


def test_one_that_gives_nothing_is_replaced_within_seven_tenths_of_a_second() -> None:
    """Though nobody has said yet that it is lost: the process hangs."""
    room = Classroom(Slot("desk"), Slot("ceiling"))
    room.go(1, "desk", "ceiling")
    room.go(0.3, "ceiling")
    assert room.changes == []
    room.go(0.4, "ceiling")
    assert room.changes == [Change("ceiling", "desk", "lost")]


def test_what_health_calls_dead_is_dead_though_its_blocks_keep_coming() -> None:
    room = Classroom(Slot("desk"), Slot("ceiling"))
    room.go(1, "desk", "ceiling")
    room.dead.add("desk")
    room.go(0.4, "desk", "ceiling")
    assert room.changes == [Change("ceiling", "desk", "lost")]


def test_after_the_loop_stood_still_nothing_changes() -> None:
    """A look may come before the blocks that wait, and one microphone's blocks before the other's."""
    room = Classroom(Slot("desk"), Slot("ceiling"))
    room.go(1, "desk", "ceiling")
    for _ in range(5):
        room.now_s += 0.6
        room.go(0.02, "ceiling")
        room.go(0.1, "desk", "ceiling")
    assert room.changes == []


def test_one_that_hears_the_teacher_much_better_is_proposed_after_half_a_minute(tmp_path: Path) -> None:
    spoken = np.asarray(speech(tmp_path), np.float64)
    rng = np.random.default_rng(9)
    near = spoken + rng.standard_normal(len(spoken)) * 20
    far = spoken * 0.05 + rng.standard_normal(len(spoken)) * 60
    room = Classroom(Slot("desk"), Slot("ceiling"))
    proposed_s = None
    for n in range(2_500):
        room.now_s += 0.02
        for source, sound in (("desk", far), ("ceiling", near)):
            samples = sound[n * BLOCK_SAMPLES : (n + 1) * BLOCK_SAMPLES].astype(np.int16)
            room.sound.push_sound(source, AudioBlock(samples, room.now_s - 0.02, n))
        if n % 5 == 0:
            room.sound.look()
        assert room.sound.microphones is not None
        if proposed_s is None and room.sound.microphones.proposal:
            proposed_s = room.now_s - 100.0
    assert proposed_s is not None
    assert 30 < proposed_s < 45
    assert room.changes == [None], "told once, and nothing is taken by itself"
    assert set(room.said.sound) == {"microphone/desk"}
    room.sound.decline("ceiling")
    room.go(60, "desk", "ceiling")
    assert room.changes == [None, None]


def test_a_room_with_one_microphone_has_nothing_to_choose() -> None:
    room = Classroom(Slot("desk"))
    room.go(1, "desk")
    assert (room.said.heard, room.said.sound) == ([], ["microphone/desk"] * 50)
    with pytest.raises(DeviceNotFoundError, match="no other microphone"):
        room.sound.choose("ceiling")


def test_the_board_s_sound_goes_on_and_to_each_microphone_that_takes_echo_away() -> None:
    desk, ceiling, headset = Slot("desk"), Slot("ceiling"), Slot("headset")
    desk.takes_echo_away()
    headset.takes_echo_away()
    ceiling.sound = SimpleNamespace(info=SimpleNamespace(capabilities=frozenset()))
    room = Classroom(desk, ceiling, headset, Slot("film", DeviceRole.BOARD_SOUND))
    room.go(0.1, "film")
    assert room.said.sound == [BOARD_SOUND] * 5
    assert len(desk.references) == len(headset.references) == 5
    assert desk.references == pytest.approx([100.0 + n * 0.02 for n in range(5)])


def test_a_pupil_is_played_where_there_is_a_loudspeaker_and_the_other_microphones_are_told() -> None:
    desk, ceiling = Slot("desk"), Slot("ceiling")
    room = Classroom(desk, ceiling)
    said = np.ones(BLOCK_SAMPLES, np.int16)
    assert not room.sound.play(said), "there is no loudspeaker"
    played: list[Any] = []
    ceiling.has_loudspeaker(played)
    desk.takes_echo_away()
    assert room.sound.play(said)
    assert len(played) == 1
    assert desk.references == [pytest.approx(room.now_s, abs=0.1)]
    assert ceiling.references == [], "its own process knows what it plays"


@pytest.mark.parametrize(("source", "goes_on"), [("hdmi", True), ("speaker.monitor", False)])
def test_the_sound_of_an_output_that_plays_a_pupil_is_left_out_meanwhile(source: str, goes_on: bool) -> None:
    desk, board = Slot("desk"), Slot("board", role=DeviceRole.BOARD_SOUND, source=source)
    room = Classroom(desk, board)
    desk.has_loudspeaker([])
    room.go(0.1, "board")
    assert BOARD_SOUND in room.said.sound
    room.said.sound.clear()
    room.sound.play(np.ones(BLOCK_SAMPLES, np.int16))
    room.go(0.3, "board")
    assert (BOARD_SOUND in room.said.sound) == goes_on
    room.go(0.5, "board")
    assert BOARD_SOUND in room.said.sound
