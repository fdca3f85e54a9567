"""A room whose date is set by a year, mid-lesson: the lesson, its commands and its events do not mind.

Without devices: libfaketime, which sets the date of one process, breaks the sleeps of the simulated ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from protocol.messages import LessonStop
from tests.broker import Broker
from tests.integration.agent.conftest import ROOM, Centre
from tests.integration.agent.process import Process, shows
from tests.peers import missing
from tests.waiting import until

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@pytest.fixture
def process(broker: Broker, tmp_path: Path) -> Process:
    if not FAKETIME.exists():
        missing("libfaketime is missing; it comes with: apt install faketime")
    return Process(broker, tmp_path, ROOM, {})


@pytest.mark.parametrize("jump", ["+365d", "-365d"])
async def test_a_date_set_by_a_year_stops_nothing(
    process: Process, panel: httpx.AsyncClient, centre: Centre, tmp_path: Path, jump: str
) -> None:
    date = tmp_path / "date"
    date.write_text("+0")
    environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(date),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",  # as when a date is set: the monotonic clock goes on
    }
    with process.running(**environment):
        await shows(panel, lambda view: view["state"] == "idle")
        await panel.post("/api/lesson/start", json={})
        before = await shows(panel, lambda view: runs(view) and view["centre"] != "away")
        await until(lambda: centre.states, "a state with today's date")
        date.write_text(jump)
        await panel.post("/api/lesson/pause", json={"paused": True})
        await until(lambda: is_far(centre), "a state with the other date")
        after = await shows(panel, runs)
        assert before["elapsed_s"] <= after["elapsed_s"] < before["elapsed_s"] + 60
        assert after["centre"] == before["centre"]
        await centre.call("lesson.stop", LessonStop(actor="it"))
        await shows(panel, lambda view: view["state"] == "idle")
        await until(lambda: centre.facts() == ["lesson.started", "lesson.ended"], "both events")
    [ended] = [event.fact for event in centre.events if event.fact.kind == "lesson.ended"]
    assert ended.duration_s < 60


def runs(view: dict[str, Any]) -> bool:
    return bool(view["state"] == "degraded")


def is_far(centre: Centre) -> bool:
    """Return whether the room's newest state is dated more than half a year away from its first."""
    return bool(centre.states) and abs((centre.states[-1].at - centre.states[0].at).days) > 180
