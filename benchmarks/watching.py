"""What the page of a pupil saw of a fault, and what the centre stored of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from tests.browser.people import Pupil, until

USUAL_S = 0.5
"""A pause this short is no fault's doing: the board is drawn, a core is shared."""
STORED_S = 60.0
"""The room sends again what was not acknowledged after 30 s."""

Figures = dict[str, Any]


async def new_pictures(pupil: Pupil) -> list[float]:
    """Return when each picture of the camera was first shown, in ms of the wall clock.

    A room repeats the last one while nothing new comes. The page must have been told to keep them: ``seen.keepsPairs``.
    """
    shown: dict[float, float] = {}
    for captured, _, _, at in (await pupil.seen())["tracks"]["camera"]["pairs"]:
        shown.setdefault(captured, at)
    return sorted(shown.values())


def longest_pause(shown_ms: Sequence[float], from_ms: float) -> tuple[float, float] | None:
    """Return when the longest pause between two pictures after an instant began and ended; None when all were short."""
    pauses = [two for two in pairwise(shown_ms) if two[1] > from_ms]
    before, after = max(pauses, key=lambda two: two[1] - two[0])
    return (before, after) if after - before > USUAL_S * 1000 else None


async def packets_lost(pupil: Pupil) -> int:
    """Return how many packets this page's present connection misses, of all tracks."""
    return int(sum(track["packetsLost"] for track in (await pupil.inbound()).values()))


async def facts_missing(stored: Callable[[], Iterable[tuple[str, str]]], known: set[str], wanted: Sequence[str]) -> int:
    """Return how many of these facts are not stored `STORED_S` later; ``stored`` gives ids and kinds, and blocks."""
    missing: Counter[str] = Counter()

    async def have_come() -> bool:
        nonlocal missing
        facts = await asyncio.to_thread(stored)
        missing = Counter(wanted) - Counter(kind for fact, kind in facts if fact not in known)
        return not missing

    try:
        await until(have_come, "facts", STORED_S)
    except AssertionError:
        return sum(missing.values())
    return 0


def row(seen_s: float, back_s: float, lost_events: int, lost_packets: int) -> Figures:
    """Return the figures that every fault has."""
    return {
        "seen_by_pupil_s": round(seen_s, 2),
        "back_s": round(back_s, 2),
        "lost_events": lost_events,
        "lost_packets": lost_packets,
    }
