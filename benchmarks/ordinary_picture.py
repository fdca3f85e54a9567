"""Pictures of an ordinary classroom, as a camera would give them: rooms, light, people, and a camera of one's own.

Nothing here knows the health checks. A room, its people and its camera are drawn anew for each generator; time passes
by parameter and only forwards. Light is added up as light and only then becomes a picture, so that a lamp that goes off
leaves what the window lights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""I420, shape ``(height_px * 3 // 2, width_px)``, BT.601, studio range."""
Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
"""Blue, green, red; 1 is white."""

ACTIVITIES = ("lecture", "writing", "test", "film", "groups", "slides", "empty", "dim")
PUPILS_MOVE_S = 0.75
"""They are painted anew so often; the teacher, and whoever walks by, in each picture."""
_NOISES = (0.35, 0.7, 1.0, 1.6, 2.5, 4.0, 6.0, 9.0)


@dataclass(slots=True)
class Light:
    """How strong each kind of light is: lamps and day in the usual room are 1, ``spill`` is what a screen throws."""

    lamps: float = 1.0
    day: float = 0.4
    spill: float = 0.0
    screen: float = 0.0
    colour: Colour = (1.0, 1.0, 1.0)
    """Of the spill."""


@dataclass(slots=True)
class Camera:
    """What the camera makes of light."""

    noise: float
    """Levels of noise in good light; it grows with the gain."""
    aim: float
    """The mean light that its exposure seeks."""
    most_gain: float
    gain: float = 1.0
    slowness_s: float = 0.6
    is_automatic: bool = True


@dataclass(slots=True)
class Person:
    """Somebody in the picture: middle and feet in shares of its size, ``size`` in heights of the picture."""

    x: float
    feet: float
    size: float
    body: Floats
    mask: Floats
    goal: float = 0.5
    speed: float = 0.15
    rest_s: float = 0.0
    phase: float = 0.0
    liveliness: float = 1.0


@dataclass(slots=True)
class Scene:
    """A room without its people: what it is made of, and how far each light reaches."""

    reflectance: Floats
    lamps: Floats
    day: Floats
    spill: Floats
    window: Floats
    board: tuple[int, int, int, int]
    screen: tuple[int, int, int, int] | None
    chalk: Colour


class Classroom:
    """One room with its people, lights and camera; `frame` is called with a time that only grows."""

    def __init__(self, rng: np.random.Generator, width_px: int = 320, height_px: int = 180) -> None:
        self._rng = rng
        self.width_px, self.height_px = width_px, height_px
        self.camera = Camera(
            noise=float(rng.choice(_NOISES[:5])),
            aim=float(rng.uniform(0.14, 0.24)),
            most_gain=float(rng.choice((1.5, 3.0, 5.0, 10.0))),
        )
        self.light = Light()
        self.scene = _room(rng, width_px, height_px)
        self.teacher = _person(rng, height_px, 0.48, x=0.5, feet=0.86)
        self.pupils = [
            _person(rng, height_px, 0.42, x=float(rng.uniform(0.05, 0.95)), feet=float(rng.uniform(1.05, 1.2)))
            for _ in range(int(rng.integers(2, 6)))
        ]
        self.passer: Person | None = None
        self.activity = "lecture"
        self.is_scripted = False
        """True: nothing begins of itself; the caller says what goes on."""
        self._wish = Light()
        self._until_s = self._at_s = 0.0
        self._light_slowness_s = 0.3
        self._cloud = 1.0
        self._shot_until_s = self._slide_until_s = 0.0
        self._pen = (0.3, 0.5)
        self._version = 0
        self._kept: tuple[tuple[float, ...], Picture] | None = None
        self._seated: tuple[Picture, float, Picture] | None = None
        self._noise = Noise(rng, width_px, height_px)
        if self.scene.screen is not None:
            self._draw_slide()

    # --- what goes on -------------------------------------------------------------------------------------------------

    def frame(self, at_s: float) -> Picture:
        """Return the picture at ``at_s``."""
        step_s = max(0.0, at_s - self._at_s)
        self._at_s = at_s
        if at_s >= self._until_s and not self.is_scripted:
            self.begin(str(self._rng.choice(ACTIVITIES)), float(self._rng.uniform(60, 420)))
        self._live(step_s)
        room = self._room_as_lit()
        if self.activity == "empty":
            return self._through_sensor(room.copy())
        if self._seated is None or self._seated[0] is not room or at_s - self._seated[1] >= PUPILS_MOVE_S:
            seated = room.copy()
            for pupil in self.pupils:
                self._put(seated, pupil)
            self._seated = room, at_s, seated
        picture = self._seated[2].copy()
        for person in (self.teacher, self.passer):
            if person is not None:
                self._put(picture, person)
        return self._through_sensor(picture)

    def begin(self, activity: str, for_s: float) -> None:
        """Let something go on from now for so long."""
        rng = self._rng
        self.activity, self._until_s = activity, self._at_s + for_s
        self._light_slowness_s = float(rng.choice((0.1, 0.4, 2.5)))
        wish = Light(day=float(rng.choice((0.02, 0.3, 0.8))))
        if activity == "film":
            wish = Light(lamps=0.0, day=float(rng.choice((0.0, 0.002, 0.02))), spill=0.03, screen=0.4)
        elif activity == "slides":
            wish = Light(lamps=float(rng.choice((0.05, 0.35, 1.0))), day=0.05, spill=0.02, screen=1.0)
        elif activity == "dim":
            wish = Light(lamps=float(rng.uniform(0.12, 0.5)), day=0.1)
        elif activity == "empty":
            wish = Light(lamps=float(rng.choice((0.3, 1.0))), day=wish.day)
        self._wish = wish
        for pupil in self.pupils:
            pupil.liveliness = {"test": 0.1, "film": 0.15, "groups": 2.5}.get(activity, 0.7)

    def someone_passes(self, *, is_near: bool) -> None:
        """Let somebody walk through the picture; near the lens they hide most of it for a moment."""
        rng = self._rng
        size = float(rng.uniform(1.8, 3.0) if is_near else rng.uniform(0.5, 0.9))
        person = _person(rng, self.height_px, size, x=-0.3 * size, feet=1.0 + 0.3 * size)
        person.goal, person.speed = 1 + 0.3 * size, float(rng.uniform(0.4, 0.9)) * max(1.0, size / 1.5)
        if rng.random() < 0.5:
            person.x, person.goal = person.goal, person.x
        self.passer = person

    def set_light(self, light: Light) -> None:
        """Have this light at once."""
        self.light = light
        self._wish = Light(light.lamps, light.day, light.spill, light.screen, light.colour)

    def _live(self, step_s: float) -> None:
        rng = self._rng
        self._live_light(step_s)
        for person in (self.teacher, *self.pupils):
            person.phase += step_s * person.liveliness
        teacher, activity = self.teacher, self.activity
        teacher.rest_s -= step_s
        if teacher.rest_s < 0 and _walk(teacher, step_s):
            teacher.rest_s = float(rng.exponential(30 if activity == "test" else 5))
            teacher.goal = float(rng.uniform(0.1, 0.9))
        if self.passer is not None:
            if _walk(self.passer, step_s):
                self.passer = None
        elif not self.is_scripted and rng.random() < step_s / (25 if activity == "groups" else 150):
            self.someone_passes(is_near=bool(rng.random() < 0.35))
        strokes_per_s = {"writing": 1.5, "lecture": 0.2}.get(activity, 0.0)
        if rng.random() < step_s * strokes_per_s:
            self._write()
        if activity == "slides" and self._at_s >= self._slide_until_s:
            self._slide_until_s = self._at_s + float(rng.exponential(25))
            self._draw_slide()

    def _live_light(self, step_s: float) -> None:
        rng, light, wish = self._rng, self.light, self._wish
        near = 1 - math.exp(-step_s / self._light_slowness_s)
        self._cloud = float(np.clip(self._cloud + rng.normal(0, 0.02) * math.sqrt(step_s), 0.5, 1.3))
        light.lamps += (wish.lamps - light.lamps) * near
        light.day += (wish.day * self._cloud - light.day) * min(1.0, step_s / 3)
        light.screen += (wish.screen - light.screen) * near
        if self.activity == "film":
            if self._at_s >= self._shot_until_s:
                self._shot_until_s = self._at_s + float(rng.exponential(3.5)) + 0.4
                wish.spill = 0.03 * float(rng.uniform(0.1, 1.6))
                light.colour = (float(rng.uniform(0.6, 1.4)), 1.0, float(rng.uniform(0.6, 1.4)))
                self._draw_slide()
            light.spill = wish.spill * (1 + float(rng.normal(0, 0.03)))
        else:
            light.colour = (1.0, 1.0, 1.0)
            light.spill += (wish.spill - light.spill) * near
        camera = self.camera
        if camera.is_automatic:
            wanted = min(camera.aim / max(self._light_inside(), 1e-6), camera.most_gain)
            camera.gain *= (wanted / camera.gain) ** min(1.0, step_s / camera.slowness_s)

    def _light_inside(self) -> float:
        light = self.light
        return 0.35 * light.lamps + 0.25 * light.day + 0.35 * light.spill

    # --- how it looks -------------------------------------------------------------------------------------------------

    def _room_as_lit(self) -> Picture:
        """Return the empty room in this light; made again only when something changed by more than a level or so."""
        light, scene = self.light, self.scene
        amounts = (light.lamps, light.day, light.spill, light.screen, *light.colour)
        key = (*amounts, self.camera.gain, float(self._version))
        if self._kept is not None and np.allclose(key, self._kept[0], rtol=0.004, atol=2e-4):
            return self._kept[1]
        inside = (scene.lamps * light.lamps + scene.day * light.day)[..., None] + scene.spill[..., None] * (
            light.spill * np.array(light.colour, np.float32)
        )
        seen = scene.reflectance * inside + scene.window * light.day
        if scene.screen is not None:
            x0, y0, x1, y1 = scene.screen
            seen[y0:y1, x0:x1] += self._slide * light.screen
        image = _to_levels(seen * self.camera.gain)
        picture = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).astype(np.uint8, copy=False)
        self._kept = key, picture
        return picture

    def _put(self, picture: Picture, person: Person) -> None:
        """Paint somebody in, as bright as the place where they stand."""
        scene, light, width, height = self.scene, self.light, self.width_px, self.height_px
        rows, columns = person.mask.shape
        sway = 0.004 * math.sin(1.7 * person.phase) + 0.012 * math.sin(0.31 * person.phase) * person.liveliness
        left = round((person.x + sway) * width - columns / 2) // 2 * 2
        top = round(person.feet * height - rows + 0.01 * height * math.sin(0.9 * person.phase)) // 2 * 2
        x0, x1, y0, y1 = max(0, left), min(width, left + columns), max(0, top), min(height, top + rows)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        at = min(height - 1, y0 + (y1 - y0) // 3), (x0 + x1) // 2
        inside = scene.lamps[at] * light.lamps + scene.day[at] * light.day
        colour = np.array(light.colour, np.float32) * (light.spill * scene.spill[at]) + inside
        part = person.body[y0 - top : y1 - top, x0 - left : x1 - left] * (colour * self.camera.gain)
        part_i420 = cv2.cvtColor(_to_levels(part), cv2.COLOR_BGR2YUV_I420)
        mask = person.mask[y0 - top : y1 - top, x0 - left : x1 - left]
        n_rows, n_columns = y1 - y0, x1 - x0
        place = picture[y0:y1, x0:x1]
        place[:] = place + mask * (part_i420[:n_rows].astype(np.float32) - place)
        small = part_i420[n_rows:].reshape(2, n_rows // 2, n_columns // 2).astype(np.float32)
        chroma = picture.reshape(-1)[height * width :].reshape(2, height // 2, width // 2)
        place_2 = chroma[:, y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
        place_2[:] = place_2 + mask[::2, ::2] * (small - place_2)

    def _through_sensor(self, picture: Picture) -> Picture:
        """Add the sensor's noise."""
        strength = self.camera.noise * max(1.0, self.camera.gain) ** 0.5
        level = min(range(len(_NOISES)), key=lambda at: abs(_NOISES[at] - strength))
        return self._noise.add(picture, level, self._rng)

    def _write(self) -> None:
        """Add a stroke to the board; wipe it when it is full."""
        rng, (x0, y0, x1, y1) = self._rng, self.scene.board
        x, y = self._pen
        to = x + float(rng.uniform(0.005, 0.03)), y + float(rng.uniform(-0.04, 0.04))
        points = [(int(x0 + px * (x1 - x0)), int(y0 + py * (y1 - y0))) for px, py in ((x, y), to)]
        cv2.line(self.scene.reflectance, points[0], points[1], self.scene.chalk, 1, cv2.LINE_AA)
        x = to[0] + 0.01
        if x > 0.95:
            x, y = 0.05, y + 0.14
        if y > 0.93:
            y = 0.12
            self.scene.reflectance[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2] = np.median(
                self.scene.reflectance[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2], axis=(0, 1)
            )
        self._pen = x, y
        self._version += 1

    def _draw_slide(self) -> None:
        """Put another picture on the screen, where the camera sees one."""
        if self.scene.screen is None:
            return
        x0, y0, x1, y1 = self.scene.screen
        slide = np.empty((y1 - y0, x1 - x0, 3), np.float32)
        slide[:] = self._rng.uniform(0.1, 0.9, 3)
        for _ in range(12):
            a, b = self._rng.integers(0, (x1 - x0, y1 - y0)), self._rng.integers(0, (x1 - x0, y1 - y0))
            colour = self._rng.uniform(0, 1, 3).tolist()
            cv2.rectangle(slide, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), colour, int(self._rng.choice((1, -1))))
        self._slide = slide * 0.5
        self._version += 1


class Noise:
    """A sensor's noise: a large sheet for each strength, laid on from a new corner for each picture."""

    def __init__(self, rng: np.random.Generator, width_px: int, height_px: int) -> None:
        self._shape = height_px, width_px
        sheet = rng.standard_normal((height_px + 64, width_px + 64)).astype(np.float32)
        self._sheets = [np.rint(sheet * strength).astype(np.int8) for strength in _NOISES]

    def add(self, picture: Picture, level: int, rng: np.random.Generator) -> Picture:
        """Return the picture with noise on its light; it is changed in place."""
        rows, columns = self._shape
        top, left = (int(at) for at in rng.integers(0, 64, 2))
        light = picture[:rows]
        cv2.add(light, self._sheets[level][top : top + rows, left : left + columns], dst=light, dtype=cv2.CV_8U)
        return picture


def _walk(person: Person, step_s: float) -> bool:
    """Go towards the goal; return whether it is reached."""
    left = person.goal - person.x
    person.x += math.copysign(min(person.speed * step_s, abs(left)), left)
    return abs(person.goal - person.x) < 1e-6


def _to_levels(light: Floats) -> Picture:
    """Return light as 8-bit levels, with the curve of every camera."""
    levels = cv2.sqrt(np.clip(light, 0.0, 1.0)) * 255  # close to a gamma of 2.2, and far quicker
    return levels.astype(np.uint8)


def _texture(rng: np.random.Generator, width: int, height: int, roughness: float = 0.55) -> Floats:
    """Return a pattern with detail at every size, mean 0, mostly within ±1."""
    total = np.zeros((height, width), np.float32)
    strength, cells = np.float32(1), 4
    while cells < width:
        grid = rng.standard_normal((max(2, cells * height // width), cells)).astype(np.float32)
        total += strength * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        strength, cells = strength * np.float32(roughness), cells * 2
    return total / max(float(np.abs(total).max()), 1e-6)


def _room(rng: np.random.Generator, width_px: int, height_px: int) -> Scene:
    width, height = width_px * 2, height_px * 2  # scaled down at the end: edges as soft as a lens makes them
    wall = rng.uniform(0.45, 0.8) * (1 + 0.12 * rng.standard_normal(3))
    room = np.empty((height, width, 3), np.float32)
    room[:] = wall
    floor_y = int(rng.uniform(0.62, 0.75) * height)
    room[floor_y:] = rng.uniform(0.12, 0.4, 3)
    for row in range(floor_y, height, max(4, height // 30)):
        cv2.line(room, (0, row), (width, row), (room[row, 0] * 0.8).tolist(), 1)

    def box(x: float, y: float, w: float, h: float, colour: Colour, thickness: int = -1) -> tuple[int, int, int, int]:
        at = int(x * width), int(y * height), int((x + w) * width), int((y + h) * height)
        cv2.rectangle(room, at[:2], at[2:], colour, thickness)
        return at

    is_chalk = rng.random() < 0.5
    x, y, w, h = rng.uniform(0.22, 0.36), rng.uniform(0.14, 0.24), rng.uniform(0.3, 0.42), rng.uniform(0.28, 0.36)
    board = box(x, y, w, h, (0.06, 0.12, 0.05) if is_chalk else (0.8, 0.8, 0.8))
    cv2.rectangle(room, board[:2], board[2:], (0.15, 0.25, 0.4), 3)
    for _ in range(int(rng.integers(4, 11))):  # posters, cupboards, a door
        colour = rng.uniform(0.05, 0.9, 3)
        at = box(
            rng.uniform(0, 0.95),
            rng.uniform(0.05, 0.6),
            rng.uniform(0.04, 0.14),
            rng.uniform(0.06, 0.25),
            colour.tolist(),
        )
        for _ in range(int(rng.integers(0, 8))):
            a = rng.integers(at[:2], at[2:]), rng.integers(at[:2], at[2:])
            ink = rng.uniform(0.02, 0.95, 3).tolist()
            cv2.line(room, a[0].tolist(), a[1].tolist(), ink, int(rng.integers(1, 4)), cv2.LINE_AA)
    room[board[1] : board[3], board[0] : board[2]] = (0.06, 0.12, 0.05) if is_chalk else (0.8, 0.8, 0.8)
    cv2.rectangle(room, board[:2], board[2:], (0.15, 0.25, 0.4), 3)
    for row in range(3):  # desks
        for column in range(4):
            at_x, at_y = 0.02 + column * 0.26 + rng.uniform(-0.02, 0.02), 0.74 + row * 0.1
            box(at_x, at_y, 0.18, 0.025, (0.25, 0.4, 0.6))
            box(at_x + 0.05, at_y - 0.02, 0.05, 0.02, rng.uniform(0.1, 0.95, 3).tolist())
    room *= 1 + 0.1 * _texture(rng, width, height)[..., None]
    window = np.zeros_like(room)
    if rng.random() < 0.6:
        at = box(float(rng.choice((0.0, 0.86))), rng.uniform(0.05, 0.15), 0.13, rng.uniform(0.25, 0.4), (0.2, 0.2, 0.2))
        outside = 0.9 + 0.4 * _texture(rng, at[2] - at[0], at[3] - at[1])[..., None] * np.array(
            (0.6, 1.0, 0.8), np.float32
        )
        window[at[1] : at[3], at[0] : at[2]] = outside
        cv2.line(window, ((at[0] + at[2]) // 2, at[1]), ((at[0] + at[2]) // 2, at[3]), (0, 0, 0), 3)
    screen: tuple[int, int, int, int] | None = None
    if rng.random() < 0.5:  # the camera sees what is projected
        screen = ((board[0] + 8) // 2, (board[1] + 8) // 2, (board[2] - 8) // 2, (board[3] - 8) // 2)
    across, down = np.meshgrid(
        np.linspace(0, 1, width_px, dtype=np.float32), np.linspace(0, 1, height_px, dtype=np.float32)
    )
    centre = float(rng.uniform(0.3, 0.7))
    lamps = 1.15 - 0.6 * (across - centre) ** 2 - 0.35 * down
    from_side = across if rng.random() < 0.5 else 1 - across
    day = 1.5 * (0.15 + 0.85 * from_side**2)
    to_board = (across - (board[0] + board[2]) / 2 / width) ** 2 + (down - (board[1] + board[3]) / 2 / height) ** 2
    spill = 1.4 / (1 + 14 * to_board)
    small = [cv2.resize(part, (width_px, height_px), interpolation=cv2.INTER_AREA) for part in (room, window)]
    return Scene(
        reflectance=np.clip(small[0], 0.01, 1).astype(np.float32),
        lamps=lamps,
        day=day,
        spill=spill.astype(np.float32),
        window=small[1].astype(np.float32),
        board=(board[0] // 2, board[1] // 2, board[2] // 2, board[3] // 2),
        screen=screen,
        chalk=(0.85, 0.9, 0.9) if is_chalk else (0.3, 0.1, 0.1),
    )


def _person(rng: np.random.Generator, height_px: int, size: float, *, x: float, feet: float) -> Person:
    rows = max(8, round(size * height_px) // 2 * 2)
    columns = max(4, round(rows * 0.42) // 2 * 2)
    body = np.empty((rows, columns, 3), np.float32)
    clothes, trousers = rng.uniform(0.03, 0.7, 3), rng.uniform(0.03, 0.35, 3)
    body[:] = clothes
    body[int(rows * 0.62) :] = trousers
    pattern = _texture(rng, columns, rows, 0.7)
    body *= 1 + float(rng.uniform(0.1, 0.4)) * pattern[..., None]
    mask = np.zeros((rows, columns), np.float32)
    middle = columns // 2
    cv2.ellipse(mask, (middle, int(rows * 0.42)), (int(columns * 0.4), int(rows * 0.3)), 0, 0, 360, 1.0, -1)
    cv2.rectangle(mask, (int(columns * 0.25), int(rows * 0.5)), (int(columns * 0.75), rows), 1.0, -1)
    head = (middle, int(rows * 0.11)), (int(rows * 0.065), int(rows * 0.09))
    cv2.ellipse(mask, head[0], head[1], 0, 0, 360, 1.0, -1)
    skin = np.array((0.35, 0.45, 0.65)) * rng.uniform(0.3, 1.1)
    cv2.ellipse(body, head[0], head[1], 0, 0, 360, skin.tolist(), -1)
    cv2.ellipse(body, (middle, int(rows * 0.06)), head[1], 0, 180, 360, (0.04, 0.05, 0.08), -1)
    for side in (-1, 1):
        hand = (middle + side * int(columns * 0.38), int(rows * rng.uniform(0.35, 0.6)))
        cv2.circle(body, hand, max(1, rows // 40), skin.tolist(), -1)
    return Person(
        x, feet, size, np.clip(body, 0.01, 1).astype(np.float32), cv2.GaussianBlur(mask, (3, 3), 0).astype(np.float32)
    )
