"""What a real publisher sends, recorded, and read back by FFmpeg."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from agent.media import BLOCK_S, Frame
from agent.recordings import Recordings
from agent.streams.encoders import EncodedFrame
from agent.streams.fmp4 import Parameters
from agent.streams.layers import PictureTrackName
from agent.streams.load import Limits
from agent.streams.recorder import MOST_WAITING_BYTES, ChapterKind, Recorder
from protocol.errors import RecordingError
from protocol.messages import OnAir
from tests.integration.streams.conftest import Room
from tests.integration.streams.sources import again, film, picture, speak, tone
from tests.waiting import until

pytestmark = pytest.mark.timed

PERIOD_S, FLASH_S = 1.0, 0.4
DARK_Y, BRIGHT_Y, SLATE_Y = 30, 220, 61
KEY = bytes(32)


def flashing(number: int) -> Frame:
    """Return a bright picture for as long as `beeping` beeps."""
    frame = picture(number, luma=DARK_Y)
    is_bright = frame.captured_mono_s % PERIOD_S < FLASH_S
    return replace(picture(number, luma=BRIGHT_Y), captured_mono_s=frame.captured_mono_s) if is_bright else frame


async def beeping(room: Room) -> None:
    """Push a tone while `flashing` is bright, each block when its last sample is over."""
    begun_s, number = time.monotonic(), 0
    while True:
        at_s = begun_s + number * BLOCK_S
        await asyncio.sleep(max(0.0, at_s + BLOCK_S - time.monotonic()))
        room.publisher.push_sound("room", tone(number, at_s, 8000 if at_s % PERIOD_S < FLASH_S else 0))
        number += 1


@asynccontextmanager
async def recording(room: Room, folder: Path) -> AsyncIterator[Recorder]:
    """Record what the room sends while the body runs."""
    file = Recordings(folder, lambda: KEY).create("l-1")
    failures: list[Exception] = []
    recorder = Recorder(file, time.monotonic(), board=room.publisher.board_shown, on_failed=failures.append)
    end = room.publisher.record(recorder.tracks)
    recorder.start()
    try:
        yield recorder
    finally:
        end()
        recorder.stop()
        await asyncio.to_thread(recorder.join, 5.0)
    assert not failures


def mp4_of(folder: Path) -> bytes:
    recordings = Recordings(folder, lambda: KEY)
    (one,) = recordings.all()
    mp4 = recordings.open(one.id)
    return b"".join(mp4.read(0, mp4.size - 1))


def pictures(mp4: bytes, stream: int) -> list[tuple[float, int, float]]:
    """Return time, width and median brightness of each picture of the n-th picture track."""
    with av.open(io.BytesIO(mp4), "r") as file:
        return [
            (float(frame.time or 0), frame.width, float(np.median(frame.to_ndarray()[: frame.height])))
            for frame in file.decode(video=stream)
        ]


def sounds(mp4: bytes) -> list[tuple[float, float]]:
    """Return time and loudness of each 5 ms."""
    with av.open(io.BytesIO(mp4), "r") as file:
        found = []
        for frame in file.decode(audio=0):
            samples = frame.to_ndarray().astype(np.float64).reshape(frame.layout.nb_channels, -1)[0]
            for at in range(0, len(samples) - 239, 240):
                found.append(
                    (float(frame.time or 0) + at / 48_000, float(np.sqrt(np.mean(samples[at : at + 240] ** 2))))
                )
        return found


def onsets(levels: list[tuple[float, float]], bar: float) -> list[float]:
    return [now[0] for before, now in pairwise(levels) if before[1] < bar <= now[1]]


async def test_sound_and_pictures_are_in_step_though_nobody_watches(room: Room, tmp_path: Path) -> None:
    room.feed(film(room.publisher, "camera", make=flashing))
    room.feed(beeping(room))
    async with recording(room, tmp_path) as recorder:
        await until(lambda: recorder.seconds >= 5)
    mp4 = mp4_of(tmp_path)
    seen = onsets([(at_s, luma) for at_s, _, luma in pictures(mp4, 1)], (DARK_Y + BRIGHT_Y) / 2)
    levels = sounds(mp4)
    heard = onsets(levels, max(level for _, level in levels) / 4)
    apart = [min((flash - beep for beep in heard), key=abs) for flash in seen]
    assert len(apart) >= 4
    assert abs(float(np.median(apart))) <= 0.045, apart


async def test_another_size_in_the_middle_plays_through(room: Room, tmp_path: Path) -> None:
    small = room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))
    async with recording(room, tmp_path) as recorder:
        await until(lambda: recorder.seconds >= 1.5)
        small.cancel()
        room.feed(film(room.publisher, "camera", make=lambda n: picture(n, 640, 360)))
        await until(lambda: recorder.seconds >= 3.5)
    shown = pictures(mp4_of(tmp_path), 1)
    widths = [width for _, width, _ in shown]
    assert widths == sorted(widths)
    assert min(widths.count(320), widths.count(640)) >= 10
    steps = [later[0] - earlier[0] for earlier, later in pairwise(shown)]
    assert min(steps) > 0
    assert shown[-1][0] - shown[0][0] >= 2


async def test_what_is_hidden_or_frozen_is_not_recorded(room: Room, tmp_path: Path) -> None:
    """Behind a camera that is off, a frozen board and a pause there are the stand-ins that pupils see."""
    room.feed(film(room.publisher, "camera", make=lambda n: picture(n, luma=BRIGHT_Y)))
    calm = room.feed(film(room.publisher, "board", 5, make=lambda n: picture(n, luma=DARK_Y)))
    async with recording(room, tmp_path) as recorder:
        await until(lambda: recorder.seconds >= 1)
        room.publisher.set_on_air(OnAir(camera=False), False)
        room.publisher.set_frozen(True)
        hidden_s = recorder.seconds
        calm.cancel()
        room.feed(film(room.publisher, "board", 5, make=lambda n: picture(n, luma=BRIGHT_Y)))
        await until(lambda: recorder.seconds >= hidden_s + 1.5)
    mp4 = mp4_of(tmp_path)
    camera = [luma for at_s, _, luma in pictures(mp4, 1) if at_s > hidden_s]
    assert camera
    assert all(abs(luma - SLATE_Y) < 15 for luma in camera)
    assert all(abs(luma - DARK_Y) < 15 or abs(luma - SLATE_Y) < 15 for _, _, luma in pictures(mp4, 0))


async def test_nothing_of_before_the_press_is_recorded(room: Room, tmp_path: Path) -> None:
    """Though the pictures since the last key frame are kept for pupils who come, and sound leaves late."""
    before = room.feed(film(room.publisher, "board", 5, make=lambda n: picture(n, luma=BRIGHT_Y)))
    said = room.feed(speak(room.publisher))
    async with recording(room, tmp_path / "first") as first:  # the layers are in use, and a key frame was made
        await until(lambda: first.seconds >= 0.5)
        before.cancel()
        room.feed(film(room.publisher, "board", 5, make=lambda n: picture(n, luma=DARK_Y)))
        await until(lambda: first.seconds >= 0.9)
        said.cancel()
        room.feed(speak(room.publisher, amplitude=0))
        async with recording(room, tmp_path / "second") as second:
            await until(lambda: second.seconds >= 1.5)
    one, other = mp4_of(tmp_path / "first"), mp4_of(tmp_path / "second")
    assert {luma > SLATE_Y for _, _, luma in pictures(one, 0)} == {True, False}
    shown = pictures(other, 0)
    assert shown[0][0] < 0.2, "a key frame is made at once"
    assert all(abs(luma - DARK_Y) < 15 for _, _, luma in shown), shown
    assert max(level for _, level in sounds(one)) > 0.1
    assert max(level for _, level in sounds(other)) < 0.1, [level for _, level in sounds(other)][:40]


class Hanging:
    """Keeps a recording on a disk that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()

    def chapter(self, kind: ChapterKind, at_ms: int) -> None:
        self.asked.set()
        self.let_go.wait(10)

    def parameters(self, track: PictureTrackName, sets: Parameters) -> None: ...
    def fragment(self, data: bytes, at_ms: int) -> None: ...
    def finish(self, at_ms: int) -> None: ...
    def close(self) -> None: ...


async def test_a_disk_that_hangs_ends_the_recording_and_fills_no_memory() -> None:
    disk, failures = Hanging(), list[Exception]()
    recorder = Recorder(disk, time.monotonic(), board=lambda: None, on_failed=failures.append)
    recorder.start()
    await until(disk.asked.is_set)
    for number in range(1 + 2 * MOST_WAITING_BYTES // 1_000_000):
        picture_of_it = EncodedFrame("camera", "high", True, float(number), (b"\x65" + bytes(1_000_000),))
        recorder.tracks["camera"].send(picture_of_it, float(number))
    assert [error.code for error in failures if isinstance(error, RecordingError)] == ["recording-disk-slow"]
    assert not recorder._frames
    disk.let_go.set()
    await asyncio.to_thread(recorder.join, 5.0)
    assert len(failures) == 1


async def test_a_machine_that_is_too_busy_records_the_layers_that_pupils_are_left_with(
    room: Room, tmp_path: Path
) -> None:
    """From the middle of one recording on, and from the beginning of the next."""
    cameras, boards = [picture(n, 1280, 720) for n in range(3)], [picture(n, 1920, 1080) for n in range(3)]
    room.feed(film(room.publisher, "camera", 15, make=lambda n: again(cameras, n)))
    room.feed(film(room.publisher, "board", 2, make=lambda n: again(boards, n)))
    async with recording(room, tmp_path / "one") as recorder:
        await until(lambda: recorder.seconds >= 2)
        room.publisher.limit(Limits(0.5, 1, 1))
        await until(lambda: recorder.seconds >= 4)
    async with recording(room, tmp_path / "two") as recorder:
        await until(lambda: recorder.seconds >= 1.5)
    for track, whole, less in ((1, 1280, 640), (0, 1920, 960)):
        first, second = ([width for _, width, _ in pictures(mp4_of(tmp_path / name), track)] for name in ("one", "two"))
        assert first == sorted(first, reverse=True)
        assert set(first) == {whole, less}
        assert set(second) == {less}
