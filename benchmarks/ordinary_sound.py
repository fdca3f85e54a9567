"""Sound of an ordinary classroom, as its microphone would give it: voices, chairs, pens, films, songs, fans.

Nothing here knows the health checks. Each generator has its own room, microphone and voices.
"""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import wave
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Samples = NDArray[np.int16]
RATE_HZ = 48_000
POOL_S = 40
ACTIVITIES = ("lecture", "lecture", "questions", "test", "test", "film", "groups", "song", "music", "empty")
_SENTENCES = (
    "Ouvrez votre livre à la page quarante-deux, s'il vous plaît.",
    "Qui peut me dire pourquoi l'eau bout plus tôt à la montagne ?",
    "Très bien, Inès, et comment l'as-tu trouvé ?",
    "La Loire prend sa source au mont Gerbier-de-Jonc.",
    "On additionne d'abord les unités, puis les dizaines.",
    "Attention, le verbe s'accorde avec son sujet, pas avec le complément.",
    "Je vous laisse cinq minutes pour finir, ensuite nous corrigeons ensemble.",
    "Regardez bien la courbe : que se passe-t-il quand la température baisse ?",
    "Non, pas tout à fait ; relis la consigne, tu y es presque.",
    "En mille sept cent quatre-vingt-neuf, le prix du pain avait doublé.",
)
_VOICES = ("fr+m1", "fr+m3", "fr+m7", "fr+f1", "fr+f2", "fr+f4")


class Voices:
    """Some minutes of several voices, made once for a run: 48 kHz, peak 1."""

    def __init__(self, rng: np.random.Generator, count: int = 8) -> None:
        program = shutil.which("espeak-ng")
        if program is None:
            raise SystemExit("espeak-ng is not installed: install the Debian package espeak-ng")
        self.clips = [self._speak(program, rng) for _ in range(count)]

    def _speak(self, program: str, rng: np.random.Generator) -> Floats:
        said = " ".join(rng.permutation(_SENTENCES)[:7])
        options = ["-v", str(rng.choice(_VOICES)), "-s", str(rng.integers(125, 190)), "-p", str(rng.integers(25, 75))]
        spoken = subprocess.run(
            [program, *options, "--stdout", said], capture_output=True, check=True, timeout=30
        ).stdout
        with wave.open(io.BytesIO(spoken)) as file:
            rate_hz = file.getframerate()
            dry = np.frombuffer(file.readframes((len(spoken) - 44) // 2), np.int16).astype(np.float32)
        at = np.arange(int(len(dry) * RATE_HZ / rate_hz)) * (rate_hz / RATE_HZ)
        dry = np.interp(at, np.arange(len(dry)), dry).astype(np.float32)
        echo_s = float(rng.uniform(0.25, 0.7))
        tail = rng.standard_normal(int(RATE_HZ * echo_s)) * np.exp(-6.9 * np.linspace(0, 1, int(RATE_HZ * echo_s)))
        wet = dry + float(rng.uniform(0.02, 0.05)) * _convolve(dry, tail.astype(np.float32))
        return _scaled(wet, float(np.abs(wet).max()))


class RoomSound:
    """One room and its microphone; `chunks` never ends."""

    def __init__(self, rng: np.random.Generator, voices: Voices) -> None:
        self._rng = rng
        self._voices = voices
        self.voice_peak = _gain(rng.uniform(-14, -4))
        self.floor_dbfs = float(rng.uniform(-72, -54))
        white = rng.standard_normal(POOL_S * RATE_HZ).astype(np.float32)
        self._hiss = _coloured(white, rng.uniform(0.2, 0.9))
        self._rumble = _coloured(white[::-1], 1.0)
        self._fan = _fan(rng)
        self.fan_dbfs: float | None = None
        self.activity = "lecture"

    def chunks(self, chunk_s: int = 60) -> Iterator[Samples]:
        """Yield a minute of sound after another."""
        left = 0
        while True:
            if left <= 0:
                self.activity = str(self._rng.choice(ACTIVITIES))
                left = int(self._rng.integers(1, 7))
                has_fan = self._rng.random() < 0.35
                self.fan_dbfs = float(self._rng.uniform(-62, -50)) if has_fan else None
            left -= 1
            yield self.chunk(chunk_s, self.activity)

    def chunk(self, chunk_s: float, activity: str) -> Samples:
        """Return so much of one activity."""
        sound = self._floor(round(chunk_s * RATE_HZ))
        getattr(self, f"_{activity}")(sound)
        return to_samples(sound)

    # --- what is heard ------------------------------------------------------------------------------------------------

    def _floor(self, length: int) -> Floats:
        sound = _gain(self.floor_dbfs) * _some(self._hiss, length, self._rng)
        sound += _gain(self.floor_dbfs - 8) * _some(self._rumble, length, self._rng)
        if self.fan_dbfs is not None:
            sound += _gain(self.fan_dbfs) * _some(self._fan, length, self._rng)
        return sound

    def _lecture(self, sound: Floats) -> None:
        self._talk(sound, self.voice_peak, pause_s=1.5)
        self._noises(sound, each_s=20)

    def _questions(self, sound: Floats) -> None:
        """The teacher, and pupils who answer from farther away."""
        self._talk(sound, self.voice_peak, pause_s=6)
        self._talk(sound, self.voice_peak * _gain(-9), pause_s=9)
        self._noises(sound, each_s=12)

    def _test(self, sound: Floats) -> None:
        """Nobody speaks: pens, paper, a cough, a chair, and sometimes somebody in the corridor."""
        self._noises(sound, each_s=9, most_dbfs=-18)
        for at in self._times(sound, 2.5):
            _add(sound, _scratch(self._rng), at, _gain(self._rng.uniform(-66, -44)))
        if self._rng.random() < 0.3:
            self._talk(sound, _gain(-56), pause_s=4)

    def _film(self, sound: Floats) -> None:
        self._tune(sound, _gain(self._rng.uniform(-34, -16)), note_s=(0.2, 2.5))
        self._talk(sound, self.voice_peak * _gain(-4), pause_s=3)

    def _groups(self, sound: Floats) -> None:
        for _ in range(7):
            self._talk(sound, self.voice_peak * _gain(self._rng.uniform(-20, -6)), pause_s=1.0)
        self._noises(sound, each_s=3)

    def _song(self, sound: Floats) -> None:
        for _ in range(4):
            self._tune(sound, _gain(self._rng.uniform(-24, -14)), note_s=(0.3, 2.0), vibrato=0.01)
        if self._rng.random() < 0.5:
            for at in self._times(sound, 0.6):
                _add(sound, _clap(self._rng), at, _gain(-12))

    def _music(self, sound: Floats) -> None:
        """A recorder or a whistle: nearly pure notes, some of them long."""
        self._tune(sound, _gain(self._rng.uniform(-22, -10)), note_s=(0.2, 4.5), harmonics=(1.0, 0.12, 0.03), gap=0.2)

    def _empty(self, sound: Floats) -> None:
        self._noises(sound, each_s=45)

    # --- of what it is made -------------------------------------------------------------------------------------------

    def _times(self, sound: Floats, each_s: float) -> Iterator[int]:
        at_s = float(self._rng.exponential(each_s))
        while at_s * RATE_HZ < len(sound):
            yield int(at_s * RATE_HZ)
            at_s += float(self._rng.exponential(each_s))

    def _talk(self, sound: Floats, peak: float, *, pause_s: float) -> None:
        at = int(self._rng.exponential(pause_s) * RATE_HZ)
        while at < len(sound):
            clip = self._voices.clips[int(self._rng.integers(len(self._voices.clips)))]
            begin = int(self._rng.integers(0, len(clip) // 2))
            part = clip[begin : begin + int(self._rng.uniform(2, 12) * RATE_HZ)]
            _add(sound, part, at, peak * float(self._rng.uniform(0.6, 1.0)))
            at += len(part) + int(self._rng.exponential(pause_s) * RATE_HZ)

    def _noises(self, sound: Floats, *, each_s: float, most_dbfs: float = -10.0) -> None:
        rng = self._rng
        for at in self._times(sound, each_s):
            make = (_chair, _cough, _slam, _scratch)[int(rng.choice(4, p=(0.4, 0.3, 0.05, 0.25)))]
            _add(sound, make(rng), at, _gain(rng.uniform(-40, most_dbfs)))

    def _tune(
        self,
        sound: Floats,
        peak: float,
        *,
        note_s: tuple[float, float],
        vibrato: float = 0.0,
        harmonics: tuple[float, ...] = (1.0, 0.5, 0.35, 0.2, 0.1),
        gap: float = 0.05,
    ) -> None:
        rng, at = self._rng, 0
        while at < len(sound):
            length = int(rng.uniform(*note_s) * RATE_HZ)
            hz = 220 * 2 ** (float(rng.integers(-7, 22)) / 12)
            time_s = np.arange(length, dtype=np.float32) / RATE_HZ
            phase = 2 * np.pi * hz * time_s + vibrato * hz / 5.5 * np.sin(2 * np.pi * 5.5 * time_s)
            note = sum(strength * np.sin((n + 1) * phase) for n, strength in enumerate(harmonics))
            note *= np.minimum(1, time_s / 0.03) * np.minimum(1, (time_s[-1] - time_s) / 0.05)
            _add(sound, note.astype(np.float32), at, peak)
            at += length + int(rng.exponential(gap) * RATE_HZ)


def to_samples(sound: NDArray[np.floating[Any]]) -> Samples:
    """Return 16 bits, with the converter's own half step of noise already in the sound."""
    samples: Samples = np.clip(np.rint(sound * 32767), -32768, 32767).astype(np.int16)
    return samples


def _gain(dbfs: float) -> float:
    return float(10 ** (float(dbfs) / 20))


def _scaled(sound: NDArray[np.floating[Any]], by: float) -> Floats:
    return (sound / by).astype(np.float32)


def _add(sound: Floats, part: Floats, at: int, gain: float) -> None:
    end = min(len(sound), at + len(part))
    sound[at:end] += gain * part[: end - at]


def _some(pool: Floats, length: int, rng: np.random.Generator) -> Floats:
    """Return so much of a pool, from anywhere."""
    begin = int(rng.integers(len(pool)))
    return np.take(pool, np.arange(begin, begin + length), mode="wrap").astype(np.float32)


def _convolve(sound: Floats, other: Floats) -> Floats:
    length = len(sound)
    size = 1 << (length + len(other)).bit_length()
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(other, size), size)[:length].astype(np.float32)


def _coloured(white: Floats, tilt: float) -> Floats:
    """Return noise whose power falls with the frequency to the power of twice ``tilt``; root mean square 1."""
    spectrum = np.fft.rfft(white)
    hz = np.arange(len(spectrum)) * RATE_HZ / len(white)
    spectrum *= np.maximum(hz, 40) ** -tilt
    sound = np.fft.irfft(spectrum, len(white))
    return _scaled(sound, float(np.sqrt(np.mean(sound**2))))


def _fan(rng: np.random.Generator) -> Floats:
    """Return a fan's rush with the tones of its motor and blades, root mean square 1."""
    time_s = np.arange(POOL_S * RATE_HZ, dtype=np.float64) / RATE_HZ
    rush = _coloured(rng.standard_normal(len(time_s)).astype(np.float32), 0.6)
    slip_hz = float(rng.uniform(46.5, 49.5))
    tones = 0.3 * np.sin(2 * np.pi * 100 * time_s) + 0.3 * np.sin(2 * np.pi * slip_hz * 5 * time_s)
    sound = rush + tones * float(rng.uniform(0, 1))
    return _scaled(sound, float(np.sqrt(np.mean(sound**2))))


def _burst(rng: np.random.Generator, length_s: float, tilt: float, fall: float) -> Floats:
    length = int(length_s * RATE_HZ)
    noise = _coloured(rng.standard_normal(length).astype(np.float32), tilt)
    noise *= np.exp(-fall * np.linspace(0, 1, length, dtype=np.float32))
    return _scaled(noise, float(np.abs(noise).max()))


def _chair(rng: np.random.Generator) -> Floats:
    """A chair that is pushed: a rattle, and often a squeak."""
    sound = _burst(rng, float(rng.uniform(0.3, 1.2)), 0.5, 2)
    if rng.random() < 0.6:
        time_s = np.arange(len(sound), dtype=np.float32) / RATE_HZ
        hz = float(rng.uniform(250, 1500))
        squeak = np.sin(2 * np.pi * hz * time_s * (1 + 0.15 * time_s)) * np.abs(np.sin(math.pi * 9 * time_s))
        sound += 0.7 * squeak.astype(np.float32)
    return sound


def _cough(rng: np.random.Generator) -> Floats:
    return np.concatenate([_burst(rng, float(rng.uniform(0.15, 0.3)), 0.4, 4) for _ in range(int(rng.integers(1, 4)))])


def _slam(rng: np.random.Generator) -> Floats:
    return 4 * _burst(rng, 0.6, 0.9, 8)


def _scratch(rng: np.random.Generator) -> Floats:
    return _burst(rng, float(rng.uniform(0.1, 1.5)), 0.1, 0.5)


def _clap(rng: np.random.Generator) -> Floats:
    return _burst(rng, 0.08, 0.2, 6)
