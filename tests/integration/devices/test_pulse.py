"""The microphone driver on a real sound server: real speech, a real loss, a real loudspeaker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.device_slot import DeviceChoice, DeviceSlot
from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedSound
from agent.devices.pulse import PulseConfig, driver
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock
from protocol.errors import DeviceLostError, DeviceMovedError, DeviceNotFoundError
from protocol.messages import DeviceRole
from tests.integration.devices.conftest import RunHost
from tests.integration.devices.soundserver import SoundServer, pulse_audio, sound_server
from tests.peers import need
from tests.waiting import until

pytestmark = pytest.mark.timed

MIC = PulseConfig(source="room.monitor")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    with sound_server(tmp_path_factory.mktemp("sound")) as server:
        yield server


@pytest.fixture(autouse=True)
def at_home(server: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the capture processes find this server and its named devices."""
    for name in ("XDG_RUNTIME_DIR", "HOME", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, server.environment[name])


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A French sentence, spoken."""
    path = tmp_path_factory.mktemp("speech") / "bonjour.wav"
    text = "Bonjour à tous, ouvrez votre cahier à la page douze, nous allons commencer."
    subprocess.run([need("espeak-ng", "espeak-ng"), "-v", "fr", "-w", str(path), text], check=True)
    return path


async def heard(microphone: CapturedSound, seconds: float) -> tuple[NDArray[np.int16], list[float], list[int]]:
    """Return the samples, times and sequence numbers of so much sound."""
    blocks: list[AudioBlock] = []
    async with asyncio.timeout(seconds + 5):
        while len(blocks) < seconds / BLOCK_S:
            blocks.append(await microphone.next_block())
    samples = np.concatenate([block.samples for block in blocks])
    return samples, [block.captured_mono_s for block in blocks], [block.sequence for block in blocks]


async def test_speech_played_in_the_room_is_captured_evenly(
    run_host: RunHost, server: SoundServer, spoken: Path
) -> None:
    async with (
        run_host(driver) as host,
        host.open_sound(driver, "desk", MIC, hung_s=2.0) as microphone,
    ):
        assert microphone.info.name == "Monitor of room Audio/Sink sink"
        playing = server.play(spoken, "room")
        try:
            samples, times, sequences = await heard(microphone, 4.0)
        finally:
            playing.kill()
            playing.wait()
        assert time.monotonic() - times[-1] < 0.25
    assert sequences == list(range(sequences[0], sequences[0] + 200))
    steps_s = np.diff(times)
    assert abs(steps_s.mean() - BLOCK_S) < 0.0005
    assert np.percentile(np.abs(steps_s - BLOCK_S), 95) < 0.005
    loudness = np.sqrt((samples.astype(np.float64).reshape(-1, BLOCK_SAMPLES) ** 2).mean(axis=1))
    assert (loudness > 500).sum() > 60  # speech for well over a second
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    assert power[(hz > 80) & (hz < 4000)].sum() > 0.8 * power[hz > 20].sum()  # where voices are


async def test_a_microphone_that_is_not_there_is_answered_with_those_that_are(run_host: RunHost) -> None:
    async with run_host(driver) as host:
        with pytest.raises(DeviceNotFoundError, match=r'microphone "desk".*"Neumann"; there are: none'):
            async with host.open_sound(driver, "desk", PulseConfig(source="Neumann")):
                pass


async def test_what_is_played_comes_out_of_the_loudspeaker(run_host: RunHost, server: SoundServer) -> None:
    air = server.pactl("load-module", "module-loopback", "source=speaker.monitor", "sink=room", "latency_msec=40")
    config = PulseConfig(source="room.monitor", sink="speaker", echo_cancellation=False)
    at_s = np.arange(BLOCK_SAMPLES) / SAMPLE_RATE_HZ
    tone = (np.sin(2 * np.pi * 1000 * at_s) * 12_000).astype(np.int16)
    async with (
        run_host(driver) as host,
        host.open_sound(driver, "desk", config, hung_s=2.0) as microphone,
    ):
        assert microphone.info.capabilities == {"playback"}
        loud = 0
        async with asyncio.timeout(10):
            while loud < 25:  # half a second of a pure tone of 1 kHz
                microphone.play(tone)
                block = await microphone.next_block()
                spectrum = np.abs(np.fft.rfft(block.samples.astype(np.float64)))
                loud += int(spectrum[20] > 1e5 and spectrum[20] > 0.5 * spectrum[1:].sum())
    server.pactl("unload-module", air.strip())


@contextmanager
def noise_in(server: SoundServer, sink: str) -> Iterator[None]:
    """Fill a sink with what must never be heard."""
    command = [need("pacat", "pulseaudio-utils"), f"--device={sink}", "--raw", "--latency-msec=20", "/dev/urandom"]
    with subprocess.Popen(command, env=server.environment, stderr=subprocess.DEVNULL) as playing:
        try:
            yield
        finally:
            playing.kill()


@dataclass
class Plug:
    """A microphone of its own that can be pulled out of the server: the monitor of a sink that nobody plays to."""

    server: SoundServer
    source: str = "clip.monitor"
    module: str = ""

    def put_in(self) -> None:
        self.module = self.server.pactl("load-module", "module-null-sink", "sink_name=clip", "rate=48000", "channels=1")

    def pull_out(self) -> None:
        self.server.pactl("unload-module", self.module.strip())


class SourcePlug(Plug):
    """PulseAudio has sources that are no monitors, and an idle monitor gives sound each two seconds only."""

    def put_in(self) -> None:
        self.module = self.server.pactl("load-module", "module-null-source", "source_name=clip")


@pytest.fixture
def plug(server: SoundServer) -> Iterator[Plug]:
    plug = Plug(server)
    plug.put_in()
    server.wait_until(lambda: "clip.monitor" in server.pactl("list", "short", "sources"), "the microphone")
    with noise_in(server, "room"):
        yield plug
    with contextlib.suppress(subprocess.CalledProcessError):
        plug.pull_out()


CLIP = PulseConfig(source="clip.monitor")


class Room:
    """Where a slot puts what it hears, with the times."""

    def __init__(self) -> None:
        self.blocks: list[tuple[float, int]] = []

    def push_frame(self, track: object, frame: object) -> None: ...

    def set_away(self, track: object, is_away: bool) -> None: ...

    def push_sound(self, source: str, block: AudioBlock) -> None:
        self.blocks.append((time.monotonic(), int(np.abs(block.samples).max())))

    @property
    def loudest(self) -> int:
        return max(peak for _at, peak in self.blocks)


async def unplugged_and_back(host: CaptureHost, plug: Plug) -> tuple[DeviceSlot, Room, float, float]:
    """Run a slot through an unplugging; return it, what was heard, and how soon it was lost and back."""
    room = Room()
    problems: list[float] = []

    def on_change(slot: DeviceSlot) -> None:
        if slot.problem is not None:
            problems.append(time.monotonic())
            codes.append(slot.problem.code)

    codes: list[str] = []
    slot = DeviceSlot(
        DeviceChoice("desk", DeviceRole.MICROPHONE, driver, PulseConfig(source=plug.source)), host, on_change
    )
    life = asyncio.create_task(slot.run(room))
    await until(lambda: len(room.blocks) > 10, "the microphone", 10)
    out_mono_s = time.monotonic()
    await asyncio.to_thread(plug.pull_out)
    await until(lambda: bool(problems), "the loss", 5)
    lost_s = problems[0] - out_mono_s
    assert codes[0] in ("device-lost", "device-moved")
    await asyncio.sleep(1.5)
    heard_before = len(room.blocks)
    await asyncio.to_thread(plug.put_in)
    in_mono_s = time.monotonic()
    await until(lambda: len(room.blocks) > heard_before, "the microphone's return", 10)
    back_s = room.blocks[heard_before][0] - in_mono_s
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life
    return slot, room, lost_s, back_s


async def test_a_microphone_that_is_unplugged_is_lost_at_once_and_comes_back_by_itself(
    run_host: RunHost, plug: Plug
) -> None:
    async with run_host(driver) as host:
        _slot, room, lost_s, back_s = await unplugged_and_back(host, plug)
    assert lost_s <= 1
    assert back_s <= 2
    assert room.loudest < 10, "sound of another source was sent"


async def test_the_same_on_pulseaudio(run_host: RunHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pulse_audio(tmp_path) as own:
        monkeypatch.setenv("XDG_RUNTIME_DIR", own.environment["XDG_RUNTIME_DIR"])
        plug = SourcePlug(own, "clip")
        plug.put_in()
        with noise_in(own, "room"):
            async with run_host(driver) as host:
                _slot, room, lost_s, back_s = await unplugged_and_back(host, plug)
    assert lost_s <= 1
    assert back_s <= 2
    assert room.loudest < 10, "sound of another source was sent"


def move(server: SoundServer, source: str) -> None:
    """Move the only stream that records, as a person with a mixer does."""
    (stream,) = [line.split()[0] for line in server.pactl("list", "short", "source-outputs").splitlines()]
    server.pactl("move-source-output", stream, source)


def recorded(server: SoundServer) -> str:
    """Return the name of the source of the only stream that records."""
    names = dict(line.split()[:2] for line in server.pactl("list", "short", "sources").splitlines())
    (source,) = [line.split()[1] for line in server.pactl("list", "short", "source-outputs").splitlines()]
    return names.get(source, "")


async def test_a_stream_that_somebody_moves_is_moved_back_once_and_then_lost(
    run_host: RunHost, plug: Plug, capfd: pytest.CaptureFixture[str]
) -> None:
    async with (
        run_host(driver) as host,
        host.open_sound(driver, "desk", CLIP, hung_s=2.0) as microphone,
    ):
        await heard(microphone, 0.5)
        await asyncio.to_thread(move, plug.server, "room.monitor")
        samples, _times, _sequences = await heard(microphone, 1.0)
        assert np.abs(samples).max() < 10, "sound of another source was sent"
        await until(lambda: recorded(plug.server) == "clip.monitor", "the stream to be back")

        async def move_again_and_again() -> None:  # a busy server forgets a move that comes soon after another
            while True:
                with contextlib.suppress(ValueError):  # the stream is closed already
                    await asyncio.to_thread(move, plug.server, "room.monitor")
                await heard(microphone, 1.0)

        with pytest.raises(DeviceMovedError, match=r'microphone "desk": the sound server records from room.monitor in'):
            await asyncio.wait_for(move_again_and_again(), 15)
    assert "recorded from room.monitor; moved back to clip.monitor" in capfd.readouterr().err


async def test_what_a_loudspeaker_plays_is_no_default_microphone(run_host: RunHost) -> None:
    async with run_host(driver) as host:
        with pytest.raises(DeviceNotFoundError, match=r'the sound server has no source "default"'):
            async with host.open_sound(driver, "desk", PulseConfig()):
                pass


async def test_a_loudspeaker_that_is_missing_costs_no_sound_and_is_taken_when_it_comes(
    run_host: RunHost, server: SoundServer
) -> None:
    config = PulseConfig(source="room.monitor", sink="hall", echo_cancellation=False)
    async with (
        run_host(driver) as host,
        host.open_sound(driver, "desk", config, hung_s=2.0) as microphone,
    ):
        assert microphone.info.capabilities == set()
        (note,) = microphone.info.notes
        assert note.startswith('microphone "desk": output: the sound server has no sink "hall"; there are:')
        await heard(microphone, 0.5)
        module = await asyncio.to_thread(server.pactl, "load-module", "module-null-sink", "sink_name=hall")
        with pytest.raises(DeviceLostError, match="the loudspeaker is there again"):
            await heard(microphone, 5.0)
        async with host.open_sound(driver, "desk", config, hung_s=2.0) as again:
            assert again.info.capabilities == {"playback"}
        await asyncio.to_thread(server.pactl, "unload-module", module.strip())


async def test_no_sound_server_is_said(run_host: RunHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    async with run_host(driver) as host:
        with pytest.raises(DeviceNotFoundError, match=r'microphone "desk": no sound server answers'):
            async with host.open_sound(driver, "desk", MIC):
                pass


async def test_alsa_s_chatter_stays_off_the_journal(run_host: RunHost, capfd: pytest.CaptureFixture[str]) -> None:
    async with (
        run_host(driver) as host,
        host.open_sound(driver, "desk", MIC, hung_s=2.0) as microphone,
    ):
        await microphone.next_block()
    assert "ALSA" not in capfd.readouterr().err


@pytest.mark.parametrize("what", ["stopped", "killed"])
async def test_a_sound_server_that_hangs_or_dies_is_a_lost_microphone(
    run_host: RunHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with sound_server(tmp_path) as own:
        monkeypatch.setenv("XDG_RUNTIME_DIR", own.environment["XDG_RUNTIME_DIR"])
        async with (
            run_host(driver) as host,
            host.open_sound(driver, "desk", MIC, hung_s=2.0) as microphone,
        ):
            await heard(microphone, 0.5)
            number = signal.SIGSTOP if what == "stopped" else signal.SIGKILL
            for program in ("pipewire-pulse", "pipewire"):
                os.kill(own.processes[program].pid, number)
            started_s = time.monotonic()
            with pytest.raises(DeviceLostError, match=r'microphone "desk": .*(stopped|gave no sound|server ended)'):
                await heard(microphone, 30.0)
            assert time.monotonic() - started_s < 1.5
        assert time.monotonic() - started_s < 2.5
