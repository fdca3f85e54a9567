"""Who is there, one line for each pupil: who comes back by another connection keeps the place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agent.streams.viewer import ViewerView


class Roster:
    """Places of one lesson, by holder (the ticket's mark); a viewer without one stands for itself."""

    def __init__(self) -> None:
        self._places: dict[str, float] = {}

    def arrived(self, holder: str, mono_s: float) -> None:
        """Note who has connected; only the first time gives the place."""
        self._places.setdefault(holder, mono_s)

    def lines(self, views: Iterable[tuple[str, ViewerView]]) -> tuple[ViewerView, ...]:
        """Return one view for each holder, in the order in which they first came.

        ``views`` are in the order of their offers. Of a pupil's connections the newest that is connected counts, and
        one on its way only while there is none.
        """
        best: dict[str, ViewerView] = {}
        for holder, view in views:
            known = best.get(holder)
            if known is None or view.is_connected or not known.is_connected:
                best[holder] = view
        placed = [
            replace(view, joined_mono_s=self._places.get(holder, view.joined_mono_s)) for holder, view in best.items()
        ]
        return tuple(sorted(placed, key=lambda view: view.joined_mono_s))
