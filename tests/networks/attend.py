"""Inside its own networks: a pupil waits, Start is pressed, and what reached the pupil and by which way is printed.

python -m tests.networks.attend CASE, in namespaces of its own (`namespaces.run_inside`); with ``moved`` after it the
room gets another address in the lesson.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.networks.school import CASES, READY_S, School, first_pictures, pair


async def attend(school: School) -> dict[str, Any]:
    """Return what a pupil got who waited for Start."""
    async with school.running():
        pupil = await school.pupil()
        await pupil.enter("Lina")
        await pupil.is_in("waiting")
        pressed_ms = await school.press("lesson/start")
        shown = await first_pictures(pupil)
        await pupil.hears_the_room()
        await pupil.sees_the_room("camera")
        inbound = await pupil.inbound()
        return {
            "pair": await pair(pupil),
            "pictures": {name: inbound[name]["framesDecoded"] for name in ("camera", "board")},
            "first_ms": {name: round(at_ms - pressed_ms) for name, at_ms in shown.items()},
            "checks": await school.checks(),
        }


async def attend_and_move(school: School) -> dict[str, Any]:
    """Return what became of a pupil, and of the room's line to the centre, once the room has another address."""
    async with school.running():
        pupil = await school.pupil()
        await pupil.enter("Lina")
        await pupil.is_in("waiting")
        await school.press("lesson/start")
        await pupil.is_in_class()
        before = await pair(pupil)
        moved_s = time.monotonic()
        await asyncio.to_thread(school.networks.move, "room", router="r-router", address="192.168.11.20")
        await pupil.page.evaluate("seen.forget()")
        await first_pictures(pupil, 60)
        back_s = time.monotonic() - moved_s
        await asyncio.to_thread(school.panel.wait_for_panel, _is_connected, "the line to the centre", READY_S)
        return {"before": before, "after": await pair(pupil), "back_s": back_s}


def _is_connected(view: dict[str, Any]) -> bool:
    return bool(view["centre"] == "connected")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="estrade-networks-") as folder:
        school = School(CASES[sys.argv[1]], Path(folder))
        try:
            told = asyncio.run((attend_and_move if sys.argv[2:] == ["moved"] else attend)(school))
        except BaseException:
            sys.stderr.write(school.said())
            raise
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
