"""Encoders of the machine's graphics: tried for real before they are used, and given up for libx264 when they fail."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from agent.media import Frame
from agent.selftest.line import LineTest
from agent.streams import encoders, hardware, hardware_trial
from agent.streams.codecs import open_h264
from agent.streams.encoders import EncodedFrame, Picture, VideoEncoder
from agent.streams.layers import StreamSettings, VideoLayer
from tests.waiting import until

LAYER = StreamSettings().camera_layers()[2]
GOOD: Mapping[str, str] = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "forced-idr": "1",
    "x264-params": "scenecut=0:keyint=infinite",
}


def trial(monkeypatch: pytest.MonkeyPatch, options: Mapping[str, str], profile: str = "baseline") -> str | None:
    """Try libx264 as if it were hardware."""
    monkeypatch.setattr(hardware, "_OPTIONS", {"libx264": options})
    monkeypatch.setattr(hardware, "_PROFILES", {"libx264": profile})
    return hardware_trial.main("libx264")


def test_an_encoder_that_does_all_that_a_lesson_needs_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trial(monkeypatch, GOOD) is None


@pytest.mark.parametrize(
    ("options", "profile", "why"),
    [
        ({**GOOD, "tune": "film"}, "baseline", "it holds pictures back"),
        ({**GOOD, "preset": "veryfast"}, "high", "its profile is 100, not baseline"),
        ({**GOOD, "x264-params": "scenecut=0:keyint=5"}, "baseline", "key frames are [0, 5, 10, 12"),
    ],
)
def test_one_that_does_less_is_not(
    monkeypatch: pytest.MonkeyPatch, options: Mapping[str, str], profile: str, why: str
) -> None:
    assert why in str(trial(monkeypatch, options, profile))


def test_one_whose_pictures_are_bad_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_trial, "LEAST_PSNR_DB", 99.0)
    assert "its pictures are bad" in str(trial(monkeypatch, GOOD))


async def test_each_is_tried_in_a_process_of_its_own_and_the_reason_is_kept() -> None:
    found = await hardware.find(["h264_nvenc", "libx264"])
    assert found.encoder is None
    assert found.refused["h264_nvenc"].startswith("it cannot be opened")  # there is no such card here
    assert "it holds pictures back" in found.refused["libx264"]


async def test_one_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "TRY_S", 0.01)
    assert "within 0.01 s" in (await hardware.find(["libx264"])).refused["libx264"]


def test_only_what_the_machine_may_have_is_tried(tmp_path: Path) -> None:
    assert hardware.likely(tmp_path) == []
    (tmp_path / "dri").mkdir()
    (tmp_path / "dri" / "renderD128").touch()
    assert "h264_qsv" in hardware.likely(tmp_path)
    assert "h264_v4l2m2m" not in hardware.likely(tmp_path)


class Failing:
    """A real encoder whose driver stops after some pictures."""

    def __init__(self, layer: VideoLayer, size: tuple[int, int], pictures: int) -> None:
        self._codec = open_h264(layer, *size)
        self._left = pictures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def encode(self, frame: av.VideoFrame) -> Any:
        self._left -= 1
        if self._left < 0:
            raise av.ExternalError(1, "the device is gone")
        return self._codec.encode(frame)


def _same(frame: Frame) -> Frame:
    return frame


def encode(pictures: int) -> tuple[list[EncodedFrame], VideoEncoder]:
    """Encode so many by ``hardware``, one after the other, until a picture has come for the last."""
    out: queue.Queue[EncodedFrame | BaseException] = queue.Queue()
    encoder = VideoEncoder(LAYER, out.put, out.put, hardware="h264_nvenc")
    encoder.start()
    made = []
    try:
        for number in range(pictures):
            image = np.full((270, 320), 60 + number, np.uint8)
            frame = Frame(image, 320, 180, float(number), number)
            encoder.submit(Picture(float(number), partial(_same, frame)), float(number))
            while encoder.has_waiting:
                pass
            try:
                one = out.get(timeout=20 if number == pictures - 1 else 0.3)
            except queue.Empty:
                continue  # held back
            assert isinstance(one, EncodedFrame), one
            made.append(one)
    finally:
        encoder.stop()
        encoder.join(5)
    return made, encoder


def test_without_its_card_the_processor_encodes() -> None:
    made, encoder = encode(2)
    assert [one.key for one in made] == [True, False]
    assert encoder.hardware is None


def test_one_that_fails_in_a_lesson_is_replaced_at_that_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "open_hardware", lambda name, layer, *size: Failing(layer, size, 2))
    made, encoder = encode(4)
    assert [one.key for one in made] == [True, False, True, False]
    assert [one.captured_mono_s for one in made] == [0, 1, 2, 3]
    assert encoder.hardware is None


def test_one_that_holds_pictures_back_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(name: str, layer: VideoLayer, *size: int) -> Any:
        codec: Any = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = *size, "yuv420p"
        codec.time_base = open_h264(layer, *size).time_base
        codec.open()
        return codec

    monkeypatch.setattr(encoders, "open_hardware", slow)
    made, encoder = encode(4)
    assert [one.captured_mono_s for one in made] == [2, 3]
    assert made[0].key
    assert encoder.hardware is None


class Hanging(Failing):
    """A real encoder whose driver takes some pictures, and then one that it gives back when it is let go."""

    let_go = threading.Event()

    def encode(self, frame: av.VideoFrame) -> Any:
        self._left -= 1
        if self._left < 0:
            self.let_go.wait(10)
        return self._codec.encode(frame)


async def test_one_that_hangs_in_a_lesson_is_replaced_and_not_heard_of_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "open_hardware", lambda name, layer, *size: Hanging(layer, size, 2))
    monkeypatch.setattr(encoders, "HANGS_S", 0.1)
    Hanging.let_go.clear()
    made: list[Any] = []
    encoder = VideoEncoder(LAYER, made.append, made.append, hardware="h264_nvenc")
    encoder.start()
    hung = encoder._thread
    frame = Frame(np.full((270, 320), 60, np.uint8), 320, 180, 0.0, 0)
    numbers = itertools.count()

    def goes_on(pictures: int) -> bool:
        at_s = float(next(numbers))
        encoder.submit(Picture(at_s, partial(_same, frame)), at_s)
        return len(made) >= pictures

    try:
        await until(partial(goes_on, 4), "the processor encodes", 5)
        Hanging.let_go.set()
        hung.join(5)
        assert not hung.is_alive()
        await until(partial(goes_on, len(made) + 4), "it goes on")
    finally:
        encoder.stop()
        encoder.join(5)
    assert encoder.hardware is None
    assert [number for number, one in enumerate(made) if one.key] == [0, 2], "one codec each"
    times = [one.captured_mono_s for one in made]
    assert times == sorted(set(times))
    assert times[2] - times[1] > 2, "the picture that hung, and those of that time, are lost"


@pytest.mark.parametrize(
    ("found", "variant"),
    [
        (hardware.Hardware(), ""),
        (hardware.Hardware("h264_qsv"), "hardware"),
        (hardware.Hardware(None, {"h264_qsv": "it cannot be opened"}), "refused"),
    ],
)
async def test_the_self_test_says_what_encodes(found: hardware.Hardware, variant: str) -> None:
    class Parts:
        def hardware(self) -> hardware.Hardware:
            return found

    parts: Any = Parts()
    outcome = await LineTest(parts, is_quiet=True).encoder()
    assert (outcome.verdict, outcome.variant) == ("ok", variant)
