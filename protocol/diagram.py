"""Draw docs/lesson-states.svg from the lesson's table, so that the picture cannot be wrong."""

from __future__ import annotations

from math import hypot
from xml.sax.saxutils import escape

from protocol.lesson import TRANSITIONS, LessonEvent, LessonState

S = LessonState
WIDTH, HEIGHT = 980, 520
BOX_W, BOX_H = 150, 54
PLACES: dict[LessonState, tuple[int, int]] = {
    S.IDLE: (110, 120),
    S.PREPARING: (430, 120),
    S.LIVE: (760, 120),
    S.DEGRADED: (760, 320),
    S.ENDING: (430, 320),
    S.FAILED: (110, 440),
}
COLOURS: dict[LessonState, str] = {
    S.IDLE: "#f4f1e8",
    S.PREPARING: "#e8f0fa",
    S.LIVE: "#fbe3e5",
    S.DEGRADED: "#fbeeda",
    S.ENDING: "#e8f0fa",
    S.FAILED: "#f6d9d7",
}


def svg() -> str:
    """Return the picture of the table."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="14">',
        "<title>The lesson: states and events</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#14213d"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fbfaf7"/>',
    ]
    for state, row in TRANSITIONS.items():
        arrows: dict[LessonState, list[str]] = {}
        for event, to in row.items():
            if event is LessonEvent.FAULT:
                continue  # it leads from almost everywhere to one place: said in words below
            arrows.setdefault(to, []).append(str(event))
        parts += [_arrow(state, to, ", ".join(events)) for to, events in arrows.items()]
    parts += [_box(state) for state in PLACES]
    faulty = ", ".join(state for state, row in TRANSITIONS.items() if LessonEvent.FAULT in row)
    parts.append(f'<text x="{WIDTH - 20}" y="{HEIGHT - 20}" text-anchor="end">fault: {faulty} → failed</text>')
    return "\n".join([*parts, "</svg>", ""])


def _box(state: LessonState) -> str:
    x, y = PLACES[state]
    return (
        f'<rect x="{x - BOX_W // 2}" y="{y - BOX_H // 2}" width="{BOX_W}" height="{BOX_H}" rx="10" '
        f'fill="{COLOURS[state]}" stroke="#14213d"/>'
        f'<text x="{x}" y="{y + 5}" text-anchor="middle" font-weight="bold" fill="#14213d">{state}</text>'
    )


def _arrow(start: LessonState, end: LessonState, label: str) -> str:
    x1, y1 = PLACES[start]
    if start is end:
        away = -1 if y1 < HEIGHT / 2 else 1
        edge = y1 + away * BOX_H // 2
        path = f"M{x1 + 20} {edge}C{x1 + 40} {edge + away * 46} {x1 - 40} {edge + away * 46} {x1 - 20} {edge}"
        return _line(path, x1, edge + away * 44 + 4, label)
    x2, y2 = PLACES[end]
    length = hypot(x2 - x1, y2 - y1)
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    reach = min(BOX_W / 2 / abs(ux) if ux else 1e9, BOX_H / 2 / abs(uy) if uy else 1e9) + 2
    bend = 26  # to the left of the way, so that there and back do not lie on one another
    middle_x, middle_y = (x1 + x2) / 2 + uy * bend, (y1 + y2) / 2 - ux * bend
    path = f"M{x1 + ux * reach:.0f} {y1 + uy * reach:.0f}Q{middle_x:.0f} {middle_y:.0f} {x2 - ux * reach:.0f} "
    anchor = "middle" if abs(ux) > 0.1 else "start" if uy > 0 else "end"
    return _line(path + f"{y2 - uy * reach:.0f}", middle_x, middle_y + (14 if ux < 0 else -2), label, anchor)


def _line(path: str, x: float, y: float, label: str, anchor: str = "middle") -> str:
    return (
        f'<path d="{path}" fill="none" stroke="#14213d" marker-end="url(#tip)"/>'
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="12" fill="#14213d" '
        f'paint-order="stroke" stroke="#fbfaf7" stroke-width="4">{escape(label)}</text>'
    )
