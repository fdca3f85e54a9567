"""Programs that fall, hang or are away in a lesson of `estrade demo`: rows of `benchmarks.faults`."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.async_api import async_playwright

from benchmarks.figures import Bar
from benchmarks.watching import USUAL_S, Figures, facts_missing, longest_pause, new_pictures, packets_lost
from benchmarks.watching import row as figures_of
from tests import chromium
from tests.browser.people import People, Pupil, until
from tests.peers import need
from tests.rig import Rig

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


async def measure(bench: Bench, name: str) -> Figures:
    """Make a fault happen and return its row."""
    row, pupil = ROWS[name], bench.pupil
    await pupil.page.evaluate("seen.forget(); seen.keepsPairs = true")
    await pupil.sees_the_room("camera")
    known = {fact for fact, _ in await asyncio.to_thread(bench.rig.facts)}
    lost_before = await packets_lost(pupil)
    fault_ms = time.time() * 1000
    await row.fault(bench)
    await until(lambda: _captured_after(pupil, fault_ms), "a picture captured after the fault", 60)
    await pupil.sees_the_room("camera", 60)
    await asyncio.sleep(1.0)
    lost = await packets_lost(pupil) - (lost_before if row.keeps_connection else 0)
    missing = await facts_missing(bench.rig.facts, known, row.facts)
    paused_s, back_s = _pause(await new_pictures(pupil), fault_ms)
    figures = {"fault": name, **figures_of(paused_s, back_s, missing, lost)}
    if name == "broker-down-600s":
        figures["down_s"] = bench.outage_s
    return figures


def _pause(shown_ms: Sequence[float], fault_ms: float) -> tuple[float, float]:
    """Return, in seconds, the longest pause and when it ended after the fault; 0, 0 for none.

    A fault that is made again and again (or later, while something is away) begins with the pause itself.
    """
    pause = longest_pause(shown_ms, fault_ms)
    if pause is None:
        return 0.0, 0.0
    before, after = pause
    return (after - before) / 1000, (after - (before if before - fault_ms > USUAL_S * 1000 else fault_ms)) / 1000


async def _captured_after(pupil: Pupil, wall_ms: float) -> bool:
    return await pupil.captured_ms() > wall_ms


async def measure_all(names: Sequence[str], outage_s: float) -> AsyncIterator[Figures]:
    """Yield the row of each of these faults; each has a lesson of its own."""
    program = need(chromium.PROGRAM, chromium.PACKAGE)
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
                    yield await measure(Bench(rig, pupil, outage_s), name)
                    await people.leave()
                    await asyncio.to_thread(rig.press, "lesson/stop")
            finally:
                await browser.close()
                await asyncio.to_thread(rig.end)
