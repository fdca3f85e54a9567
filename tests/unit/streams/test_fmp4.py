"""The bytes of a recording, held against what FFmpeg reads of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.video.frame import PictureType

from agent.streams import fmp4, packetize
from agent.streams.codecs import open_h264
from agent.streams.fmp4 import Chapter, Parameters, Sample
from agent.streams.layers import StreamSettings
from agent.streams.sps import size_px

STEP = 3_000
"""Ticks from picture to picture: 30 a second."""


def pictures(width_px: int, height_px: int, count: int) -> Iterator[tuple[bytes, ...]]:
    """Yield the NAL units of pictures, the first of them a key frame."""
    codec = open_h264(StreamSettings().camera_layers()[0], width_px, height_px)
    for number in range(count):
        image = np.full((height_px * 3 // 2, width_px), 60 + number, np.uint8)
        frame = av.VideoFrame.from_numpy_buffer(image, format="yuv420p")
        frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 30), PictureType.NONE
        for packet in codec.encode(frame):
            yield packetize.nal_units(bytes(packet))


def samples(units: list[tuple[bytes, ...]], first: int) -> list[Sample]:
    return [
        Sample((first + n) * STEP, STEP, fmp4.picture_data(one), packetize.is_key(one)) for n, one in enumerate(units)
    ]


def opened(data: bytes) -> InputContainer:
    return av.open(io.BytesIO(data), "r")


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (1920, 1080), (330, 186)])
def test_the_size_is_read_from_the_encoders_own_parameters(size: tuple[int, int]) -> None:
    sets = fmp4.parameters(next(pictures(*size, 1)))
    assert sets is not None
    assert size_px(sets.sps) == size


@pytest.mark.parametrize("sps", [b"\x67", b"\x67\x42\xc0\x1f", b"\x67" + bytes(40)])
def test_parameters_that_are_none_are_refused(sps: bytes) -> None:
    with pytest.raises(ValueError, match="the set"):
        size_px(sps)


def test_another_size_in_the_middle_plays_on_and_times_are_those_of_the_samples() -> None:
    small, large = list(pictures(320, 180, 10)), list(pictures(640, 360, 10))
    sets = fmp4.parameters(small[0])
    assert sets is not None
    chapters = [Chapter(0, "Début"), Chapter(400, "Tableau 2")]
    data = fmp4.head({"camera": sets}, duration_ms=767, began_unix_s=1.8e9, chapters=chapters)
    data += fmp4.fragment(1, {"sound": [], "camera": samples(small, 0)})
    data += fmp4.fragment(2, {"camera": samples(large, 13)})  # 3 pictures' time without any
    with opened(data) as file:
        stamps = [packet.pts for packet in file.demux(video=0) if packet.pts is not None]
        assert stamps == [n * STEP for n in (*range(10), *range(13, 23))]
        assert [chapter["metadata"]["title"] for chapter in file.chapters()] == ["Début", "Tableau 2"]
        assert file.chapters()[1]["start"] == 4_000_000  # of 100 ns
        assert file.duration == pytest.approx(767_000, abs=1_000)
    with opened(data) as file:
        assert [frame.width for frame in file.decode(video=0)] == [320] * 10 + [640] * 10


def test_a_fragment_is_played_without_those_before_it() -> None:
    units = list(pictures(320, 180, 4))
    sets = fmp4.parameters(units[0])
    assert sets is not None
    data = fmp4.head({"board": sets}, duration_ms=900, began_unix_s=0) + fmp4.fragment(7, {"board": samples(units, 20)})
    with opened(data) as file:
        assert [frame.pts for frame in file.decode(video=0)] == [n * STEP for n in range(20, 24)]


def test_pictures_without_both_sets_are_not_begun_with() -> None:
    assert fmp4.parameters([b"\x67\x42", b"\x65\x00"]) is None
    assert fmp4.parameters([b"\x67\x42", b"\x68\x01", b"\x65"]) == Parameters(b"\x67\x42", b"\x68\x01")
