"""The stream of the fan-out benchmark: 720p30 at 1.5 Mb/s and sound, encoded once and played in a circle."""

from __future__ import annotations

import asyncio
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ
from agent.streams import packetize
from agent.streams.codecs import open_h264, open_opus
from agent.streams.encoders import EncodedFrame
from agent.streams.layers import StreamSettings
from benchmarks.recording import RATE_HZ, recording

Units = tuple[bytes, ...]


def load() -> tuple[list[Units], list[Units]]:
    """Return NAL units of ten seconds of pictures, of which the first is a key frame, and ten seconds of sound."""
    film = recording()
    path = film.with_name("benchmark-fanout.pickle")
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(pickle.dumps((_pictures(film), _sound())))
        unfinished.rename(path)
    pictures, sound = pickle.loads(path.read_bytes())
    return pictures, sound


def _pictures(film: Path) -> list[Units]:
    layer = StreamSettings().camera_layers()[0]
    encoder = open_h264(layer, 1280, 720)
    units = []
    with av.open(str(film)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            frame.pts, frame.time_base = number, encoder.time_base
            frame.pict_type = av.video.frame.PictureType.NONE
            units += [packetize.nal_units(bytes(packet)) for packet in encoder.encode(frame)]
    return units


def _sound() -> list[Units]:
    encoder = open_opus(StreamSettings().sound_layers()[0])
    noise = np.random.default_rng(12).normal(0, 3000, SAMPLE_RATE_HZ * 10)
    voice = (noise * (0.5 + 0.5 * np.sin(np.arange(len(noise)) / 4000))).astype(np.int16)
    units: list[Units] = []
    for at in range(0, len(voice), BLOCK_SAMPLES):
        frame = av.AudioFrame.from_ndarray(voice[None, at : at + BLOCK_SAMPLES], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, at
        units += [(bytes(packet),) for packet in encoder.encode(frame)]
    return units


class Player:
    """Plays the stream to ``on_frame`` at its pace; `make_key` goes back to its beginning."""

    def __init__(self, on_frame: Callable[[EncodedFrame], None]) -> None:
        self._pictures, self._sound = load()
        self._on_frame = on_frame
        self._next = 0

    def make_key(self) -> None:
        """Let the next picture be a key frame."""
        self._next = 0

    async def run(self) -> None:
        """Play until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._play(1 / RATE_HZ, self._picture))
            tasks.create_task(self._play(BLOCK_S, self._block))

    async def _play(self, interval_s: float, play: Callable[[int, float], None]) -> None:
        begun_s, number = time.monotonic(), 0
        while True:
            due_s = begun_s + number * interval_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            play(number, due_s)
            number += 1

    def _picture(self, number: int, due_s: float) -> None:
        units = self._pictures[self._next]
        self._on_frame(EncodedFrame("camera", "720p", self._next == 0, due_s, units))
        self._next = (self._next + 1) % len(self._pictures)

    def _block(self, number: int, due_s: float) -> None:
        self._on_frame(EncodedFrame("sound", "32k", True, due_s, self._sound[number % len(self._sound)]))
