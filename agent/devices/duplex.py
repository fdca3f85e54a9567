"""Microphone and loudspeaker of a room in one capture process, on one clock: recorded, cleaned, sent; received, played.

The drivers *alsa* and *pulse* find the two devices and keep an eye on them; what runs in between is here.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agent.devices.base import DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.devices.playback import Playback
from agent.devices.portaudio import Intake, SoundCard, open_stream, sounds_mono_s
from agent.devices.voice import Voice
from agent.media import BLOCK_S, BLOCK_SAMPLES
from protocol.errors import DeviceError, DeviceLostError

SILENT_S = 0.5
"""25 blocks without data: the device or its server is gone. Sooner than the agent's own 0.6 s, and in words."""

LOOK_S = 0.1

WAITING_BLOCKS = 10
"""A sound server answers in milliseconds; one that does not for 200 ms has lost us the oldest of these."""

BACK_S = 2.0
"""A loudspeaker that has been away is believed after so long: opening it costs the microphone half a second."""

USUAL_LATENCY_S = 2 * BLOCK_S
"""From the callback to the loudspeaker where PortAudio's time stamps make no sense."""


class DuplexConfig(DriverConfig):
    """What is done to the microphone's sound. A device that cancels echo itself is spoilt by doing it twice."""

    echo_cancellation: bool | Literal["auto"] = Field(
        default="auto", description='"auto": where something is played and the device does not cancel echo itself'
    )
    cancels_echo: bool = Field(
        default=False, description="the device cancels echo itself, as conference bars and speakerphones do"
    )
    noise_suppression: bool = False
    auto_gain: bool = False

    def voice(self, *, is_playing: bool) -> Voice:
        """Return the processing that is asked for."""
        wanted = self.echo_cancellation
        cancels = is_playing and not self.cancels_echo if wanted == "auto" else wanted
        return Voice(cancels_echo=cancels, suppresses_noise=self.noise_suppression, evens_gain=self.auto_gain)


class Watch(Protocol):
    """What a driver knows of its two devices besides whether sound flows."""

    @property
    def may_send(self) -> bool | None:
        """Return whether what is recorded now is from the configured microphone; None: that is just being asked."""
        ...

    def start(self) -> None:
        """Begin: both streams run. Called once."""
        ...

    def look(self) -> None:
        """Raise DeviceError when the microphone is gone or another one. Called each `LOOK_S`."""
        ...

    def has_loudspeaker(self) -> bool:
        """Return whether the configured loudspeaker is there."""
        ...


@dataclass(frozen=True, slots=True)
class Devices:
    """What was found. ``loudspeaker`` is None where none is configured, or none is there: then ``missing`` says it."""

    microphone: SoundCard
    loudspeaker: SoundCard | None = None
    missing: DeviceError | None = None


class Gate:
    """Lets through what is from the right microphone; what may be from another waits until that is known."""

    def __init__(self, child: CaptureChild, watch: Watch) -> None:
        self._child = child
        self._watch = watch
        self._waiting: deque[tuple[NDArray[np.int16], float]] = deque(maxlen=WAITING_BLOCKS)

    def take(self, samples: NDArray[np.int16], at_mono_s: float) -> None:
        """Take a block: send it, keep it or drop it, and those that waited with it."""
        may_send = self._watch.may_send
        self._waiting.append((samples, at_mono_s))
        if may_send is None:
            return
        if may_send:
            for block in self._waiting:
                self._child.send_block(*block)
        self._waiting.clear()


class Loudspeaker:
    """The playing half. `give` runs on PortAudio's thread for it."""

    def __init__(self, child: CaptureChild, card: SoundCard, voice: Voice) -> None:
        self._child = child
        self._card = card
        self._voice = voice
        self._playback = Playback(child.take_playback)
        self._silence = np.zeros(BLOCK_SAMPLES, np.int16)
        self._stream: Any = None
        self._usual_s = USUAL_LATENCY_S
        self._last_mono_s = time.monotonic()

    def start(self, audio: Any) -> None:
        """Open it. Raises DeviceError."""
        self._stream = open_stream(audio, self._card, "output", self._give, self._child.label)
        self._usual_s = float(self._stream.get_output_latency()) or USUAL_LATENCY_S
        self._last_mono_s = time.monotonic()

    def is_playing(self) -> bool:
        """Return whether the device still takes sound."""
        return bool(self._stream.is_active()) and time.monotonic() - self._last_mono_s <= SILENT_S

    def _give(self, _data: None, _count: int, times: Mapping[str, float], _status: int) -> tuple[bytes, int]:
        self._last_mono_s = time.monotonic()
        block = self._playback.next_block()
        samples = self._silence if block is None else block
        if self._voice.reference is not None:
            at_mono_s = sounds_mono_s(self._last_mono_s, times, self._usual_s)
            self._voice.reference.add("loudspeaker", samples, at_mono_s)
        return samples.tobytes(), _CONTINUE


_CONTINUE = 0
"""PortAudio's paContinue."""


def run(
    child: CaptureChild,
    audio: Any,
    devices: Devices,
    config: DuplexConfig,
    watch: Watch,
    *,
    on_open: Callable[[], None] = lambda: None,
) -> None:
    """Record, and play what the agent sends, until told to stop. Raises DeviceError when the microphone is lost.

    A loudspeaker that is lost costs no sound of the lesson; back for `BACK_S`, it has everything opened anew.
    ``on_open`` is called once, when both are open or the loudspeaker cannot be.
    """
    microphone = devices.microphone
    has_loudspeaker = devices.loudspeaker is not None or devices.missing is not None
    voice = config.voice(is_playing=has_loudspeaker)

    gate = Gate(child, watch)
    intake = Intake(lambda samples, at_mono_s: gate.take(voice.clean(samples, at_mono_s), at_mono_s), microphone)

    def on_input(data: bytes | None, _count: int, times: Mapping[str, float], _status: int) -> tuple[None, int]:
        if data is not None:
            intake.take(data, times)
        return None, _CONTINUE

    stream = open_stream(audio, microphone, "input", on_input, child.label)
    notes, loudspeaker = [], None
    if devices.missing is not None:
        notes.append(devices.missing.message)
    if devices.loudspeaker is not None:
        try:
            loudspeaker = Loudspeaker(child, devices.loudspeaker, voice)
            loudspeaker.start(audio)
        except DeviceError as error:
            loudspeaker = None
            notes.append(error.message)
    on_open()
    watch.start()
    if voice.reference is not None:
        child.on_reference = lambda samples, mono_s: _add_board(voice, samples, mono_s)
    child.opened(microphone.name, capabilities=_capabilities(voice, loudspeaker), notes=notes)
    intake.last_mono_s = time.monotonic()
    away = Away()
    while not child.wait_until(time.monotonic() + LOOK_S):
        watch.look()
        _raise_if_silent(stream, intake, microphone, child.label)
        if not watch.may_send:
            child.alive()
        if loudspeaker is not None and not loudspeaker.is_playing():
            loudspeaker = None
            sys.stderr.write(f"{child.label}: the loudspeaker stopped; the microphone goes on without it\n")
        if has_loudspeaker and loudspeaker is None and away.is_back(watch.has_loudspeaker(), time.monotonic()):
            raise DeviceLostError(f"{child.label}: the loudspeaker is there again; both are opened anew")


class Away:
    """A loudspeaker that does not play: back once it was seen to be gone and then to be there for `BACK_S`.

    One that is there and cannot be opened is not tried again and again, for each try costs the microphone its sound.
    """

    def __init__(self) -> None:
        self._was_gone = False
        self._since_mono_s = 0.0

    def is_back(self, is_there: bool, mono_s: float) -> bool:
        """Return whether it is time to open it anew; to be called all the time."""
        if not is_there:
            self._was_gone, self._since_mono_s = True, mono_s
        return self._was_gone and mono_s - self._since_mono_s >= BACK_S


def _capabilities(voice: Voice, loudspeaker: Loudspeaker | None) -> Sequence[str]:
    there = {"playback": loudspeaker is not None, "echo-reference": voice.reference is not None}
    return [name for name, is_there in there.items() if is_there]


def _add_board(voice: Voice, samples: NDArray[np.int16], mono_s: float) -> None:
    assert voice.reference is not None
    voice.reference.add("board", samples, mono_s)


def _raise_if_silent(stream: Any, intake: Intake, microphone: SoundCard, label: str) -> None:
    if not stream.is_active():
        what = "the sound server ended or the device was unplugged"
        raise DeviceLostError(f'{label}: "{microphone.name}" stopped; {what}')
    silent_s = time.monotonic() - intake.last_mono_s
    if silent_s > SILENT_S:
        what = "unplugged, or the sound server hangs"
        raise DeviceLostError(f'{label}: "{microphone.name}" gave no sound for {silent_s:.1f} s: {what}')
