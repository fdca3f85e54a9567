"""What the drivers of real devices decide by themselves: names, formats, places, and what is said of an error."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.devices.file_camera import ahead, fit
from agent.devices.file_microphone import Blocks
from agent.devices.portaudio import CaptureClock, Intake, SoundCard, first_sample_mono_s, sounds_mono_s
from agent.devices.v4l2 import _cannot_open, ask_card
from agent.media import BLOCK_S, BLOCK_SAMPLES
from protocol.errors import DeviceBusyError, DeviceError, DeviceNotFoundError, DeviceUnsupportedError


def test_the_clock_of_captures_is_even_though_callbacks_jitter() -> None:
    clock, random = CaptureClock(), np.random.default_rng(3)
    given = np.array([clock.block(100 + block * BLOCK_S + random.uniform(-0.01, 0.01)) for block in range(500)])
    assert np.abs(np.diff(given) - BLOCK_S).max() < 0.0015
    assert abs(given[-1] - (100 + 499 * BLOCK_S)) < 0.005


def test_the_clock_of_captures_follows_a_jump() -> None:
    clock = CaptureClock()
    clock.block(100.0)
    assert clock.block(107.0) == 107.0


@pytest.mark.parametrize(
    ("current", "adc", "first"), [(5.0, 4.96, 99.96), (5.0, 0.0, 99.98), (0.0, 0.0, 99.98), (5.0, 5.01, 99.98)]
)
def test_a_time_stamp_that_makes_no_sense_is_not_believed(current: float, adc: float, first: float) -> None:
    times = {"current_time": current, "input_buffer_adc_time": adc}
    assert first_sample_mono_s(100.0, times) == pytest.approx(first)


@pytest.mark.parametrize(("current", "dac", "sounds"), [(5.0, 5.03, 100.03), (5.0, 0.0, 100.04), (0.0, 0.0, 100.04)])
def test_when_a_block_will_sound_is_believed_where_it_makes_sense(current: float, dac: float, sounds: float) -> None:
    times = {"current_time": current, "output_buffer_dac_time": dac}
    assert sounds_mono_s(100.0, times, 0.04) == pytest.approx(sounds)


TIMES: Mapping[str, float] = {"current_time": 0.0, "input_buffer_adc_time": 0.0}


def taken(card: SoundCard, *pieces: NDArray[np.int16]) -> list[NDArray[np.int16]]:
    blocks: list[NDArray[np.int16]] = []
    intake = Intake(lambda samples, _mono_s: blocks.append(samples), card)
    for piece in pieces:
        intake.take(piece.tobytes(), TIMES)
    return blocks


def test_two_channels_become_their_mean() -> None:
    stereo = np.stack((np.full(960, 1000), np.full(960, 3000)), axis=1).astype(np.int16)
    (block,) = taken(SoundCard(0, "x", 2, 48_000), stereo)
    assert (block == 2000).all()


def test_pieces_of_any_length_become_blocks_of_20_ms() -> None:
    ramp = np.arange(2000, dtype=np.int16)
    blocks = taken(SoundCard(0, "x", 1, 48_000), ramp[:700], ramp[700:1900], ramp[1900:])
    assert [len(block) for block in blocks] == [960, 960]
    assert (np.concatenate(blocks) == ramp[:1920]).all()


def test_another_rate_becomes_48_khz() -> None:
    at_s = np.arange(44_100) / 44_100
    tone = (np.sin(2 * np.pi * 1000 * at_s) * 10_000).astype(np.int16)
    blocks = taken(SoundCard(0, "x", 1, 44_100), *np.split(tone, 50))
    assert 49 <= len(blocks) <= 50
    spectrum = np.abs(np.fft.rfft(np.concatenate(blocks)[:46_080]))
    assert int(spectrum.argmax()) == 960


def test_sound_of_a_file_falls_on_one_grid_and_its_gaps_are_silence() -> None:
    blocks = Blocks(10.0)
    loud = np.full(BLOCK_SAMPLES, 1000, np.int16)
    first = blocks.add(10.0, loud)
    second = blocks.add(10.0 + 2 * BLOCK_S, loud)
    assert [at for at, _ in first + second] == pytest.approx([10.0, 10.0 + BLOCK_S, 10.0 + 2 * BLOCK_S])
    assert [bool(samples.any()) for _, samples in first + second] == [True, False, True]


def test_sound_of_a_file_that_overlaps_is_cut() -> None:
    blocks = Blocks(10.0)
    blocks.add(10.0, np.full(BLOCK_SAMPLES, 1, np.int16))
    (after,) = blocks.add(10.0 + BLOCK_S / 2, np.full(BLOCK_SAMPLES + BLOCK_SAMPLES // 2, 2, np.int16))
    assert after[0] == pytest.approx(10.0 + BLOCK_S)
    assert (after[1] == 2).all()


def test_what_comes_next_is_fetched_before_it_is_asked_for() -> None:
    fetched = []

    def numbers() -> Any:
        for number in range(6):
            fetched.append(number)
            yield number

    items = ahead(numbers(), 3)
    assert next(items) == 0
    assert fetched == [0, 1, 2, 3]
    assert list(items) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((1920, 1080), (1280, 720)), ((640, 480), (640, 480)), ((1080, 1920), (404, 720)), ((853, 481), (852, 480))],
)
def test_a_video_is_made_smaller_never_larger_and_even(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit(*size, 1280, 720) == fitted


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOENT, DeviceNotFoundError, "does not exist"),
        (errno.ENODEV, DeviceNotFoundError, "no camera behind it"),
        (errno.EBUSY, DeviceBusyError, "another program"),
        (errno.EACCES, DeviceError, "group video"),
        (errno.EIO, DeviceError, "plug it in again"),
    ],
)
def test_each_refusal_of_a_camera_path_says_what_to_do(number: int, kind: type[DeviceError], words: str) -> None:
    error = _cannot_open(Path("/dev/video9"), 'camera "front"', OSError(number, "refused"))
    assert type(error) is kind
    assert error.message.startswith('camera "front": /dev/video9 ')
    assert words in error.message


def test_a_path_that_is_not_a_camera_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("no camera")
    with pytest.raises(DeviceUnsupportedError, match="is not a camera"):
        ask_card(note, 'camera "front"')
    with pytest.raises(DeviceUnsupportedError, match="is not a camera"):
        ask_card(tmp_path, 'camera "front"')
    with pytest.raises(DeviceNotFoundError, match="does not exist"):
        ask_card(tmp_path / "video9", 'camera "front"')
