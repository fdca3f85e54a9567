"""What a pupil notices of a fault, how soon it is over, and whether anything was lost.

    python -m benchmarks.faults --json
    python -m benchmarks.faults --only agent-killed --only capture-killed

A real Chromium watches what `estrade demo` runs, in a lesson with time strips in its pictures. For each fault:

* ``seen_by_pupil_s``: the longest time without a new picture of the room, beyond what is usual (0.5 s); 0 when there
  was none;
* ``back_s``: from the fault to the first picture of the room that was captured after it; 0 when pictures never paused;
* ``lost_events``: of the facts that the fault made, those that the centre has not stored a minute after it;
* ``lost_packets``: as the browser counts them.

``broker-down-600s`` takes its ten minutes; ``--outage`` makes it shorter, and the row says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import async_playwright

from benchmarks.figures import Bar
from benchmarks.machine import machine, machine_line
from tests import chromium
from tests.browser.people import People, Pupil, until
from tests.peers import need
from tests.rig import Rig

USUAL_S = 0.5
"""A pause this short is no fault's doing: the board is drawn, a core is shared."""
STORED_S = 60.0
"""The room sends again what was not acknowledged after 30 s."""
CAPTURE_FACTS = ("device.lost", "device.back")
SETTINGS = {"camera.time_strip": True, "board.time_strip": True}
TIMES_KILLED = 10


@dataclass(frozen=True, slots=True)
class Bench:
    """A lesson that runs, and the pupil who watches it."""

    rig: Rig
    pupil: Pupil
    outage_s: float

    async def capture_falls(self) -> None:
        """Kill the camera's capture process and wait until another one gives pictures."""
        capture = await asyncio.to_thread(self.rig.capture, "camera")
        assert capture is not None
        capture.kill()
        await self.pupil.sees_the_room("camera")

    async def still_taught(self, seconds: float) -> None:
        """Go on for so long, with a device that falls in the middle: what the room tells then must not be lost."""
        await asyncio.sleep(seconds / 2)
        await self.capture_falls()
        await asyncio.sleep(seconds / 2)


Fault = Callable[[Bench], Awaitable[None]]


async def agent_killed(bench: Bench) -> None:
    agent = await asyncio.to_thread(lambda: bench.rig.agent)
    agent.kill()


async def capture_killed(bench: Bench) -> None:
    await bench.capture_falls()


async def camera_hung(bench: Bench) -> None:
    capture = await asyncio.to_thread(bench.rig.capture, "camera")
    assert capture is not None
    capture.suspend()  # as a driver that does not come back from the kernel


async def broker_down(bench: Bench) -> None:
    await _off(bench, bench.rig.broker, bench.outage_s)


async def controller_down(bench: Bench) -> None:
    await _off(bench, bench.rig.controller, min(60.0, bench.outage_s))


async def _off(bench: Bench, program: psutil.Process, seconds: float) -> None:
    off = bench.rig.off(program)
    await asyncio.to_thread(off.__enter__)
    try:
        await bench.still_taught(seconds)
    finally:
        await asyncio.to_thread(off.__exit__, None, None, None)


async def controller_killed_mid_event(bench: Bench) -> None:
    """Kill the centre again and again, each time while facts of the room are on their way to its database."""
    for number in range(TIMES_KILLED):
        capture = await asyncio.to_thread(bench.rig.capture, "camera")
        assert capture is not None
        capture.kill()
        await asyncio.sleep(0.05 * number)
        (await asyncio.to_thread(lambda: bench.rig.controller)).kill()
        await bench.pupil.sees_the_room("camera")
        await asyncio.sleep(2.0)  # the demo starts it again after half a second


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, the facts it makes, and its bars."""

    fault: Fault
    facts: Sequence[str]
    back: Bar
    keeps_connection: bool = True


ROWS: Mapping[str, Row] = {
    "agent-killed": Row(agent_killed, ("lesson.started", "viewer.joined"), Bar(most=4.0), keeps_connection=False),
    "capture-killed": Row(capture_killed, CAPTURE_FACTS, Bar(most=2.0)),
    "camera-hung": Row(camera_hung, CAPTURE_FACTS, Bar(most=2.0)),
    "broker-down-600s": Row(broker_down, CAPTURE_FACTS, Bar(most=2.0)),
    "controller-down": Row(controller_down, CAPTURE_FACTS, Bar(most=2.0)),
    "controller-killed-mid-event": Row(controller_killed_mid_event, CAPTURE_FACTS * TIMES_KILLED, Bar(most=2.0)),
}


async def measure(bench: Bench, name: str) -> dict[str, Any]:
    """Make a fault happen and return its row."""
    row, pupil = ROWS[name], bench.pupil
    await pupil.page.evaluate("seen.forget(); seen.keepsPairs = true")
    await pupil.sees_the_room("camera")
    known = {fact for fact, _ in await asyncio.to_thread(bench.rig.facts)}
    lost_before = await _packets_lost(pupil)
    fault_ms = time.time() * 1000
    await row.fault(bench)
    await until(lambda: _captured_after(pupil, fault_ms), "a picture captured after the fault", 60)
    await pupil.sees_the_room("camera", 60)
    await asyncio.sleep(1.0)
    lost = await _packets_lost(pupil) - (lost_before if row.keeps_connection else 0)
    missing = await _facts_missing(bench.rig, known, row.facts)
    paused_s, back_s = _longest_pause(new_pictures((await pupil.seen())["tracks"]["camera"]["pairs"]), fault_ms)
    figures = {
        "fault": name,
        "seen_by_pupil_s": round(paused_s, 2),
        "back_s": round(back_s, 2),
        "lost_events": missing,
        "lost_packets": lost,
    }
    if name == "broker-down-600s":
        figures["down_s"] = bench.outage_s
    return figures


def new_pictures(pairs: Sequence[Sequence[float]]) -> list[float]:
    """Return when each picture was first shown; a room repeats the last one while nothing new comes."""
    shown: dict[float, float] = {}
    for captured, _, _, at in pairs:
        shown.setdefault(captured, at)
    return sorted(shown.values())


def _longest_pause(shown_ms: Sequence[float], fault_ms: float) -> tuple[float, float]:
    """Return, in seconds, the longest time without a new picture and when it ended after the fault; 0, 0 for none.

    A fault that is made again and again (or later, while something is away) begins with the pause itself.
    """
    before, after = max(pairwise(shown_ms), key=lambda pair: pair[1] - pair[0])
    if after - before <= USUAL_S * 1000:
        return 0.0, 0.0
    return (after - before) / 1000, (after - (before if before - fault_ms > USUAL_S * 1000 else fault_ms)) / 1000


async def _captured_after(pupil: Pupil, wall_ms: float) -> bool:
    return await pupil.captured_ms() > wall_ms


async def _packets_lost(pupil: Pupil) -> int:
    return int(sum(track["packetsLost"] for track in (await pupil.inbound()).values()))


async def _facts_missing(rig: Rig, known: set[str], wanted: Sequence[str]) -> int:
    """Return how many of the facts that must come have not come a minute later."""
    end_s = time.monotonic() + STORED_S
    while True:
        new = Counter(kind for fact, kind in await asyncio.to_thread(rig.facts) if fact not in known)
        missing = sum((Counter(wanted) - new).values())
        if not missing or time.monotonic() > end_s:
            return missing
        await asyncio.sleep(0.5)


async def run(names: Sequence[str], outage_s: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure these faults, each in a lesson of its own; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    program = need(chromium.PROGRAM, chromium.PACKAGE)
    rows, missed = [], []
    with tempfile.TemporaryDirectory(prefix="estrade-bench-") as folder:
        rig = Rig(Path(folder) / "rig", settings=SETTINGS)
        async with async_playwright() as playwright:
            browser = await chromium.launch(playwright, program)
            try:
                await asyncio.to_thread(rig.start)
                for name in names:
                    await asyncio.to_thread(rig.wait_ready)
                    people = People(rig, browser)
                    pupil = await people.pupil()
                    await pupil.enter("Lina")
                    await asyncio.to_thread(rig.press, "lesson/start")
                    await pupil.is_in_class()
                    rows.append(await measure(Bench(rig, pupil, outage_s), name))
                    met = ROWS[name].back.is_met(rows[-1]["back_s"]) and not rows[-1]["lost_events"]
                    missed += [] if met else [name]
                    tell(f"  {rows[-1]} (bar: back {ROWS[name].back} s; {'met' if met else 'MISSED'})")
                    await people.leave()
                    await asyncio.to_thread(rig.press, "lesson/stop")
            finally:
                await browser.close()
                await asyncio.to_thread(rig.end)
    return {"benchmark": "faults", "machine": found, "rows": rows, "bars_missed": missed}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    parser.add_argument("--only", action="append", choices=list(ROWS), help="this fault alone; can be repeated")
    parser.add_argument("--outage", type=float, default=600.0, help="seconds for which the broker is down")
    given = parser.parse_args()
    result = asyncio.run(run(given.only or list(ROWS), given.outage, lambda line: print(line, flush=True)))
    if given.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
