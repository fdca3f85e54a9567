"""A pupil's sentence out of a real loudspeaker: the room hears it, the others hear it once, the pupil not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.board_source import BoardSource
from agent.device_slot import DeviceChoice, DeviceSlot
from agent.devices.pulse import PulseConfig, driver
from agent.levels import RoomLevels
from agent.room_sound import RoomSound
from agent.talk import Talk
from protocol.messages import DeviceRole
from tests.integration.devices.conftest import RunHost
from tests.integration.devices.soundserver import SoundServer, classroom_server
from tests.integration.devices.test_voice import AIR_MS, level_db
from tests.integration.streams.conftest import open_room
from tests.integration.streams.peer import Peer
from tests.integration.streams.speaker import Speaker, heard, spoken
from tests.integration.streams.test_talkback import Rights
from tests.peers import need

pytestmark = pytest.mark.alone

LEARNT_S = 4.0
"""The echo canceller knows the room by then."""
SAID_S = 4.0
ECHO_DB = 15
"""As much as test_voice.py asks of the canceller."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    with classroom_server(tmp_path_factory.mktemp("sound"), AIR_MS) as server:
        yield server


@pytest.fixture(autouse=True)
def at_home(server: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the capture processes find this server."""
    for name in ("XDG_RUNTIME_DIR", "HOME", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, server.environment[name])


def likeness(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    """Return how well the loudness of two sounds goes together at the best shift, 1 being the same; 20 ms a step."""

    def loudness(samples: NDArray[np.int16]) -> NDArray[np.float64]:
        whole = samples[: len(samples) // 960 * 960].astype(np.float64).reshape(-1, 960)
        steps = np.log10((whole**2).mean(axis=1) + 1)
        centred: NDArray[np.float64] = (steps - steps.mean()) / (steps.std() + 1e-9)
        return centred

    a, b = loudness(one), loudness(other)
    return float(np.correlate(a, b, "full").max() / min(len(a), len(b)))


async def test_a_sentence_is_heard_in_the_room_and_by_the_others_and_does_not_come_back(
    run_host: RunHost, server: SoundServer, tmp_path: Path
) -> None:
    sentence = spoken(tmp_path, "Madame, je n’ai pas compris la question trois, est-ce que je peux la lire ?")
    config = PulseConfig(source="room.monitor", sink="speaker")
    choice = DeviceChoice("desk", DeviceRole.MICROPHONE, driver, config)
    async with run_host(driver) as host, open_room() as room:
        slot = DeviceSlot(choice, host, lambda _: None)
        levels = RoomLevels()
        sound = RoomSound(
            room.publisher,
            BoardSource(room.publisher),
            [slot],
            levels=levels,
            wanted=None,
            is_dead=lambda _: False,
            on_change=lambda _: None,
        )
        rights = Rights()
        talk = Talk(room.publisher, sound, rights, on_change=lambda: None)
        rights.on_change = talk.rights_changed
        runs = [asyncio.create_task(slot.run(sound)), asyncio.create_task(talk.run())]
        mine, other = Peer(kinds=("audio",)), Peer(kinds=("audio",))
        await mine.join(room.publisher, "v1", "h1")
        await other.join(room.publisher, "v2", "h2")
        await other.until(lambda: slot.is_working and other.sound.arrivals and mine.sound.arrivals, 20)
        rights.grant("h1")
        speaker = Speaker(sentence)
        await speaker.speak(talk, "t1", "h1")
        await other.until(lambda: (view := talk.view()) is not None and view.state == "heard")
        await asyncio.sleep(LEARNT_S)
        command = [
            need("parec", "pulseaudio-utils"),
            "-d",
            "speaker.monitor",
            "--rate=48000",
            "--channels=1",
            "--raw",
            "--latency-msec=50",
        ]
        pipe = asyncio.subprocess.PIPE
        monitor = await asyncio.create_subprocess_exec(
            *command, "--format=s16le", env=dict(server.environment), stdout=pipe
        )
        reading = asyncio.create_task(monitor.communicate())
        since_s = time.monotonic()
        await asyncio.sleep(SAID_S)
        monitor.terminate()
        recorded, _ = await reading
        in_the_room = np.frombuffer(recorded[: len(recorded) // 2 * 2], np.int16)
        at_the_others, at_mine = heard(other.sound, since_s), heard(mine.sound, since_s)
        for run in runs:
            run.cancel()
            with suppress(asyncio.CancelledError):
                await run
        for peer in (mine, other):
            await peer.close()
        await speaker.pc.close()
    said = np.tile(sentence, 3)
    assert likeness(in_the_room, said) > 0.7
    assert likeness(at_the_others, said) > 0.7
    assert level_db(at_the_others) - level_db(at_mine) >= ECHO_DB
