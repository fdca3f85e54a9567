"""Whether a page played what the room's microphone heard: two curves of loudness, compared.

Levels in decibels rise and fall with what is said. Of the same sound through a codec they differ by 2 or 3 dB, of two
people who speak by 10 and more. What is compared is the spread of their difference, so that neither a constant gain
nor the way in which a browser counts matters, and a curve that is only flat is like no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL_S = 0.04
"""Of one level that a page tells."""
FLOOR_DBFS = -60.0
"""Whatever is below is silence: a codec draws it as it likes."""
RANGE_DB = 35.0
"""So far below the loudest of a window, too."""
LOUD_DB = 10.0
"""So far above its silence, a level is somebody who speaks."""
SMOOTH = 3
"""Levels that are taken together: some browsers tell loudness each 100 ms only."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What one window says. ``score`` is 1 for the same curve, about 0 for two that have nothing to do."""

    score: float
    spread_db: float
    """Of the room's curve: how much of it rises and falls at all."""
    played_spread_db: float
    played_peak_dbfs: float
    median_dbfs: float
    """Of the room's curve."""
    loud: int
    """How many levels of the louder curve stand out of its silence."""
    lag_s: float


def decibels(power: Floats) -> Floats:
    """Return powers as dBFS."""
    level: Floats = 10 * np.log10(np.maximum(power, 1e-12))
    return level


def smooth(power: Floats) -> Floats:
    """Return the running mean of so many neighbours, as long as what is given; along the last axis."""
    padded = np.concatenate((power[..., :1], power, power[..., -1:]), axis=-1)
    mean: Floats = (padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]) / SMOOTH
    return mean


def compare(played: Floats, room: Floats, counts: NDArray[np.bool_], lags_s: Floats) -> Likeness:
    """Compare a window of played power with what the room heard at several lags; return the best.

    ``room`` and ``counts`` have a row for each lag; only where ``counts`` is set, the two are comparable.
    """
    weight = counts.astype(np.float64)
    total = np.maximum(weight.sum(axis=1), 1.0)
    played_dbfs, room_dbfs = decibels(played), decibels(room)
    mine, mine_floor = _clipped(played_dbfs, counts)
    theirs, theirs_floor = _clipped(room_dbfs, counts)
    mine_loud = ((mine > mine_floor + LOUD_DB) & counts).sum(axis=1)
    theirs_loud = ((theirs > theirs_floor + LOUD_DB) & counts).sum(axis=1)
    mine -= ((mine * weight).sum(axis=1) / total)[:, None]
    theirs -= ((theirs * weight).sum(axis=1) / total)[:, None]
    mine_var = (mine * mine * weight).sum(axis=1) / total
    theirs_var = (theirs * theirs * weight).sum(axis=1) / total
    shared = (mine * theirs * weight).sum(axis=1) / total
    scores = 2 * shared / np.maximum(mine_var + theirs_var, 1e-9)
    best = int(np.argmax(scores))
    heard = played_dbfs[counts[best]]
    return Likeness(
        score=float(scores[best]),
        spread_db=float(np.sqrt(theirs_var[best])),
        played_spread_db=float(np.sqrt(mine_var[best])),
        played_peak_dbfs=float(heard.max()) if len(heard) else FLOOR_DBFS,
        median_dbfs=_median(room_dbfs[best][counts[best]]) if len(heard) else FLOOR_DBFS,
        loud=int(max(mine_loud[best], theirs_loud[best])),
        lag_s=float(lags_s[best]),
    )


def _median(values: Floats) -> float:
    """Return the median; numpy's own is made for large arrays, and slow for some dozens of values."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _clipped(level: Floats, counts: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Lift what is silence in each row to one level; return that, too."""
    loudest = np.where(counts, level, -np.inf).max(axis=1)
    floor: Floats = np.maximum(FLOOR_DBFS, loudest - RANGE_DB)[:, None]
    lifted: Floats = np.maximum(level, floor)
    return lifted, floor
