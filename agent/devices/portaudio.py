"""A microphone of the sound server or of ALSA through PyAudio, and a loudspeaker on the same clock if one is named.

PortAudio ends a process with SIGSEGV when asked for an index it does not have, and hangs for ever in ``read`` and
``stop_stream`` when a device is unplugged: so devices are chosen by name, sound comes by callback, its age is watched,
and the process is simply ended.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ
from protocol.errors import DeviceBusyError, DeviceError, DeviceLostError, DeviceNotFoundError
from protocol.messages import DeviceRole

SILENT_S = 0.5
"""25 blocks without data: the device or its server is gone. Sooner than the agent's own 0.6 s, and in words."""

LOOK_S = 0.1

LARGEST_LATENCY_S = 0.5
"""Beyond this the time stamp PortAudio gives is nonsense, as with some ALSA plug-ins."""

CLOCK_GAIN = 0.05
"""How much of a block's measured time moves the clock of captures: callbacks jitter by ±10 ms, the device does not."""

DEFAULT = "default"
Direction = Literal["input", "output"]


class PortAudioConfig(DriverConfig):
    """Names as ``python -m agent.devices.portaudio`` lists them; a part is enough if it is one device's only."""

    input: str = Field(default=DEFAULT, min_length=1, description='the microphone\'s name, or "default"')
    output: str | None = Field(default=None, description="a loudspeaker to play what pupils say; null is none")


@dataclass(frozen=True, slots=True)
class SoundCard:
    """One entry of PortAudio's list."""

    index: int
    name: str
    channels: int
    rate_hz: int


def choose(cards: Sequence[SoundCard], wanted: str, direction: Direction, label: str) -> SoundCard:
    """Return the device of this name: exactly, else by a part of it, upper and lower case alike.

    Raises DeviceNotFoundError, naming those there are, when none or several fit.
    """
    there = ", ".join(f'"{card.name}"' for card in cards) or "none at all"
    exact = [card for card in cards if card.name == wanted]
    if exact:
        return exact[0]
    partly = [card for card in cards if wanted.casefold() in card.name.casefold()]
    if len(partly) == 1:
        return partly[0]
    if not partly:
        raise DeviceNotFoundError(f'{label}: no {direction} device is named "{wanted}"; there are: {there}')
    several = ", ".join(f'"{card.name}"' for card in partly)
    raise DeviceNotFoundError(f'{label}: "{wanted}" fits several {direction} devices: {several}; write one in full')


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


class Intake:
    """Makes blocks of 20 ms, 48 kHz mono, of what the callback gets. Its methods run on PortAudio's thread."""

    def __init__(self, child: CaptureChild, card: SoundCard) -> None:
        self._child = child
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
            self._child.send_block(waiting[start : start + BLOCK_SAMPLES], at_mono_s)
        self._waiting = waiting[whole:]

    def _resample(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        from av.audio.frame import AudioFrame

        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        parts = [part.to_ndarray().reshape(-1) for part in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.empty(0, np.int16)


def capture(child: CaptureChild, config: PortAudioConfig) -> None:
    """Record, and play what the agent sends, until told to stop."""
    import pyaudio  # here alone: the agent reads this module for its configuration

    with native_words():
        audio = pyaudio.PyAudio()
    microphone = find(audio, config.input, "input", child.label)
    loudspeaker = None if config.output is None else find(audio, config.output, "output", child.label)
    intake = Intake(child, microphone)
    silence = bytes(BLOCK_SAMPLES * 2)

    def on_input(data: bytes | None, _count: int, times: Mapping[str, float], _status: int) -> tuple[None, int]:
        if data is not None:
            intake.take(data, times)
        return None, pyaudio.paContinue

    def on_output(_data: None, _count: int, _times: Mapping[str, float], _status: int) -> tuple[bytes, int]:
        block = child.take_playback()
        return silence if block is None else block.tobytes(), pyaudio.paContinue

    streams = [_start(audio, microphone, "input", on_input, child.label)]
    if loudspeaker is not None:
        streams.append(_start(audio, loudspeaker, "output", on_output, child.label))
    child.opened(microphone.name, capabilities=() if loudspeaker is None else ("playback",))
    intake.last_mono_s = time.monotonic()
    while not child.wait_until(time.monotonic() + LOOK_S):
        if not streams[0].is_active():
            what = "the sound server ended or the device was unplugged"
            raise DeviceLostError(f'{child.label}: "{microphone.name}" stopped; {what}')
        silent_s = time.monotonic() - intake.last_mono_s
        if silent_s > SILENT_S:
            what = "unplugged, or the sound server hangs"
            raise DeviceLostError(f'{child.label}: "{microphone.name}" gave no sound for {silent_s:.1f} s: {what}')


def _start(audio: Any, card: SoundCard, direction: Direction, callback: Any, label: str) -> Any:
    """Open and start a stream, or raise DeviceBusyError or DeviceError with what ALSA said last."""
    import pyaudio

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


def find(audio: Any, wanted: str, direction: Direction, label: str) -> SoundCard:
    """Return the device of this name, with the rate and channels it can do, 48 kHz mono if at all possible."""
    import pyaudio

    card = choose(list_cards(audio, direction), wanted, direction, label)
    assert 0 <= card.index < audio.get_device_count()  # any other index is a segmentation fault
    asked: dict[str, Any] = {f"{direction}_device": card.index, f"{direction}_format": pyaudio.paInt16}
    formats = [(SAMPLE_RATE_HZ, 1)]
    if direction == "input":  # what is recorded is converted; what is played is given as it is
        formats += [(SAMPLE_RATE_HZ, 2), (card.rate_hz, 1), (card.rate_hz, card.channels)]
    for rate_hz, channels in formats:
        with native_words() as words:
            try:
                audio.is_format_supported(rate_hz, **asked, **{f"{direction}_channels": channels})
                return SoundCard(card.index, card.name, channels, rate_hz)
            except ValueError:
                pass
        _raise_if_busy(words, card, label)
    what = "take the sound server's device of the same name"
    raise DeviceError(f'{label}: "{card.name}" can do no format of ours (48 kHz mono, 16 bit); {what}')


def list_cards(audio: Any, direction: Direction) -> list[SoundCard]:
    """Return PortAudio's devices that have channels in this direction."""
    cards = []
    for index in range(audio.get_device_count()):
        info = audio.get_device_info_by_index(index)
        channels = int(info["maxInputChannels" if direction == "input" else "maxOutputChannels"])
        if channels > 0:
            cards.append(SoundCard(index, str(info["name"]), min(channels, 2), int(info["defaultSampleRate"])))
    return cards


def main() -> None:
    """List the names that can be configured, for whoever sets up a room."""
    import pyaudio

    with native_words():
        audio = pyaudio.PyAudio()
    for direction in get_args(Direction):
        for card in list_cards(audio, direction):
            sys.stdout.write(f'{direction} = "{card.name}"\n')


driver = CaptureDriver(
    name="portaudio",
    role=DeviceRole.MICROPHONE,
    config=PortAudioConfig,
    child="agent.devices.portaudio:capture",
    imports=("pyaudio",),
)

if __name__ == "__main__":
    main()
