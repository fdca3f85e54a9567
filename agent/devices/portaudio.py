"""PortAudio through PyAudio: finding what ALSA calls by a name, opening it, and making blocks of what it gives.

PortAudio ends a process with SIGSEGV when asked for an index it does not have, and hangs for ever in ``read`` and
``stop_stream`` when a device is unplugged: so this runs in a capture process only, indices are looked up by name just
before they are used, and sound comes by callback.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ
from protocol.errors import DeviceBusyError, DeviceError

LARGEST_LATENCY_S = 0.5
"""Beyond this the time stamp PortAudio gives is nonsense, as with some ALSA plug-ins."""

CLOCK_GAIN = 0.05
"""How much of a block's measured time moves the clock of captures: callbacks jitter by ±10 ms, the device does not."""

Direction = Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class SoundCard:
    """One entry of PortAudio's list."""

    index: int
    name: str
    channels: int
    rate_hz: int


@contextmanager
def native_words() -> Iterator[list[str]]:
    """Keep what native libraries print on file descriptor 2 off the journal; fill the list with it at the end.

    ALSA prints some 80 lines each time it looks for devices.
    """
    words: list[str] = []
    heard = os.memfd_create("alsa")
    saved = os.dup(2)
    os.dup2(heard, 2)
    try:
        yield words
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.lseek(heard, 0, os.SEEK_SET)
        words += os.read(heard, 65_536).decode(errors="replace").splitlines()
        os.close(heard)


class CaptureClock:
    """The time of each block's first sample: the device's even pace, held to what was measured."""

    def __init__(self) -> None:
        self._next_mono_s: float | None = None

    def block(self, measured_mono_s: float) -> float:
        """Return the time to give a block whose first sample was measured at this instant."""
        expected = self._next_mono_s
        if expected is None or abs(measured_mono_s - expected) > 5 * BLOCK_S:
            expected = measured_mono_s
        at_mono_s = expected + CLOCK_GAIN * (measured_mono_s - expected)
        self._next_mono_s = at_mono_s + BLOCK_S
        return at_mono_s


def first_sample_mono_s(now_mono_s: float, times: Mapping[str, float]) -> float:
    """Return when a block's first sample reached the device, from PortAudio's time stamps where they make sense."""
    latency_s = times["current_time"] - times["input_buffer_adc_time"]
    if not BLOCK_S <= latency_s <= LARGEST_LATENCY_S:
        latency_s = BLOCK_S
    return now_mono_s - latency_s


def sounds_mono_s(now_mono_s: float, times: Mapping[str, float], usual_s: float) -> float:
    """Return when a block that is given now will sound, from PortAudio's time stamps; else after ``usual_s``."""
    latency_s = times["output_buffer_dac_time"] - times["current_time"]
    return now_mono_s + (latency_s if 0 < latency_s <= LARGEST_LATENCY_S else usual_s)


class Intake:
    """Makes blocks of 20 ms, 48 kHz mono, of what the callback gets, with the time of their first sample.

    Its methods run on PortAudio's thread, and so does ``hand_over``.
    """

    def __init__(self, hand_over: Callable[[NDArray[np.int16], float], None], card: SoundCard) -> None:
        self._hand_over = hand_over
        self._channels = card.channels
        self._rate_hz = card.rate_hz
        self._clock = CaptureClock()
        self._waiting = np.empty(0, np.int16)
        self._resampler: Any = None
        if card.rate_hz != SAMPLE_RATE_HZ:
            from av.audio.resampler import AudioResampler  # for the few devices that cannot do 48 kHz

            self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        self.last_mono_s = time.monotonic()

    def take(self, data: bytes, times: Mapping[str, float]) -> None:
        """Take what the device gave."""
        self.last_mono_s = time.monotonic()
        first_mono_s = first_sample_mono_s(self.last_mono_s, times)
        samples = np.frombuffer(data, np.int16)
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1).astype(np.int16)
        if self._resampler is not None:
            samples = self._resample(samples)
        first_mono_s -= len(self._waiting) / SAMPLE_RATE_HZ
        waiting = np.concatenate((self._waiting, samples)) if len(self._waiting) else samples
        whole = len(waiting) // BLOCK_SAMPLES * BLOCK_SAMPLES
        for start in range(0, whole, BLOCK_SAMPLES):
            at_mono_s = self._clock.block(first_mono_s + start / SAMPLE_RATE_HZ)
            self._hand_over(waiting[start : start + BLOCK_SAMPLES], at_mono_s)
        self._waiting = waiting[whole:]

    def _resample(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        from av.audio.frame import AudioFrame

        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        parts = [part.to_ndarray().reshape(-1) for part in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.empty(0, np.int16)


def open_stream(audio: Any, card: SoundCard, direction: Direction, callback: Any, label: str) -> Any:
    """Open and start a stream, or raise DeviceBusyError or DeviceError with what ALSA said last."""
    import pyaudio

    assert 0 <= card.index < audio.get_device_count()  # any other index is a segmentation fault
    with native_words() as words:
        try:
            return audio.open(
                rate=card.rate_hz,
                channels=card.channels,
                format=pyaudio.paInt16,
                frames_per_buffer=round(card.rate_hz * BLOCK_S),
                stream_callback=callback,
                **{direction: True, f"{direction}_device_index": card.index},
            )
        except (OSError, ValueError) as error:
            problem = error
    said = words[-1] if words else str(problem)
    _raise_if_busy(words, card, label)
    raise DeviceError(f'{label}: "{card.name}" cannot be opened ({said}); check that it is plugged in')


def _raise_if_busy(words: Sequence[str], card: SoundCard, label: str) -> None:
    if any("busy" in line.casefold() for line in words):
        raise DeviceBusyError(f'{label}: "{card.name}" is used by another program; close that program')


def find(audio: Any, fits: Callable[[str], bool], direction: Direction, label: str, shown: str) -> SoundCard | None:
    """Return the device whose name in PortAudio's list fits, as ``shown``; None when there is none.

    It has the rate and channels it can do, 48 kHz mono if at all possible.
    """
    import pyaudio

    listed = next((card for card in list_cards(audio, direction) if fits(card.name)), None)
    if listed is None:
        return None
    asked: dict[str, Any] = {f"{direction}_device": listed.index, f"{direction}_format": pyaudio.paInt16}
    formats = [(SAMPLE_RATE_HZ, 1)]
    if direction == "input":  # what is recorded is converted; what is played is given as it is
        formats += [(SAMPLE_RATE_HZ, 2), (listed.rate_hz, 1), (listed.rate_hz, listed.channels)]
    for rate_hz, channels in formats:
        card = SoundCard(listed.index, shown, channels, rate_hz)
        with native_words() as words:
            try:
                audio.is_format_supported(rate_hz, **asked, **{f"{direction}_channels": channels})
                return card
            except ValueError:
                pass
        _raise_if_busy(words, card, label)
    raise DeviceError(f'{label}: "{shown}" can do no format of ours (48 kHz mono, 16 bit); take another device')


def list_cards(audio: Any, direction: Direction) -> list[SoundCard]:
    """Return PortAudio's devices that have channels in this direction."""
    cards = []
    for index in range(audio.get_device_count()):
        info = audio.get_device_info_by_index(index)
        channels = int(info["maxInputChannels" if direction == "input" else "maxOutputChannels"])
        if channels > 0:
            cards.append(SoundCard(index, str(info["name"]), min(channels, 2), int(info["defaultSampleRate"])))
    return cards
