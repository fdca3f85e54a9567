"""Inside its own networks: a pupil waits, Start is pressed, and what reached the pupil and by which way is printed.

python -m tests.networks.attend CASE, in namespaces of its own (`namespaces.run_inside`).
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.networks.school import CASES, School, first_pictures, pair


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


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="estrade-networks-") as folder:
        school = School(CASES[sys.argv[1]], Path(folder))
        try:
            told = asyncio.run(attend(school))
        except BaseException:
            sys.stderr.write(school.said())
            raise
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
