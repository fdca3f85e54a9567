"""A microphone, and a loudspeaker if one is named, of a sound server: PulseAudio, or PipeWire in its place.

Sound comes through ALSA's pulse plug-in and PyAudio. When a source goes away while another is there, both servers move
the stream to the other one without a word, and PipeWire opens another source for a name that is missing: so the server
is asked, at each of its events and each second, where the stream really is attached. From any other source than the
configured one nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from agent.devices import alsa_cards, duplex, portaudio
from agent.devices.base import CaptureDriver
from agent.devices.capture_child import CaptureChild
from protocol.errors import DeviceError, DeviceLostError, DeviceMovedError, DeviceNotFoundError, DeviceTimeoutError
from protocol.messages import DeviceRole

DEFAULT = "default"

CONNECT_S = 3.0
"""A sound server on this machine answers in milliseconds; one that hangs is told before the agent's own 5 s."""

WAIT_BACK_S = 1.0
"""A source that was open before and is away is waited for: it is opened as soon as the server has it."""

LOOK_S = 1.0
"""How often the server is asked when it tells of no event."""

NOWHERE_S = 2.0
"""A stream that is just being opened or moved is attached to nothing; not for so long."""

ON_ITS_WAY_S = 0.2
"""What was recorded from a wrong source may still be in the server's buffers and in ours when the stream is back."""

SOURCE, SINK = "default", "estrade_sink"
"""What the two are called in the process's own ALSA."""

MONITOR = ".monitor"


class PulseConfig(duplex.DuplexConfig):
    """Names as ``python -m agent.devices.pulse`` lists them; a part is enough if it is one device's only."""

    source: str = Field(default=DEFAULT, min_length=1, description="the microphone's name; its default if left out")
    sink: str | None = Field(default=None, min_length=1, description='a loudspeaker\'s name or "default"; null is none')
    server: str | None = Field(default=None, min_length=1, description="where the server listens, as PULSE_SERVER says")


@dataclass(frozen=True, slots=True)
class Place:
    """A source or a sink of the server, as the server and as people name it."""

    name: str
    description: str


def choose(places: Sequence[Place], wanted: str, default: str, what: str, label: str) -> Place:
    """Return the source or sink of this name: exactly, else by a part of name or description.

    What a loudspeaker plays (``….monitor``) is a microphone only for who writes its name in full. Raises
    DeviceNotFoundError, naming those there are, when none or several fit.
    """
    exact = [place for place in places if place.name == (default if wanted == DEFAULT else wanted)]
    if exact and not (wanted == DEFAULT and exact[0].name.endswith(MONITOR)):
        return exact[0]
    real = [place for place in places if not place.name.endswith(MONITOR)]
    part = wanted.casefold()
    partly = [place for place in real if part in place.name.casefold() or part in place.description.casefold()]
    if len(partly) == 1 and wanted != DEFAULT:
        return partly[0]
    if not partly or wanted == DEFAULT:
        there = "; ".join(f'{place.description}: "{place.name}"' for place in real) or "none"
        raise DeviceNotFoundError(f'{label}: the sound server has no {what} "{wanted}"; there are: {there}')
    several = "; ".join(f'{place.description}: "{place.name}"' for place in partly)
    raise DeviceNotFoundError(
        f'{label}: "{wanted}" fits several {what}s: {several}; write one name in full', code="device-ambiguous"
    )


class Server:
    """One connection to the sound server. One thread; it may hang when the server does."""

    def __init__(self, label: str) -> None:
        import pulsectl

        self._label = label
        self._pulsectl = pulsectl
        self.errors = (pulsectl.PulseError, pulsectl.PulseDisconnected, pulsectl.pulsectl.c.pa.CallError)
        """What pulsectl raises when the server ends while it is asked."""
        self._has_news = False
        self.on_event: Callable[[], None] = lambda: None
        """Called at each event of a source or of a stream that records, before anything is known of it."""
        self._pulse = pulsectl.Pulse(f"estrade {os.getpid()}", connect=False)
        # On a thread, because it waits for ever on a server that hangs, and with a time-out for all of that.
        connecting = threading.Thread(target=self._connect, name="sound server", daemon=True)
        connecting.start()
        connecting.join(CONNECT_S)
        if connecting.is_alive():
            raise DeviceTimeoutError(f"{label}: the sound server does not answer within {CONNECT_S:g} s; restart it")
        if not self._pulse.connected:
            where = os.environ.get("PULSE_SERVER") or "where libpulse looks for it"
            what = 'start it, or take driver = "alsa"'
            raise DeviceNotFoundError(f"{label}: no sound server answers ({where}); {what}")

    def _connect(self) -> None:
        with contextlib.suppress(self._pulsectl.PulseError):
            self._pulse.connect(autospawn=False)

    def sources(self) -> list[Place]:
        """Return what can be recorded from."""
        return [Place(source.name, source.description) for source in self._pulse.source_list()]

    def sinks(self) -> list[Place]:
        """Return what can be played to."""
        return [Place(sink.name, sink.description) for sink in self._pulse.sink_list()]

    def source(self, wanted: str) -> Place:
        """Return the source that is configured. Raises DeviceNotFoundError."""
        default = self._pulse.server_info().default_source_name
        return choose(self.sources(), wanted, default, "source", self._label)

    def sink(self, wanted: str) -> Place:
        """Return the sink that is configured. Raises DeviceNotFoundError."""
        default = self._pulse.server_info().default_sink_name
        return choose(self.sinks(), wanted, default, "sink", f"{self._label}: output")

    def attached(self) -> str | None:
        """Return the name of the source that this process records from; None when it does not."""
        stream = self._own(self._pulse.source_output_list())
        return None if stream is None else self._name(self._pulse.source_list(), stream.source)

    def move_back(self, source: str) -> None:
        """Attach this process's recording to that source, and its playing stays where it is."""
        stream = self._own(self._pulse.source_output_list())
        index = next((each.index for each in self._pulse.source_list() if each.name == source), None)
        if stream is not None and index is not None:
            self._pulse.source_output_move(stream.index, index)

    def put_playing(self, sink: str) -> bool:
        """Attach this process's playing to that sink if it has been moved; return whether the sink is there."""
        try:
            name = self.sink(sink).name
        except DeviceNotFoundError:
            return False
        stream = self._own(self._pulse.sink_input_list())
        index = next((each.index for each in self._pulse.sink_list() if each.name == name), None)
        if stream is not None and index is not None and stream.sink != index:
            self._pulse.sink_input_move(stream.index, index)
        return index is not None

    def listen(self) -> None:
        """Have `wait_event` end at each event of sources, sinks and streams."""

        def note(event: Any) -> None:
            self._has_news = True
            if event.facility in ("source", "source_output"):
                self.on_event()
            raise self._pulsectl.PulseLoopStop

        self._pulse.event_mask_set("source", "sink", "source_output", "sink_input", "server")
        self._pulse.event_callback_set(note)

    def wait_event(self, most_s: float) -> None:
        """Wait until the server tells of a change, at most so long; one that came while it was asked counts."""
        if not self._has_news:
            self._pulse.event_listen(timeout=most_s)
        self._has_news = False

    @staticmethod
    def _own(streams: Sequence[Any]) -> Any:
        own = str(os.getpid())
        return next((each for each in streams if each.proplist.get("application.process.id") == own), None)

    @staticmethod
    def _name(places: Sequence[Any], index: int) -> str | None:
        return next((place.name for place in places if place.index == index), None)


class Attachment:
    """Watches, on a thread of its own, where the stream is attached; what it finds is read by `agent.devices.duplex`.

    A stream that was moved is moved back once; when that does not help, or the source is not there, the microphone is
    lost. From an event until it is known what changed, nothing is sent; nor what was on its way when it was moved back.
    """

    def __init__(
        self,
        server: Server,
        source: Place,
        sink: str | None,
        label: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._is_right: bool | None = False
        self._clean_mono_s = 0.0
        self._server = server
        self._source = source
        self._sink = sink
        self._label = label
        self._lost: DeviceError | None = None
        self._has_loudspeaker = False
        self._moved = self._moved_back = False
        self._right_mono_s = clock()

    def start(self) -> None:
        """Look once, then at each event and each `LOOK_S`."""
        self.begin()
        threading.Thread(target=self._run, name="sound server", daemon=True).start()

    def begin(self) -> None:
        """Look once, and doubt at each event from now on."""
        self._right_mono_s = self._clock()
        self._server.on_event = self._doubt
        self.check()

    @property
    def may_send(self) -> bool | None:
        """Return whether what is recorded now is from the configured source; None while that is asked."""
        return self._is_right if self._clock() >= self._clean_mono_s else False

    def look(self) -> None:
        """Raise what ended it."""
        if self._lost is not None:
            raise self._lost

    def has_loudspeaker(self) -> bool:
        return self._has_loudspeaker

    def _run(self) -> None:
        try:
            while self._lost is None:
                self._server.wait_event(LOOK_S)
                self.check()
        except Exception as error:  # pulsectl's own errors: the connection broke
            self._lose(DeviceLostError(f"{self._label}: the sound server ended ({error}); it is tried again"))

    def _doubt(self) -> None:
        if self._is_right:
            self._is_right = None

    def check(self) -> None:
        """Ask where the stream is, and mend that or give it up."""
        attached = self._server.attached()
        if attached == self._source.name:
            self._right_mono_s = self._clock()
            if self._moved and not self._is_right:
                self._clean_mono_s = self._right_mono_s + ON_ITS_WAY_S
            self._is_right, self._moved = True, False
        else:
            self._is_right, self._moved = False, attached is not None
            self._mend(attached)
        if self._sink is not None:
            self._has_loudspeaker = self._server.put_playing(self._sink)

    def _mend(self, attached: str | None) -> None:
        try:
            self._server.source(self._source.name)
        except DeviceNotFoundError:
            if attached is None:
                what = "was removed from the sound server; plug it in again"
                self._lose(DeviceLostError(f"{self._label}: {self._source.description} {what}"))
            else:
                what = f"is gone, and the sound server recorded from {attached} instead; nothing of that was sent"
                self._lose(DeviceMovedError(f"{self._label}: {self._source.description} {what}"))
            return
        if attached is None:
            if self._clock() - self._right_mono_s > NOWHERE_S:
                what = f"does not attach it to {self._source.description}; restart the sound server"
                self._lose(DeviceLostError(f"{self._label}: the sound server {what}"))
            return
        if self._moved_back:
            what = f"{attached} in place of {self._source.description} again and again; see who moves it"
            self._lose(DeviceMovedError(f"{self._label}: the sound server records from {what}"))
            return
        self._moved_back = True
        sys.stderr.write(f"{self._label}: recorded from {attached}; moved back to {self._source.name}\n")
        self._server.move_back(self._source.name)

    def _lose(self, error: DeviceError) -> None:
        self._is_right = False
        self._lost = error


def capture(child: CaptureChild, config: PulseConfig) -> None:
    """Record, and play what the agent sends, until told to stop."""
    import pyaudio  # here alone: the agent reads this module for its configuration

    if config.server is not None:
        os.environ["PULSE_SERVER"] = config.server
    server = Server(child.label)
    try:
        _capture(child, config, server, pyaudio)
    except server.errors as error:
        raise DeviceLostError(f"{child.label}: the sound server ended ({error}); it is tried again") from None


def _capture(child: CaptureChild, config: PulseConfig, server: Server, pyaudio: Any) -> None:
    source = _source(server, config, child)
    sink, missing = None, None
    if config.sink is not None:
        try:
            sink = server.sink(config.sink)
        except DeviceNotFoundError as error:
            missing = error
    _name_for_alsa(source, sink)
    with portaudio.native_words():
        audio = pyaudio.PyAudio()
    microphone = _found(audio, SOURCE, "input", source, child.label)
    loudspeaker = None if sink is None else _found(audio, SINK, "output", sink, child.label)
    watch = Attachment(server, source, config.sink if sink is None else sink.name, child.label)
    duplex.run(child, audio, duplex.Devices(microphone, loudspeaker, missing), config, watch)


def _source(server: Server, config: PulseConfig, child: CaptureChild) -> Place:
    """Return the configured source; wait a moment for one that was there before."""
    server.listen()
    deadline_s = time.monotonic() + (WAIT_BACK_S if child.was_open else 0.0)
    while True:
        try:
            return server.source(config.source)
        except DeviceNotFoundError:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or child.should_stop():
                raise
            server.wait_event(min(left_s, duplex.LOOK_S))


def _name_for_alsa(source: Place, sink: Place | None) -> None:
    """Give this process an ALSA of its own that knows these two and no card: cards are the sound server's.

    PortAudio's assertion ends a process whose ALSA has no ``default``: so the source is called so.
    """
    lines = []
    for name, place in ((SOURCE, source), (SINK, sink)):
        if place is not None:
            device = place.name.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'pcm.{name} {{ type pulse device "{device}" hint {{ show on description "{name}" }} }}\n')
    file = os.memfd_create("asound.conf", 0)
    os.write(file, "".join(lines).encode())
    os.environ["ALSA_CONFIG_PATH"] = f"/proc/self/fd/{file}"


def _found(audio: Any, name: str, direction: alsa_cards.Direction, place: Place, label: str) -> portaudio.SoundCard:
    card = portaudio.find(audio, lambda listed: listed == name, direction, label, place.description)
    if card is None:
        what = "cannot be opened through ALSA; install the package libasound2-plugins"
        raise DeviceError(f"{label}: {place.description} {what}")
    return card


def main() -> None:
    """List the names that can be configured, for whoever sets up a room."""
    try:
        server = Server("pulse")
    except DeviceNotFoundError as error:
        sys.exit(error.message)
    for key, places in (("source", server.sources()), ("sink", server.sinks())):
        for place in places:
            sys.stdout.write(f'{key} = "{place.name}"  # {place.description}\n')


driver = CaptureDriver(
    name="pulse",
    role=DeviceRole.MICROPHONE,
    config=PulseConfig,
    child="agent.devices.pulse:capture",
    imports=("pyaudio", "pulsectl", "livekit.rtc"),
)

if __name__ == "__main__":
    main()
