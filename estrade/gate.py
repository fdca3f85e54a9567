"""Whether a version that was just turned to is well: what was well in this room before is so again, and stays so.

Asked by deploy/update/estrade-update, twice: ``estrade gate`` before the turn prints what there is; after it,
``estrade gate --against FILE`` watches, and says what is missing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from estrade import room_agent
from protocol.errors import ConfigError, EstradeError
from protocol.lesson import LessonState

POLL_S = 2.0
STEADY_S = 30.0
"""All must have been well for so long when the time is over: a fall and the 20 s after it are seen."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the agent says of its room, as far as an update may break it."""

    listens: bool = False
    is_idle: bool = True
    """Without an agent that answers, no lesson runs."""
    hears_centre: bool = False
    working: tuple[str, ...] = ()
    """Ids of devices that are not critical, sorted."""
    critical: tuple[str, ...] = ()
    """Ids of checks that are, sorted."""


def look(agent: room_agent.RoomAgent) -> Room:
    """Ask the agent on this machine how its room is."""
    if not agent.is_there():
        return Room()
    try:
        view: dict[str, Any] = agent.get("/api/panel") or {}
    except EstradeError:
        return Room()
    return Room(
        listens=True,
        is_idle=view.get("state") == LessonState.IDLE,
        hears_centre=view.get("centre") == "connected",
        working=tuple(sorted(one["id"] for one in view.get("devices", ()) if one["status"] != "critical")),
        critical=tuple(sorted(one["id"] for one in view.get("checks", ()) if one["status"] == "critical")),
    )


def worse(before: Room, now: Room) -> str | None:
    """Return what was well before and is not now, in one sentence; None for nothing."""
    if not now.listens:
        return "the agent does not answer at its panel's address"
    if lost := [one for one in before.working if one not in now.working]:
        return f"these devices worked before and do not now: {', '.join(lost)}"
    if before.listens and (new := [one for one in now.critical if one not in before.critical]):
        return f"these checks are critical and were not before: {', '.join(new)}"
    if before.hears_centre and not now.hears_centre:
        return "the centre was heard before and is not now"
    return None


def watch(
    before: Room,
    look_now: Callable[[], Room],
    seconds: float,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Watch for so long; return what is wrong at the end or was in the last `STEADY_S`, None for nothing."""
    end_s = now() + seconds
    steady_since_s = end_s - min(STEADY_S, seconds / 2)
    while True:
        wrong = worse(before, look_now())
        at_s = now()
        if at_s >= end_s or (wrong is not None and at_s >= steady_since_s):
            return wrong
        sleep(min(POLL_S, max(0.0, end_s - at_s)))


def run(config: Path | None, *, against: Path | None, seconds: float) -> int:
    """Print how the room is as one JSON object; or watch it against one of before: 0 well, 1 not, with a sentence.

    Raises ConfigError for a file that holds no such object.
    """
    agent = room_agent.find(config, room_agent.INSTALLED)
    if against is None:
        print(json.dumps(asdict(look(agent))))
        return 0
    wrong = watch(_read(against), lambda: look(agent), seconds)
    if wrong is not None:
        sys.stderr.write(f"estrade: {wrong}\n")
    return 0 if wrong is None else 1


def _read(path: Path) -> Room:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Room(
            listens=bool(kept["listens"]),
            is_idle=bool(kept["is_idle"]),
            hears_centre=bool(kept["hears_centre"]),
            working=tuple(map(str, kept["working"])),
            critical=tuple(map(str, kept["critical"])),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "strerror", None) or "it is not what `estrade gate` prints"
        raise ConfigError(f"{path} cannot be read: {why}") from None
