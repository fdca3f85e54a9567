"""The film that the file camera plays in benchmarks: 720p at 30 Hz, the drawn classroom with a sensor's noise.

Without noise x264 would have an easier time than with any real camera.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from agent.devices.classroom import Classroom

WIDTH_PX, HEIGHT_PX, RATE_HZ, SECONDS = 1280, 720, 30, 10
NOISE_SIGMA = 2.0
"""Of 255, in luma: a webcam in a lit room."""
NOISES = 16


def recording() -> Path:
    """Return the film's path; it is made once (10 s) and kept in XDG_CACHE_HOME."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "estrade"
    path = cache / f"benchmark-{HEIGHT_PX}p{RATE_HZ}.mp4"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.mp4")
        _make(unfinished)
        unfinished.rename(path)
    return path


def _make(path: Path) -> None:
    classroom = Classroom(WIDTH_PX, HEIGHT_PX, "Salle 12")
    image = np.empty((HEIGHT_PX * 3 // 2, WIDTH_PX), np.uint8)
    random = np.random.default_rng(12)
    noises = [
        (random.standard_normal((HEIGHT_PX, WIDTH_PX)) * NOISE_SIGMA).round().astype(np.int16) for _ in range(NOISES)
    ]
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=RATE_HZ, options={"preset": "veryfast", "crf": "14"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for number in range(RATE_HZ * SECONDS):
            classroom.draw(image, 8 * 3600 + number / RATE_HZ, number / RATE_HZ)
            noisy = image[:HEIGHT_PX] + noises[int(random.integers(NOISES))]
            image[:HEIGHT_PX] = noisy.clip(16, 235).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE_HZ)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
