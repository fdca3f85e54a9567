"""``estrade doctor`` in a room: has the agent that runs here test the room, and shows it step by step."""

from __future__ import annotations

import sys
import time
from typing import Any

from estrade.room_agent import RoomAgent
from estrade.words import language, say
from protocol.errors import EstradeError

LOOK_S = 0.2
MOST_S = 30.0
"""The test takes ten seconds; an agent that has only just begun some more."""
LOOKED_AT = ("camera", "microphone", "loudspeaker", "board", "network")
"""What a test of the room looks at, and what is therefore not known without one."""
_OVER = ("done", "stopped")


def carry_out(agent: RoomAgent, *, shows: bool) -> dict[str, Any]:
    """Test the room and return the whole test as the agent tells it; ``shows`` prints each step as it ends.

    Raises EstradeError when the agent refuses, or does not come to an end.
    """
    asked = agent.post("/api/selftest", {"asked_by": "doctor"}) or {}
    if shows:
        print(f"\n{say('doctor-room')}", flush=True)
    test = asked["selftest"]["id"]
    shown: set[str] = set()
    deadline_s = time.monotonic() + MOST_S
    while time.monotonic() < deadline_s:
        view = agent.get("/api/selftest")
        if view is None or view["id"] != test:  # a lesson that begins has a short test of its own
            raise EstradeError(
                "the test was ended by a lesson that began; test between lessons", code="selftest-not-now"
            )
        for step in view["steps"] if shows else ():
            if step["id"] not in shown and step["state"] not in ("waiting", "running"):
                shown.add(step["id"])
                _wipe()
                _show(step)
        if view["state"] in _OVER:
            _wipe()
            return view
        if shows and sys.stdout.isatty():
            running = [step["name"][language()] for step in view["steps"] if step["state"] == "running"]
            sys.stdout.write("\r\x1b[K" + ", ".join(running)[:100] + " …")
            sys.stdout.flush()
        time.sleep(LOOK_S)
    raise EstradeError(f"the room's test did not end within {MOST_S:g} s; see the agent's log", code="not-ready")


def _wipe() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\r\x1b[K")


def _show(step: dict[str, Any]) -> None:
    lang = language()
    width = max(len(say(word)) for word in ("ok", "warning", "failed", "skipped"))
    colon = "\u00a0:" if lang == "fr" else ":"
    print(f"{say(step['state']):<{width}}  {step['name'][lang]}{colon} {step['message'][lang]}")
    if step["remedy"] and step["state"] in ("failed", "warning"):
        print(f"{'':<{width}}  → {step['remedy'][lang]}")
    sys.stdout.flush()
