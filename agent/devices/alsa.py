"""A microphone, and a loudspeaker if one is named, straight from the kernel: ALSA without a sound server.

Cards are chosen by what stays when a plug moves (`agent.devices.alsa_cards`), anew at each opening, for their numbers
change with every plug. PortAudio, asked for such a card's number, then opens it.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from agent.devices import alsa_cards, duplex, portaudio
from agent.devices.alsa_cards import Pcm
from agent.devices.base import CaptureDriver
from agent.devices.capture_child import CaptureChild
from protocol.errors import DeviceError, DeviceLostError, DeviceNotFoundError
from protocol.messages import DeviceRole

TURN_S = 2.0
"""For another capture process to look through the cards and open its own: PortAudio opens each for a moment."""


def _identity(name: str) -> str:
    if not re.fullmatch(alsa_cards.IDENTITY, name):
        what = 'must be usb:… with its numbers, id:… or path:…, as "estrade devices" lists it'
        raise PydanticCustomError("identity", what)
    return name


_Identity = Annotated[str, AfterValidator(_identity)]


class AlsaConfig(duplex.DuplexConfig):
    """Names as ``python -m agent.devices.alsa`` lists them."""

    card: _Identity | None = Field(
        default=None,
        description='"usb:VID:PID[:SERIAL]", "id:RoomMic" or "path:…" of the microphone; null: the only one there is',
    )
    device: int | None = Field(default=None, ge=0, description="which of the card's devices; null: its first")
    output: _Identity | None = Field(default=None, description="the loudspeaker, named alike; null is none")
    output_device: int | None = Field(default=None, ge=0, description="which of its devices (HDMI has several)")


class Cards:
    """Looks whether the two cards are still those that were opened."""

    may_send = True
    """A card's sound is that card's."""

    def __init__(self, microphone: Pcm, config: AlsaConfig, label: str) -> None:
        self._microphone = microphone
        self._config = config
        self._label = label

    def start(self) -> None:
        """There is nothing to begin."""

    def look(self) -> None:
        """Raise DeviceLostError when the microphone's card is gone."""
        if not alsa_cards.is_there(self._microphone):
            raise DeviceLostError(f"{self._label}: {self._microphone.label} was unplugged")

    def has_loudspeaker(self) -> bool:
        """Return whether a card has the loudspeaker's name."""
        wanted = self._config.output
        return wanted is not None and sum(card.fits(wanted) for card in alsa_cards.read_cards()) == 1


def capture(child: CaptureChild, config: AlsaConfig) -> None:
    """Record, and play what the agent sends, until told to stop."""
    import pyaudio  # here alone: the agent reads this module for its configuration

    os.environ["PA_ALSA_PLUGHW"] = "1"  # rates and channels that the card has not are converted
    with ExitStack() as turn:
        turn.enter_context(one_at_a_time())
        microphone = alsa_cards.find(config.card, config.device, "input", child.label)
        with portaudio.native_words():
            audio = pyaudio.PyAudio()
        found = _found(audio, microphone, child.label)
        loudspeaker, missing = None, None
        if config.output is not None:
            label = f"{child.label}: output"
            try:
                pcm = alsa_cards.find(config.output, config.output_device, "output", label)
                loudspeaker = _found(audio, pcm, label)
            except DeviceError as error:
                missing = error
        devices = duplex.Devices(found, loudspeaker, missing)
        watch = Cards(microphone, config, child.label)
        watch.look()  # what has the number now is what was chosen
        duplex.run(child, audio, devices, config, watch, on_open=turn.close)


@contextmanager
def one_at_a_time(folder: Path = Path("/dev/snd"), *, most_s: float = TURN_S) -> Iterator[None]:
    """Let no two capture processes look through the cards at once: each would find the other's card in use."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield  # a machine without sound
        return
    try:
        deadline_s = time.monotonic() + most_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    break  # one that hangs must not keep the others from their cards
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _found(audio: Any, pcm: Pcm, label: str) -> portaudio.SoundCard:
    """Return PortAudio's entry for what was chosen."""
    place = f"hw:{pcm.card.number},{pcm.device})"
    card = portaudio.find(audio, lambda name: name.endswith(place), pcm.direction, label, pcm.label)
    if card is None:
        alsa_cards.raise_if_busy(pcm, label)
        raise DeviceNotFoundError(f"{label}: {pcm.label} is listed and cannot be opened; plug it in again")
    return card


def main(root: Path = Path("/")) -> None:
    """List the names that can be configured, for whoever sets up a room."""
    cards = [card for card in alsa_cards.read_cards(root) if card.inputs or card.outputs]
    if not cards:
        sys.exit("alsa: the kernel has no sound card here; plug one in")
    for card in cards:
        for key, pcms in (("card", card.inputs), ("output", card.outputs)):
            if pcms:
                names = ", or ".join(f'"{name}"' for name in card.names())
                sys.stdout.write(f"{key} = {names}  # {card.name}\n")


driver = CaptureDriver(
    name="alsa",
    role=DeviceRole.MICROPHONE,
    config=AlsaConfig,
    child="agent.devices.alsa:capture",
    imports=("pyaudio", "livekit.rtc"),
)

if __name__ == "__main__":
    main()
