"""Several microphones of which one is heard, and the board's sound beneath it; real speech and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.devices.speech import melody, speech
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock
from agent.streams.clock import RoomClock
from agent.streams.limiter import CEILING
from agent.streams.mixer import BOARD_SOUND, Mixed, Mixer
from agent.streams.programme import Programme
from tests.unit.streams.test_fanout import Clock

BEGAN_S = 1_000.0


class Desk:
    """A mixer to which every source gives on time."""

    def __init__(self) -> None:
        self.mixer = Mixer(RoomClock(BEGAN_S, 0.0), BEGAN_S, 0.3)
        self.blocks: list[AudioBlock] = []
        self.number = 0

    def give(self, count: int = 1, **sounds: NDArray[np.int16] | int) -> None:
        """Let ``count`` blocks pass; each source gives its sound from where it was, or one value."""
        for _ in range(count):
            now_s = BEGAN_S + (self.number + 1) * BLOCK_S
            for name, sound in sounds.items():
                at = self.number * BLOCK_SAMPLES
                samples = np.full(BLOCK_SAMPLES, sound) if isinstance(sound, int) else sound[at : at + BLOCK_SAMPLES]
                block = AudioBlock(samples.astype(np.int16), BEGAN_S + self.number * BLOCK_S, self.number)
                self.mixer.push(name, block, now_s)
            self.number += 1
            self.blocks += self.mixer.take(now_s)

    @property
    def heard(self) -> NDArray[np.int16]:
        return np.concatenate([block.samples for block in self.blocks])


def test_one_microphone_fades_into_the_other_without_a_gap() -> None:
    desk = Desk()
    desk.mixer.hear("desk")
    desk.give(5, desk=8_000)
    desk.mixer.hear("ceiling")
    desk.give(1, desk=8_000)  # the other has given nothing yet
    desk.give(5, desk=8_000, ceiling=8_000)
    assert np.abs(np.diff(desk.heard.astype(int))).max() <= 1
    assert desk.heard.min() >= 7_998
    desk.mixer.hear("desk")
    desk.give(1, desk=2_000, ceiling=8_000)
    desk.give(3, desk=2_000, ceiling=8_000)
    fading = (desk.heard < 8_000 - 2) & (desk.heard > 2_002)
    assert fading.sum() == pytest.approx(BLOCK_SAMPLES, abs=3)
    assert desk.heard[-1] == 2_000
    assert desk.mixer.counts.gaps == 0


def test_of_two_microphones_that_give_one_is_heard() -> None:
    desk = Desk()
    desk.mixer.hear("desk")
    desk.give(3, desk=1_000)
    desk.mixer.hear("ceiling")
    desk.give(20, desk=1_000, ceiling=3_000)
    desk.mixer.hear("desk")
    desk.mixer.hear("ceiling")  # a second thought within the same block
    desk.give(20, desk=1_000, ceiling=3_000)
    assert set(desk.heard[: 3 * BLOCK_SAMPLES]) == {1_000}
    assert set(desk.heard[5 * BLOCK_SAMPLES :]) == {3_000}


def test_a_dead_microphone_is_followed_by_the_first_sound_of_the_next() -> None:
    desk = Desk()
    desk.mixer.hear("desk")
    desk.give(10, desk=1_000)
    desk.give(20)
    desk.mixer.hear("ceiling")
    desk.give(10, ceiling=1_000)
    silent = [block.sequence for block in desk.blocks if not block.samples.any()]
    assert silent == list(range(10, 30))
    assert desk.mixer.counts.gaps == 1


def test_a_microphone_that_is_not_heard_does_not_hold_up_the_one_that_is() -> None:
    desk = Desk()
    desk.mixer.hear("ceiling")
    desk.give(3, ceiling=500)
    desk.mixer.hear("desk")
    desk.give(3, desk=500, ceiling=500)
    desk.give(30, desk=500)
    assert desk.blocks[-1].sequence == desk.number - 1
    assert desk.mixer.counts.gaps == 0


def test_the_voice_does_not_wait_for_a_board_that_is_held_back() -> None:
    desk = Desk()
    desk.give(5, desk=500, **{BOARD_SOUND: 500})
    desk.mixer.set_board(False)
    desk.give(1, desk=500, **{BOARD_SOUND: 500})
    assert desk.blocks[-1].sequence == desk.number - 1
    desk.give(5, desk=500, **{BOARD_SOUND: 500})
    assert set(desk.heard[-BLOCK_SAMPLES:]) == {500}
    assert desk.mixer.counts.gaps == 0


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    """24 s of a teacher who speaks in the faint noise of a room."""
    noise = np.random.default_rng(3).standard_normal(24 * SAMPLE_RATE_HZ) * 26
    spoken = np.asarray(speech(Path(tmp_path_factory.mktemp("speech"))))[: len(noise)]
    return (spoken + noise).astype(np.float32)


@pytest.fixture(scope="module")
def film() -> NDArray[np.float32]:
    return np.resize(melody(), 24 * SAMPLE_RATE_HZ).astype(np.float32) * 1.5


def power(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean square of each block."""
    return np.asarray((sound.reshape(-1, BLOCK_SAMPLES).astype(np.float64) ** 2).mean(axis=1))


def in_the_mix(whole: NDArray[np.int16], voice: NDArray[np.float32], film: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return by how many decibels the film was taken back in each block: what is left when the voice is taken away."""
    rest = whole.astype(np.float64) - voice
    dots = (rest * film).reshape(-1, BLOCK_SAMPLES).sum(axis=1)
    return np.asarray(20 * np.log10(np.maximum(dots / np.maximum(power(film) * BLOCK_SAMPLES, 1), 1e-3)))


def test_the_board_s_sound_is_a_quarter_while_somebody_speaks_and_whole_again_after(
    teacher: NDArray[np.float32], film: NDArray[np.float32]
) -> None:
    voice = teacher * 0.6  # so that the limiter has nothing to do
    voice[12 * SAMPLE_RATE_HZ :] = np.random.default_rng(4).standard_normal(12 * SAMPLE_RATE_HZ) * 26
    film = film * 0.6
    desk = Desk()
    desk.mixer.hear("desk")
    desk.give(1_200, desk=voice.astype(np.int16), **{BOARD_SOUND: film.astype(np.int16)})
    taken_db = in_the_mix(desk.heard, voice.astype(np.int16).astype(np.float32), film)
    speaks = power(voice) > (32_768 * 10 ** (-40 / 20)) ** 2
    sounds = power(film) > 1e5
    assert np.median(taken_db[speaks & sounds]) == pytest.approx(-12, abs=0.5)
    assert (taken_db[speaks & sounds] < -9).mean() > 0.8
    assert np.abs(taken_db[650:][sounds[650:]]).max() < 0.3, "half a second and more after the last word"
    first = int(np.argmax(speaks))
    assert (taken_db[first + 1 : first + 6] < -11).any(), "within a tenth of a second of the first word"


@pytest.mark.parametrize("echo_db", [-30, -20, -10])
def test_the_film_from_the_loudspeakers_is_no_voice(
    teacher: NDArray[np.float32], film: NDArray[np.float32], echo_db: float
) -> None:
    """The microphone hears the film, too, 30 ms later and through the room."""
    rng = np.random.default_rng(5)
    room = np.zeros(9_600)
    room[1_440:] = rng.standard_normal(8_160) * np.exp(-np.arange(8_160) / 2_400)
    room *= 10 ** (echo_db / 20) / np.sqrt((room**2).sum())
    spoken_film = np.roll(teacher, 8 * SAMPLE_RATE_HZ)
    size = 2**21
    echo = np.fft.irfft(np.fft.rfft(spoken_film, size) * np.fft.rfft(room, size))[: len(film)]
    heard = (echo + rng.standard_normal(len(film)) * 26).astype(np.float32)
    desk = Desk()
    desk.mixer.hear("desk")
    desk.give(1_200, desk=heard.astype(np.int16), **{BOARD_SOUND: spoken_film.astype(np.int16)})
    taken_db = in_the_mix(desk.heard, heard.astype(np.int16).astype(np.float32), spoken_film)
    sounds = power(spoken_film) > 1e5
    sounds[:150] = False  # it learns the room in these seconds
    assert (taken_db[sounds] < -3).mean() < 0.05


def test_no_sum_goes_over_full_scale_nor_jumps() -> None:
    at_s = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    low = (np.sin(2 * np.pi * 120 * at_s) * 30_000).astype(np.int16)
    high = (np.sin(2 * np.pi * 310 * at_s) * 30_000 * (at_s > 0.5)).astype(np.int16)
    desk = Desk()
    desk.give(100, room=low, pupil=high)
    heard = desk.heard.astype(int)
    assert np.abs(heard).max() <= CEILING
    steepest = np.abs(np.diff(low.astype(int))).max() + np.abs(np.diff(high.astype(int))).max()
    assert np.abs(np.diff(heard)).max() <= steepest
    tops = (np.abs(heard) == CEILING) | (np.abs(heard) == CEILING - 1)
    assert tops.mean() < 0.02, "turned down, and not cut off"


def test_the_teacher_s_meter_does_not_show_the_film() -> None:
    clock = Clock()
    programme = Programme(
        RoomClock(clock.now_s),
        0.3,
        on_block=lambda block, is_open: None,
        call_at=lambda at_s, function: clock.call_later(at_s - clock.now_s, function),
        now=clock.now,
    )
    programme.start()
    for loud, expected in ((0, -120.0), (3_277, -20.0)):
        for _ in range(30):
            begun_s = clock.now_s
            clock.pass_s(BLOCK_S)
            programme.push(BOARD_SOUND, AudioBlock(np.full(BLOCK_SAMPLES, 9_000, np.int16), begun_s, 0))
            programme.push("desk", AudioBlock(np.full(BLOCK_SAMPLES, loud, np.int16), begun_s, 0))
        assert programme.level()[0] == pytest.approx(expected, abs=0.1)


def test_the_board_held_back_is_silent_within_a_block_and_what_it_said_meanwhile_never_leaves() -> None:
    clock, out = Clock(), list[AudioBlock]()
    programme = Programme(
        RoomClock(clock.now_s),
        0.3,
        on_block=lambda block, is_open: out.append(block),
        call_at=lambda at_s, function: clock.call_later(at_s - clock.now_s, function),
        now=clock.now,
    )
    programme.start()

    def play(count: int) -> None:
        for _ in range(count):
            begun_s = clock.now_s
            clock.pass_s(BLOCK_S)
            programme.push(BOARD_SOUND, AudioBlock(np.full(BLOCK_SAMPLES, 9_000, np.int16), begun_s, 0))

    play(20)
    held_s = clock.now_s
    programme.set_board(False)
    play(20)
    let_out_s = clock.now_s
    programme.set_board(True)
    for number in range(10):  # what a sound server had gathered meanwhile
        block = AudioBlock(np.full(BLOCK_SAMPLES, 9_000, np.int16), let_out_s - 0.2 + number * BLOCK_S, number)
        programme.push(BOARD_SOUND, block)
    play(20)
    loud = [block.captured_mono_s for block in out if np.abs(block.samples).max() > 0]
    assert any(at_s < held_s for at_s in loud)
    assert any(at_s > let_out_s + 0.1 for at_s in loud)
    assert not [at_s for at_s in loud if held_s + BLOCK_S < at_s < let_out_s - 1e-6]


def test_a_pupil_is_heard_over_the_board_and_left_out_for_whoever_must_not_hear_it() -> None:
    desk = Desk()
    desk.mixer.set_board(True)
    desk.mixer.set_pupil(False)
    desk.give(5, room=100, pupil=8_000)
    assert desk.blocks[-1].samples.max() == 100, "a pupil is heard who was not let in"
    desk.mixer.set_pupil(True)
    desk.give(20, room=100, board=10_000, pupil=8_000)
    block = cast("Mixed", desk.blocks[-1])
    assert block.samples[480] == pytest.approx(100 + 8_000 + 2_500, abs=60)  # the board makes way by 12 dB
    assert block.without_pupil[480] == pytest.approx(100 + 2_500, abs=60)
    assert block.voice[480] == 100
    assert (block.before_pupil().samples == block.without_pupil).all()
    desk.mixer.set_pupil(False)
    desk.give(2, room=100, board=0, pupil=8_000)
    last, after = desk.blocks[-2:]
    assert np.abs(np.diff(last.samples.astype(int))).max() < 30, "it is cut off with a click"
    assert after.samples[480] == 100


def test_the_limiter_holds_room_and_pupil_together_below_full_scale() -> None:
    desk = Desk()
    desk.mixer.set_pupil(True)
    desk.give(10, room=25_000, pupil=25_000)
    block = cast("Mixed", desk.blocks[-1])
    assert block.samples.max() <= CEILING
    assert block.without_pupil[480] == 25_000
