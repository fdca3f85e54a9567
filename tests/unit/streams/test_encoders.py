"""The encoders: what they make of pictures and sound, at which rate, and what they do when pictures come too fast."""

from __future__ import annotations

import gc
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import av
import numpy as np
import pytest

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock, Frame
from agent.streams.encoders import OPUS_DELAY_S, EncodedFrame, Picture, SoundEncoder, VideoEncoder
from agent.streams.layers import StreamSettings, VideoLayer
from tests.rig import wait_for

SETTINGS = StreamSettings()
CAMERA, BOARD = SETTINGS.camera_layers()[0], SETTINGS.board_layers()[0]
WAIT_S = 20


def noise(number: int, width_px: int = 640, height_px: int = 360) -> Frame:
    """A picture that is hard to encode."""
    rng = np.random.default_rng(number)
    image = rng.integers(16, 235, (height_px * 3 // 2, width_px), np.uint8)
    return Frame(image, width_px, height_px, float(number), number)


def grey(number: int, width_px: int = 320, height_px: int = 180, luma: int = 90) -> Frame:
    return Frame(np.full((height_px * 3 // 2, width_px), luma, np.uint8), width_px, height_px, float(number), number)


class Bench:
    """A running encoder; `encode` hands over one picture and waits for what became of it."""

    def __init__(self, layer: VideoLayer) -> None:
        self.out: queue.Queue[EncodedFrame | BaseException] = queue.Queue()
        self.encoder = VideoEncoder(layer, self.out.put, self.out.put)

    def next(self) -> EncodedFrame:
        made = self.out.get(timeout=WAIT_S)
        assert isinstance(made, EncodedFrame), made
        return made

    def encode(self, frame: Frame, stamp_s: float | None = None, *, key: bool = False) -> EncodedFrame:
        if key:
            self.encoder.want_key()
        stamp_s = frame.captured_mono_s if stamp_s is None else stamp_s
        self.encoder.submit(Picture(frame.captured_mono_s, lambda: frame), stamp_s)
        return self.next()


@pytest.fixture
def bench() -> Iterator[Callable[[VideoLayer], Bench]]:
    made: list[Bench] = []

    def start(layer: VideoLayer) -> Bench:
        made.append(Bench(layer))
        made[-1].encoder.start()
        return made[-1]

    yield start
    for one in made:
        one.encoder.stop()
        one.encoder.join(WAIT_S)


def decode(frames: list[EncodedFrame]) -> list[av.VideoFrame]:
    codec = av.CodecContext.create("h264", "r")
    out = []
    for frame in frames:
        out += codec.decode(av.Packet(b"".join(b"\0\0\0\1" + unit for unit in frame.units)))
    return out + codec.decode(None)


def test_key_frames_come_at_the_start_and_on_demand_only(bench: Callable[[VideoLayer], Bench]) -> None:
    one = bench(CAMERA)
    made = [one.encode(noise(n), key=n in (20, 21, 50)) for n in range(80)]
    assert [n for n, frame in enumerate(made) if frame.key] == [0, 20, 21, 50]
    assert one.encoder.counts.keys == 4
    assert len(decode(made)) == 80


def test_a_picture_encoded_again_as_key_does_not_stay_one(bench: Callable[[VideoLayer], Bench]) -> None:
    one, still = bench(BOARD), grey(0)
    made = [one.encode(still, float(n), key=n == 2) for n in range(6)]
    assert [frame.key for frame in made] == [True, False, True, False, False, False]


@pytest.mark.parametrize(("layer", "profile"), [(CAMERA, "42c01f"), (BOARD, "42c028")])
def test_the_stream_is_constrained_baseline_of_the_layers_level(
    bench: Callable[[VideoLayer], Bench], layer: VideoLayer, profile: str
) -> None:
    sps = bench(layer).encode(grey(0)).units[0]
    assert sps[0] & 0x1F == 7
    assert sps[1:4].hex() == profile


def test_stamps_never_go_back(bench: Callable[[VideoLayer], Bench]) -> None:
    one = bench(CAMERA)
    stamps = [one.encode(grey(n), stamp).captured_mono_s for n, stamp in enumerate((10.0, 10.033, 10.02, 10.066))]
    assert stamps == pytest.approx([10.0, 10.033, 10.034, 10.066])


def test_what_is_larger_than_the_layer_is_made_smaller_with_its_shape(bench: Callable[[VideoLayer], Bench]) -> None:
    (frame,) = decode([bench(CAMERA).encode(grey(0, 1600, 1200))])
    assert (frame.width, frame.height) == (960, 720)


def test_a_new_size_begins_with_a_key_frame(bench: Callable[[VideoLayer], Bench]) -> None:
    one = bench(CAMERA)
    made = [one.encode(f) for f in (grey(0), grey(1), grey(2, 640, 480), grey(3, 640, 480))]
    assert [frame.key for frame in made] == [True, False, True, False]
    assert [(f.width, f.height) for f in decode(made)] == [(320, 180)] * 2 + [(640, 480)] * 2


@pytest.mark.parametrize("bitrate_bps", [1_500_000, 400_000])
def test_the_rate_is_held_within_a_tenth_on_a_hard_picture(
    bench: Callable[[VideoLayer], Bench], bitrate_bps: int
) -> None:
    one = bench(replace(CAMERA, bitrate_bps=bitrate_bps, preset="ultrafast"))
    pictures = [noise(n, 320, 180) for n in range(15)]
    sizes = [one.encode(pictures[n % 15], n / 30, key=n in (60, 90)).size * 8 for n in range(150)]
    assert sum(sizes) / 5 == pytest.approx(bitrate_bps, rel=0.1)
    worst = max(sum(sizes[n : n + 15]) for n in range(136))
    assert worst <= bitrate_bps * (0.5 + 0.5) * 1.05, "half a second sends what flows in it and one buffer at most"


def test_a_slow_encoder_keeps_the_newest_picture_and_counts_the_rest() -> None:
    one = Bench(CAMERA)
    release, begun = threading.Event(), threading.Event()

    def slow() -> Frame:
        begun.set()
        release.wait(WAIT_S)
        return grey(0)

    one.encoder.start()
    one.encoder.submit(Picture(0.0, slow), 0.0)
    assert begun.wait(WAIT_S)
    for n in range(1, 10):
        one.encoder.submit(Picture(float(n), lambda: grey(1)), float(n))
    release.set()
    assert [one.next().captured_mono_s, one.next().captured_mono_s] == [0.0, 9.0]
    assert one.encoder.counts.dropped == 8
    one.encoder.stop()
    one.encoder.join(WAIT_S)
    assert one.out.empty()


def test_a_picture_is_made_once_for_all_that_need_it() -> None:
    numbers = iter(range(10))
    picture = Picture(0.0, lambda: grey(next(numbers)))
    assert picture.frame() is picture.frame()
    assert next(numbers) == 1


def test_a_fault_in_a_filter_reaches_the_owner() -> None:
    def fail() -> Frame:
        raise ZeroDivisionError

    one = Bench(CAMERA)
    one.encoder.start()
    one.encoder.submit(Picture(0.0, fail), 0.0)
    assert isinstance(one.out.get(timeout=WAIT_S), ZeroDivisionError)


def test_sound_comes_out_as_it_went_in_and_says_when_it_was_said() -> None:
    out: queue.Queue[EncodedFrame | BaseException] = queue.Queue()
    encoder = SoundEncoder(SETTINGS.sound_layers()[0], out.put, out.put)
    encoder.start()
    for n in range(SoundEncoder.QUEUE):
        wave = 8_000 * np.sin(2 * np.pi * 440 * (n * BLOCK_SAMPLES + np.arange(BLOCK_SAMPLES)) / SAMPLE_RATE_HZ)
        encoder.submit(AudioBlock(wave.astype(np.int16), 100.0 + n * BLOCK_S, n))
    made = [out.get(timeout=WAIT_S) for _ in range(SoundEncoder.QUEUE)]
    encoder.stop()
    encoder.join(WAIT_S)
    frames = [frame for frame in made if isinstance(frame, EncodedFrame)]
    assert len(frames) == SoundEncoder.QUEUE
    steps = np.diff([frame.captured_mono_s for frame in frames])
    assert steps == pytest.approx(np.full(len(steps), BLOCK_S), abs=1e-9)
    assert frames[0].captured_mono_s == pytest.approx(100.0 - OPUS_DELAY_S)
    assert sum(frame.size for frame in frames) * 8 / (len(frames) * BLOCK_S) == pytest.approx(32_000, rel=0.4)
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = SAMPLE_RATE_HZ, "mono"
    heard = [f.to_ndarray().astype(np.float64) for frame in frames for f in decoder.decode(av.Packet(frame.units[0]))]
    loudness = np.sqrt(np.mean(np.concatenate([h.ravel() for h in heard[5:]]) ** 2))
    loudness = loudness / 32_768 if loudness > 1 else loudness
    assert loudness == pytest.approx(8_000 / 32_768 / np.sqrt(2), rel=0.15)


def test_sound_of_the_low_layer_comes_in_packets_of_60_ms_that_hold_what_was_said_in_one_go() -> None:
    """A block that is missing in the middle: what was gathered before it is no packet, and the next one begins anew."""
    layer = SETTINGS.sound_layers()[-1]
    assert layer.blocks == 3
    out: queue.Queue[EncodedFrame | BaseException] = queue.Queue()
    encoder = SoundEncoder(layer, out.put, out.put)
    encoder.start()
    numbers = [*range(6), 6, 7, *range(9, 15)]
    for n in numbers:
        encoder.submit(AudioBlock(np.full(BLOCK_SAMPLES, 500, np.int16), 100.0 + n * BLOCK_S, n))
    made = [out.get(timeout=WAIT_S) for _ in range(4)]
    encoder.stop()
    encoder.join(WAIT_S)
    assert out.empty()
    frames = [frame for frame in made if isinstance(frame, EncodedFrame)]
    begun = [round((frame.captured_mono_s + OPUS_DELAY_S - 100.0) / BLOCK_S) for frame in frames]
    assert begun == [0, 3, 9, 12]
    assert [frame.duration_s for frame in frames] == pytest.approx([0.06] * 4)
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = SAMPLE_RATE_HZ, "mono"
    samples = [one.samples for frame in frames for one in decoder.decode(av.Packet(frame.units[0]))]
    assert samples[1:] == [3 * BLOCK_SAMPLES] * 3  # of the first, the decoder keeps what the codec begins with


def test_a_layer_that_rests_gives_its_codec_back_and_begins_with_a_key_frame(
    bench: Callable[[VideoLayer], Bench],
) -> None:
    one = bench(CAMERA)
    one.encoder.prepare(320, 180)
    assert [one.encode(grey(n)).key for n in range(3)] == [True, False, False]
    one.encoder.rest()
    wait_for(lambda: one.encoder._codec is None, "the codec to be given back", WAIT_S)
    one.encoder.start()
    assert [one.encode(grey(n)).key for n in range(3, 5)] == [True, False]


def test_an_encoder_that_has_ended_keeps_no_codec_whoever_still_holds_it(bench: Callable[[VideoLayer], Bench]) -> None:
    before = _codecs()
    one = bench(CAMERA)
    one.encode(noise(0))
    assert _codecs() == before + 1
    one.encoder.stop()
    one.encoder.join(WAIT_S)
    assert _codecs() == before


def _codecs() -> int:
    return sum(isinstance(one, av.VideoCodecContext) for one in gc.get_objects())


def test_what_waits_when_a_layer_comes_to_rest_is_not_encoded_later() -> None:
    one = Bench(CAMERA)
    one.encoder.submit(Picture(0.0, lambda: grey(0)), 0.0)
    assert one.encoder.has_waiting
    one.encoder.rest()
    assert not one.encoder.has_waiting


def test_sound_that_waits_too_long_loses_its_oldest() -> None:
    out: queue.Queue[EncodedFrame | BaseException] = queue.Queue()
    encoder = SoundEncoder(SETTINGS.sound_layers()[0], out.put, out.put)
    silence = np.zeros(BLOCK_SAMPLES, np.int16)
    for n in range(SoundEncoder.QUEUE + 5):
        encoder.submit(AudioBlock(silence, float(n), n))
    encoder.start()
    first = out.get(timeout=WAIT_S)
    encoder.stop()
    encoder.join(WAIT_S)
    assert isinstance(first, EncodedFrame)
    assert first.captured_mono_s == pytest.approx(5.0 - OPUS_DELAY_S)
    assert encoder.counts.dropped == 5
