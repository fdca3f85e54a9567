"""What auto-framing costs, and how still its picture stands.

    python -m benchmarks.framing --json

A photograph of a person is moved across a drawn classroom (tests/fakes/teacher.py), 1280×720. No network, no devices.

* ``detect_ms``: CPU time of one look at one tile, preparation included;
* ``crop_ms``: CPU time for one frame while the shown part moves; at rest on the whole picture it is none;
* ``cpu_percent``: of a core, for all looks while a teacher walks without end; ``cpu_percent_still``: while all stand;
* ``looks_per_s`` meanwhile;
* ``jitter_px``: the most by which an edge of the sent picture moves from frame to frame while the teacher stands;
* ``cut_off_s``: for how long a teacher who walks at ``--speed`` is not wholly in the picture;
* ``step_px``: the most by which it moves from frame to frame at all;
* ``load_ms`` and ``memory_mb``: turning it on for the first time.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psutil

from agent.media import Frame
from benchmarks.figures import Bar, Distribution
from benchmarks.machine import machine, machine_line

if TYPE_CHECKING:
    from agent.framing.detector import PersonDetector
    from agent.framing.planner import View

BARS = {"cpu_percent": Bar(most=5.0), "jitter_px": Bar(most=1.0), "cut_off_s": Bar(most=0.0)}
FRAME_S = 1 / 30
LOOK_S = 0.25
HALF_WIDTH = 0.04
"""Of a teacher of a fifth of the picture's height."""
HEIGHT = 0.22


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.framing", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    parser.add_argument("--seconds", type=float, default=20.0, help="for which each use of the processor is measured")
    parser.add_argument("--speed", type=float, default=0.12, help="of the walking teacher, in pictures a second")
    given = parser.parse_args()
    result = run(given.seconds, given.speed, lambda line: print(line, flush=True))
    if given.json:
        print(json.dumps(result))
    raise SystemExit(1 if result["bars_missed"] else 0)


def run(seconds: float, speed: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    detector, load_ms, memory_mb = load()
    detect, crop = detect_ms(detector), crop_ms()
    walking = processor(detector, seconds, is_walking=True)
    still = processor(detector, seconds, is_walking=False)
    motion = follow(detector, speed)
    figures: dict[str, Distribution | float] = {
        "detect_ms": detect,
        "crop_ms": crop,
        "cpu_percent": walking.cpu_percent,
        "cpu_percent_still": still.cpu_percent,
        "looks_per_s": walking.looks_per_s,
        "jitter_px": motion.jitter_px,
        "cut_off_s": motion.cut_off_s,
        "step_px": motion.step_px,
        "load_ms": load_ms,
        "memory_mb": memory_mb,
    }
    missed = []
    for name, figure in figures.items():
        bar = BARS.get(name)
        is_met = bar is None or bar.is_met(figure)
        if not is_met:
            missed.append(name)
        judged = f" (bar: {bar}; {'met' if is_met else 'MISSED'})" if bar else ""
        tell(f"  {name}: {figure if isinstance(figure, Distribution) else round(figure, 2)}{judged}")
    told = {
        name: {"p50": round(figure.p50, 2), "p95": round(figure.p95, 2), "n": figure.n}
        if isinstance(figure, Distribution)
        else round(figure, 3)
        for name, figure in figures.items()
    }
    return {"benchmark": "framing", "machine": found, **told, "bars_missed": missed}


def load() -> tuple[PersonDetector, float, float]:
    """Return the detector, how long it took to load, and what it takes of memory."""
    process = psutil.Process()
    importlib.import_module("cv2")
    before, began_s = process.memory_info().rss, time.perf_counter()
    from agent.framing.detector import PersonDetector

    detector = PersonDetector()
    detector.find(next(pictures(is_walking=False)), _tiles()[0])
    return detector, (time.perf_counter() - began_s) * 1e3, (process.memory_info().rss - before) / 1e6


def detect_ms(detector: PersonDetector, count: int = 100) -> Distribution:
    frame, times = next(pictures(is_walking=False)), []
    for tile in itertools.islice(itertools.cycle(_tiles()), count):
        began_s = time.thread_time()
        detector.find(frame, tile)
        times.append((time.thread_time() - began_s) * 1e3)
    return Distribution.of(times)


def crop_ms(count: int = 200) -> Distribution:
    from agent.framing.crop import crop
    from agent.framing.planner import View

    frame, times = next(pictures(is_walking=False)), []
    for index in range(count):
        began_s = time.process_time()
        crop(frame, View(0.1 + index * 1e-3, 0.1, 0.6))
        times.append((time.process_time() - began_s) * 1e3)
    return Distribution.of(times)


@dataclass(frozen=True, slots=True)
class Use:
    cpu_percent: float
    looks_per_s: float


def processor(detector: PersonDetector, seconds: float, *, is_walking: bool) -> Use:
    """Return what the watcher's thread uses, given a camera's pictures at their pace; the loading apart."""
    from agent.framing.watcher import Watcher

    frames = list(itertools.islice(pictures(is_walking=is_walking), 80))
    fell = threading.Event()
    watcher = Watcher(lambda: detector, lambda people, at: None, lambda error: fell.set())
    watcher.start()
    began_s = time.monotonic()
    for frame in itertools.cycle([*frames, *reversed(frames)]):
        now_s = time.monotonic()
        if now_s - began_s >= seconds:
            break
        watcher.show(replace(frame, captured_mono_s=now_s))
        time.sleep(2 * FRAME_S)
    took_s = time.monotonic() - began_s
    watcher.stop()
    watcher.join(5)
    assert not fell.is_set(), "the watcher fell"
    return Use(watcher.counts.busy_s / took_s * 100, watcher.counts.looks / took_s)


@dataclass(frozen=True, slots=True)
class Motion:
    jitter_px: float
    cut_off_s: float
    step_px: float


def follow(detector: PersonDetector, speed: float) -> Motion:
    """Return how the picture goes while a teacher stands 10 s, crosses half the room, stands, and comes back.

    In its own time, not the wall's: what a busy machine takes longer for is not counted.
    """
    from agent.framing.planner import Planner
    from agent.framing.watcher import Eye
    from tests.fakes.teacher import HEIGHT_PX, WIDTH_PX, Classroom

    classroom, planner, eye = Classroom(noise=2), Planner(), Eye(WIDTH_PX, HEIGHT_PX)
    planner.fit(WIDTH_PX)
    way_s = 0.45 / speed
    ends = (10.0, 10.0 + way_s, 25.0 + way_s, 25.0 + 2 * way_s, 40.0 + 2 * way_s)

    def place(now_s: float) -> float:
        there = min(max(now_s - ends[0], 0.0), way_s) * speed
        return 0.28 + there - min(max(now_s - ends[2], 0.0), way_s) * speed

    shown: list[tuple[float, View]] = []
    look_s = 0.0
    for index in range(int(ends[-1] / FRAME_S)):
        now_s = index * FRAME_S
        if now_s >= look_s:
            look_s += LOOK_S
            frame = classroom.frame(now_s, [place(now_s)], HEIGHT)
            if eye.must_look(frame):
                eye.look(detector, frame)
            planner.saw(eye.people.there(), now_s)
        shown.append((now_s, planner.view(now_s)))
    steps = [(at, _step_px(before, after, WIDTH_PX)) for (_, before), (at, after) in pairwise(shown)]
    at_rest = [step for at, step in steps if ends[2] - 3 < at < ends[2] or at > ends[-1] - 3]
    cut_off = sum(not view.left <= place(at) - HALF_WIDTH < place(at) + HALF_WIDTH <= view.right for at, view in shown)
    return Motion(max(at_rest), cut_off * FRAME_S, max(step for _, step in steps))


def _step_px(before: View, after: View, width_px: int) -> float:
    """By how many pixels of the sent picture the farthest edge moves."""
    most = max(
        abs(after.left - before.left),
        abs(after.right - before.right),
        abs(after.top - before.top),
        abs(after.bottom - before.bottom),
    )
    return most * width_px / after.share


def pictures(*, is_walking: bool) -> Iterator[Frame]:
    """Yield a camera's pictures, with its noise."""
    from tests.fakes.teacher import Classroom

    classroom = Classroom(noise=2)
    for index in itertools.count():
        yield classroom.frame(0.0, [0.3 + index * 0.005 if is_walking else 0.3], HEIGHT)


def _tiles() -> Sequence[Any]:
    from agent.framing.people import wide_tiles

    return wide_tiles(16 / 9)


if __name__ == "__main__":
    main()
