"""Faults of a camera, a board and a microphone, put into ordinary signal. Nothing here knows the health checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np

from benchmarks.ordinary_picture import Classroom, Floats, Picture
from benchmarks.ordinary_sound import RATE_HZ, RoomSound, Samples, to_samples

Spoil = Callable[[Picture, float], Picture]
"""A picture and the seconds since the fault began → the picture that the room gets."""


def _light(picture: Picture) -> Picture:
    return picture[: picture.shape[0] * 2 // 3]


def _noisy(rng: np.random.Generator, light: Floats, strength: float) -> Picture:
    noise = rng.standard_normal(light.shape).astype(np.float32)
    return np.clip(np.rint(light + strength * noise), 16, 235).astype(np.uint8)


# --- camera -----------------------------------------------------------------------------------------------------------


def black(rng: np.random.Generator, room: Classroom) -> Spoil:
    """A cap: black, with more or less of the noise of a sensor that seeks light."""
    noise = float(rng.choice((0.0, 1.0, 3.0, 6.0)))

    def spoil(picture: Picture, after_s: float) -> Picture:
        spoilt = picture.copy()
        _light(spoilt)[:] = _noisy(rng, np.full(_light(spoilt).shape, 16.0, np.float32), noise)
        spoilt[_light(spoilt).shape[0] :] = 128
        return spoilt

    return spoil


def frozen(rng: np.random.Generator, room: Classroom) -> Spoil:
    """The same picture again and again."""
    kept: list[Picture] = []

    def spoil(picture: Picture, after_s: float) -> Picture:
        if not kept:
            kept.append(picture.copy())
        return kept[0]

    return spoil


def covered(rng: np.random.Generator, room: Classroom) -> Spoil:
    """A hand, a cloth or a sheet of paper that comes before the lens within a third of a second."""
    height, width = room.height_px, room.width_px
    level, slope = float(rng.choice((45.0, 80.0, 150.0, 200.0))), float(rng.uniform(0, 25))
    angle = float(rng.uniform(0, math.tau))
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    sheet = (level + slope * (across * math.cos(angle) + down * math.sin(angle))).astype(np.float32)
    tint = float(rng.uniform(-12, 12))
    noise = room.camera.noise * (3 if level < 100 else 1)

    def spoil(picture: Picture, after_s: float) -> Picture:
        spoilt = picture.copy()
        rows = round(height * min(1.0, after_s / 0.3))
        _light(spoilt)[:rows] = _noisy(rng, sheet[:rows], noise)
        if rows == height:
            spoilt[height:] = round(128 + tint)
        return spoilt

    return spoil


def blurred(rng: np.random.Generator, room: Classroom) -> Spoil:
    """A lens out of focus or smeared; the noise is the sensor's and stays sharp."""
    spread = float(rng.uniform(1 / 220, 1 / 100)) * room.width_px

    def spoil(picture: Picture, after_s: float) -> Picture:
        spoilt = picture.copy()
        soft = cv2.GaussianBlur(_light(picture).astype(np.float32), (0, 0), spread).astype(np.float32)
        _light(spoilt)[:] = _noisy(rng, soft, room.camera.noise)
        return spoilt

    return spoil


def over_exposed(rng: np.random.Generator, room: Classroom) -> Spoil:
    """The exposure is set by hand and far too long."""
    room.camera.is_automatic = False
    room.camera.gain *= float(rng.uniform(7, 12))
    return lambda picture, after_s: picture


def under_exposed(rng: np.random.Generator, room: Classroom) -> Spoil:
    """The exposure is set by hand and far too short."""
    room.camera.is_automatic = False
    room.camera.gain *= float(rng.uniform(0.015, 0.04))
    return lambda picture, after_s: picture


def white_balance(rng: np.random.Generator, room: Classroom) -> Spoil:
    """A white balance that is set for another light: all orange, or all blue."""
    warm = float(rng.uniform(1.5, 1.8))
    factors = (1 / warm, 1.0, warm) if rng.random() < 0.5 else (warm, 1.0, 1 / warm)

    def spoil(picture: Picture, after_s: float) -> Picture:
        image = cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420).astype(np.float32) * np.array(factors, np.float32)
        return cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_BGR2YUV_I420).astype(np.uint8)

    return spoil


def flicker(rng: np.random.Generator, room: Classroom) -> Spoil:
    """Light of 100 Hz through a rolling shutter that is set for 60 Hz: bands that move from picture to picture."""
    return _beating(rng, room, readout_s=float(rng.uniform(0.016, 0.03)))


def flicker_of_all(rng: np.random.Generator, room: Classroom) -> Spoil:
    """The same through a shutter that takes all rows at once: the whole picture is lighter and darker in turn."""
    return _beating(rng, room, readout_s=0.0)


def _beating(rng: np.random.Generator, room: Classroom, *, readout_s: float) -> Spoil:
    depth = float(rng.uniform(0.04, 0.12))
    rows_s = np.arange(room.height_px, dtype=np.float32) / room.height_px * readout_s

    def spoil(picture: Picture, after_s: float) -> Picture:
        bands = 1 + depth * np.sin(2 * math.pi * 100.02 * (after_s + rows_s))
        spoilt = picture.copy()
        lit = 16 + (_light(picture).astype(np.float32) - 16) * bands.astype(np.float32)[:, None]
        _light(spoilt)[:] = np.clip(np.rint(lit), 16, 235)
        return spoilt

    return spoil


def moved(rng: np.random.Generator, room: Classroom) -> Spoil:
    """Somebody has knocked the camera: it looks a little beside, and stands a little askew."""
    share, angle = float(rng.uniform(0.04, 0.15)), float(rng.uniform(0, math.tau))
    middle = room.width_px / 2, room.height_px / 2
    turn = np.asarray(cv2.getRotationMatrix2D(middle, float(rng.uniform(-1.5, 1.5)), 1.0), np.float64)
    turn[:, 2] += share * room.width_px * np.array((math.cos(angle), math.sin(angle) * 0.7))

    def spoil(picture: Picture, after_s: float) -> Picture:
        image = cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420)
        size = (room.width_px, room.height_px)
        beside = cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REFLECT)
        return cv2.cvtColor(beside, cv2.COLOR_BGR2YUV_I420).astype(np.uint8)

    return spoil


def other_scene(rng: np.random.Generator, room: Classroom) -> Spoil:
    """The camera was put somewhere else: it sees a part of another room, and from the other side."""
    other = Classroom(rng, room.width_px, room.height_px)
    other.begin("lecture", 1e9)
    other.is_scripted = True
    for step in range(40):
        other.frame(step * 0.25)
    height, width = room.height_px, room.width_px
    top, left = int(rng.uniform(0, 0.4) * height) // 2 * 2, int(rng.uniform(0, 0.4) * width) // 2 * 2

    def spoil(picture: Picture, after_s: float) -> Picture:
        image = cv2.cvtColor(other.frame(10 + after_s), cv2.COLOR_YUV2BGR_I420)[:, ::-1]
        part = np.ascontiguousarray(image[top : top + height * 6 // 10, left : left + width * 6 // 10])
        return cv2.cvtColor(cv2.resize(part, (width, height)), cv2.COLOR_BGR2YUV_I420).astype(np.uint8)

    return spoil


def as_it_is(rng: np.random.Generator, room: Classroom) -> Spoil:
    """The picture is well; what is wrong is when it comes, or its size."""
    return lambda picture, after_s: picture


def small(rng: np.random.Generator, room: Classroom) -> Spoil:
    """The camera has fallen back to a quarter of the pixels."""

    def spoil(picture: Picture, after_s: float) -> Picture:
        image = cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420)
        half = cv2.resize(image, (room.width_px // 2, room.height_px // 2), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(half, cv2.COLOR_BGR2YUV_I420).astype(np.uint8)

    return spoil


@dataclass(frozen=True, slots=True)
class CameraFault:
    """A fault, and what becomes of the times of its pictures."""

    make: Callable[[np.random.Generator, Classroom], Spoil]
    rate_share: float = 1.0
    """Of the rate that was asked for; 0: no picture comes."""
    is_coded: bool = False
    """The camera sends H.264."""
    rates_hz: tuple[float, ...] = ()
    """Of the camera, one of these: every picture is made, not only those that are looked at."""


BEATING_HZ = (15.0, 24.0, 29.97, 30.0, 60.0)
"""Rates at which light of 100 Hz is not the same in each picture."""
CAMERA_FAULTS: Mapping[str, CameraFault] = {
    "picture-no-frames": CameraFault(as_it_is, rate_share=0.0),
    "picture-black": CameraFault(black),
    "picture-black-in-h264": CameraFault(black, is_coded=True),
    "picture-frozen": CameraFault(frozen),
    "picture-frozen-in-h264": CameraFault(frozen, is_coded=True),
    "picture-covered": CameraFault(covered),
    "picture-covered-in-h264": CameraFault(covered, is_coded=True),
    "picture-blurred": CameraFault(blurred),
    "picture-over-exposed": CameraFault(over_exposed),
    "picture-under-exposed": CameraFault(under_exposed),
    "picture-white-balance": CameraFault(white_balance),
    "picture-flicker": CameraFault(flicker, rates_hz=BEATING_HZ),
    "picture-flicker-of-all": CameraFault(flicker_of_all, rates_hz=BEATING_HZ),
    "picture-moved": CameraFault(moved),
    "picture-moved-other-scene": CameraFault(other_scene),
    "picture-rate": CameraFault(as_it_is, rate_share=0.6),
    "picture-resolution": CameraFault(small),
}


class Coded:
    """A camera's H.264: what goes in comes out as a pupil of that stream would see it."""

    def __init__(self, width_px: int, height_px: int, rate_hz: int, options: Mapping[str, str]) -> None:
        self._encoder = av.CodecContext.create("libx264", "w")
        assert isinstance(self._encoder, av.VideoCodecContext)
        self._encoder.width, self._encoder.height, self._encoder.pix_fmt = width_px, height_px, "yuv420p"
        self._encoder.time_base, self._encoder.framerate = Fraction(1, rate_hz), Fraction(rate_hz)
        self._encoder.options = {"preset": "veryfast", "tune": "zerolatency", **options}
        self._decoder = av.CodecContext.create("h264", "r")
        assert isinstance(self._decoder, av.VideoCodecContext)
        self._decoder.thread_count = 1
        self._count = 0

    def through(self, picture: Picture) -> Picture | None:
        """Return a picture that comes out; None while none has come yet."""
        assert isinstance(self._encoder, av.VideoCodecContext)
        assert isinstance(self._decoder, av.VideoCodecContext)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, self._count = self._count, self._count + 1
        out = None
        for packet in self._encoder.encode(frame):
            for decoded in self._decoder.decode(packet):
                out = decoded.to_ndarray()
        return None if out is None else out.astype(np.uint8, copy=False)


STREAMS: tuple[Mapping[str, str], ...] = (
    {"crf": "23", "g": "25"},
    {"crf": "26", "g": "100"},
    {"b": "1500k", "maxrate": "1500k", "bufsize": "1500k", "g": "50"},
)
"""How network cameras encode: constant quality with short and long distances of key frames, and a constant rate."""

# --- sound ------------------------------------------------------------------------------------------------------------

SPEAKING = "lecture"
SoundFault = Callable[[np.random.Generator, RoomSound, int], "Samples | None"]
"""Generator, room and seconds → the sound from the fault on; None: no block comes any more."""


def _dead(rng: np.random.Generator, room: RoomSound, seconds: int) -> Samples | None:
    length = seconds * RATE_HZ
    kind = int(rng.integers(4))
    if kind == 0:
        return None
    if kind == 1:
        return np.zeros(length, np.int16)
    if kind == 2:
        return np.full(length, int(rng.integers(-400, 400)), np.int16)
    return (rng.random(length) < 0.2).astype(np.int16)  # the last bit of a converter whose input is switched off


def _switched_off(rng: np.random.Generator, room: RoomSound, seconds: int) -> Samples:
    return np.zeros(seconds * RATE_HZ, np.int16)


def _quiet(rng: np.random.Generator, room: RoomSound, seconds: int) -> Samples:
    room.voice_peak, room.floor_dbfs = 10 ** (float(rng.uniform(-41, -37)) / 20), -70.0
    room.fan_dbfs = None
    return room.chunk(seconds, SPEAKING)


def _clipping(rng: np.random.Generator, room: RoomSound, seconds: int) -> Samples:
    whole = room.chunk(seconds, SPEAKING).astype(np.float32) / 32767
    return to_samples(whole * np.float32(rng.uniform(6, 14)))


def _offset(rng: np.random.Generator, room: RoomSound, seconds: int) -> Samples:
    whole = room.chunk(seconds, SPEAKING).astype(np.float32) / 32767
    return to_samples(whole + np.float32(rng.choice((-1, 1)) * rng.uniform(0.015, 0.06)))


def _hum(rng: np.random.Generator, room: RoomSound, seconds: int) -> Samples:
    whole = room.chunk(seconds, SPEAKING).astype(np.float32) / 32767
    time_s = np.arange(len(whole)) / RATE_HZ
    mains_hz = float(rng.uniform(49.95, 50.05))
    strengths = np.array((1.0, 0.3, 0.6, 0.1, 0.35)) * 10 ** (rng.uniform(-44, -30) / 20)
    for n, strength in enumerate(strengths):
        whole += (strength * np.sin(2 * np.pi * (n + 1) * mains_hz * time_s + n)).astype(np.float32)
    return to_samples(whole)


def _noise(rng: np.random.Generator, room: RoomSound, seconds: int) -> Samples:
    room.fan_dbfs = float(rng.uniform(-38, -30))
    return room.chunk(seconds, SPEAKING)


def _howl(rng: np.random.Generator, room: RoomSound, seconds: int) -> Samples:
    whole = room.chunk(seconds, SPEAKING).astype(np.float32) / 32767
    time_s = np.arange(len(whole)) / RATE_HZ
    growth = np.minimum(1, 10 ** (time_s - 2)) * float(rng.uniform(0.3, 0.9))
    howl = growth * np.sin(2 * np.pi * float(rng.uniform(400, 3500)) * time_s)
    whole *= 0.4
    whole += howl.astype(np.float32)
    return to_samples(whole)


SOUND_FAULTS: Mapping[str, SoundFault] = {
    "sound-dead": _dead,
    "sound-muted": _switched_off,
    "sound-quiet": _quiet,
    "sound-clipping": _clipping,
    "sound-dc": _offset,
    "sound-hum": _hum,
    "sound-noise": _noise,
    "sound-howl": _howl,
}
