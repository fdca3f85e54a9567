"""A real room whose camera goes black and whose microphone falls silent: panel, state and health say so in time."""

from __future__ import annotations

import asyncio
import time
import wave
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from agent.hotplug import PlugEvent
from protocol.messages import Check, CheckStatus, RtcOffer, Sign
from tests.broker import Broker
from tests.integration.agent.conftest import SIMULATED, Centre, Room, room_settings, running_room
from tests.integration.streams.peer import Peer
from tests.waiting import until

pytestmark = pytest.mark.timed

FAULT_S = 2.0
"""After the devices were opened."""
PANEL_S, CENTRE_S = 3.0, 5.0
SLACK_S = 1.0
"""For opening, polling and a machine that does other things too."""


def faulty(**faults: str) -> dict[str, Any]:
    """Return the simulated room with one fault for each device named, from `FAULT_S` on."""
    devices = {name: dict(table) for name, table in SIMULATED.items()}
    for name, kind in faults.items():
        devices[name]["faults"] = [{"at_s": FAULT_S, "kind": kind, "for_s": 60}]
    return devices


def of(checks: Iterable[Check], name: str) -> Check | None:
    return next((check for check in checks if check.id == name), None)


def critical_in_state(centre: Centre, name: str) -> bool:
    check = of(centre.states[-1].checks, name)
    return check is not None and check.status is CheckStatus.CRITICAL


def critical_in_health(centre: Centre, name: str) -> bool:
    check = of(centre.health[-1].checks or (), name) if centre.health else None
    return check is not None and check.status is CheckStatus.CRITICAL and check.value is not None


async def wait_for_panel(room: Room, condition: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
    async with asyncio.timeout(15):
        while True:
            view = await room.view()
            if condition(view):
                return view
            await asyncio.sleep(0.05)
    raise AssertionError(what)


async def test_a_black_picture_and_a_silent_microphone_are_told_to_the_room_and_the_centre(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    settings = room_settings(broker, tmp_path, faulty(camera="black", microphone="black"))
    async with running_room(settings) as room:
        await room.press("lesson/start")
        await room.state_is("live")
        began_s = time.monotonic() + FAULT_S
        await room.press("lesson/on-air", {"camera": False})  # what pupils get is another matter
        seen_s: dict[str, float] = {}

        def is_told(view: dict[str, Any]) -> bool:
            for check in view["checks"]:
                seen_s.setdefault(check["id"], time.monotonic() - began_s)
            return {"picture-black", "sound-dead"} <= set(seen_s)

        view = await wait_for_panel(room, is_told, "the panel tells both")
        print(f"told after {seen_s}")  # noqa: T201 -- shown when it fails
        assert max(seen_s.values()) < PANEL_S + SLACK_S, seen_s
        assert all(check["message"]["fr"] and check["remedy"]["en"] for check in view["checks"])
        for name in ("picture-black", "sound-dead"):
            await until(partial(critical_in_state, centre, name), f"the state has {name}")
            await until(partial(critical_in_health, centre, name), f"the health has {name}, with its value")
        assert time.monotonic() - began_s < CENTRE_S + SLACK_S
        states = len(centre.states)
        await asyncio.sleep(1.0)
        assert len(centre.states) <= states + 1, "the retained state does not chatter"
        await room.press("lesson/stop")
        await room.state_is("idle")
        await wait_for_panel(room, lambda view: view["checks"] == [], "it is over with the lesson")


async def test_a_camera_that_is_lost_is_one_cause(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    settings = room_settings(broker, tmp_path, faulty(camera="unplug"))
    async with running_room(settings) as room:
        await room.press("lesson/start")
        await wait_for_panel(room, lambda view: view["missing"] == ["camera"], "the camera is missing")
        await asyncio.sleep(1.6)  # its newest picture is old by now
        view = await room.view()
        assert [check["id"] for check in view["checks"] if check["id"].startswith("picture-")] == []


async def test_a_look_while_idle_lights_no_sign_and_gives_way_to_start(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    devices = {**SIMULATED, "health": {"idle_look_min": 0.01}}
    async with running_room(room_settings(broker, tmp_path, devices)) as room:
        await wait_for_panel(
            room, lambda view: [d["status"] for d in view["devices"]].count("ok") == 2, "camera and microphone work"
        )
        assert {state.sign for state in centre.states} == {Sign.OFF}
        assert all(not device.is_open for state in centre.states for device in state.devices)
        await asyncio.sleep(1.2)  # the next look holds the devices
        began_s = time.monotonic()
        await room.press("lesson/start")
        await room.state_is("live")
        live_s = time.monotonic() - began_s
        assert live_s < 3.0  # as without a look: PREPARE_MOST_S
        assert "device.lost" not in centre.facts()


async def test_a_microphone_that_is_pulled_out_while_idle_is_missed_at_once(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 400)
    devices = {**SIMULATED, "microphone": {"driver": "file", "path": str(path)}}

    def microphone_is(status: str, view: dict[str, Any]) -> bool:
        return any((device["role"], device["status"]) == ("microphone", status) for device in view["devices"])

    async with running_room(room_settings(broker, tmp_path, devices)) as room:
        assert microphone_is("unknown", await room.view())
        path.unlink()
        room.plugs.heard(PlugEvent("remove", "sound", Path("/dev/snd/that-is-not-there")))
        view = await wait_for_panel(room, partial(microphone_is, "critical"), "it is missed")
        assert view["sign"] == "off"


async def test_the_rooms_normal_state_is_recorded_over_the_panel(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path, faulty())) as room:
        assert (await room.view())["normal_at"] is None
        answer = await room.press("normal")
        assert (answer.status_code, answer.json().get("code")) == (200, None)
        assert answer.json()["normal_at"] is not None
        assert (tmp_path / "state" / "baseline.json").is_file()
        assert (await room.view())["sign"] == "off"


class _ByTheCentre:
    """Lets a peer into the room as the centre does."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre

    async def accept(self, viewer: str, sdp: str, ice_servers: object, holder: str | None) -> str:
        return str((await self._centre.call("rtc.offer", RtcOffer(viewer=viewer, sdp=sdp)))["sdp"])


async def test_what_pupils_report_of_the_line_reaches_the_centre(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path, SIMULATED)) as room:
        await room.press("lesson/start")
        await room.state_is("live")
        peers = [Peer(), Peer()]
        for number, peer in enumerate(peers):
            await peer.join(cast("Any", _ByTheCentre(centre)), f"v-{number}")

        def line() -> set[str]:
            return {check.id for check in centre.health[-1].checks or () if check.id.startswith("line-")}

        await until(lambda: line() >= {"line-loss", "line-delay", "line-jitter"}, "the health has the line", 40)
        await room.press("lesson/stop")
        await until(lambda: not line(), "the line is nothing without a lesson", 20)
        await asyncio.gather(*(peer.close() for peer in peers))
