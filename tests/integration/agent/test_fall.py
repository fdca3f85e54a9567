"""An agent that falls mid-lesson, as a process: what the next one does with the lesson."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest
from aiortc import RTCSessionDescription

from agent.app import Agent
from agent.notify import SystemdNotifier
from agent.on_air import Stray
from protocol.messages import CheckSeen, RtcOffer, SendingStopped
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, room_settings
from tests.integration.agent.process import START_S, Process, is_live, shows
from tests.integration.streams.peer import Peer
from tests.waiting import until


async def test_a_killed_agent_goes_on_with_its_lesson_paused_and_muted_as_it_was(
    process: Process, panel: httpx.AsyncClient, centre: Centre
) -> None:
    with process.running() as first:
        await shows(panel, lambda view: view["state"] == "idle")
        await panel.post("/api/lesson/start", json={})
        await shows(panel, is_live)
        await panel.post("/api/lesson/on-air", json={"sound": False, "camera": False})
        await panel.post("/api/lesson/freeze", json={"frozen": True})
        await panel.post("/api/audience/lobby", json={"on": True})
        await panel.post("/api/audience/lock", json={"on": True})
        before = (await panel.post("/api/lesson/pause", json={"paused": True})).json()
        first.send_signal(signal.SIGKILL)
        first.wait()
    with process.running():
        after = await shows(panel, is_live)
        assert (after["paused"], after["on_air"]) == (True, {"camera": False, "board": True, "sound": False})
        assert after["frozen"]
        assert (after["audience"]["has_lobby"], after["audience"]["is_locked"]) == (True, True)
        assert before["elapsed_s"] < after["elapsed_s"] < before["elapsed_s"] + START_S
        await panel.post("/api/lesson/stop", json={})
        await shows(panel, lambda view: view["state"] == "idle")
        assert not (process.state / "lesson.json").exists()
        await until(lambda: "lesson.ended" in centre.facts(), "the lesson's end")
    lessons = [event.fact.lesson for event in centre.events if event.fact.kind.startswith("lesson.")]  # type: ignore[union-attr]
    assert len(set(lessons)) == 1
    assert [e.fact.origin for e in centre.events if e.fact.kind == "lesson.started"] == ["panel", "resumed"]


async def test_an_agent_that_is_told_to_stop_ends_its_lesson(
    process: Process, panel: httpx.AsyncClient, centre: Centre
) -> None:
    with process.running() as first:
        await shows(panel, lambda view: view["state"] == "idle")
        await panel.post("/api/lesson/start", json={})
        await shows(panel, is_live)
        first.terminate()
        assert await asyncio.to_thread(first.wait, 10) == 0
    with process.running():
        view = await shows(panel, lambda _: True)
        assert (view["state"], view["interrupted"]) == ("idle", None)
        await until(lambda: "lesson.ended" in centre.facts(), "the lesson's end")
    assert [e.fact.reason for e in centre.events if e.fact.kind == "lesson.ended"] == ["the agent stops"]


@pytest.mark.parametrize("act", ["resume", "drop", "start"])
async def test_after_a_reboot_the_panel_asks(
    process: Process, panel: httpx.AsyncClient, centre: Centre, act: str
) -> None:
    with process.running() as first:
        await shows(panel, lambda view: view["state"] == "idle")
        await panel.post("/api/lesson/start", json={})
        await shows(panel, is_live)
        await panel.post("/api/lesson/on-air", json={"sound": False})
        first.send_signal(signal.SIGKILL)
        first.wait()
    kept = process.state / "lesson.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "boot": "the boot before"}))
    with process.running():
        asked = await shows(panel, lambda _: True)
        assert asked["state"] == "idle"
        assert asked["interrupted"] is not None
        view = (await panel.post(f"/api/lesson/{act}", json={})).json()
        assert view["interrupted"] is None
        if act != "drop":
            assert (await shows(panel, is_live))["on_air"]["sound"] is (act == "start")
        else:
            assert view["state"] == "idle"
        ends = ["interrupted"] if act != "resume" else []
        origins = {"resume": ["panel", "resumed"], "drop": ["panel"], "start": ["panel", "panel"]}[act]
        await until(
            lambda: [e.fact.origin for e in centre.events if e.fact.kind == "lesson.started"] == origins, "the starts"
        )
        await until(lambda: [e.fact.reason for e in centre.events if e.fact.kind == "lesson.ended"] == ends, "the ends")


async def test_where_nothing_was_interrupted_nothing_is_resumed(process: Process, panel: httpx.AsyncClient) -> None:
    with process.running():
        await shows(panel, lambda view: view["state"] == "idle")
        answer = await panel.post("/api/lesson/resume", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "lesson-not-found")


@pytest.mark.timed
async def test_what_is_sent_without_a_lesson_stops_at_once_and_is_an_alarm_until_seen(
    process: Process, panel: httpx.AsyncClient, centre: Centre
) -> None:
    peer = Peer()
    process.module = "tests.integration.agent.leaky_agent"
    with process.running() as leaky:
        await shows(panel, lambda view: view["state"] == "idle")
        await panel.post("/api/lesson/start", json={})
        await shows(panel, is_live)
        answer = await centre.call("rtc.offer", RtcOffer(viewer="v-1", sdp=await peer.offer()))
        await peer.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await peer.until(lambda: len(peer.sound.arrivals) > 20)
        children = psutil.Process(leaky.pid).children(recursive=True)
        await panel.post("/api/lesson/stop", json={})
        assert await asyncio.to_thread(leaky.wait, 5) == os.EX_SOFTWARE
    centre.health.clear()
    got = len(peer.sound.arrivals)
    await until(lambda: not any(is_alive(child) for child in children), "its children are gone", 2)
    assert len(peer.sound.arrivals) <= got + 1, "what was under way"
    assert not (process.state / "lesson.json").exists()
    process.module = "agent.cli"
    with process.running():
        await shows(panel, lambda view: view["state"] == "idle" and view["sign"] == "off")
        fact = await until(
            lambda: next((e.fact for e in centre.events if isinstance(e.fact, SendingStopped)), None), "the fact"
        )
        started = next(e.fact for e in centre.events if e.fact.kind == "lesson.started")
        assert fact.lesson == started.lesson
        assert 1.0 < fact.after_s < 2.0
        await until(lambda: on_air_check(centre) == "critical", "a critical check", 25)
        await centre.call("check.seen", CheckSeen(check="on-air", actor="it"))
        await until(lambda: on_air_check(centre) is None, "once seen it is gone", 5)
    await peer.close()


def on_air_check(centre: Centre) -> str | None:
    checks = centre.health[-1].checks if centre.health else ()
    return next((check.status.value for check in checks or () if check.id == "on-air"), None)


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.timed
async def test_idle_has_no_capture_process_nor_has_a_second_after_stop(
    process: Process, panel: httpx.AsyncClient
) -> None:
    with process.running() as agent:

        def captures() -> list[str]:
            """Names of the processes under the spare: one for each device that is held."""
            of_spare = [c for child in psutil.Process(agent.pid).children() for c in child.children(recursive=True)]
            return sorted(c.name() for c in of_spare if is_alive(c))

        await shows(panel, lambda view: view["state"] == "idle")
        assert captures() == []
        await panel.post("/api/lesson/start", json={})
        await shows(panel, is_live)
        assert captures() == ["es-board", "es-camera", "es-microphone"]
        await panel.post("/api/lesson/stop", json={})
        await until(lambda: captures() == [], "every device is closed", 1.0)


@pytest.mark.timed
async def test_a_stray_packet_ends_the_agent_also_when_nothing_can_be_stored_any_more(
    broker: Broker, tmp_path: Path
) -> None:
    falls: list[int] = []
    agent = Agent(room_settings(broker, tmp_path, devices={}), SystemdNotifier({}), fall=lambda: falls.append(1))
    await agent._outbox.close()  # as on the agent's way out
    with pytest.raises(RuntimeError):
        agent._strayed(Stray("l-1", 2.0))
    assert falls == [1]
