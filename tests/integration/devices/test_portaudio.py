"""The microphone driver on a real sound server: real speech, a real loss, a real loudspeaker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.devices.captured import CapturedSound
from agent.devices.portaudio import PortAudioConfig, driver
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock
from protocol.errors import DeviceLostError, DeviceNotFoundError
from tests.integration.devices.conftest import RunHost
from tests.integration.devices.soundserver import SoundServer, sound_server
from tests.peers import need

MIC = PortAudioConfig(input="roommic")


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
        assert microphone.info.name == "roommic"
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
        with pytest.raises(DeviceNotFoundError, match=r'microphone "desk".*"Neumann".*"roommic"'):
            async with host.open_sound(driver, "desk", PortAudioConfig(input="Neumann")):
                pass


async def test_what_is_played_comes_out_of_the_loudspeaker(run_host: RunHost, server: SoundServer) -> None:
    server.pactl("load-module", "module-loopback", "source=speaker.monitor", "sink=room", "latency_msec=40")
    config = PortAudioConfig(input="roommic", output="speaker")
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
            with pytest.raises(DeviceLostError, match=r'microphone "desk": "roommic" (stopped|gave no sound)'):
                await heard(microphone, 30.0)
            assert time.monotonic() - started_s < 1.5
        assert time.monotonic() - started_s < 2.5
