"""Text as pen strokes, French accents included: for the simulated board and the classroom's chalk.

OpenCV's own letters have no accents and cannot be drawn a stroke at a time.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Stroke = NDArray[np.float32]
"""Points of a polyline, shape ``(n, 2)``, pixels, x to the right and y downwards."""

Colour = tuple[int, ...]

CAP_HEIGHT = 7.0
BASELINE = 2.0
SPACE = 4.0
GAP = 1.9
SLANT = 0.14

# Each letter: strokes divided by |, points as two characters, x then y upwards on a small grid (0 the deepest
# descender, 2 the baseline, 6 the height of an x, 9 a capital). A point given twice is a corner; the rest is smooth.
GLYPHS: dict[str, str] = {
    "a": "46 26 04 12 22 44 46 46 43 52", "b": "09 09 02 02 05 26 44 32 12 03", "c": "45 26 04 12 32 43",
    "d": "46 26 04 12 22 44 49 49 43 52", "e": "04 04 44 44 45 26 04 12 32 43", "f": "49 29 18 17 12|06 36",
    "g": "46 26 04 12 22 44 46 46 41 20 01", "h": "09 09 02 02 05 26 36 44 42", "i": "06 06 03 12|08 08",
    "j": "26 26 21 10 01|28 28", "k": "09 02|46 04 04|14 42", "l": "09 09 03 12",
    "m": "06 06 02 02 05 26 34 32 32 35 56 64 62", "n": "06 06 02 02 05 26 36 44 42", "o": "26 04 12 32 44 36 26",
    "p": "06 06 00 00 05 26 44 32 12 03", "q": "46 26 04 12 22 44 46 46 40", "r": "06 06 02 02 05 26 36",
    "s": "45 36 16 05 24 43 32 12 03", "t": "19 19 13 22 32|06 36", "u": "06 06 03 12 32 43 46 46 42 52",
    "v": "06 06 22 22 46", "w": "06 06 12 12 35 35 52 52 66", "x": "06 42|46 02", "y": "06 04 13 33 45|46 41 20 01",
    "z": "06 06 46 46 02 02 42",
    "A": "02 02 39 39 62|14 54", "B": "09 09 02|09 29 48 36 06 06 36 54 32 02", "C": "58 39 19 06 05 12 32 53",
    "D": "09 09 02|09 29 57 54 32 02", "E": "59 09 09 02 02 52|06 46", "F": "59 59 09 09 02|06 46",
    "G": "58 39 19 06 05 12 32 54 55 55 35", "H": "09 02|59 52|06 56", "I": "09 02", "J": "49 49 44 32 12 03",
    "K": "09 02|59 05 05|16 52", "L": "09 09 02 02 52", "M": "02 02 09 09 35 35 69 69 62",
    "N": "02 02 09 09 52 52 59", "O": "39 19 06 05 22 42 65 66 49 39", "P": "09 09 02|09 39 58 46 25 05",
    "Q": "39 19 06 05 22 42 65 66 49 39|44 62", "R": "09 09 02|09 39 58 46 25 05|25 52",
    "S": "58 39 19 08 17 36 55 43 32 12 03", "T": "09 69|39 32", "U": "09 09 04 12 42 54 59 59",
    "V": "09 09 32 32 69", "W": "09 09 22 22 47 47 72 72 99", "X": "09 52|59 02", "Y": "09 09 35 35 69|35 32",
    "Z": "09 09 59 59 02 02 52",
    "0": "29 07 04 22 44 47 29", "1": "07 07 29 29 22", "2": "07 19 39 47 35 02 02 52",
    "3": "08 29 48 26 26 45 43 22 03", "4": "29 29 04 04 54|36 32", "5": "49 49 09 09 06 26 45 43 22 03",
    "6": "49 27 04 22 42 44 25 04", "7": "09 09 49 49 12", "8": "26 08 29 48 26 04 22 44 26",
    "9": "47 26 07 29 47 47 32",
    ".": "02 02", ",": "13 01", ":": "02 02|05 05", ";": "13 01|15 15", "=": "04 54|06 56", "+": "05 55|28 22",
    "-": "05 35", "–": "05 55", "×": "13 46|16 43", "÷": "05 55|28 28|22 22", "/": "02 49", "(": "29 07 04 22",
    ")": "09 27 24 02", "[": "29 09 09 02 02 22", "]": "09 29 29 22 22 02", "'": "19 07", "’": "19 07",
    "?": "07 29 48 25 24|22 22", "!": "09 04|02 02", "²": "08 19 29 28 06 06 36", "√": "05 05 12 12 39 39 69",
    "→": "05 75|57 75 75 53", "≈": "04 15 35 44 55|06 17 37 46 57", "«": "26 04 04 22|56 34 34 52",
    "»": "06 24 24 02|36 54 54 32", "°": "19 08 17 28 19", "%": "02 59|19 08 17 28 19|43 32 42 53 43",
    "·": "04 04", "π": "05 06 16 66|16 14 02|46 43 52",
}  # fmt: skip

ACCENTS: dict[str, str] = {
    "\N{COMBINING ACUTE ACCENT}": "27 49",
    "\N{COMBINING GRAVE ACCENT}": "09 27",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "07 07 29 29 47",
    "\N{COMBINING DIAERESIS}": "08 08|38 38",
    "\N{COMBINING CEDILLA}": "22 21 30 10",
}
"""Above a small letter; three higher above a capital."""


def write(text: str, x_px: float, baseline_px: float, cap_height_px: float) -> list[Stroke]:
    """Return the strokes of one line of text in the order of writing. A character that is not known leaves a gap."""
    scale = cap_height_px / CAP_HEIGHT
    strokes: list[Stroke] = []
    pen = 0.0
    for index, character in enumerate(text):
        if character == " ":
            pen += SPACE
            continue
        # A hand is not a machine: letters sit a little above or below the line, always the same for the same text.
        lift = ((index * 7919 + ord(character) * 104729) % 7 - 3) * 0.05
        letter, width = _letter(character)
        for points in letter:
            at = points + np.array((pen, lift), np.float32)
            x = x_px + (at[:, 0] + SLANT * at[:, 1]) * scale
            strokes.append(np.stack((x, baseline_px - at[:, 1] * scale), axis=1).astype(np.float32))
        pen += width + GAP
    return strokes


def width_px(text: str, cap_height_px: float) -> float:
    """Return how wide `write` makes a line."""
    pen = sum(SPACE if character == " " else _letter(character)[1] + GAP for character in text)
    return pen * cap_height_px / CAP_HEIGHT


def draw(image: NDArray[np.uint8], strokes: Iterable[Stroke], colour: Colour, thickness_px: int) -> None:
    """Draw strokes into a picture, grey or BGR. A stroke without length is a dot."""
    for points in strokes:
        if np.ptp(points, axis=0).max() < 0.01:
            centre = (round(float(points[0, 0]) * 16), round(float(points[0, 1]) * 16))
            cv2.circle(image, centre, max(thickness_px * 10, 16), colour, -1, cv2.LINE_AA, 4)
        else:
            cv2.polylines(image, [np.round(points * 16).astype(np.int32)], False, colour, thickness_px, cv2.LINE_AA, 4)


@lru_cache(maxsize=256)
def _letter(character: str) -> tuple[list[Stroke], float]:
    """Return a letter's smooth strokes above its baseline in grid units, and its width."""
    base, *marks = list(unicodedata.normalize("NFD", character))
    if base not in GLYPHS:
        base, marks = character, []
    body = GLYPHS.get(base, "")
    if marks:
        body = body.replace("|08 08", "")  # an accented i has no dot
    strokes = _strokes(body, 0.0)
    width = max((float(points[:, 0].max()) for points in strokes), default=3.0)
    rise = 3.0 if base.isupper() else 0.0
    for mark in marks:
        strokes += _strokes(ACCENTS.get(mark, ""), 0.0 if mark == "\N{COMBINING CEDILLA}" else rise)
    return strokes, width


def _strokes(glyph: str, rise: float) -> list[Stroke]:
    result = []
    for part in glyph.split("|"):
        points = [(float(point[0]), float(point[1]) - BASELINE + rise) for point in part.split()]
        if points:
            result.append(_smooth(np.array(points, np.float32)))
    return result


def _smooth(points: Stroke, steps: int = 6) -> Stroke:
    """Return the Catmull-Rom curve through the points, ``steps`` pieces to a side."""
    if len(points) < 3:
        return points
    before = np.vstack((points[:1], points[:-1]))[:-1]
    start, end = points[:-1], points[1:]
    after = np.vstack((points[2:], points[-1:]))
    t = (np.arange(steps, dtype=np.float32) / steps)[None, :, None]
    p0, p1, p2, p3 = (group[:, None, :] for group in (before, start, end, after))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return np.vstack((curve.reshape(-1, 2), points[-1:])).astype(np.float32)
