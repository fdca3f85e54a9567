"""Recording a lesson in a real room: the press, the sign, the disk, a fall, and what is left of it."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from tests.broker import Broker
from tests.integration.agent.conftest import ROOM, SIMULATED, Centre, opens_panel, room_settings, running_room
from tests.integration.agent.process import Process, is_live, shows
from tests.peers import missing, need
from tests.waiting import until


def length_s(mp4: bytes) -> dict[str, float]:
    """Decode all of it and return how far each track goes."""
    ends: dict[str, float] = {}
    with av.open(io.BytesIO(mp4), "r") as file:
        for frame in file.decode():
            kind = "sound" if isinstance(frame, av.AudioFrame) else "picture"
            ends[kind] = max(ends.get(kind, 0.0), float(frame.time or 0))
    return ends


def recording_devices(**settings: Any) -> dict[str, Any]:
    return {**SIMULATED, "recording": {"enabled": True, "free_floor_gb": 0.001, **settings}}


@pytest.fixture
def recorder(broker: Broker, tmp_path: Path) -> Process:
    return Process(broker, tmp_path, ROOM, recording_devices(free_floor_gb=0.00001))


@pytest.fixture
async def desk(recorder: Process) -> AsyncIterator[httpx.AsyncClient]:
    """The panel of `recorder`."""
    auth = opens_panel(recorder.state / "panel-token")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{recorder.port}", auth=auth, timeout=10) as client:
        yield client


async def test_a_room_that_is_not_configured_for_it_does_not_record(broker: Broker, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path)) as room:
        assert (await room.view())["recording"] is None
        assert (await room.press("recording", {"on": True})).status_code == 404
    assert files(tmp_path / "state") & {"recordings", "recording.key"} == set()


async def test_a_lesson_is_recorded_listed_given_out_and_deleted(
    broker: Broker, tmp_path: Path, centre: Centre
) -> None:
    async with running_room(room_settings(broker, tmp_path, recording_devices())) as room:
        assert (await room.press("recording", {"on": True})).json()["code"] == "lesson-transition"
        await room.press("lesson/start")
        await room.state_is("live")
        begun = (await room.press("recording", {"on": True})).json()
        assert begun["recording"]["is_running"]
        await until(lambda: centre.states and centre.states[-1].recording, "the centre knows")
        await until(lambda: _elapsed(room.view, 1.5))
        await room.press("lesson/pause", {"paused": True})
        await room.press("lesson/pause", {"paused": False})
        await until(lambda: _elapsed(room.view, 3))
        await room.press("lesson/stop")
        view = await room.state_is("idle")
        assert not view["recording"]["is_running"]
        (one,) = (await until(lambda: _listed(room.view)))["recording"]["all"]
        assert one["is_whole"]
        assert 3 <= one["duration_s"] < 15
        address = f"/api/recording/{one['id']}.mp4"
        whole = (await room.panel.get(address)).content
        ends = length_s(whole)
        assert all(abs(end - one["duration_s"]) < 0.5 for end in ends.values()), ends
        with av.open(io.BytesIO(whole), "r") as file:
            titles = [chapter["metadata"]["title"] for chapter in file.chapters()]
        assert titles == ["Début", "Pause", "Reprise", "Fin"]
        part = await room.panel.get(address, headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, whole[1000:2000])
        assert (await room.panel.get(address, headers={"Range": f"bytes={len(whole)}-"})).status_code == 416
        assert (await room.press("recording/delete", {"id": one["id"]})).json()["recording"]["all"] == []
        assert (await room.panel.get(address)).json()["code"] == "recording-not-found"
        await until(lambda: not centre.states[-1].recording, "the centre knows")
    assert files(tmp_path / "state" / "recordings") == set()


async def test_a_killed_agent_leaves_what_was_recorded_and_says_so(recorder: Process, desk: httpx.AsyncClient) -> None:
    with recorder.running() as first:
        await shows(desk, lambda view: view["state"] == "idle")
        await desk.post("/api/lesson/start", json={})
        await shows(desk, is_live)
        began_s = time.monotonic()
        assert (await desk.post("/api/recording", json={"on": True})).json()["recording"]["is_running"]
        await until(lambda: time.monotonic() - began_s > 5)
        killed_s = time.monotonic() - began_s
        first.send_signal(signal.SIGKILL)
        first.wait()
    with recorder.running():
        view = await shows(desk, lambda view: is_live(view) and view["recording"]["problem"])
        assert view["recording"]["problem"]["code"] == "recording-cut"
        (one,) = view["recording"]["all"]
        assert not one["is_whole"]
        ends = length_s((await desk.get(f"/api/recording/{one['id']}.mp4")).content)
        assert set(ends) == {"sound", "picture"}
        assert all(killed_s - end <= 2 for end in ends.values()), (killed_s, ends)


async def test_a_full_disk_ends_the_recording_and_not_the_lesson(recorder: Process, desk: httpx.AsyncClient) -> None:
    folder = recorder.state / "recordings"
    folder.mkdir(parents=True)
    recorder.prefix = own_disk(folder)
    with recorder.running() as process:
        await shows(desk, lambda view: view["state"] == "idle")
        await desk.post("/api/lesson/start", json={})
        await shows(desk, is_live)
        assert (await desk.post("/api/recording", json={"on": True})).json()["recording"]["is_running"]
        await until(lambda: _elapsed_of(desk, 2))
        await asyncio.to_thread(fill, Path(f"/proc/{process.pid}/root{folder}/filler"))
        view = await shows(desk, lambda view: view["recording"]["problem"])
        assert view["recording"]["problem"]["code"] == "recording-disk-full"
        assert (view["state"], view["recording"]["is_running"]) == ("live", False)
        assert (await shows(desk, is_live))["missing"] == []


def own_disk(folder: Path) -> list[str]:
    """Return what runs a command with a disk of 2 MB in the place of ``folder``."""
    program = need("unshare", "util-linux")
    ways = [[program, "--user", "--map-root-user", "--mount"], [program, "--mount"]]
    for way in ways:
        if subprocess.run([*way, "true"], capture_output=True, timeout=20, check=False).returncode == 0:
            return [*way, "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$@"', str(folder)]
    missing("this machine gives no user namespaces, and a disk of a test's own is mounted in one")


def fill(path: Path) -> None:
    """Take every byte that a disk has left."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def _elapsed(view: Any, seconds: float) -> bool:
    return bool(((await view())["recording"]["elapsed_s"] or 0) >= seconds)


async def _elapsed_of(desk: httpx.AsyncClient, seconds: float) -> bool:
    return bool(((await desk.get("/api/panel")).json()["recording"]["elapsed_s"] or 0) >= seconds)


async def _listed(view: Any) -> Any:
    shown = await view()
    return shown if shown["recording"]["all"] else None
