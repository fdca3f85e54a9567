"""Distributions as they are printed and compared with a bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Distribution:
    """What is told of a set of measurements: nearest-rank percentiles, so each is a value that was measured."""

    p50: float
    p95: float
    n: int
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution:
        """Raises ValueError for no values."""
        if not values:
            raise ValueError("nothing was measured")
        ordered = sorted(values)
        return cls(_rank(ordered, 0.5), _rank(ordered, 0.95), len(ordered), ordered[0], ordered[-1])

    def as_json(self) -> dict[str, float]:
        return {"p50": round(self.p50, 1), "p95": round(self.p95, 1), "n": self.n}

    def __str__(self) -> str:
        return f"p50 {self.p50:.0f}, p95 {self.p95:.0f}, least {self.least:.0f}, most {self.most:.0f}, n {self.n}"


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Bar:
    """What must be reached: ``p50`` or ``p95`` of a distribution, or a plain number (``most``)."""

    p50: float | None = None
    p95: float | None = None
    most: float | None = None

    def is_met(self, figure: Distribution | float) -> bool:
        """Return whether a figure reaches the bar."""
        if not isinstance(figure, Distribution):
            return self.most is None or figure <= self.most
        return all(bar is None or reached <= bar for bar, reached in ((self.p50, figure.p50), (self.p95, figure.p95)))

    def __str__(self) -> str:
        named = (("p50", self.p50), ("p95", self.p95), ("", self.most))
        return ", ".join(f"{name} ≤ {bar:g}".strip() for name, bar in named if bar is not None)
