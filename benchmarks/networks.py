"""What a pupil gets on the lines that pupils have: sound, board, ink and camera of one lesson, as the page plays them.

    python -m benchmarks.networks --json

The pupil's own page in a real browser, behind a line whose every loss and delay is repeatable
(`tests.networks.shaper`). The room is Estrade's publisher with camera 720p30, a board of 1080p on which a hand writes
once a second, another slide each 20 s, and a voice. The figures of a row are Chromium's; ``firefox`` in each row are
those of Debian's Firefox, which has no H.264 and is sent VP8, and the bars hold for both. ``aiortc`` is the same lesson
in Chromium by aiortc's own sender: 720p and 1080p, an encoder for each, adapted by REMB alone.

| network | down, up | one way | jitter | queue | loss | after |
| --- | --- | --- | --- | --- | --- | --- |
| fibre | 300, 300 Mb/s | 5 ms | 2 ms | 0.3 s | – | an ordinary French offer over Wi-Fi |
| 4g | 9, 9 Mb/s | 85 ms | 30 ms | 1 s | 0.2 %, bursts of 3 | WebPageTest "4G" (170 ms); RFC 8867 §4.1 jitter |
| adsl-1m | 1, 0.25 Mb/s | 25 ms | 5 ms | 0.5 s | – | WebPageTest "DSL" (50 ms), a long copper pair |
| 256k | 256, 256 kb/s | 75 ms | 15 ms | 0.5 s | – | a phone's throttled rest of the month |
| 64k | 64, 64 kb/s | 100 ms | – | 0.5 s | – | the same, or EDGE that is shared |
| loss-5 | 5, 5 Mb/s | 50 ms | 15 ms | 0.3 s | 5 %, bursts of 2 | RFC 8868 §4.2 (losses), RFC 8867 §4.1 |
| loss-20 | 5, 5 Mb/s | 50 ms | 15 ms | 0.3 s | 20 %, bursts of 2 | the same |
| outage-30s | 9, 9 Mb/s | 35 ms | 10 ms | 0.5 s | all, for 30 s | WebPageTest "LTE" (70 ms), a lift or a tunnel |

Queues are what a modem or a cell holds before it drops (RFC 8868 §4.3: 0.3 s nominal, 1 s bloated); loss is in the way
to the pupil and back. Signalling takes one round trip and loses nothing, but in the outage.

Figures are of the time from `SETTLE_S` after *Entrer* on; ``joining_gap_percent`` is of the time before.
``sound_gap_percent``: played samples that the browser made up; ``sound_with_holes_percent``: seconds in which that took
longer than 100 ms at once; ``board_age_p95_s``: since when something was missing of the board as it was seen;
``ink_p95_s``: from a stroke's capture until it is seen; ``new_slide_s``: until the slowest slide can be read in 97 of
100 places, or how long it was shown where it never could, as with the half-size video, in which 24 px text is blurred;
``freezes``: of the camera, as the browser counts them. ``room_late_p99_s`` is how late the room's own voice was: room,
line and page share one machine, and where this is more than 0.05 the row tells of the machine and not of the line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import line_figures
from benchmarks.line_figures import Look
from benchmarks.line_lesson import SLIDE_S, Lesson, Material, Room, page_board
from benchmarks.machine import machine, machine_line
from benchmarks.peers.single_encoder import SingleEncoderRoom
from benchmarks.pupil_pages import chromium_page, firefox_page
from tests.browser.people import Attendee
from tests.integration.streams.conftest import open_room
from tests.networks.pupil_site import PATH, Accept, pupil_site
from tests.networks.shaper import Line, Shaper, shaped

SETTLE_S = 15.0
"""Who comes in is given the best first; by then the room knows the line."""
OUTAGE_AFTER_S, OUTAGE_S = 5.0, 30.0
OUTAGE_ROW_S = 60.0
PAGE_JS = Path(__file__).with_name("line_page.js")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Network:
    """A line in both directions, and whether it is cut for `OUTAGE_S`."""

    down: Line
    up: Line
    has_outage: bool = False


def _alike(line: Line, *, has_outage: bool = False) -> Network:
    return Network(line, line, has_outage)


_LOSSY = Line(5e6, 0.05, 0.3, jitter_s=0.015, burst_packets=2)
NETWORKS = {
    "fibre": _alike(Line(300e6, 0.005, 0.3, jitter_s=0.002)),
    "4g": _alike(Line(9e6, 0.085, 1.0, jitter_s=0.03, loss=0.002, burst_packets=3)),
    "adsl-1m": Network(Line(1e6, 0.025, 0.5, jitter_s=0.005), Line(0.25e6, 0.025, 0.5, jitter_s=0.005)),
    "256k": _alike(Line(256e3, 0.075, 0.5, jitter_s=0.015)),
    "64k": _alike(Line(64e3, 0.1, 0.5)),
    "loss-5": _alike(replace(_LOSSY, loss=0.05)),
    "loss-20": _alike(replace(_LOSSY, loss=0.2)),
    "outage-30s": _alike(Line(9e6, 0.035, 0.5, jitter_s=0.01), has_outage=True),
}
BARS = {
    "64k": {"sound_gap_percent": 1.0, "ink_p95_s": 2.0, "new_slide_s": 15.0},
    "loss-20": {"sound_with_holes_percent": 1.0},
    "outage-30s": {"recover_s": 3.0},
}
"""DESIGN §10; for both browsers."""


@asynccontextmanager
async def estrade_room() -> AsyncIterator[tuple[Room, Accept]]:
    """Run a room of ours."""
    async with open_room() as room:
        publisher = room.publisher
        yield publisher, lambda viewer, offer: publisher.accept(viewer, offer, (), "pupil")


@asynccontextmanager
async def aiortc_room() -> AsyncIterator[tuple[Room, Accept]]:
    """Run the alternative."""
    room = SingleEncoderRoom()
    try:
        yield room, room.accept
    finally:
        await room.close()


WAYS = {
    "estrade": (estrade_room, chromium_page),
    "firefox": (estrade_room, firefox_page),
    "aiortc": (aiortc_room, chromium_page),
}
"""Room and browser; the figures of the first are the row's own."""


async def watch(way: str, network: Network, material: Material, seconds: float) -> Row:
    """Let a pupil attend a lesson behind a line; return the figures."""
    open_a_room, open_page = WAYS[way]
    slides = {path: material.png(number) for number, path in enumerate(page_board()["slides"])}
    looking = f"window.lineBoard = {json.dumps(page_board())};\n{PAGE_JS.read_text()}"
    async with (
        open_a_room() as (sink, accept),
        shaped(network.down, network.up) as line,
        pupil_site(accept, line, slides) as origin,
        # a browser for each: what one room left in it costs the other nothing
        open_page(looking) as page,
    ):
        await page.goto(origin + PATH)
        lesson = Lesson(material, sink)
        teaching = asyncio.create_task(lesson.run(SETTLE_S))
        begun_s = time.time()
        await Attendee(page).enter("Lina")
        back_s = await _attend(line, network, begun_s, seconds)
        looks = [Look.of(told) for told in await page.evaluate("lineLooks")]
        teaching.cancel()
        with suppress(asyncio.CancelledError):
            await teaching
        found = figures(lesson, looks, begun_s, seconds, back_s)
        found["room_late_p99_s"] = round(sorted(lesson.late_s)[int(0.99 * len(lesson.late_s))], 3)
        found["sent_kbps"] = round(line.to_viewer.bytes * 8e-3 / (time.time() - begun_s), 1)
        return found


async def _attend(line: Shaper, network: Network, begun_s: float, seconds: float) -> float | None:
    """Stay until the end; return when the line was back, if it was cut."""
    back_s = None
    if network.has_outage:
        await asyncio.sleep(SETTLE_S + OUTAGE_AFTER_S)
        line.cut(True)
        await asyncio.sleep(OUTAGE_S)
        line.cut(False)
        back_s = time.time()
    await asyncio.sleep(max(0.0, begun_s + SETTLE_S + seconds - time.time()))
    return back_s


def figures(lesson: Lesson, looks: Sequence[Look], begun_s: float, seconds: float, back_s: float | None) -> Row:
    """Return what the looks amount to; where the line was cut, how soon all was back, and nothing else."""
    from_s, until_s = begun_s + SETTLE_S, begun_s + SETTLE_S + seconds
    first = next((look.at_s for look in looks if look.sound_packets), None)
    seen = line_figures.within(looks, from_s, until_s)
    joining = line_figures.gap_percent(line_figures.within(looks, begun_s, from_s))
    found: Row = {
        "first_sound_s": None if first is None else round(first - begun_s, 2),
        "joining_gap_percent": _rounded(joining),
        "sound_gap_percent": None,
        "sound_with_holes_percent": None,
        "board_age_p95_s": None,
        "ink_p95_s": None,
        "new_slide_s": None,
        "camera_layer": line_figures.camera_layer(
            seen if back_s is None else line_figures.within(looks, back_s, until_s)
        ),
        "freezes": None,
        "recover_s": None,
    }
    if back_s is not None:
        found["recover_s"] = _rounded(line_figures.recover_s(looks, back_s))
        return found
    slides = lesson.slides
    strokes = [stroke for stroke in lesson.strokes if from_s <= stroke.at_s < until_s]
    whole = [slide for slide in slides if from_s <= slide.at_s <= until_s - SLIDE_S + 0.5]
    gap, holes = line_figures.gap_percent(seen), line_figures.with_holes_percent(seen)
    found |= {
        "sound_gap_percent": 100.0 if gap is None else _rounded(gap),
        "sound_with_holes_percent": 100.0 if gap is None else _rounded(holes),
        "board_age_p95_s": line_figures.p95_s(line_figures.board_ages_s(strokes, slides, seen)),
        "ink_p95_s": line_figures.p95_s(line_figures.ink_late_s(strokes, slides, looks)),
        "new_slide_s": _rounded(max((line_figures.slide_s(slide, looks) for slide in whole), default=None)),
        "freezes": line_figures.freezes(seen),
    }
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def missed(rows: Sequence[Row]) -> list[str]:
    """Return the bars of the design that these rows miss, in either browser."""
    told = [(row["network"], row["network"], row) for row in rows]
    told += [(row["network"], f"{row['network']} firefox", row["firefox"]) for row in rows if "firefox" in row]
    return [
        f"{name} {key}"
        for network, name, found in told
        for key, most in BARS.get(network, {}).items()
        if found[key] is None or found[key] > most
    ]


async def run(given: argparse.Namespace, tell: Callable[[str], None]) -> Row:
    """Measure what was asked for; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    material = await asyncio.to_thread(Material.make)
    left_out = {"aiortc": given.no_aiortc, "firefox": given.no_firefox}
    ways = [way for way in WAYS if not left_out.get(way)]
    rows = []
    for name in given.only or NETWORKS:
        network = NETWORKS[name]
        seconds = max(given.seconds, OUTAGE_ROW_S) if network.has_outage else given.seconds
        row: Row = {"network": name}
        for way in ways:
            measured = await watch(way, network, material, seconds)
            tell(f"  {name} {way}: " + ", ".join(f"{key} {value}" for key, value in measured.items()))
            row |= measured if way == "estrade" else {way: measured}
        rows.append(row)
    return {"benchmark": "networks", "machine": found, "rows": rows, "bars_missed": missed(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="for which each line is watched; twenties are whole"
    )
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    parser.add_argument("--only", action="append", choices=tuple(NETWORKS), help="this line alone; can be repeated")
    parser.add_argument("--no-aiortc", action="store_true", help="leave aiortc's own sender out")
    parser.add_argument("--no-firefox", action="store_true", help="leave Firefox out")
    given = parser.parse_args()
    result = asyncio.run(run(given, lambda line: print(line, flush=True)))
    if given.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
