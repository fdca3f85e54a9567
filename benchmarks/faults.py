"""What a pupil notices of a fault, how soon it is over, and whether anything was lost.

    python -m benchmarks.faults --json
    python -m benchmarks.faults --only agent-killed --only outage-30s

A real Chromium watches a lesson with time strips in its pictures: of `estrade demo`, or, for the faults of networks,
of a room, a centre and a coturn in networks of their own. For each fault:

* ``seen_by_pupil_s``: the longest time without a new picture of the room, beyond what is usual (0.5 s); 0 when there
  was none;
* ``back_s``: from the fault to the first picture of the room that was captured after it; 0 when pictures never paused.
  For ``outage-30s`` from its end, the longer of the pupil's line and the room's. For ``network-change`` the longest of
  a new address of the pupil, of the room's router and of the room itself. For the kinds of network that schools have
  (``nat`` to ``turn-tls-443``) from Start to both videos at a pupil who waits, the longest of three lessons;
* ``lost_events``: of the facts that the fault made, those that the centre has not stored a minute after it;
* ``lost_packets``: as the browser counts them.

``join_turn_to_first_frame_ms``: from the click on *Entrer* to a picture in both videos, through a relay.

``broker-down-600s`` takes its ten minutes; ``--outage`` makes it shorter, and the row says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import network_faults, program_faults
from benchmarks.machine import machine, machine_line
from benchmarks.watching import Figures

JOIN = "join_turn_to_first_frame_ms"
BARS = {**{name: row.back for name, row in program_faults.ROWS.items()}, **network_faults.BACK_BARS}
NAMES = (*BARS, JOIN)


async def run(names: Sequence[str], outage_s: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure these; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    rows: list[Figures] = []
    missed: list[str] = []
    result: dict[str, Any] = {"benchmark": "faults", "machine": found, "rows": rows, "bars_missed": missed}

    def add(row: Figures) -> None:
        name, bar = row["fault"], BARS[row["fault"]]
        rows.append(row)
        _judge(name, bar.is_met(row["back_s"]) and not row["lost_events"], f"{row} (bar: back {bar} s", missed, tell)

    programs = [name for name in names if name in program_faults.ROWS]
    if programs:
        async for row in program_faults.measure_all(programs, outage_s):
            add(row)
    for name in names:
        if name in network_faults.BACK_BARS:
            add(await asyncio.to_thread(network_faults.measure, name))
    if JOIN in names:
        figure = await asyncio.to_thread(network_faults.join_turn_to_first_frame_ms)
        result[JOIN] = figure.as_json()
        bar = network_faults.JOIN_BAR
        _judge(JOIN, bar.is_met(figure), f"{JOIN}: {figure} (bar: {bar}", missed, tell)
    return result


def _judge(name: str, is_met: bool, text: str, missed: list[str], tell: Callable[[str], None]) -> None:
    if not is_met:
        missed.append(name)
    tell(f"  {text}; {'met' if is_met else 'MISSED'})")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    parser.add_argument("--only", action="append", choices=NAMES, help="this one alone; can be repeated")
    parser.add_argument("--outage", type=float, default=600.0, help="seconds for which the broker is down")
    given = parser.parse_args()
    result = asyncio.run(run(given.only or NAMES, given.outage, lambda line: print(line, flush=True)))
    if given.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
