"""A sound server of our own: private runtime folder and home, a sink as the room, its monitor as the microphone."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.peers import need

START_S = 15.0


class SoundServer:
    """What runs, and the environment in which to speak to it."""

    def __init__(self, folder: Path) -> None:
        self.runtime, self.home = folder / "run", folder / "home"
        for path in (self.runtime, self.home):
            path.mkdir(mode=0o700, parents=True)
        self.environment: Mapping[str, str] = {
            "PATH": os.environ.get("PATH", os.defpath),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "HOME": str(self.home),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.runtime}/bus",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = folder / "programs.log"

    def start(self, program: str, package: str, *arguments: str) -> None:
        """Start one of the server's programs."""
        with self._log.open("ab") as log:
            self.processes[program] = subprocess.Popen(
                [need(program, package), *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; AssertionError with what the programs said when one ended or it takes too long."""
        deadline_s = time.monotonic() + START_S
        while not condition():
            ended = [program for program, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline_s:
                why = f"{', '.join(ended)} ended" if ended else f"not within {START_S:g} s"
                raise AssertionError(f"{what} is not there: {why}; they said {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def listens(self, name: str) -> bool:
        """Return whether a socket in the runtime folder takes connections; it is a file before it does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            try:
                line.connect(str(self.runtime / name))
            except OSError:
                return False
            return True

    def pactl(self, *arguments: str) -> str:
        """Run pactl and return what it says."""
        command = [need("pactl", "pulseaudio-utils"), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, check=True, text=True).stdout

    def play(self, wav: Path, sink: str) -> subprocess.Popen[bytes]:
        """Begin to play a sound into a sink."""
        command = [need("paplay", "pulseaudio-utils"), f"--device={sink}", str(wav)]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Stop all of it."""
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()


@contextmanager
def sound_server(folder: Path) -> Iterator[SoundServer]:
    """Run a sound server with the sinks ``room`` and ``speaker``."""
    server = SoundServer(folder)
    with ExitStack() as stack:
        stack.callback(server.stop)
        bus = f"--address=unix:path={server.runtime}/bus"
        server.start("dbus-daemon", "dbus", "--session", "--nofork", bus)
        server.wait_until(lambda: server.listens("bus"), "dbus-daemon")
        server.start("pipewire", "pipewire")
        server.wait_until(lambda: server.listens("pipewire-0"), "pipewire")
        server.start("wireplumber", "wireplumber")  # it leaves at once without a session bus
        server.start("pipewire-pulse", "pipewire-pulse")
        server.wait_until(lambda: _answers(server), "pipewire-pulse")
        _load_sinks(server)
        yield server


@contextmanager
def classroom_server(folder: Path, air_ms: int) -> Iterator[SoundServer]:
    """Run a sound server in whose room the loudspeaker is heard by the microphone, so much later."""
    with sound_server(folder) as server:
        air = ("source=speaker.monitor", "sink=room", f"latency_msec={air_ms}")
        server.pactl("load-module", "module-loopback", *air)
        yield server


@contextmanager
def pulse_audio(folder: Path) -> Iterator[SoundServer]:
    """Run PulseAudio itself with the same sinks. What nobody plays to gives sound in blocks of two seconds."""
    server = SoundServer(folder)
    with ExitStack() as stack:
        stack.callback(server.stop)
        options = ("-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes")
        server.start("pulseaudio", "pulseaudio", *options, "-L", "module-native-protocol-unix")
        server.wait_until(lambda: _answers(server), "pulseaudio")
        _load_sinks(server)
        yield server


def _load_sinks(server: SoundServer) -> None:
    for sink in ("room", "speaker"):
        server.pactl("load-module", "module-null-sink", f"sink_name={sink}", "rate=48000", "channels=1")
    server.wait_until(lambda: "room.monitor" in server.pactl("list", "short", "sources"), "the null sink")


def _answers(server: SoundServer) -> bool:
    try:
        server.pactl("info")
    except subprocess.CalledProcessError:
        return False
    return True
