"""The picture of the simulated camera: a classroom, seen from its back wall, with a teacher who teaches.

The room is drawn once, twice as large and scaled down; for each picture only the teacher and the clock are drawn, on
copies of the room's own pixels. All coordinates are those of a 1280 × 720 picture.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.devices import handwriting
from agent.devices.i420 import I420, Bgr, from_bgr, paste

Point = tuple[float, float]
Colour = tuple[int, int, int]

WIDTH, HEIGHT = 1280, 720
FLOOR_Y = 468
BOARD = (330, 128, 960, 404)
CLOCK = (516, 36, 774, 92)
TEACHER = (140, 172, 1160, 568)
"""Where the teacher may be, so where pictures differ; the figure is `FIGURE_WIDTH` wide."""
FIGURE_WIDTH = 324
FEET_Y = 550.0

CHALK = (228, 238, 235)
WALL, WALL_LOW, WOOD, DARK_WOOD = (205, 226, 238), (150, 178, 158), (96, 142, 190), (52, 84, 120)
SKIN, HAIR, JUMPER, JUMPER_DARK = (152, 182, 226), (38, 52, 84), (84, 92, 206), (66, 72, 176)
TROUSERS, SHOES = (92, 66, 52), (40, 40, 52)


class Classroom:
    """Draws the room at any even size."""

    def __init__(self, width_px: int, height_px: int, room_name: str) -> None:
        self.width_px, self.height_px = width_px, height_px
        self._sx, self._sy = width_px / WIDTH, height_px / HEIGHT
        self._room = self._paint(room_name)
        self._room_i420 = from_bgr(self._room)

    def draw(self, image: I420, wall_s: float, teaching_s: float) -> None:
        """Draw the room as it is at ``wall_s`` (CLOCK_REALTIME, shown on the clock) into an I420 picture."""
        np.copyto(image, self._room_i420)
        pose = pose_at(teaching_s)
        left = min(max(pose.x - FIGURE_WIDTH / 2, TEACHER[0]), TEACHER[2] - FIGURE_WIDTH)
        x, y, part = self._part(left, TEACHER[1], left + FIGURE_WIDTH, TEACHER[3])
        _Pen(part, self._sx, self._sy, (x, y)).teacher(pose)
        paste(image, part, x, y)
        x, y, part = self._part(*CLOCK)
        self._draw_clock(part, wall_s)
        paste(image, part, x, y)

    def _part(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, Bgr]:
        x0, y0 = int(left * self._sx) // 2 * 2, int(top * self._sy) // 2 * 2
        x1, y1 = int(right * self._sx) // 2 * 2, int(bottom * self._sy) // 2 * 2
        return x0, y0, self._room[y0:y1, x0:x1].copy()

    def _draw_clock(self, part: Bgr, wall_s: float) -> None:
        now = time.localtime(wall_s)
        text = f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}.{int(wall_s * 1000) % 1000:03}"
        scale = self._sy
        at = (int(16 * self._sx), int(42 * self._sy))
        thickness = max(1, round(1.6 * scale))
        cv2.putText(part, text, at, cv2.FONT_HERSHEY_DUPLEX, 1.12 * scale, (96, 236, 150), thickness, cv2.LINE_AA)

    def _paint(self, room_name: str) -> Bgr:
        large: Bgr = np.empty((self.height_px * 2, self.width_px * 2, 3), np.uint8)
        pen = _Pen(large, self._sx * 2, self._sy * 2, (0, 0))
        pen.room(room_name)
        room: Bgr = np.empty((self.height_px, self.width_px, 3), np.uint8)
        cv2.resize(large, (self.width_px, self.height_px), dst=room, interpolation=cv2.INTER_AREA)
        return room


@dataclass(frozen=True, slots=True)
class Pose:
    """The teacher at one instant."""

    x: float
    facing: float
    """-1 to the left, 0 to the class, 1 to the right; between while turning."""
    stride: float
    """Phase of the step in radians; 0 stands."""
    is_walking: float
    right_hand: Point
    """Where the hand on the picture's right side is, from its shoulder, in pixels."""
    left_hand: Point
    mouth: float


REST_RIGHT, REST_LEFT = (20.0, 116.0), (-20.0, 116.0)
LOOP_S = 28.0


def pose_at(t: float) -> Pose:
    """Return the teacher's pose ``t`` seconds into the lesson; it repeats every `LOOP_S`.

    She explains, walks to the right of the board and points at it, turns to the class, walks back, points there.
    """
    t %= LOOP_S
    talk = 0.5 + 0.5 * math.sin(t * 11.0) * math.sin(t * 4.3 + 1.0)
    sway = 5 * math.sin(t * 0.9)
    beat = math.sin(t * 2.6)
    open_right = (52 + 12 * beat, 52 - 20 * beat)
    open_left = (-52 + 10 * beat, 56 + 16 * beat)
    walks = _ramp(t, 5.8, 9.9) - _ramp(t, 19.8, 24.2)
    x = 318 + 664 * walks + sway
    going = _bump(t, 5.7, 9.8, 0.35)
    coming = _bump(t, 19.7, 24.3, 0.35)
    walking = max(going, coming)
    points_left = _bump(t, 10.2, 14.2, 0.5)
    points_right = max(_bump(t, 1.0, 4.6, 0.5), _bump(t, 25.0, 27.6, 0.5))
    explains = _bump(t, 14.6, 19.4, 0.6)
    facing = going - coming - 0.55 * points_left + 0.55 * points_right
    tap = 6 * math.sin(t * 5.0)
    right = _mix(REST_RIGHT, (104.0, -34 + tap), points_right)
    right = _mix(right, open_right, explains)
    left = _mix(REST_LEFT, (-104.0, -34 + tap), points_left)
    left = _mix(left, open_left, max(explains, 0.5 * points_right))
    swing = 26 * math.sin(t * 6.4) * walking
    return Pose(
        x=x,
        facing=facing,
        stride=t * 6.4,
        is_walking=walking,
        right_hand=(right[0] + swing, right[1]),
        left_hand=(left[0] - swing, left[1]),
        mouth=talk * (1 - 0.8 * walking),
    )


def _ramp(t: float, start: float, end: float) -> float:
    """Go smoothly from 0 before ``start`` to 1 after ``end``."""
    u = min(max((t - start) / (end - start), 0.0), 1.0)
    return u * u * (3 - 2 * u)


def _bump(t: float, start: float, end: float, edge: float) -> float:
    """Be 1 between ``start`` and ``end``, 0 elsewhere, with smooth edges."""
    return _ramp(t, start, start + edge) - _ramp(t, end - edge, end)


def _mix(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


class _Pen:
    """OpenCV's drawing in the coordinates of the 1280 × 720 picture, on a part of it at any scale."""

    SHIFT = 4

    def __init__(self, image: Bgr, sx: float, sy: float, origin_px: tuple[int, int]) -> None:
        self.image = image
        self._sx, self._sy, self._origin = sx, sy, origin_px

    def _at(self, point: Point) -> tuple[int, int]:
        x = (point[0] * self._sx - self._origin[0]) * 16
        y = (point[1] * self._sy - self._origin[1]) * 16
        return round(x), round(y)

    def fill(self, colour: Colour, *points: Point) -> None:
        corners = np.array([self._at(point) for point in points], np.int32)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA, self.SHIFT)

    def box(self, colour: Colour, left: float, top: float, right: float, bottom: float) -> None:
        self.fill(colour, (left, top), (right, top), (right, bottom), (left, bottom))

    def shade(self, colour: Colour, box: tuple[float, float, float, float], light: NDArray[np.float64]) -> None:
        """Fill a box with the colour times ``light``, a coarse grid that is stretched over it."""
        left, right = round(box[0] * self._sx), round(box[2] * self._sx)
        top, bottom = round(box[1] * self._sy), round(box[3] * self._sy)
        coarse = np.clip(light[..., None] * np.array(colour), 0, 255).astype(np.uint8)
        size = (right - left, bottom - top)
        self.image[top:bottom, left:right] = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)

    def line(self, colour: Colour, width: float, *points: Point) -> None:
        corners = np.array([self._at(point) for point in points], np.int32)
        thickness = max(1, round(width * self._sy))
        cv2.polylines(self.image, [corners], False, colour, thickness, cv2.LINE_AA, self.SHIFT)

    def oval(self, colour: Colour, centre: Point, rx: float, ry: float, start: float = 0, end: float = 360) -> None:
        axes = (round(rx * self._sx * 16), round(ry * self._sy * 16))
        cv2.ellipse(self.image, self._at(centre), axes, 0, start, end, colour, -1, cv2.LINE_AA, self.SHIFT)

    def text(self, colour: Colour, width: float, text: str, x: float, baseline: float, size: float) -> None:
        strokes = handwriting.write(text, x * self._sx, baseline * self._sy, size * self._sy)
        handwriting.draw(self.image, strokes, colour, max(1, round(width * self._sy)))

    # The room.

    def room(self, room_name: str) -> None:
        self._walls_and_floor()
        self._window()
        self._board()
        self._right_side(room_name)
        self._class()

    def _walls_and_floor(self) -> None:
        # Light falls in from the left; a plain wall would look like a drawing by a machine.
        light = np.linspace(1.04, 0.86, 64)[None, :]
        self.shade(WALL, (0, 0, WIDTH, 404), light * np.linspace(0.97, 1.0, 32)[:, None])
        self.shade(WALL_LOW, (0, 404, WIDTH, FLOOR_Y), light)
        self.box((182, 206, 196), 0, 398, WIDTH, 406)
        self.shade((118, 164, 204), (0, FLOOR_Y, WIDTH, HEIGHT), light * np.linspace(0.84, 1.08, 32)[:, None])
        for plank in range(-14, 36):
            top, bottom = (640 + (plank * 60 - 640) * 0.62, FLOOR_Y), (640 + (plank * 60 - 640) * 1.7, HEIGHT)
            self.line((98, 142, 182), 1.2, top, bottom)
        self.box((120, 150, 140), 0, FLOOR_Y - 12, WIDTH, FLOOR_Y)
        self.line((88, 112, 106), 1.5, (0, FLOOR_Y), (WIDTH, FLOOR_Y))

    def _window(self) -> None:
        left, top, right, bottom = 48, 92, 262, 350
        self.box((190, 206, 214), left - 14, top - 14, right + 14, bottom + 14)
        x0, y0, x1, y1 = (round(v) for v in (left * self._sx, top * self._sy, right * self._sx, bottom * self._sy))
        sky = np.linspace(0, 1, 64)[:, None, None]
        high, horizon = np.array((238, 196, 138)), np.array((246, 236, 218))
        coarse = ((1 - sky) * high + sky * horizon).astype(np.uint8)
        self.image[y0:y1, x0:x1] = cv2.resize(coarse, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        glass = _Pen(self.image[y0:y1, x0:x1], self._sx, self._sy, (x0, y0))
        for x, y, rx in ((96, 150, 30), (124, 142, 34), (150, 154, 26), (214, 190, 26), (236, 196, 20)):
            glass.oval((250, 248, 244), (x, y), rx, rx * 0.5)
        glass.oval((126, 176, 142), (110, 372), 130, 66)
        glass.oval((104, 160, 120), (230, 380), 110, 76)
        glass.box((66, 92, 112), 196, 250, 206, 330)
        for x, y, r in ((200, 226, 34), (178, 244, 24), (224, 244, 25), (200, 254, 28)):
            glass.oval((84, 148, 104), (x, y), r, r)
        glass.oval((104, 170, 124), (190, 218), 22, 20)
        self.box((226, 236, 240), (left + right) / 2 - 5, top, (left + right) / 2 + 5, bottom)
        self.box((226, 236, 240), left, 196, right, 204)
        for edge in ((left - 14, top - 14, left, bottom), (right, top - 14, right + 14, bottom)):
            self.box((226, 236, 240), *edge)
        self.box((226, 236, 240), left - 14, top - 14, right + 14, top)
        self.box((214, 226, 232), left - 26, bottom, right + 26, bottom + 14)
        for fold in (16, 270):
            for strip in range(5):
                shade = 212 - 12 * (strip % 2)
                x = fold + strip * 9
                self.box((shade - 46, shade - 6, shade + 20), x, 62, x + 9, 372)
        self.box(DARK_WOOD, 10, 56, 330, 64)
        # The sun on the floor.
        top, bottom = round(476 * self._sy), round(604 * self._sy)
        floor = self.image[top:bottom]
        overlay = floor.copy()
        sun = _Pen(overlay, self._sx, self._sy, (0, top))
        sun.fill((196, 226, 246), (150, 480), (262, 480), (420, 600), (270, 600))
        sun.fill((196, 226, 246), (280, 480), (372, 480), (568, 600), (440, 600))
        cv2.addWeighted(overlay, 0.45, floor, 0.55, 0, dst=floor)

    def _board(self) -> None:
        left, top, right, bottom = BOARD
        self.box((150, 172, 184), left - 8, top + 2, right + 22, bottom + 26)  # its shadow on the wall
        self.box(WOOD, left - 14, top - 14, right + 14, bottom + 14)
        self.box((82, 124, 168), left - 4, top - 4, right + 4, bottom + 4)
        y, x = np.mgrid[0 : bottom - top : 6, 0 : right - left : 6]
        cloud = 1 + 0.05 * np.sin(x / 60 + y / 38) + 0.04 * np.sin(y / 21)
        self.shade((62, 88, 46), BOARD, cloud)
        self.text(CHALK, 2.4, "Le théorème de Pythagore", 352, 172, 24)
        self.line(CHALK, 1.6, (352, 186), (832, 186))
        self.text((150, 226, 246), 2.6, "a² + b² = c²", 372, 246, 30)
        self.text(CHALK, 2.0, "ex. 3² + 4² = 5²", 372, 300, 21)
        self.text(CHALK, 2.0, "9 + 16 = 25", 408, 342, 21)
        a, b, c = (690.0, 352.0), (890.0, 352.0), (690.0, 202.0)
        self.line(CHALK, 2.6, a, b, c, a)
        self.line(CHALK, 1.8, (690, 336), (706, 336), (706, 352))
        self.text((180, 200, 250), 2.2, "a", 664, 288, 20)
        self.text((180, 200, 250), 2.2, "b", 780, 384, 20)
        self.text((150, 226, 246), 2.2, "c", 806, 262, 20)
        self.box(DARK_WOOD, left - 14, bottom + 12, right + 14, bottom + 20)
        for x, colour in (
            (420, (240, 244, 244)),
            (446, (150, 220, 246)),
            (470, (180, 190, 250)),
            (838, (90, 110, 150)),
        ):
            self.box(colour, x, bottom + 7, x + (34 if x == 838 else 16), bottom + 13)

    def _right_side(self, room_name: str) -> None:
        # The room's name on an enamel plate, as on a French house.
        width = max(handwriting.width_px(room_name, 15) + 36, 90)
        left = 1116 - width / 2
        self.box((232, 238, 240), left - 4, 34, left + width + 4, 82)
        self.box((138, 74, 36), left, 38, left + width, 78)
        self.text((246, 246, 246), 2.2, room_name, left + 18, 65, 15)
        left_, top, right, bottom = CLOCK
        self.box((70, 80, 84), left_ - 6, top - 6, right + 6, bottom + 6)
        self.box((30, 30, 28), left_, top, right, bottom)
        # A map, a shelf with books, a plant.
        self.box((214, 224, 226), 1026, 118, 1206, 262)
        self.box((226, 206, 170), 1032, 124, 1200, 256)
        land: tuple[Point, ...] = (
            (1096, 138),
            (1122, 134),
            (1150, 152),
            (1176, 164),
            (1166, 190),
            (1174, 216),
            (1146, 236),
        )
        land += ((1112, 232), (1092, 240), (1078, 224), (1084, 194), (1052, 176), (1064, 164), (1086, 166))
        self.fill((140, 196, 170), *land)
        self.line((96, 150, 126), 1.4, *land, land[0])
        self.oval((70, 70, 214), (1116, 164), 4, 4)
        self.box(DARK_WOOD, 1020, 300, 1258, 462)
        self.box((70, 106, 146), 1026, 306, 1252, 456)
        colours = ((70, 80, 190), (150, 120, 60), (90, 150, 90), (60, 160, 210), (120, 80, 140), (180, 170, 150))
        for shelf in range(2):
            base = 376 + shelf * 76
            self.box(DARK_WOOD, 1022, base, 1256, base + 6)
            x, index = 1032.0, shelf * 3
            while x < 1226 - shelf * 60:
                thick, tall = 9 + (index * 7) % 8, 44 + (index * 11) % 18
                self.box(colours[index % 6], x, base - tall, x + thick, base)
                x, index = x + thick + 1.5, index + 1
        self.box((74, 104, 196), 1052, 270, 1086, 300)
        for x, y, r in ((1069, 262, 16), (1054, 252, 13), (1084, 252, 13), (1070, 240, 14)):
            self.oval((84, 140, 78), (x, y), r, r * 1.1)
        # The globe.
        self.line((50, 70, 90), 4, (1160, 300), (1160, 290))
        self.oval((176, 140, 76), (1160, 270), 21, 21)
        self.oval((120, 176, 130), (1152, 264), 9, 11)
        self.oval((120, 176, 130), (1170, 278), 7, 6)

    def _class(self) -> None:
        """The pupils' desks and the pupils, from behind."""
        for x in (30, 350, 700, 1000):
            self.fill((120, 168, 206), (x + 14, 596), (x + 236, 596), (x + 258, 640), (x - 8, 640))
            self.box((84, 122, 158), x - 8, 640, x + 258, 652)
            self.fill((244, 246, 246), (x + 46, 604), (x + 104, 604), (x + 98, 632), (x + 34, 632))
            self.fill((214, 170, 120), (x + 150, 606), (x + 196, 606), (x + 202, 630), (x + 150, 630))
            self.line((60, 60, 60), 1.2, (x + 78, 610), (x + 70, 626))
        pupils = (
            (86, (96, 140, 62), (30, 42, 60), 0), (212, (180, 150, 90), (40, 70, 120), 1),
            (424, (84, 96, 190), (24, 28, 34), 2), (548, (150, 120, 160), (70, 120, 170), 1),
            (776, (110, 150, 170), (30, 40, 52), 0), (1074, (90, 90, 96), (46, 84, 140), 2),
            (1204, (70, 140, 190), (26, 30, 40), 1),
        )  # fmt: skip
        for x, clothes, hair, style in pupils:
            dark = tuple(int(c * 0.86) for c in clothes)
            self.oval(clothes, (x, 734), 66, 62)
            self.oval((dark[0], dark[1], dark[2]), (x, 690), 26, 14)
            self.box(SKIN, x - 11, 656, x + 11, 690)
            if style == 1:
                self.oval(hair, (x, 664), 34, 46)
            self.oval(SKIN, (x - 32, 640), 7, 10)
            self.oval(SKIN, (x + 32, 640), 7, 10)
            self.oval(hair, (x, 632), 32, 37)
            if style == 2:
                self.oval(hair, (x, 592), 14, 13)
            shine = tuple(min(255, int(c * 1.35)) for c in hair)
            self.line((shine[0], shine[1], shine[2]), 2, (x - 16, 612), (x - 4, 604), (x + 10, 606))

    # The teacher.

    def teacher(self, pose: Pose) -> None:
        """Draw her standing on `FEET_Y`, 330 pixels tall."""
        step = math.sin(pose.stride) * pose.is_walking
        bob = -3 * abs(math.sin(pose.stride)) * pose.is_walking
        x, hip, shoulder = pose.x, FEET_Y - 158 + bob, FEET_Y - 268 + bob
        turn = pose.facing
        self._shadow(x)
        for side in (-1, 1):
            swing = 34 * step * side
            foot = (x + 13 * side * (1 - 0.6 * abs(turn)) + swing, FEET_Y - 8 - 7 * max(0.0, step * side))
            knee = (x + 12 * side * (1 - 0.5 * abs(turn)) + swing * 0.62 + 5 * turn, (hip + foot[1]) / 2)
            self.line(TROUSERS, 27, (x + 10 * side * (1 - 0.4 * abs(turn)), hip), knee)
            self.line(TROUSERS, 22, knee, foot)
            toe = 13 * turn if abs(turn) > 0.3 else 6 * side
            self.line(SHOES, 12, (foot[0] - 3, foot[1] + 5), (foot[0] + toe, foot[1] + 5))
        wide = 1 - 0.22 * abs(turn)
        far, near = (pose.right_hand, 1), (pose.left_hand, -1)
        if turn > 0:
            far, near = near, far
        self._arm(x, shoulder, wide, *far, JUMPER_DARK)
        self.fill(
            JUMPER,
            (x - 34 * wide, shoulder + 4),
            (x - 18 * wide, shoulder - 8),
            (x + 18 * wide, shoulder - 8),
            (x + 34 * wide, shoulder + 4),
            (x + 31 * wide, hip - 30),
            (x + 35 * wide, hip + 10),
            (x - 35 * wide, hip + 10),
            (x - 31 * wide, hip - 30),
        )
        self.line(JUMPER_DARK, 2.5, (x - 34 * wide, hip + 8), (x + 34 * wide, hip + 8))
        self._head((x + 5 * turn, shoulder - 46), turn, pose.mouth)
        self._arm(x, shoulder, wide, *near, JUMPER)

    def _shadow(self, x: float) -> None:
        top, bottom = (self._at((0, y))[1] // 16 for y in (FEET_Y - 9, FEET_Y + 13))
        part = self.image[top:bottom]
        dark = part.copy()
        pen = _Pen(dark, self._sx, self._sy, (self._origin[0], self._origin[1] + top))
        for wide in (60, 46):
            pen.oval((60, 84, 108), (x + 8, FEET_Y + 2), wide, wide * 0.16)
        cv2.addWeighted(dark, 0.25, part, 0.75, 0, dst=part)

    def _arm(self, x: float, shoulder: float, wide: float, hand: Point, side: int, colour: Colour) -> None:
        start = (x + 31 * side * wide, shoulder + 8)
        end = (start[0] + hand[0], start[1] + hand[1])
        # The elbow hangs below the line from shoulder to hand, more so when the arm is bent.
        reach = math.hypot(*hand)
        slack = math.sqrt(max(118.0**2 - reach**2, 0.0)) / 2
        elbow = ((start[0] + end[0]) / 2 + 0.45 * slack * side, (start[1] + end[1]) / 2 + 0.75 * slack)
        self.line(colour, 21, start, elbow)
        self.line(colour, 18, elbow, end)
        tip = (end[0] + 0.10 * (end[0] - elbow[0]), end[1] + 0.10 * (end[1] - elbow[1]))
        self.oval(SKIN, tip, 9, 9)

    def _head(self, centre: Point, turn: float, mouth: float) -> None:
        x, y = centre
        self.line(SKIN, 19, (x - 3 * turn, y + 30), (x - 3 * turn, y + 42))
        self.oval(HAIR, (x - 6 * turn, y + 2), 29, 34)
        self.oval(HAIR, (x - 12 * turn, y - 34), 13, 12)
        self.oval(SKIN, (x + 5 * turn, y + 4), 23 - 2 * abs(turn), 28)
        self.oval(HAIR, (x + 1 * turn, y - 17), 25, 15)
        self.oval(HAIR, (x - 20 - 4 * turn, y + 4), 7, 18)
        self.oval(HAIR, (x + 20 - 4 * turn, y + 4), 7, 18)
        if abs(turn) > 0.8:
            self.oval(SKIN, (x + 22 * turn, y + 7), 5, 4)
        for side in (-1, 1):
            eye = x + 9 * side * (1 - 0.3 * abs(turn)) + 9 * turn
            self.oval((48, 42, 40), (eye, y + 2), 2.6, 3.4)
            self.line((40, 52, 80), 1.8, (eye - 4.5, y - 6), (eye + 4.5, y - 6.5))
        self.oval((150, 168, 222), (x + 9 * turn, y + 10), 3, 4)
        self.oval((92, 84, 178), (x + 8 * turn, y + 19), 5.6 - 1.6 * abs(turn), 1.3 + 2.4 * mouth)
