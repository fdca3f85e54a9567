"""A room with several microphones: the one that pupils hear dies, and is back; and the board's sound."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from aiortc import RTCSessionDescription
from numpy.typing import NDArray

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ
from protocol.messages import RtcOffer
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, Room, room_settings, running_room
from tests.integration.streams.peer import Peer
from tests.waiting import until

pytestmark = pytest.mark.timed

PITCHES = DESK_HZ, CEILING_HZ, FILM_HZ = 400, 1000, 2500
"""Whole periods in a block."""
HEARD_MOST_S = 10.0
DEVICES: dict[str, Any] = {
    "microphone": {"driver": "simulated", "label": "Bureau", "voice": "tone", "tone_hz": DESK_HZ},
    "spare_microphone": [
        {"driver": "simulated", "id": "ceiling", "label": "Plafond", "voice": "tone", "tone_hz": CEILING_HZ}
    ],
}


class Listener:
    """A pupil who hears the room and knows by the pitch what of it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.sample_rate, self._decoder.layout = SAMPLE_RATE_HZ, "mono"
        self._times: list[float] = []
        at_s = np.arange(BLOCK_SAMPLES) / SAMPLE_RATE_HZ
        self._waves = np.array([np.exp(-2j * np.pi * hz * at_s) for hz in PITCHES])
        self._loud: list[NDArray[np.float64]] = []

    async def loudness(self, hz: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return when each packet came (CLOCK_MONOTONIC), and the amplitude of this pitch in it, 1 being full scale."""
        for packet in self._peer.sound.arrivals[len(self._times) :]:
            pieces = [
                frame.to_ndarray().astype(np.float64).ravel() / (32_768 if "s16" in frame.format.name else 1)
                for frame in self._decoder.decode(av.Packet(packet.payload))
            ]
            sound = np.concatenate([*pieces, np.zeros(BLOCK_SAMPLES)])[:BLOCK_SAMPLES]
            self._times.append(packet.mono_s)
            self._loud.append(2 * np.abs(self._waves @ sound) / BLOCK_SAMPLES)
            await asyncio.sleep(0)  # the room runs on this loop, too, and must not be late for it
        return np.array(self._times), np.array(self._loud)[:, PITCHES.index(hz)]

    async def hears(self, hz: int, *, least: float = 0.1, since_s: float | None = None) -> None:
        """Wait until this pitch comes, from now on or from an instant of CLOCK_MONOTONIC on."""
        since_s = time.monotonic() if since_s is None else since_s
        deadline_s = time.monotonic() + HEARD_MOST_S
        while time.monotonic() < deadline_s:
            times, loud = await self.loudness(hz)
            if (loud[times > since_s] > least).any():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{hz} Hz was not heard within {HEARD_MOST_S:g} s")

    async def hears_no(self, hz: int) -> None:
        """Wait until this pitch was not there for half a second."""
        since_s, deadline_s = time.monotonic(), time.monotonic() + HEARD_MOST_S
        while time.monotonic() < deadline_s:
            times, loud = await self.loudness(hz)
            last = loud[times > since_s][-25:]
            if len(last) == 25 and last.max() < 0.01:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{hz} Hz was heard for {HEARD_MOST_S:g} s")


@asynccontextmanager
async def lesson(
    broker: Broker, centre: Centre, folder: Path, devices: dict[str, Any]
) -> AsyncIterator[tuple[Room, Listener]]:
    """A running lesson with a pupil who is connected."""
    peer = Peer()
    async with running_room(room_settings(broker, folder, devices)) as room:
        await room.press("lesson/start")
        await room.state_is("live")
        answer = await centre.call("rtc.offer", RtcOffer(viewer="v-1", sdp=await peer.offer()))
        await peer.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await peer.until(lambda: len(peer.sound.arrivals) > 10)
        try:
            yield room, Listener(peer)
        finally:
            await peer.close()


def capture_process(device: str) -> int:
    [pid] = [c.pid for c in psutil.Process().children(recursive=True) if c.name() == f"es-{device}"[:15]]
    return pid


async def until_view(room: Room, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Wait until the panel's view is as wanted, and return it."""
    async with asyncio.timeout(20):
        while True:
            view = await room.view()
            if wanted(view):
                return view
            await asyncio.sleep(0.02)


async def press_microphone(room: Room, device: str) -> dict[str, Any]:
    """Take another microphone and return the view; one that a busy machine passed over just then is taken again."""
    async with asyncio.timeout(20):
        while True:
            answer = (await room.press("lesson/microphone", {"id": device})).json()
            if answer.get("code") != "device-not-now":
                return answer  # type: ignore[no-any-return]
            await asyncio.sleep(0.1)


def heard(view: dict[str, Any]) -> list[str]:
    return [one["id"] for one in view["microphones"]["all"] if one["is_in_use"]]


def living(view: dict[str, Any]) -> list[str]:
    return [one["id"] for one in view["microphones"]["all"] if one["is_alive"]]


async def test_a_dead_microphone_is_replaced_within_a_second_and_taken_back_when_it_is_steady(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with lesson(broker, centre, tmp_path, DEVICES) as (room, pupil):
        await pupil.hears(DESK_HZ)
        killed_s = time.monotonic()
        os.kill(capture_process("microphone"), signal.SIGKILL)
        await pupil.hears(CEILING_HZ, since_s=killed_s)
        await until_view(room, lambda view: heard(view) == ["microphone"])
        await pupil.hears(DESK_HZ)
        _, desk = await pupil.loudness(DESK_HZ)
        _, ceiling = await pupil.loudness(CEILING_HZ)
        first = int(np.argmax(ceiling > 0.1))
        last = int(np.flatnonzero(desk[:first] > 0.1)[-1])
        assert 0 < (first - last) * BLOCK_S < 1.0, "the silence that pupils hear"
        assert not (ceiling[:last] > 0.02).any(), "nothing of a spare is sent before"
        back = first + int(np.argmax(desk[first:] > 0.05))
        assert np.flatnonzero(ceiling[:back] > 0.05)[-1] >= back - 1, "one fades into the other"
        await until(lambda: centre.facts().count("microphone.changed") == 2, "both changes are events")
        await room.press("lesson/stop")
        idle = await room.state_is("idle")
        assert [problem["en"] for problem in idle["summary"]["problems"]] == [
            "The microphone stopped; another took its place."
        ]
    changes = [event.fact for event in centre.events if event.fact.kind == "microphone.changed"]
    assert [(fact.before, fact.device, fact.reason) for fact in changes] == [
        ("microphone", "ceiling", "lost"),
        ("ceiling", "microphone", "back"),
    ]
    assert "degraded" not in centre.lesson_states(), "pupils hear the room"
    reported = [{device.id: device for device in state.devices} for state in centre.states]
    assert "warning" in {devices["microphone"].status for devices in reported}
    assert "critical" not in {device.status for devices in reported for device in devices.values()}
    assert [True, False] in [[devices[one].in_use for one in ("ceiling", "microphone")] for devices in reported]


async def test_a_microphone_whose_process_is_killed_or_hangs_costs_less_than_a_second(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with lesson(broker, centre, tmp_path, DEVICES) as (room, pupil):
        await pupil.hears(DESK_HZ)
        os.kill(capture_process("microphone"), signal.SIGSTOP)
        await until_view(room, lambda view: heard(view) == ["ceiling"])
        await pupil.hears(CEILING_HZ)
        await room.press("lesson/microphone", {"id": "ceiling"})  # it is the wanted one from now on
        await until_view(room, lambda view: "microphone" in living(view))
        os.kill(capture_process("ceiling"), signal.SIGKILL)
        await pupil.hears(CEILING_HZ)
        _, desk = await pupil.loudness(DESK_HZ)
        _, ceiling = await pupil.loudness(CEILING_HZ)
        assert np.diff(np.flatnonzero((desk > 0.1) | (ceiling > 0.1))).max() * BLOCK_S < 1.0


async def test_after_a_fall_the_lesson_goes_on_with_the_microphone_that_was_chosen(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    settings = room_settings(broker, tmp_path, DEVICES)
    kept = settings.state_dir / "lesson.json"
    async with running_room(settings) as room:
        await room.press("lesson/start")
        await until_view(room, lambda view: view["microphones"] and "ceiling" in living(view))
        assert (await room.press("lesson/microphone", {"id": "phone"})).json()["code"] == "device-not-found"
        view = await press_microphone(room, "ceiling")
        assert (heard(view), view["microphones"]["wanted"]) == (["ceiling"], "ceiling")
        as_it_was = kept.read_bytes()
    kept.write_bytes(as_it_was)  # as a fall would leave it
    async with running_room(settings) as room:
        view = await until_view(room, lambda view: view["microphones"] and heard(view))
        assert (heard(view), view["microphones"]["wanted"]) == (["ceiling"], "ceiling")


async def test_the_board_is_heard_while_it_is_seen_and_its_loss_costs_nothing(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    film = {"driver": "simulated", "voice": "tone", "tone_hz": FILM_HZ}
    fault = {"at_s": 0.0, "kind": "unplug", "for_s": 3600.0}
    devices = {"microphone": DEVICES["microphone"], "board_sound": film}
    async with lesson(broker, centre, tmp_path, devices) as (room, pupil):
        await pupil.hears(FILM_HZ, least=0.03)
        for path, hold, let_out in (
            ("lesson/freeze", {"frozen": True}, {"frozen": False}),
            ("lesson/on-air", {"board": False}, {"board": True}),
            ("lesson/on-air", {"sound": False}, {"sound": True}),
        ):
            await room.press(path, hold)
            await pupil.hears_no(FILM_HZ)
            await room.press(path, let_out)
            await pupil.hears(FILM_HZ, least=0.03)
        await room.press("lesson/stop")
        await room.state_is("idle")
    async with running_room(
        room_settings(broker, tmp_path, {**devices, "board_sound": {**film, "faults": [fault]}})
    ) as room:
        await room.press("lesson/start")
        await until_view(room, lambda view: view["missing"] == ["board-sound"])
        view = await room.state_is("live")
        [report] = [device for device in view["devices"] if device["role"] == "board-sound"]
        assert (report["status"], report["problem"]["code"]) == ("warning", "device-not-found")
        assert report["problem"]["message"].startswith('board-sound "board-sound": ')
