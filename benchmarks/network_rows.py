"""What a pupil notices of the networks in between: rows of `benchmarks.faults`, and how long joining by TURN takes.

    python -m benchmarks.network_rows --json
    python -m benchmarks.network_rows --only nat --only network-change

Room, pupil and centre sit in networks of their own, made in namespaces without root (`tests.networks`), with a real
coturn and a real Chromium.

* ``nat``, ``symmetric-nat-turn-udp``, ``turn-tcp``, ``turn-tls-443``: a pupil waits, Start is pressed. ``back_s`` is
  from the press to a picture of the room in both videos, the longest of three lessons; ``seen_by_pupil_s`` the longest
  time without a new picture in the 5 s after that, beyond what is usual (0.5 s).
* ``network-change``: in a lesson the pupil's address changes, then that of the room's router, then the room's own.
  ``back_s`` is from the change to the first picture after it, the longest of the three.
* ``join_turn_to_first_frame_ms``: from the click on *Entrer* to a picture in both videos, through a relay.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.figures import Bar, Distribution
from benchmarks.machine import machine, machine_line
from tests.browser.people import Pupil, until
from tests.networks.namespaces import run_inside
from tests.networks.school import CASES, School, first_pictures, pair

USUAL_S = 0.5
LESSONS = 3
WATCH_S = 5.0
STORED_S = 60.0
JOINS = 30
JOIN_BAR = Bar(p95=1000)
INSIDE_S = 600.0

Figures = dict[str, Any]


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
            pauses.append(_longest_pause(await _new_pictures(pupil), shown_ms)[0])
            ways.append(await pair(pupil))
            lost += await _packets_lost(pupil)
            missing += await _facts_missing(school, known, ("lesson.started", "viewer.joined"))
            await school.press("lesson/stop")
            await asyncio.to_thread(school.panel.wait_ready)
            await pupil.page.context.close()
    return {**_row(max(pauses), max(waited), missing, lost), "pairs": [_way(way) for way in ways]}


async def network_change(school: School) -> Figures:
    """In a lesson, give the pupil another address, then the room's router, then the room."""
    changes: dict[str, Callable[[], None]] = {
        "pupil": lambda: school.networks.move("pupil", router="p-router", address="192.168.21.20"),
        "router": lambda: school.networks.move_router("r-router", "203.0.113.4"),
        "room": lambda: school.networks.move("room", router="r-router", address="192.168.11.20"),
    }
    figures: dict[str, tuple[float, float]] = {}
    lost = 0
    async with school.running():
        await _has_looked(school)
        pupil = await school.pupil()
        await pupil.enter("Lina")
        await school.press("lesson/start")
        await pupil.is_in_class()
        known = {fact for fact, _ in await asyncio.to_thread(school.panel.facts)}
        for who, change in changes.items():
            await asyncio.sleep(WATCH_S)
            await pupil.page.evaluate("seen.forget(); seen.keepsPairs = true")
            await pupil.sees_the_room("camera")
            changed_ms = time.time() * 1000
            await asyncio.to_thread(change)
            await asyncio.sleep(WATCH_S)
            await pupil.sees_the_room("camera", 60)
            await asyncio.sleep(1.0)
            figures[who] = _longest_pause(await _new_pictures(pupil), changed_ms)
            lost += await _packets_lost(pupil)
        missing = await _facts_missing(school, known, ("viewer.joined",) * len(changes))
    seen_s, back_s = (max(figure[n] for figure in figures.values()) for n in (0, 1))
    backs = {f"{who}_back_s": round(figure[1], 2) for who, figure in figures.items()}
    return {**_row(seen_s, back_s, missing, lost), **backs}


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


def _row(seen_s: float, back_s: float, missing: int, lost: int) -> Figures:
    return {
        "seen_by_pupil_s": round(seen_s, 2),
        "back_s": round(back_s, 2),
        "lost_events": missing,
        "lost_packets": lost,
    }


def _way(way: Mapping[str, Any]) -> str:
    return f"{way['own']}{'/' + way['relay'] if way['relay'] else ''} – {way['room']}"


async def _new_pictures(pupil: Pupil) -> list[float]:
    """Return when each picture of the camera was first shown; a room repeats the last one while nothing new comes."""
    shown: dict[float, float] = {}
    for captured, _, _, at in (await pupil.seen())["tracks"]["camera"]["pairs"]:
        shown.setdefault(captured, at)
    return sorted(shown.values())


def _longest_pause(shown_ms: Sequence[float], from_ms: float) -> tuple[float, float]:
    """Return the longest time without a new picture after an instant, and when that ended; 0, 0 for none; seconds."""
    pauses = [two for two in pairwise(shown_ms) if two[1] > from_ms]
    before, after = max(pauses, key=lambda two: two[1] - two[0])
    if after - before <= USUAL_S * 1000:
        return 0.0, 0.0
    return (after - before) / 1000, (after - from_ms) / 1000


async def _packets_lost(pupil: Pupil) -> int:
    return int(sum(track["packetsLost"] for track in (await pupil.inbound()).values()))


async def _facts_missing(school: School, known: set[str], wanted: Sequence[str]) -> int:
    """Return how many of these facts the centre has not stored a minute later."""
    missing: Counter[str] = Counter()

    async def have_come() -> bool:
        facts = await asyncio.to_thread(school.panel.facts)
        nonlocal missing
        missing = Counter(wanted) - Counter(kind for fact, kind in facts if fact not in known)
        return not missing

    try:
        await until(have_come, "facts", STORED_S)
    except AssertionError:
        return sum(missing.values())
    return 0


MEASURES: Mapping[str, tuple[str, Callable[[School], Coroutine[Any, Any, Any]]]] = {
    "nat": ("stun", connected_by_start),
    "symmetric-nat-turn-udp": ("symmetric", connected_by_start),
    "turn-tcp": ("no-udp", connected_by_start),
    "turn-tls-443": ("only-443", connected_by_start),
    "network-change": ("home", network_change),
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
    "nat": Bar(most=1.0),
    "symmetric-nat-turn-udp": Bar(most=1.0),
    "turn-tcp": Bar(most=1.0),
    "turn-tls-443": Bar(most=1.0),
    "network-change": Bar(most=3.0),
}


def row(fault: str) -> Figures:
    """Measure one of `BACK_BARS` in networks of its own; return its row."""
    figures: Figures = run_inside("benchmarks.network_rows", "--inside", fault, timeout_s=INSIDE_S)
    return {"fault": fault, **figures}


def nat() -> Figures:
    return row("nat")


def symmetric_nat_turn_udp() -> Figures:
    return row("symmetric-nat-turn-udp")


def turn_tcp() -> Figures:
    return row("turn-tcp")


def turn_tls_443() -> Figures:
    return row("turn-tls-443")


def changed_network() -> Figures:
    return row("network-change")


def join_turn_to_first_frame_ms() -> Distribution:
    """Measure joining through a relay; the bar is `JOIN_BAR`."""
    return Distribution.of(run_inside("benchmarks.network_rows", "--inside", "join", timeout_s=INSIDE_S))


def run(names: Sequence[str], tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure these; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    rows: list[Figures] = []
    missed: list[str] = []
    result: dict[str, Any] = {"benchmark": "network_rows", "machine": found, "rows": rows}
    for name in names:
        tell(f"… {name}")
        if name == "join":
            figure = join_turn_to_first_frame_ms()
            result["join_turn_to_first_frame_ms"] = figure.as_json()
            met = JOIN_BAR.is_met(figure)
            tell(f"  join_turn_to_first_frame_ms: {figure} (bar: {JOIN_BAR}; {'met' if met else 'MISSED'})")
        else:
            rows.append(row(name))
            met = BACK_BARS[name].is_met(rows[-1]["back_s"]) and not rows[-1]["lost_events"]
            tell(f"  {rows[-1]} (bar: back {BACK_BARS[name]} s; {'met' if met else 'MISSED'})")
        missed += [] if met else [name]
    return {**result, "bars_missed": missed}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.network_rows", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="this one alone; can be repeated")
    parser.add_argument("--inside", choices=list(MEASURES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        measure_here(given.inside)
        return
    result = run(given.only or list(MEASURES), lambda line: print(line, flush=True))
    if given.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
