"""The simulated devices' picture, sound and faults, without a process."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from agent.devices import handwriting
from agent.devices.classroom import CLOCK, FIGURE_WIDTH, LOOP_S, TEACHER, Classroom, pose_at
from agent.devices.i420 import bt709_to_bt601, fill, from_bgr
from agent.devices.simulated import Fault, Faults, draw_time_strip, is_flashing, next_tick, read_time_strip
from agent.devices.simulated_camera import SimulatedCameraConfig
from agent.devices.simulated_microphone import BEEP_HZ, Room, SimulatedMicrophoneConfig, beep
from agent.devices.slides import SLIDE_S, SLIDES, Line, Slides
from agent.devices.speech import melody, resample
from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ
from protocol.errors import DeviceLostError, DeviceNotFoundError

NOW_MS = 1_795_477_664_123


def picture(width_px: int, height_px: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((height_px * 3 // 2, width_px), 90, np.uint8)


@pytest.mark.parametrize("size", [(768, 432), (1280, 720), (1920, 1080)])
def test_the_time_strip_reads_back(size: tuple[int, int]) -> None:
    image = picture(*size)
    draw_time_strip(image, NOW_MS)
    assert read_time_strip(image) == NOW_MS


def test_the_time_strip_survives_a_coarse_encoder() -> None:
    image = picture(1280, 720)
    draw_time_strip(image, NOW_MS)
    rough = image.astype(np.float32) * 0.7 + 35 + np.random.default_rng(1).normal(0, 20, image.shape)
    assert read_time_strip(rough.clip(0, 255).astype(np.uint8)) == NOW_MS


def test_a_wrong_bit_in_the_time_strip_is_noticed() -> None:
    image = picture(1280, 720)
    draw_time_strip(image, NOW_MS)
    image[:26, 26 * 20 : 26 * 21] = 251 - image[:26, 26 * 20 : 26 * 21]
    assert read_time_strip(image) is None


def test_a_picture_without_a_strip_has_no_time() -> None:
    image = picture(1280, 720)
    fill(image, 235)
    assert read_time_strip(image) is None


def test_the_time_strip_is_refused_where_its_blocks_would_be_too_small() -> None:
    with pytest.raises(ValidationError, match="768"):
        SimulatedCameraConfig(width_px=640, height_px=360, time_strip=True)


def test_a_flash_begins_at_each_multiple_and_is_short() -> None:
    assert [is_flashing(wall_s, 2.0) for wall_s in (10.0, 10.09, 10.11, 11.0, 11.98, 12.0)] == [
        True, True, False, False, False, True,
    ]  # fmt: skip
    assert not is_flashing(10.0, None)


def test_ticks_fall_on_the_wall_clock() -> None:
    due = next_tick(30.0)
    wall_s = due - time.monotonic() + time.time()
    assert 0 < due - time.monotonic() <= 1 / 30 + 0.001
    assert abs(wall_s * 30 - round(wall_s * 30)) < 0.05


def test_a_beep_begins_on_its_sample_and_runs_on_over_blocks() -> None:
    start_s = 1_000_000.0 - 0.03125  # 1500 samples before a multiple of two seconds
    sound = np.zeros((8, BLOCK_SAMPLES), np.int16)
    for index, block in enumerate(sound):
        beep(block, start_s + index * BLOCK_SAMPLES / SAMPLE_RATE_HZ, 2.0)
    loud = np.flatnonzero(sound.reshape(-1))
    assert loud[0] in (1500, 1501)  # the tone's first sample is zero
    assert 1500 + 4790 <= loud[-1] < 1500 + 4800
    spectrum = np.abs(np.fft.rfft(sound.reshape(-1)[1500:6300]))
    assert round(float(spectrum.argmax()) * SAMPLE_RATE_HZ / 4800) == BEEP_HZ


def test_a_room_without_voice_and_noise_is_silent_between_beeps() -> None:
    room = Room(SimulatedMicrophoneConfig(voice="none", noise_dbfs=None, flash_and_beep_s=2.0))
    assert not room.block(0, 1_000_001.0).any()
    assert np.abs(room.block(0, 1_000_000.02)).max() > 16_000


def test_the_noise_of_the_room_is_as_loud_as_asked() -> None:
    room = Room(SimulatedMicrophoneConfig(voice="none", noise_dbfs=-50.0))
    blocks = np.concatenate([room.block(index * BLOCK_SAMPLES, 0.5) for index in range(50)]).astype(np.float64)
    assert 20 * np.log10(blocks.std() / 32767) == pytest.approx(-50, abs=0.5)


def test_resampling_keeps_pitch_loudness_and_length() -> None:
    at_s = np.arange(22_050, dtype=np.float64) / 22_050
    sound = resample((np.sin(2 * np.pi * 440 * at_s) * 10_000).astype(np.float32), 22_050)
    assert len(sound) == SAMPLE_RATE_HZ
    middle = sound[4_800:43_200]
    assert np.abs(np.fft.rfft(middle)).argmax() == round(440 * len(middle) / SAMPLE_RATE_HZ)
    assert np.abs(middle).max() == pytest.approx(10_000, rel=0.01)


def test_the_melody_is_soft_and_never_clips() -> None:
    assert 1_000 < np.abs(melody()).max() < 20_000


def test_every_character_on_the_slides_can_be_written() -> None:
    texts = [mark.text for slide in SLIDES for mark in slide if isinstance(mark, Line)]
    unknown = {character for text in texts for character in text if not handwriting.write(character, 0, 0, 40)}
    assert unknown == {" "}


@pytest.mark.parametrize(("bare", "accented"), [("e", "é"), ("e", "ê"), ("c", "ç"), ("A", "À"), ("o", "ô")])
def test_accents_are_strokes_of_their_own(bare: str, accented: str) -> None:
    assert len(handwriting.write(accented, 0, 0, 40)) == len(handwriting.write(bare, 0, 0, 40)) + 1


def test_a_line_is_as_wide_as_told() -> None:
    text = "Le théorème de Pythagore"
    right = max(float(points[:, 0].max()) for points in handwriting.write(text, 0, 0, 40))
    assert right == pytest.approx(handwriting.width_px(text, 40), rel=0.05)


def test_colours_of_bt709_become_those_of_bt601() -> None:
    colours = np.random.default_rng(7).integers(0, 256, (6, 8, 3), np.uint8)
    picture_bgr = np.repeat(np.repeat(colours, 30, axis=0), 40, axis=1)
    wanted = from_bgr(picture_bgr)
    rgb = picture_bgr[:, :, ::-1].astype(np.float64) / 255
    light = rgb @ (0.2126, 0.7152, 0.0722)
    chroma = [(rgb[:, :, 2] - light) / 1.8556, (rgb[:, :, 0] - light) / 1.5748]
    planes = [
        16 + 219 * light,
        *(128 + 224 * cv2.resize(plane, (160, 90), interpolation=cv2.INTER_AREA) for plane in chroma),
    ]
    image = np.concatenate([np.round(plane).astype(np.uint8).reshape(-1) for plane in planes]).reshape(270, 320)
    before = np.abs(image.astype(int) - wanted)
    bt709_to_bt601(image)
    after = np.abs(image.astype(int) - wanted)
    assert np.percentile(after, 90) <= 2 < np.percentile(before, 50)


def test_only_the_teacher_and_the_clock_move_in_the_classroom() -> None:
    classroom = Classroom(1280, 720, "Salle 12")
    first, second = picture(1280, 720), picture(1280, 720)
    classroom.draw(first, 1000.0, 3.0)
    classroom.draw(second, 1000.5, 8.0)
    changed = first[:720] != second[:720]
    assert changed.any()
    changed[TEACHER[1] : TEACHER[3], TEACHER[0] : TEACHER[2]] = False
    changed[CLOCK[1] : CLOCK[3], CLOCK[0] : CLOCK[2]] = False
    assert not changed.any()


def test_the_teacher_never_leaves_where_she_is_drawn() -> None:
    half = FIGURE_WIDTH / 2
    for tenth in range(int(LOOP_S * 10)):
        pose = pose_at(tenth / 10)
        left, right = max(pose.x - half, TEACHER[0]), min(pose.x + half, TEACHER[2])
        assert left < pose.x - 35 + pose.left_hand[0] * 1.1
        assert right > pose.x + 35 + pose.right_hand[0] * 1.1


@pytest.mark.parametrize("size", [(768, 432), (1920, 1080)])
def test_slides_are_written_bit_by_bit_and_then_stand_still(size: tuple[int, int]) -> None:
    slides = Slides(*size, "chalk")
    assert slides.advance(0.0)
    ink = []
    for second in range(1, int(SLIDE_S)):
        slides.advance(float(second))
        ink.append(int((slides.image[: size[1]] > 140).sum()))
    assert ink == sorted(ink)
    assert ink[-1] > 5 * ink[2]
    assert not slides.advance(SLIDE_S - 0.5)
    assert slides.advance(SLIDE_S)


def test_a_board_opened_late_shows_what_was_written_before() -> None:
    steady, late = Slides(960, 540, "white"), Slides(960, 540, "white")
    for step in range(100):
        steady.advance(step / 5)
    late.advance(99 / 5)
    different = np.abs(steady.image[:540].astype(int) - late.image[:540]) > 60
    assert different.mean() < 0.001


def faults(*script: Fault, opened_s_ago: float) -> Faults:
    child: Any = SimpleNamespace(label='camera "front"', first_opened_mono_s=time.monotonic() - opened_s_ago)
    return Faults(script, cast("Any", child))


def test_an_unplugged_device_is_lost_and_cannot_be_opened_until_it_is_back() -> None:
    unplug = Fault(at_s=10, kind="unplug", for_s=5)
    faults(unplug, opened_s_ago=5).at_open()
    with pytest.raises(DeviceLostError, match=r'camera "front".*unplugged'):
        faults(unplug, opened_s_ago=12).now()
    with pytest.raises(DeviceNotFoundError, match="unplugged"):
        faults(unplug, opened_s_ago=12).at_open()
    back = faults(unplug, opened_s_ago=15.1)
    back.at_open()
    assert back.now() is None


def test_faults_of_the_picture_come_and_go_by_their_script() -> None:
    script = (Fault(at_s=1, kind="freeze", for_s=1), Fault(at_s=3, kind="black", for_s=1))
    seen = [faults(*script, opened_s_ago=at_s).now() for at_s in (0.5, 1.5, 2.5, 3.5, 4.5)]
    assert seen == [None, "freeze", None, "black", None]


def test_a_process_born_after_a_crash_does_not_crash_again() -> None:
    reborn = faults(Fault(at_s=1, kind="crash", for_s=60), opened_s_ago=3)
    reborn.at_open()
    assert reborn.now() is None
