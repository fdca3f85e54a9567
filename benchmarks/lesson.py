"""From press to pupil: how soon, how late, how far apart, and what the agent takes for it.

    python -m benchmarks.lesson --json
    python -m benchmarks.lesson --only press_to_first_frame_ms --only agent_live

Everything is what `estrade demo` starts (broker with TLS, centre, one room), a real Chromium watches, and the bars are
those of the design: latencies in milliseconds with n ≥ 30, processor time in percent of one core over the agent's whole
process tree, memory as its proportional set size. The alternative to encoding once, a room that aiortc alone sends
(`benchmarks.peers.stock_room`), is measured in the same run. With --json the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import Browser, async_playwright

from benchmarks.figures import Bar, Distribution
from benchmarks.machine import machine, machine_line
from benchmarks.process_tree import Use, measure
from benchmarks.recording import recording
from tests import chromium
from tests import light_pupils as light
from tests.browser.people import People, Pupil, until
from tests.peers import need
from tests.rig import Rig, Settings

LIGHT_PUPILS = 4
"""With the Chromium they are the five of the bar; they count packets and do not decode."""
SETTLE_FLASHES = 6
"""A browser brings sound and picture together slowly after the first sender reports."""
FIRST_S = 20.0
BOTH = ("camera", "board")

Figure = Distribution | float
Figures = dict[str, Figure]

STRIPS: Settings = {"camera.time_strip": True, "board.time_strip": True}
FLASHES: Settings = {
    **STRIPS,
    "camera.flash_and_beep_s": 1.0,
    "microphone.flash_and_beep_s": 1.0,
    "microphone.voice": "none",  # the beep must be the only thing that is loud
}
USUAL_BOARD: Settings = {"board.rate_hz": 1.0}
"""What is written in a second is one stroke."""

BARS: Mapping[str, Bar] = {
    "press_to_first_frame_ms": Bar(p95=1000),
    "press_to_both_videos_ms": Bar(p95=1000),
    "cold_press_to_first_frame_ms": Bar(p95=3000),
    "join_to_first_frame_ms": Bar(p95=300),
    "source_to_page_ms": Bar(p50=120, p95=200),
    "lip_sync_ms": Bar(p50=45),
    "agent_idle_cpu_percent": Bar(most=3),
    "agent_idle_pss_mb": Bar(most=200),
    "agent_live_cpu_percent": Bar(most=60),
    "agent_live_pss_mb": Bar(most=400),
}


@dataclass(frozen=True, slots=True)
class Amount:
    """How many measurements are made, and for how long loads are watched."""

    latencies: int = 30
    flashes: int = 30
    watch_s: float = 60.0
    pictures_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Bench:
    """What every part needs."""

    browser: Browser
    folder: Path
    amount: Amount
    tell: Callable[[str], None]

    @asynccontextmanager
    async def room(self, settings: Settings, camera: str = "simulated") -> AsyncIterator[People]:
        """Start all of Estrade in a folder of its own, and end it."""
        rig = Rig(Path(tempfile.mkdtemp(dir=self.folder)), camera=camera, settings=settings)
        people = None
        try:
            await asyncio.to_thread(rig.start)
            await asyncio.to_thread(rig.wait_ready)
            people = People(rig, self.browser)
            yield people
        finally:
            if people is not None:
                await people.leave()
            await asyncio.to_thread(rig.end)


# --- what pages saw ---------------------------------------------------------------------------------------------------


async def wait_both(pupil: Pupil) -> dict[str, float]:
    """Wait until both videos have shown a picture of the room; return when, in milliseconds of the wall clock."""
    shown: dict[str, float] = {}

    async def have_come() -> bool:
        tracks = (await pupil.seen())["tracks"]
        shown.update({name: tracks[name]["firstReal"] for name in BOTH if tracks.get(name, {}).get("firstReal")})
        return len(shown) == len(BOTH)

    await until(have_come, "both videos", FIRST_S)
    return shown


async def wait_again(people: People, pupil: Pupil) -> None:
    """Stop the lesson and let the pupil wait for the next one."""
    await asyncio.to_thread(people.rig.press, "lesson/stop")
    await pupil.is_in("ended")
    await asyncio.to_thread(people.rig.wait_ready)
    await pupil.page.click("#again")
    await pupil.is_in("waiting")
    await pupil.page.evaluate("seen.forget()")


# --- latencies --------------------------------------------------------------------------------------------------------


async def press(bench: Bench) -> Figures:
    """A pupil waits at the link and the room is warm; from the touch on the panel to the first picture of the room."""
    async with bench.room(STRIPS) as people:
        panel, pupil = await people.teacher(), await people.pupil()
        await pupil.enter("")
        await pupil.is_in("waiting")
        first, both = [], []
        for _ in range(bench.amount.latencies):
            await panel.click("#start")
            shown = await wait_both(pupil)
            pressed: float = await panel.evaluate("seen.clicks.start")
            first.append(min(shown.values()) - pressed)
            both.append(max(shown.values()) - pressed)
            await wait_again(people, pupil)
    return {"press_to_first_frame_ms": Distribution.of(first), "press_to_both_videos_ms": Distribution.of(both)}


async def cold_press(bench: Bench) -> Figures:
    """As `press`, in an agent that was killed: pressed the moment that its panel answers again."""
    async with bench.room(STRIPS) as people:
        pupil = await people.pupil()
        await pupil.enter("")
        await pupil.is_in("waiting")
        values = []
        for _ in range(bench.amount.latencies):
            await asyncio.sleep(1.5)  # the demo gives up an agent that falls more than eight times in 10 s
            await asyncio.to_thread(people.rig.kill_agent)
            pressed_ms = await asyncio.to_thread(press_once_it_answers, people.rig)
            values.append(min((await wait_both(pupil)).values()) - pressed_ms)
            await wait_again(people, pupil)
    return {"cold_press_to_first_frame_ms": Distribution.of(values)}


def press_once_it_answers(rig: Rig) -> float:
    """Press Start as soon as the panel takes it; return the wall clock of that press in milliseconds."""
    end_s = time.monotonic() + FIRST_S
    while True:
        pressed_ms = time.time() * 1000
        try:
            rig.press("lesson/start")
        except OSError:  # nobody listens yet
            if time.monotonic() > end_s:
                raise
            time.sleep(0.005)
        else:
            return pressed_ms


async def join(bench: Bench) -> Figures:
    """From the click on *Entrer* to the first picture of both videos, in a lesson that runs; a new page each time."""
    async with bench.room(STRIPS) as people:
        await asyncio.to_thread(people.rig.press, "lesson/start")
        await asyncio.to_thread(people.rig.wait_state, "live")
        values = []
        for _ in range(bench.amount.latencies):
            pupil = await people.pupil()
            await asyncio.sleep(0.5)  # nobody types a name faster
            await pupil.enter("Lina")
            shown = await wait_both(pupil)
            values.append(max(shown.values()) - await pupil.page.evaluate("seen.clicks.enter"))
            await pupil.page.context.close()
    return {"join_to_first_frame_ms": Distribution.of(values)}


async def source_to_page(bench: Bench) -> Figures:
    """From the capture process to the screen of one of five pupils, with the panel open: each camera picture."""
    async with bench.room({**STRIPS, **USUAL_BOARD}) as people, usual_lesson(people) as pupil:
        await pupil.page.evaluate("seen.forget(); seen.keepsPairs = true")
        await asyncio.sleep(bench.amount.pictures_s)
        pairs = (await pupil.seen())["tracks"]["camera"]["pairs"]
    return {"source_to_page_ms": Distribution.of([shown - captured for captured, _, _, shown in pairs])}


async def lip_sync(bench: Bench) -> Figures:
    """How far a flash and its beep are apart where they leave the page, as absolute values."""
    wanted = SETTLE_FLASHES + bench.amount.flashes + 1
    async with bench.room(FLASHES) as people:
        pupil = await people.pupil(bypass_csp=True)
        await pupil.enter("")
        await asyncio.to_thread(people.rig.press, "lesson/start")
        await pupil.is_in_class()
        await pupil.page.evaluate("seen.listen(document.getElementById('camera'), 0.1)")

        async def has_enough() -> bool:
            seen = await pupil.seen()
            return min(len(seen["flashes"]), len(seen["beeps"])) >= wanted

        await until(has_enough, "flashes and beeps", wanted + 30.0)
        seen = await pupil.seen()
    apart = [min(abs(flash - beep) for beep in seen["beeps"]) for flash in seen["flashes"][SETTLE_FLASHES:-1]]
    return {"lip_sync_ms": Distribution.of(apart)}


# --- what it takes ----------------------------------------------------------------------------------------------------


async def agent_load(bench: Bench) -> Figures:
    """The agent's tree, idle and then in a lesson as usual: a film of 720p30, speech, a stroke a second, panel open.

    Then in another one in which one of the five pupils has no H.264.
    """
    film = await asyncio.to_thread(recording)
    async with bench.room(USUAL_BOARD, camera=str(film)) as people:
        await people.teacher()
        await asyncio.sleep(5)  # the spare capture processes have their imports done
        idle = await measure(people.rig.agent, bench.amount.watch_s)
        async with usual_lesson(people, has_panel=True) as pupil:
            await asyncio.sleep(5)
            live = await measure(people.rig.agent, bench.amount.watch_s)
        await pupil.page.context.close()
        await asyncio.to_thread(people.rig.press, "lesson/stop")
        await asyncio.to_thread(people.rig.wait_ready)
        async with usual_lesson(people, has_panel=True, without_h264=1):
            await asyncio.sleep(5)
            vp8 = await measure(people.rig.agent, bench.amount.watch_s)
            view = await asyncio.to_thread(people.rig.panel)
            sent = [one["sending"]["camera"] for one in (view or {}).get("viewers", ()) if one["sending"]]
            assert sent.count("vp8") == 1, sent
    return {**_named("agent_idle", idle), **_named("agent_live", live), **_named("agent_live_vp8", vp8)}


async def stock_load(bench: Bench) -> Figures:
    """The alternative: the same film to five viewers as aiortc alone sends it, with an encoder for each of them."""
    film = await asyncio.to_thread(recording)
    argv = [sys.executable, "-m", "benchmarks.peers.stock_room", str(film)]
    room = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    try:
        assert room.stdout is not None
        whep = json.loads(await asyncio.wait_for(room.stdout.readline(), FIRST_S))["whep"]
        async with light_pupils("--whep", whep, "--pictures", "1", count=LIGHT_PUPILS + 1):
            await asyncio.sleep(2)
            load = await measure(psutil.Process(room.pid), bench.amount.watch_s / 2)
    finally:
        room.kill()
        await room.wait()
    return _named("aiortc_alone_live", load)


@asynccontextmanager
async def usual_lesson(people: People, *, has_panel: bool = False, without_h264: int = 0) -> AsyncIterator[Pupil]:
    """Begin a lesson with five pupils; yield the one with a browser. ``has_panel``: the panel is open already.

    ``without_h264`` of the others have VP8 alone.
    """
    if not has_panel:
        await people.teacher()
    await asyncio.to_thread(people.rig.press, "lesson/start")
    await asyncio.to_thread(people.rig.wait_state, "live")
    pupil = await people.pupil()
    await pupil.enter("Lina")
    await pupil.is_in("class")
    centre, _, secret = people.rig.links["pupil"].partition("/j/")
    door = ("--centre", centre, f"--link={secret}", f"--without-h264={without_h264}")  # a secret may begin with "-"
    async with light_pupils(*door, count=LIGHT_PUPILS):
        yield pupil


@asynccontextmanager
async def light_pupils(*arguments: str, count: int) -> AsyncIterator[None]:
    """Let pupils that do not decode attend; AssertionError when something did not reach each of them."""
    async with light.attending(*arguments, count=count) as got:
        yield
    for pupil in got:
        for track, counted in pupil.items():
            assert counted["packets"], f"a pupil got nothing of the {track}"
            assert not counted["lost"], f"a pupil lost {counted['lost']} packets of the {track}"


def _named(name: str, use: Use) -> Figures:
    return {f"{name}_cpu_percent": use.cpu_percent, f"{name}_pss_mb": use.pss_mb}


# --- the run ----------------------------------------------------------------------------------------------------------

PARTS: Mapping[str, Callable[[Bench], Awaitable[Figures]]] = {
    "press": press,
    "cold_press": cold_press,
    "join": join,
    "source_to_page": source_to_page,
    "lip_sync": lip_sync,
    "agent_load": agent_load,
    "stock_load": stock_load,
}


async def run(parts: list[str], amount: Amount, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure these parts; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    program = need(chromium.PROGRAM, chromium.PACKAGE)
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="estrade-bench-") as folder:
        async with async_playwright() as playwright:
            for name in parts:
                tell(f"… {name}")
                browser = await chromium.launch(playwright, program)
                try:
                    part = await PARTS[name](Bench(browser, Path(folder), amount, tell))
                finally:
                    await browser.close()
                for key, figure in part.items():
                    tell(_line(key, figure))
                figures.update(part)
    missed = [key for key, figure in figures.items() if key in BARS and not BARS[key].is_met(figure)]
    return {
        "benchmark": "lesson",
        "machine": found,
        **{
            key: figure.as_json() if isinstance(figure, Distribution) else round(figure, 1)
            for key, figure in figures.items()
        },
        "bars_missed": missed,
    }


def _line(key: str, figure: Figure) -> str:
    shown = str(figure) if isinstance(figure, Distribution) else f"{figure:.1f}"
    if key not in BARS:
        return f"  {key}: {shown}"
    return f"  {key}: {shown} (bar: {BARS[key]}; {'met' if BARS[key].is_met(figure) else 'MISSED'})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lesson", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part alone; can be repeated")
    parser.add_argument("--latencies", type=int, default=Amount().latencies, help="measurements of each latency")
    parser.add_argument("--watch", type=float, default=Amount().watch_s, help="seconds for which a load is watched")
    given = parser.parse_args()
    amount = Amount(latencies=given.latencies, watch_s=given.watch)
    result = asyncio.run(run(given.only or list(PARTS), amount, lambda line: print(line, flush=True)))
    if given.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
