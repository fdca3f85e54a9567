"""An agent that falls mid-lesson, as a process: what the next one does with the lesson."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.broker import Broker, free_port
from tests.integration.agent.conftest import ROOM, SIMULATED, Centre, until

START_S = 20.0


class Process:
    """The agent's configuration, and one process after the other that runs it."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        link, self.port = broker.room(ROOM.room), free_port()
        self.state = folder / "state"
        self._config = folder / "agent.toml"
        tables: dict[str, dict[str, Any]] = {
            "room": {"id": ROOM.room, "territory": ROOM.territory, "name": "Salle B12"},
            "broker": {
                "host": link.host,
                "port": link.port,
                "ca_file": str(link.ca_file),
                "cert_file": str(link.cert_file),
                "key_file": str(link.key_file),
            },
            "panel": {"port": self.port},
            **SIMULATED,
        }
        lines = [f"state_dir = {json.dumps(str(self.state))}"]
        for table, values in tables.items():
            lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        self._config.write_text("\n".join(lines))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        argv = [sys.executable, "-m", "agent.cli", "--config", str(self._config)]
        process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
async def panel(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.port}", timeout=10) as client:
        yield client


@pytest.fixture
def process(broker: Broker, tmp_path: Path) -> Process:
    return Process(broker, tmp_path)


async def shows(panel: httpx.AsyncClient, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Wait until the panel's view is as wanted and return it."""
    async with asyncio.timeout(START_S):
        while True:
            try:
                view: dict[str, Any] = (await panel.get("/api/panel")).json()
            except httpx.TransportError:  # nobody listens yet
                view = {}
            if view and wanted(view):
                return view
            await asyncio.sleep(0.02)


def is_live(view: dict[str, Any]) -> bool:
    return bool(view["state"] == "live")


async def test_a_killed_agent_goes_on_with_its_lesson_paused_and_muted_as_it_was(
    process: Process, panel: httpx.AsyncClient, centre: Centre
) -> None:
    with process.running() as first:
        await shows(panel, lambda view: view["state"] == "idle")
        await panel.post("/api/lesson/start", json={})
        await shows(panel, is_live)
        await panel.post("/api/lesson/on-air", json={"sound": False, "camera": False})
        before = (await panel.post("/api/lesson/pause", json={"paused": True})).json()
        first.send_signal(signal.SIGKILL)
        first.wait()
    with process.running():
        after = await shows(panel, is_live)
        assert (after["paused"], after["on_air"]) == (True, {"camera": False, "board": True, "sound": False})
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
