"""Days on which no lesson is planned."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, order=True)
class Holiday:
    """A time without lessons; ``first`` and ``last`` are days of the school's own zone, both included."""

    first: date
    last: date
    name: str

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"the holidays {self.name} end on {self.last}, before they begin on {self.first}")


class Holidays:
    """Those of one school: its own and its territory's."""

    def __init__(self, holidays: Iterable[Holiday] = ()) -> None:
        self._sorted = sorted(holidays)
        self._begin = [holiday.first for holiday in self._sorted]

    def on(self, day: date) -> Holiday | None:
        """Return the holiday of a day, the one that began last where several meet; None on an ordinary day."""
        for holiday in reversed(self._sorted[: bisect_right(self._begin, day)]):
            if holiday.last >= day:
                return holiday
        return None
