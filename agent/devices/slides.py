"""What the simulated board shows: a mathematics lesson in French, written by hand on one slide after another."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from agent.devices import handwriting
from agent.devices.handwriting import Colour, Stroke
from agent.devices.i420 import I420, Bgr, from_bgr, paste

WIDTH, HEIGHT = 1920, 1080
"""The slides' own coordinates; any other size is scaled from them."""

PIECE = 24.0
"""Pixels of the slides' own; what a quick hand draws in a fiftieth of a second."""

SLIDE_S = 40.0
WRITING_S = 32.0
"""Of a slide's time the hand writes this long; then it is read."""

Style = Literal["chalk", "white"]
Ink = Literal["plain", "title", "accent", "figure"]

BACKGROUND: dict[Style, Colour] = {"chalk": (60, 84, 44), "white": (250, 252, 252)}
INKS: dict[Style, dict[Ink, Colour]] = {
    "chalk": {"plain": (238, 244, 242), "title": (150, 230, 250), "accent": (178, 200, 255), "figure": (230, 226, 180)},
    "white": {"plain": (60, 44, 36), "title": (160, 84, 20), "accent": (52, 44, 190), "figure": (80, 120, 20)},
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text at its baseline."""

    text: str
    x: float
    y: float
    size: float = 40.0
    ink: Ink = "plain"


@dataclass(frozen=True, slots=True)
class Figure:
    """A line drawn through points."""

    points: tuple[tuple[float, float], ...]
    ink: Ink = "figure"


Mark = Line | Figure


def _title(text: str) -> tuple[Line, Figure]:
    end = 120 + handwriting.width_px(text, 58)
    return Line(text, 120, 160, 58, "title"), Figure(((120, 188), (end, 188)), "title")


def _circle(x: float, y: float, radius: float) -> Figure:
    turn = [2 * math.pi * step / 60 for step in range(61)]
    return Figure(tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in turn))


SLIDES: tuple[tuple[Mark, ...], ...] = (
    (
        *_title("Le théorème de Pythagore"),
        Line("Dans un triangle rectangle, le carré", 120, 300),
        Line("de l’hypoténuse est égal à la somme", 120, 376),
        Line("des carrés des deux autres côtés.", 120, 452),
        Figure(((1330, 330), (1330, 690), (1740, 690), (1330, 330))),
        Figure(((1330, 656), (1364, 656), (1364, 690))),
        Line("a", 1276, 530, 40, "accent"),
        Line("b", 1510, 752, 40, "accent"),
        Line("c", 1560, 490, 40, "accent"),
        Line("a² + b² = c²", 180, 600, 60, "accent"),
        Line("Exemple : a = 6 cm et b = 8 cm", 120, 730),
        Line("c² = 6² + 8² = 36 + 64 = 100", 120, 810),
        Line("c = √100 = 10 cm", 120, 890),
        Line("À faire : exercices 4 et 7, page 112", 120, 1000, 36, "title"),
    ),
    (
        *_title("Additionner des fractions"),
        Line("Même dénominateur : on additionne", 120, 300),
        Line("les numérateurs.", 120, 376),
        Line("2/7 + 3/7 = 5/7", 180, 480, 54, "accent"),
        Line("Sinon, on réduit d’abord au même dénominateur :", 120, 610),
        Line("1/2 + 1/3 = 3/6 + 2/6 = 5/6", 180, 716, 54, "accent"),
        _circle(1560, 380, 150),
        Figure(((1560, 380), (1560, 230))),
        Figure(((1560, 380), (1690, 455))),
        Figure(((1560, 380), (1430, 455))),
        Line("1/3", 1592, 352, 34, "accent"),
        Line("À vous : 3/4 + 1/6 = ?", 120, 850),
        Line("Réponse : 9/12 + 2/12 = 11/12", 120, 940, 40, "title"),
    ),
    (
        *_title("Résoudre une équation"),
        Line("On fait la même chose des deux côtés.", 120, 300),
        Line("3x + 5 = 20", 300, 430, 58, "accent"),
        Line("3x + 5 - 5 = 20 - 5", 300, 530, 50),
        Line("3x = 15", 300, 630, 50),
        Line("x = 15 ÷ 3 = 5", 300, 730, 50),
        Figure(((1240, 560), (1760, 560))),
        Figure(((1500, 560), (1440, 700), (1560, 700), (1500, 560))),
        Figure(((1250, 560), (1250, 470), (1370, 470), (1370, 560))),
        Figure(((1630, 560), (1630, 470), (1750, 470), (1750, 560))),
        Line("3x + 5", 1240, 440, 32, "accent"),
        Line("20", 1664, 440, 32, "accent"),
        Line("Vérifions : 3 × 5 + 5 = 20. C’est juste !", 120, 870),
        Line("À faire : 4x - 7 = 13", 120, 980, 40, "title"),
    ),
    (
        *_title("L’aire et le périmètre du disque"),
        _circle(1530, 480, 210),
        Figure(((1530, 480), (1740, 480))),
        Line("r", 1620, 462, 40, "accent"),
        Line("Périmètre : P = 2 × π × r", 120, 320, 46),
        Line("Aire : A = π × r²", 120, 420, 46),
        Line("avec π ≈ 3,14", 120, 510, 38),
        Line("Exemple : r = 5 cm", 120, 640),
        Line("P ≈ 2 × 3,14 × 5 ≈ 31,4 cm", 180, 730, 44, "accent"),
        Line("A ≈ 3,14 × 25 ≈ 78,5 cm²", 180, 820, 44, "accent"),
        Line("Où voit-on des disques dans la classe ?", 120, 960, 40, "title"),
    ),
)


@dataclass(slots=True)
class _Written:
    """One stroke ready to be drawn, and how far along the whole slide's pen path it begins and ends."""

    points: Stroke
    colour: Colour
    thickness_px: int
    start: float
    length: float
    pieces: np.ndarray[tuple[int], np.dtype[np.float64]] = field(repr=False)


def _divided(points: tuple[tuple[float, float], ...]) -> Stroke:
    """Return the same line in pieces of about `PIECE`, so that a ruler's line grows as a letter does."""
    parts = []
    for (x0, y0), (x1, y1) in pairwise(points):
        count = max(1, round(math.hypot(x1 - x0, y1 - y0) / PIECE))
        parts.append(np.linspace((x0, y0), (x1, y1), count, endpoint=False))
    return np.vstack((*parts, points[-1:])).astype(np.float32)


class Slides:
    """The board's picture: knows what is written at an instant and draws only what is new."""

    def __init__(self, width_px: int, height_px: int, style: Style) -> None:
        self._width_px, self._height_px, self._style = width_px, height_px, style
        self._blank: Bgr = np.empty((height_px, width_px, 3), np.uint8)
        self._blank[:] = BACKGROUND[style]
        self._canvas = self._blank.copy()
        self.image: I420 = from_bgr(self._canvas)
        self._slide = -1
        self._strokes: list[_Written] = []
        self._length = 0.0
        self._drawn = 0.0
        self._next = 0
        self._pieces_drawn = 0

    def advance(self, teaching_s: float) -> bool:
        """Bring `image` to what is written ``teaching_s`` into the lesson; return whether it changed."""
        slide = int(teaching_s // SLIDE_S) % len(SLIDES)
        changed = False
        if slide != self._slide:
            self._turn_to(slide)
            changed = True
        due = self._length * min((teaching_s % SLIDE_S) / WRITING_S, 1.0)
        if due <= self._drawn:
            return changed
        first = self._next
        while self._next < len(self._strokes):
            stroke = self._strokes[self._next]
            if stroke.start >= due:
                break
            self._draw(stroke, due)
            if stroke.start + stroke.length > due:
                break
            self._next, self._pieces_drawn = self._next + 1, 0
        self._drawn = due
        touched = self._strokes[first : self._next + 1]
        if touched:
            self._refresh(np.vstack([stroke.points for stroke in touched]), touched[0].thickness_px)
        return changed or bool(touched)

    def _turn_to(self, slide: int) -> None:
        self._slide = slide
        scale = min(self._width_px / WIDTH, self._height_px / HEIGHT)
        self._strokes, position = [], 0.0
        for mark in SLIDES[slide]:
            if isinstance(mark, Line):
                strokes = handwriting.write(mark.text, mark.x * scale, mark.y * scale, mark.size * scale)
                thickness = max(1, round(mark.size * 0.115 * scale))
            else:
                strokes, thickness = [_divided(mark.points) * scale], max(2, round(4 * scale))
            for points in strokes:
                pieces = np.hypot(*np.diff(points, axis=0).T).astype(np.float64)
                length = max(float(pieces.sum()), 1.0)
                colour = INKS[self._style][mark.ink]
                self._strokes.append(_Written(points, colour, thickness, position, length, pieces))
                position += length + 8 * scale  # the pen travels to its next stroke
            position += 60 * scale
        self._length, self._drawn, self._next, self._pieces_drawn = position, 0.0, 0, 0
        np.copyto(self._canvas, self._blank)
        self.image[:] = from_bgr(self._canvas)

    def _draw(self, stroke: _Written, due: float) -> None:
        """Draw the pieces of a stroke that are due and not drawn yet; each once, or its soft edges would grow hard."""
        ends = stroke.start + np.cumsum(stroke.pieces)
        last = min(int(np.searchsorted(ends, due)) + 1, len(ends))
        if last > self._pieces_drawn:
            part = stroke.points[self._pieces_drawn : last + 1]
            handwriting.draw(self._canvas, [part], stroke.colour, stroke.thickness_px)
            self._pieces_drawn = last

    def _refresh(self, points: Stroke, thickness_px: int) -> None:
        """Carry a region of the canvas over into `image`."""
        margin = thickness_px + 3
        left, top = (max(int(v) - margin, 0) // 2 * 2 for v in points.min(axis=0))
        right, bottom = (int(v) + margin + 2 for v in points.max(axis=0))
        right, bottom = min(right // 2 * 2, self._width_px), min(bottom // 2 * 2, self._height_px)
        if right > left and bottom > top:
            paste(self.image, self._canvas[top:bottom, left:right].copy(), left, top)
