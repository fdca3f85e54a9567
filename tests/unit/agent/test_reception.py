"""Who hears and sees the teacher, by levels of real speech: a voice per room, told by pages as they would."""

from __future__ import annotations

import io
import subprocess
import wave
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.levels import RoomLevels
from agent.likeness import LEVEL_S
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock
from agent.reception import Listeners, Pictures, Verdict
from agent.same_room import SameRoom
from protocol.channel import Output, Reception
from tests.peers import need

TEXT = (
    "Le théorème de Pythagore dit que le carré de l'hypoténuse est égal à la somme des carrés des deux autres côtés. "
    "Prenons un exemple : le premier côté mesure six centimètres, le deuxième huit. "
)
OTHER = (
    "La Loire prend sa source au mont Gerbier-de-Jonc, traverse Nantes et se jette dans l'océan Atlantique. "
    "Qui peut me dire quelles villes elle arrose encore, et quels châteaux on voit sur ses bords ? "
)
DELAY_S = 0.3
Samples = NDArray[np.int16]


@lru_cache(maxsize=2)
def say(text: str) -> Samples:
    """Speak for some 24 s: 48 kHz, over the faint noise of a room."""
    program = need("espeak-ng", "espeak-ng")
    spoken = subprocess.run([program, "-v", "fr", "-s", "150", "--stdout", text * 3], capture_output=True, check=True)
    with wave.open(io.BytesIO(spoken.stdout)) as file:
        rate_hz = file.getframerate()
        dry = np.frombuffer(file.readframes((len(spoken.stdout) - 44) // 2), np.int16).astype(np.float64)
    at = np.arange(24 * SAMPLE_RATE_HZ) * (rate_hz / SAMPLE_RATE_HZ)
    voice = 0.4 * np.interp(at, np.arange(len(dry)), dry, period=len(dry))
    spoken_in_a_room: Samples = (voice + np.random.default_rng(1).normal(0, 30, len(voice))).astype(np.int16)
    return spoken_in_a_room


def powers(samples: Samples) -> NDArray[np.float64]:
    wide = samples.reshape(-1, round(LEVEL_S * SAMPLE_RATE_HZ)).astype(np.float64) / 32_768
    return np.asarray((wide * wide).mean(axis=1))


class Class:
    """A room that speaks and one page, in model time."""

    def __init__(self, *, has_time: bool = True) -> None:
        self.now_s = 100.0
        self.room = RoomLevels()
        self.listeners = Listeners(self.room, lambda viewer, rtp: rtp / SAMPLE_RATE_HZ)
        self.has_time = has_time
        self.pictures: Pictures = "video"
        self.is_microphone_wrong = False
        self.history: list[tuple[str, str | None]] = []

    def go(
        self,
        seconds: int,
        heard: Samples,
        played: Samples,
        *,
        at_s: float = 0.0,
        output: Output = "playing",
        is_open: bool = True,
        packets: bool = True,
        reports: bool = True,
        fps: float = 25,
        board: Samples | None = None,
    ) -> Verdict:
        """Let seconds pass; ``at_s`` is where in both sounds they begin."""
        silence = np.zeros(BLOCK_SAMPLES, np.int16)
        for second in range(seconds):
            begin = round((at_s + second) * SAMPLE_RATE_HZ)
            for n in range(50):
                part = slice(begin + n * BLOCK_SAMPLES, begin + (n + 1) * BLOCK_SAMPLES)
                mono_s = self.now_s + n * BLOCK_S
                self.room.hear(AudioBlock(heard[part], mono_s, n))
                whole = silence if board is None else board[part]
                self.room.let_out(whole, whole if board is None else silence, mono_s, is_open=is_open)
            self.now_s += 1.0
            late = round(DELAY_S / LEVEL_S)
            end = round((at_s + second + 1) / LEVEL_S) - late
            if reports and end >= 25:
                level = 10 * np.log10(powers(played)[end - 25 : end] + 1e-12)
                report = Reception(
                    board_fps=0,
                    camera_fps=fps,
                    is_heard=packets,
                    loss_percent=0,
                    output=output,
                    levels_dbfs=tuple(int(one) for one in np.clip(np.round(level), -127, 0)),
                    played_rtp=round((self.now_s - late * LEVEL_S) * SAMPLE_RATE_HZ) if self.has_time else None,
                )
                self.listeners.take("lina", report, self.now_s)
            self.listeners.look({"lina": self.pictures}, self.now_s, is_microphone_wrong=self.is_microphone_wrong)
            verdict = self.listeners.verdict("lina")
            self.history.append((verdict.hearing, verdict.why_deaf))
        return self.listeners.verdict("lina")


@pytest.fixture(scope="module")
def teacher() -> Samples:
    return say(TEXT)


@pytest.fixture(scope="module")
def stranger() -> Samples:
    return say(OTHER)


def test_who_plays_the_teacher_hears_and_is_said_so_within_four_seconds(teacher: Samples) -> None:
    lesson = Class()
    assert lesson.go(5, teacher, teacher).hearing == "heard"
    lesson.go(15, teacher, teacher, at_s=5)
    assert set(lesson.history[4:]) == {("heard", None)}


@pytest.mark.parametrize(
    ("packets", "output", "fps"), [(False, "playing", 25), (True, "blocked", 25), (True, "playing", 0)]
)
def test_who_has_just_come_is_blamed_for_nothing(
    teacher: Samples, stranger: Samples, packets: bool, output: Output, fps: float
) -> None:
    """Its player starts, its buffer finds its length: what is missing then, or does not fit, proves nothing."""
    lesson = Class()
    for second in range(5):
        verdict = lesson.go(1, teacher, stranger, at_s=second, packets=packets, output=output, fps=fps)
        assert (verdict.hearing, verdict.why_deaf) == ("unknown", None)
        assert verdict.why_blind is None
    lesson.go(3, teacher, stranger, at_s=5, packets=packets, output=output, fps=fps)
    assert lesson.history[-1][0] == "not-heard"


def test_a_lesson_that_begins_has_no_wrong_microphone_yet(teacher: Samples) -> None:
    lesson = Class()
    lesson.is_microphone_wrong = True
    lesson.go(4, teacher, teacher)
    assert set(lesson.history) == {("unknown", None)}
    lesson.go(3, teacher, teacher, at_s=4)
    assert lesson.history[-1] == ("not-heard", "microphone")


def test_a_page_that_is_muted_says_so_from_its_first_report(teacher: Samples) -> None:
    lesson = Class()
    lesson.go(2, teacher, teacher, output="muted")
    assert lesson.history[-1] == ("not-heard", "muted")


def test_a_fault_that_no_sound_bears_out_any_more_is_said_no_more(teacher: Samples) -> None:
    lesson = Class()
    lesson.go(6, teacher, teacher)
    lesson.go(3, teacher, np.zeros_like(teacher), at_s=6)
    quiet = np.zeros(40 * SAMPLE_RATE_HZ, np.int16)
    assert lesson.go(8, quiet, quiet, at_s=9).hearing == "not-heard"
    assert lesson.go(4, quiet, quiet, at_s=17).hearing == "nothing-said"


def test_who_was_proved_to_hear_by_what_was_played_since_has_heard(teacher: Samples) -> None:
    lesson = Class()
    lesson.go(6, teacher, teacher)
    lesson.go(3, teacher, np.zeros_like(teacher), at_s=6)
    tapped_s = lesson.now_s
    lesson.go(4, teacher, teacher, at_s=9)
    assert lesson.history[-1] == ("heard", None)
    assert not lesson.listeners.has_heard_since("lina", tapped_s), "some of it may have been played before"
    lesson.go(2, teacher, teacher, at_s=13)
    assert lesson.listeners.has_heard_since("lina", tapped_s)
    assert not lesson.listeners.has_heard_since("lina", lesson.now_s)
    lesson.go(1, teacher, teacher, at_s=15, output="muted")
    assert not lesson.listeners.has_heard_since("lina", tapped_s)


def test_another_s_speech_is_never_taken_for_the_teacher_s(teacher: Samples, stranger: Samples) -> None:
    lesson = Class()
    lesson.go(20, teacher, stranger)
    assert ("heard", None) not in lesson.history
    assert lesson.history[-1] == ("not-heard", "other-sound")


@pytest.mark.parametrize("at_s", [6, 9, 12])
def test_another_microphone_is_told_within_three_seconds_and_so_is_the_right_one(
    teacher: Samples, stranger: Samples, at_s: int
) -> None:
    lesson = Class()
    lesson.go(at_s, teacher, teacher)
    lesson.go(3, teacher, stranger, at_s=at_s)
    wrong = lesson.history[-1]
    lesson.go(4, teacher, teacher, at_s=at_s + 3)
    assert (wrong, lesson.history[-1]) == (("not-heard", "other-sound"), ("heard", None))


def test_a_page_without_a_time_is_judged_too(teacher: Samples, stranger: Samples) -> None:
    right, wrong = Class(has_time=False), Class(has_time=False)
    assert right.go(12, teacher, teacher).hearing == "heard"
    wrong.go(20, teacher, stranger)
    assert ("heard", None) not in wrong.history


@pytest.mark.parametrize("output", ["muted", "blocked", "volume-0"])
def test_what_the_page_says_of_itself_is_told_at_once(teacher: Samples, output: Output) -> None:
    lesson = Class()
    lesson.go(6, teacher, teacher)
    verdict = lesson.go(1, teacher, teacher, at_s=6, output=output)
    assert (verdict.hearing, verdict.why_deaf) == ("not-heard", output)
    assert lesson.go(1, teacher, teacher, at_s=7).hearing == "heard"


def test_silence_where_the_teacher_speaks_is_told(teacher: Samples) -> None:
    lesson = Class()
    lesson.go(6, teacher, teacher)
    lesson.go(3, teacher, np.zeros_like(teacher), at_s=6)
    assert lesson.history[-1] == ("not-heard", "silent")


def test_a_line_that_is_cut_is_told_within_three_seconds(teacher: Samples) -> None:
    lesson = Class()
    lesson.go(6, teacher, teacher)
    assert lesson.go(1, teacher, teacher, at_s=6, packets=False).why_deaf == "no-sound"
    gone = Class()
    gone.go(6, teacher, teacher)
    verdict = gone.go(3, teacher, teacher, at_s=6, reports=False)
    assert verdict == Verdict("not-heard", "no-report", False, "no-report")


def test_a_silent_room_says_nothing_new_and_after_half_a_minute_nothing(teacher: Samples) -> None:
    lesson = Class()
    lesson.go(6, teacher, teacher)
    quiet = np.zeros(40 * SAMPLE_RATE_HZ, np.int16)
    assert lesson.go(20, quiet, quiet, at_s=1).hearing == "heard"
    assert lesson.go(15, quiet, quiet, at_s=21).hearing == "nothing-said"


def test_a_mute_of_the_teacher_is_no_fault_of_the_pupils(teacher: Samples) -> None:
    lesson = Class()
    lesson.go(6, teacher, teacher)
    lesson.go(8, teacher, np.zeros_like(teacher), at_s=6, is_open=False)
    assert {hearing for hearing, _ in lesson.history[4:]} == {"heard"}


def test_a_film_that_all_hear_does_not_hide_another_microphone(teacher: Samples, stranger: Samples) -> None:
    """The film is 20 dB below the voice that is told; what the page plays is the film and a stranger."""
    film = (say(OTHER)[::-1] * 0.1).astype(np.int16)
    lesson = Class()
    mixed = (stranger * 0.9 + film).astype(np.int16)
    lesson.go(20, teacher, mixed, board=film)
    assert "heard" not in {hearing for hearing, _ in lesson.history}
    lesson.go(4, teacher, mixed, board=film)
    right = Class()
    assert right.go(12, teacher, (teacher * 0.9 + film).astype(np.int16), board=film).hearing == "heard"


def test_pictures_that_stand_still_are_told_and_the_board_s_are_slow(teacher: Samples) -> None:
    lesson = Class()
    assert lesson.go(6, teacher, teacher).sees
    verdict = lesson.go(3, teacher, teacher, at_s=6, fps=0)
    assert (verdict.hearing, verdict.sees, verdict.why_blind) == ("heard", False, "no-picture")


def test_who_is_sent_tiles_sees_and_who_is_sent_sound_alone_does_not(teacher: Samples) -> None:
    lesson = Class()
    lesson.go(3, teacher, teacher)
    lesson.pictures = "tiles"
    assert lesson.go(12, teacher, teacher, at_s=3, fps=0).sees
    lesson.pictures = "none"
    verdict = lesson.go(1, teacher, teacher, at_s=15, fps=0)
    assert (verdict.sees, verdict.why_blind) == (False, "not-sent")
    lesson.pictures = "video"  # the first pictures are on their way
    assert lesson.go(1, teacher, teacher, at_s=16, fps=0).sees
    assert not lesson.go(3, teacher, teacher, at_s=17, fps=0).sees


def test_a_spare_microphone_with_other_people_is_a_stranger_and_a_far_one_is_not(
    teacher: Samples, stranger: Samples
) -> None:
    far = (teacher * 0.15 + np.random.default_rng(2).normal(0, 60, len(teacher))).astype(np.int16)
    for sound, expected in ((stranger, True), (far, False)):
        own, spare, same = RoomLevels().microphone, RoomLevels().microphone, SameRoom()
        for n in range(15 * 50):
            part = slice(n * BLOCK_SAMPLES, (n + 1) * BLOCK_SAMPLES)
            own.hear(AudioBlock(teacher[part], n * BLOCK_S, n))
            spare.hear(AudioBlock(sound[part], n * BLOCK_S, n))
            same.look(own, spare, n * BLOCK_S)
        assert same.is_stranger is expected
