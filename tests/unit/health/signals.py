"""Small signals for the tests of the checks: a lit room with noise, a voice-like sound, and a watcher of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.health.baseline import CameraBaseline
from agent.health.picture import Asked, PictureChecks
from agent.health.reading import Reading
from agent.health.sound import SoundChecks
from agent.health.tracker import Tracker
from agent.media import BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock, Frame
from protocol.messages import CheckStatus

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
WIDTH, HEIGHT = 320, 180
LOOK_S = 0.25
BAD = (CheckStatus.WARNING, CheckStatus.CRITICAL)
Light = NDArray[np.float32]
"""Levels 0 to 255."""
Sound = NDArray[np.float32]
"""Full scale is 1."""


def room(seed: int = 1) -> Light:
    """Return a wall with a board, posters and desks, lit from one side."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH), 120, np.float32)
    for _ in range(60):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))
        size = int(rng.integers(4, 45)), int(rng.integers(3, 25))
        cv2.rectangle(picture, (x, y), (x + size[0], y + size[1]), float(rng.uniform(40, 200)), -1)
    for row in range(10):
        text = "".join(chr(int(c)) for c in rng.integers(65, 90, 30))
        cv2.putText(picture, text, (20, 20 + 17 * row), cv2.FONT_HERSHEY_PLAIN, 0.9, float(rng.uniform(40, 220)))
    return picture * np.linspace(0.8, 1.1, WIDTH, dtype=np.float32)


_SHEET = np.random.default_rng(0).standard_normal((HEIGHT + 60, WIDTH + 60), np.float32)
"""Noise, laid on from a new corner for each picture."""


def image(
    light: Light, rng: np.random.Generator, noise: float = 1.5, tint: tuple[int, int] = (128, 128)
) -> NDArray[np.uint8]:
    """Return the picture as a camera gives it, I420."""
    height, width = light.shape
    top, left = rng.integers(0, 60, 2)
    noisy = light + noise * _SHEET[top : top + height, left : left + width]
    whole = np.empty((height * 3 // 2, width), np.uint8)
    whole[:height] = np.clip(np.rint(16 + noisy * (219 / 255)), 16, 235)
    chroma = whole.reshape(-1)[height * width :].reshape(2, -1)
    chroma[0], chroma[1] = tint
    return whole


class Coded:
    """A camera that sends H.264, whose codec leaves out the noise and draws it only in key frames, 4 s apart."""

    RATE_HZ = 25

    def __init__(self, noise: float = 0.5) -> None:
        self._encoder, self._decoder = (av.CodecContext.create(*of) for of in (("libx264", "w"), ("h264", "r")))
        assert isinstance(self._encoder, av.VideoCodecContext)
        assert isinstance(self._decoder, av.VideoCodecContext)
        self._encoder.width, self._encoder.height, self._encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        self._encoder.time_base, self._encoder.framerate = Fraction(1, self.RATE_HZ), Fraction(self.RATE_HZ)
        self._encoder.options = {"preset": "veryfast", "tune": "zerolatency", "crf": "26", "g": str(4 * self.RATE_HZ)}
        self._decoder.thread_count = 1
        self._rng, self._noise, self._sent = np.random.default_rng(3), noise, 0
        self._kept: NDArray[np.uint8] | None = None

    def sends(self, scene: Light, *, is_frozen: bool = False) -> NDArray[np.uint8]:
        """Return the picture that is seen a look later, I420."""
        assert isinstance(self._encoder, av.VideoCodecContext)
        assert isinstance(self._decoder, av.VideoCodecContext)
        until = self._sent + self.RATE_HZ * LOOK_S
        while self._sent < until:
            if self._kept is None or not is_frozen:
                self._kept = image(scene, self._rng, self._noise)
            frame = av.VideoFrame.from_ndarray(self._kept, format="yuv420p")
            frame.pts, self._sent = self._sent, self._sent + 1
            for packet in self._encoder.encode(frame):
                for decoded in self._decoder.decode(packet):
                    seen = decoded.to_ndarray()
        return seen.astype(np.uint8, copy=False)


class Camera:
    """A camera and the checks of its picture, by the clock of the test.

    ``gives_all``: every picture of 30 a second is made, as the light's flicker needs it; else those that are looked at.
    """

    def __init__(
        self,
        *,
        is_calibrated: bool = True,
        noise: float = 1.5,
        scene: Light | None = None,
        gives_all: bool = False,
    ) -> None:
        self.gives_all = gives_all
        self.rng = np.random.default_rng(7)
        self.noise = noise
        self.scene = room() if scene is None else scene
        self.mono_s = 1000.0
        self.sequence = 0.0
        self.rate_hz = 30.0
        self.tracker = Tracker()
        self.baseline: CameraBaseline | None = None
        self.checks = PictureChecks("camera", None, Asked(WIDTH, HEIGHT, 30.0))
        if is_calibrated:
            self.calibrate([image(self.scene, self.rng, noise) for _ in range(9)])

    def calibrate(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Take pictures, a look apart, as those of the empty room."""
        frames = [Frame(picture, WIDTH, HEIGHT, k * LOOK_S, k) for k, picture in enumerate(pictures)]
        self.baseline = CameraBaseline.of(frames, NOON)
        self.checks = PictureChecks("camera", self.baseline, Asked(WIDTH, HEIGHT, 30.0))

    def shows(
        self,
        for_s: float,
        what: Light | Callable[[float], Light | NDArray[np.uint8]] | NDArray[np.uint8] | None = None,
        *,
        is_turning: bool = False,
        began_s: float | None = None,
    ) -> set[str]:
        """Show something for so long, an I420 picture as it is; return what was told as a fault at any time of it.

        What changes is asked for with the seconds since ``began_s``, or since now.
        """
        told: set[str] = set()
        began_s = self.mono_s if began_s is None else began_s
        for _ in range(round(for_s / LOOK_S)):
            before_s, self.mono_s = self.mono_s, self.mono_s + LOOK_S
            if self.gives_all:
                for at_s in np.arange(before_s + LOOK_S / 7, self.mono_s - 0.02, LOOK_S / 7).tolist():
                    self.checks.see(self._frame(what, at_s, began_s))
            self.sequence += LOOK_S * self.rate_hz
            newest = self._frame(what, self.mono_s - 0.01, began_s)
            self.checks.see(newest)
            self.look(newest, is_turning)
            told |= self.faults()
        return told

    def _frame(
        self,
        what: Light | Callable[[float], Light | NDArray[np.uint8]] | NDArray[np.uint8] | None,
        at_s: float,
        began_s: float,
    ) -> Frame:
        seen = what(at_s - began_s) if callable(what) else self.scene if what is None else what
        whole = seen if seen.dtype == np.uint8 else image(seen.astype(np.float32), self.rng, self.noise)
        size = whole.shape[1], whole.shape[0] * 2 // 3
        return Frame(whole.astype(np.uint8, copy=False), *size, at_s, int(self.sequence))

    def look(self, frame: Frame | None, is_turning: bool = False) -> tuple[Reading, ...]:
        readings = self.checks.look(frame, self.mono_s, is_turning=is_turning)
        self.tracker.take(readings, self.mono_s, NOON + timedelta(seconds=self.mono_s))
        return readings

    def faults(self) -> set[str]:
        return {check.id for check in self.tracker.checks() if check.status in BAD}

    def told_after(
        self, check: str, what: Light | Callable[[float], Light | NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> float:
        """Show a fault until it is told; return how long that took."""
        began_s = self.mono_s
        while check not in self.faults():
            assert self.mono_s - began_s < 40, f"{check} is not told; told are {self.faults()}"
            self.shows(LOOK_S, what, began_s=began_s)
        return self.mono_s - began_s


class Microphone:
    """A microphone and the checks of its sound."""

    def __init__(self, checks: SoundChecks | None = None) -> None:
        self.checks = checks or SoundChecks()
        self.tracker = Tracker()
        self.mono_s = 1000.0
        self.sequence = 0

    def hears(self, sound: Sound) -> set[str]:
        """Hear a sound; return what was told as a fault at any time of it."""
        told: set[str] = set()
        whole = np.clip(np.rint(sound * 32767), -32768, 32767).astype(np.int16)
        for at in range(0, len(whole) - BLOCK_SAMPLES + 1, BLOCK_SAMPLES):
            self.checks.hear(AudioBlock(whole[at : at + BLOCK_SAMPLES], self.mono_s, self.sequence))
            self.mono_s += 0.02
            self.sequence += 1
            if self.sequence % 12 == 0:
                told |= self.look()
        return told

    def waits(self, for_s: float) -> set[str]:
        """Hear nothing at all for so long."""
        told: set[str] = set()
        for _ in range(round(for_s / LOOK_S)):
            self.mono_s += LOOK_S
            told |= self.look()
        return told

    def look(self) -> set[str]:
        self.tracker.take(self.checks.look(self.mono_s), self.mono_s, NOON + timedelta(seconds=self.mono_s))
        return self.faults()

    def faults(self) -> set[str]:
        return {check.id for check in self.tracker.checks() if check.status in BAD}


def hiss(seconds: float, dbfs: float, seed: int = 3) -> Sound:
    """Return steady noise."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE_HZ), np.float32)
    sound: Sound = (noise * 10 ** (dbfs / 20)).astype(np.float32)
    return sound


def tone(seconds: float, hz: float, dbfs: float) -> Sound:
    """Return a sine of that root mean square."""
    at_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound: Sound = (np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * at_s)).astype(np.float32)
    return sound


def speech(seconds: float, dbfs: float) -> Sound:
    """Return something with a voice's pitch, syllables and pauses."""
    at_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pitch = 2 * np.pi * (130 * at_s + 4 * np.sin(2 * np.pi * 0.7 * at_s))
    voice = np.arctan2(np.sin(pitch), 0.4 - np.cos(pitch))  # a pulse with overtones, as a throat makes it
    syllables = np.clip(np.sin(2 * np.pi * 2.1 * at_s) + 0.5, 0, 1) * (np.sin(2 * np.pi * 0.21 * at_s) > -0.4)
    sound: Sound = (10 ** (dbfs / 20) * voice * syllables).astype(np.float32)
    return sound


def mixed(sounds: Iterable[Sound]) -> Sound:
    """Return them all at once."""
    parts: Sequence[Sound] = list(sounds)
    sound: Sound = np.stack(parts).sum(axis=0).astype(np.float32)
    return sound
