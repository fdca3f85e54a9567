"""The networks between room, pupil and centre, and their changes: rows of `benchmarks.faults`, and joining by TURN.

Room, pupil and centre sit in networks of their own, made in namespaces without root (`tests.networks`), with a real
coturn and a real Chromium. What is measured runs in there, as ``python -m benchmarks.network_faults NAME``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from benchmarks.figures import Bar, Distribution
from benchmarks.watching import Figures, facts_missing, longest_pause, new_pictures, packets_lost, row
from tests.networks.namespaces import run_inside
from tests.networks.school import CASES, School, first_pictures, pair

LESSONS = 3
WATCH_S = 5.0
OUTAGE_S = 30.0
JOINS = 30
JOIN_BAR = Bar(p95=1000)
INSIDE_S = 600.0

# --- inside -----------------------------------------------------------------------------------------------------------


async def connected_by_start(school: School) -> Figures:
    """Let a pupil wait and press Start, `LESSONS` times; return the worst of each figure."""
    waited, pauses, lost, missing, ways = [], [], 0, 0, []
    async with school.running():
        await _has_looked(school)
        for _ in range(LESSONS):
            known = {fact for fact, _ in await asyncio.to_thread(school.panel.facts)}
            pupil = await school.pupil()
            await pupil.enter("Lina")
            await pupil.is_in("waiting")
            await pupil.page.evaluate("seen.keepsPairs = true")
            pressed_ms = await school.press("lesson/start")
            shown_ms = max((await first_pictures(pupil, 60)).values())
            waited.append((shown_ms - pressed_ms) / 1000)
            await asyncio.sleep(WATCH_S)
            pauses.append(_pause(await new_pictures(pupil), shown_ms)[0])
            ways.append(await pair(pupil))
            lost += await packets_lost(pupil)
            missing += await facts_missing(school.panel.facts, known, ("lesson.started", "viewer.joined"))
            await school.press("lesson/stop")
            await asyncio.to_thread(school.panel.wait_ready)
            await pupil.page.context.close()
    return {**row(max(pauses), max(waited), missing, lost), "pairs": [_way(way) for way in ways]}


async def network_change(school: School) -> Figures:
    """In a lesson, give the pupil another address, then the room's router, then the room."""
    changes: dict[str, Callable[[], None]] = {
        "pupil": lambda: school.networks.move("pupil", router="p-router", address="192.168.21.20"),
        "router": lambda: school.networks.move_router("r-router", "203.0.113.4"),
        "room": lambda: school.networks.move("room", router="r-router", address="192.168.11.20"),
    }
    return await _in_a_lesson(school, changes)


async def outage(school: School) -> Figures:
    """In a lesson, cut the pupil's line for `OUTAGE_S`, then the room's; nobody's own machine sees a cable go."""

    def cut(router: str) -> None:
        school.networks.cut(router)
        time.sleep(OUTAGE_S)
        school.networks.mend(router)

    return await _in_a_lesson(school, {"pupil": lambda: cut("p-router"), "room": lambda: cut("r-router")})


async def _in_a_lesson(school: School, faults: Mapping[str, Callable[[], None]]) -> Figures:
    """Make these faults one after another; return the worst of each figure. ``back_s`` is from when a fault is over."""
    seen_s, back_s, lost = [], {}, 0
    async with school.running():
        await _has_looked(school)
        pupil = await school.pupil()
        await pupil.enter("Lina")
        await school.press("lesson/start")
        await pupil.is_in_class()
        known = {fact for fact, _ in await asyncio.to_thread(school.panel.facts)}
        for who, make in faults.items():
            await asyncio.sleep(WATCH_S)
            await pupil.page.evaluate("seen.forget(); seen.keepsPairs = true")
            await pupil.sees_the_room("camera")
            from_ms = time.time() * 1000
            await asyncio.to_thread(make)
            over_ms = time.time() * 1000
            await asyncio.sleep(WATCH_S)
            await pupil.sees_the_room("camera", 60)
            await asyncio.sleep(1.0)
            paused_s, ended_s = _pause(await new_pictures(pupil), from_ms)
            seen_s.append(paused_s)
            back_s[who] = max(0.0, ended_s - (over_ms - from_ms) / 1000)
            lost += await packets_lost(pupil)
        missing = await facts_missing(school.panel.facts, known, ("viewer.joined",))
    backs = {f"{who}_back_s": round(seconds, 2) for who, seconds in back_s.items()}
    return {**row(max(seen_s), max(back_s.values()), missing, lost), **backs}


async def joins(school: School) -> list[float]:
    """Let `JOINS` pupils come one after another into a lesson that runs; return how long each waited, in ms."""
    values = []
    async with school.running():
        await _has_looked(school)
        await school.press("lesson/start")
        await asyncio.to_thread(school.panel.wait_state, "live")
        for _ in range(JOINS):
            pupil = await school.pupil()
            await asyncio.sleep(0.5)  # nobody types a name faster
            await pupil.enter("Lina")
            shown = await first_pictures(pupil)
            values.append(max(shown.values()) - await pupil.page.evaluate("seen.clicks.enter"))
            way = await pair(pupil)
            assert "relay" in (way["own"], way["room"]), way
            await pupil.page.context.close()
    return values


async def _has_looked(school: School) -> None:
    """Wait until the room has tried its servers, which it does at boot: a class begins later than that."""
    if school.case.has_turn:
        await school.checks()


def _way(way: Mapping[str, Any]) -> str:
    return f"{way['own']}{'/' + way['relay'] if way['relay'] else ''} – {way['room']}"


def _pause(shown_ms: list[float], from_ms: float) -> tuple[float, float]:
    """Return the longest time without a new picture after an instant, and when that ended; 0, 0 for none; seconds."""
    pause = longest_pause(shown_ms, from_ms)
    if pause is None:
        return 0.0, 0.0
    before, after = pause
    return (after - before) / 1000, (after - from_ms) / 1000


MEASURES: Mapping[str, tuple[str, Callable[[School], Coroutine[Any, Any, Any]]]] = {
    "nat": ("stun", connected_by_start),
    "symmetric-nat-turn-udp": ("symmetric", connected_by_start),
    "turn-tcp": ("no-udp", connected_by_start),
    "turn-tls-443": ("only-443", connected_by_start),
    "network-change": ("home", network_change),
    "outage-30s": ("home", outage),
    "join": ("symmetric", joins),
}


def measure_here(name: str) -> None:
    """Measure inside and print what came out."""
    case, measure = MEASURES[name]
    with tempfile.TemporaryDirectory(prefix="estrade-bench-") as folder:
        school = School(CASES[case], Path(folder))
        try:
            figures: Any = asyncio.run(measure(school))
        except BaseException:
            print(school.said(), file=sys.stderr)
            raise
    print(json.dumps(figures))


# --- outside ----------------------------------------------------------------------------------------------------------

BACK_BARS: Mapping[str, Bar] = {
    "outage-30s": Bar(most=3.0),
    "network-change": Bar(most=3.0),
    "nat": Bar(most=1.0),
    "symmetric-nat-turn-udp": Bar(most=1.0),
    "turn-tcp": Bar(most=1.0),
    "turn-tls-443": Bar(most=1.0),
}


def measure(fault: str) -> Figures:
    """Measure one of `BACK_BARS` in networks of its own; return its row."""
    figures: Figures = run_inside("benchmarks.network_faults", fault, timeout_s=INSIDE_S)
    return {"fault": fault, **figures}


def join_turn_to_first_frame_ms() -> Distribution:
    """Measure joining through a relay; the bar is `JOIN_BAR`."""
    return Distribution.of(run_inside("benchmarks.network_faults", "join", timeout_s=INSIDE_S))


if __name__ == "__main__":
    measure_here(sys.argv[1])
