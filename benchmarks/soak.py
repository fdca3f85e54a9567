"""A lesson of ten minutes, of two hours, or as long as you like: does anything grow, does anything get lost?

    python -m benchmarks.soak --minutes 10 --viewers 30 --json

One of the pupils is a real Chromium; the others decrypt and count and do not decode. With --json the last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from benchmarks.machine import machine, machine_line
from tests import chromium
from tests.browser.people import People
from tests.peers import need
from tests.rig import Rig
from tests.soaking import soak


async def run(minutes: float, viewers: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    program = need(chromium.PROGRAM, chromium.PACKAGE)
    settings = {"camera.time_strip": True, "board.time_strip": True}
    with tempfile.TemporaryDirectory(prefix="estrade-bench-") as folder:
        rig = Rig(Path(folder) / "rig", settings=settings)
        async with async_playwright() as playwright:
            browser = await chromium.launch(playwright, program)
            try:
                await asyncio.to_thread(rig.start)
                await asyncio.to_thread(rig.wait_ready)
                people = People(rig, browser)
                got = await soak(people, minutes * 60, viewers, tell)
                await people.leave()
            finally:
                await browser.close()
                await asyncio.to_thread(rig.end)
    return {"benchmark": "soak", "machine": found, **asdict(got)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--viewers", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    given = parser.parse_args()
    result = asyncio.run(run(given.minutes, given.viewers, lambda line: print(line, flush=True)))
    if given.json:
        print(json.dumps(result))
    else:
        print({key: value for key, value in result.items() if key != "machine"})


if __name__ == "__main__":
    main()
