"""Mains light against the camera's shutter: bands that roll through the picture, or all of it that pulsates.

Both are one oscillation in every row of the picture, and at every picture that the camera gives, not at four a second:
there a light that beats at 4 Hz would stand still.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from agent.health.reading import Reading
from agent.media import Frame
from protocol.messages import CheckStatus

PEAK_TO_PEAK = 0.03
CONCENTRATION = 0.5
"""Of what a row's light does within the window, in one frequency; people, films and dimmers spread theirs."""
LOWEST_HZ, HIGHEST_HZ, STEP_HZ = 1.0, 12.0, 0.125
WINDOW_S = 4.0
LEAST_RATE_HZ = 8.0
MOST_RATE_HZ = 40.0
"""Of faster cameras each second picture counts, as pupils see it."""
_ROWS, _COLUMNS, _POINTS = 36, 15, 4
"""A row of the picture is two lines of it, in so many columns of so many points."""
_ROWS_SHARE = 0.75
"""So many of the rows swing by what is told, or more: a blinking screen is in fewer."""
_KEPT = round(WINDOW_S * MOST_RATE_HZ) + 1
_STUDIO_BLACK = 16
_NEVER_BLACK = 8.0


class Flicker:
    """``see`` takes each picture and may be called in another thread than ``reading``."""

    def __init__(self) -> None:
        self._came: deque[tuple[float, NDArray[np.uint8]]] = deque(maxlen=_KEPT)
        self._rows: deque[tuple[float, NDArray[np.float32]]] = deque(maxlen=_KEPT)
        self._kept_s = float("-inf")

    def see(self, frame: Frame) -> None:
        """Keep some points of a picture."""
        if 0 <= frame.captured_mono_s - self._kept_s < 1 / MOST_RATE_HZ:
            return
        self._kept_s = frame.captured_mono_s
        light = frame.image[: frame.height_px]
        down, across = frame.height_px // (2 * _ROWS), frame.width_px // (_COLUMNS * _POINTS)
        if down and across:
            points = light[: down * 2 * _ROWS : down, : across * _COLUMNS * _POINTS : across]
            self._came.append((frame.captured_mono_s, points.copy()))

    def forget(self) -> None:
        """Begin anew: the view is another one."""
        self._came.clear()
        self._rows.clear()

    def reading(self) -> Reading:
        """Return whether the light of nearly all rows has oscillated, in percent from peak to peak."""
        while self._came:
            captured_s, points = self._came.popleft()
            cells = points.reshape(_ROWS, 2, _COLUMNS, _POINTS).mean(axis=(1, 3), dtype=np.float32)
            self._rows.append((captured_s, np.log(np.maximum(cells - _STUDIO_BLACK, 0) + _NEVER_BLACK)))
        while self._rows and self._rows[-1][0] - self._rows[0][0] > WINDOW_S:
            self._rows.popleft()
        times = np.array([captured_s for captured_s, _ in self._rows])
        if len(times) < LEAST_RATE_HZ * WINDOW_S or times[-1] - times[0] < 0.9 * WINDOW_S:
            return Reading("picture-flicker", CheckStatus.UNKNOWN)
        strength, share = _oscillation(times - times.mean(), np.stack([cells for _, cells in self._rows]))
        depth = strength if share > CONCENTRATION else 0.0
        status = CheckStatus.WARNING if depth > PEAK_TO_PEAK else CheckStatus.OK
        return Reading("picture-flicker", status, round(100 * depth, 1), "%")


def _oscillation(times: NDArray[np.float64], cells: NDArray[np.float32]) -> tuple[float, float]:
    """Return how strongly nearly all rows swing at the one frequency that explains most, and what share that explains.

    ``cells``: logarithms of light, ``(picture, row, column)``.
    """
    # The middle of a row is the light's: whoever moves through less than half of it does not count.
    rows = np.median(cells - cells.mean(axis=0), axis=2)
    slope = times / np.sqrt(times @ times)
    rows -= rows.mean(axis=0) + np.outer(slope, slope @ rows)
    whole = float((rows**2).sum())
    if whole < 1e-9:
        return 0.0, 0.0
    most_hz = min(HIGHEST_HZ, 0.5 * (len(times) - 1) / (times[-1] - times[0]))
    frequencies = np.arange(LOWEST_HZ, most_hz + STEP_HZ / 2, STEP_HZ)
    waves = np.exp(-2j * np.pi * np.outer(frequencies, times))
    amplitudes = 2 / len(times) * np.abs(waves @ rows)
    explained = (amplitudes**2).sum(axis=1) * len(times) / 2
    at = int(np.argmax(explained))
    return 2 * float(np.quantile(amplitudes[at], 1 - _ROWS_SHARE)), min(1.0, float(explained[at]) / whole)
