"""BlazePose's person detector on the CPU: one square tile of a picture → who stands in it, and how surely.

It says where head, shoulders and hips are and nothing about who it is. The file is MediaPipe's, see models/README.md;
its inputs and outputs are described in MediaPipe's `pose_detection` module.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from agent.framing.people import Person, Tile
from agent.media import Frame

MODEL = Path(__file__).parent / "models" / "pose_detection.tflite"
INPUT_PX = 224
_GRIDS = ((28, 2), (14, 2), (7, 6))
"""Cells a side and answers a cell, coarsest last: 2254 answers."""
_HIPS, _AROUND, _SHOULDERS = 4, 6, 8
"""Where the points are in an answer: x, y each; first the face's middle, and a size that never changes."""
SURE = 0.5
"""MediaPipe's own bar. A teacher of 240 px in 360 got 0.84, of 160 px 0.58."""
HEAD = 0.4
"""From the face's middle to the head's top, of the way to the hips; with some hair and air."""
SAME = 0.5
"""Two answers whose hips are nearer than this share of the body's size are about one person."""


def _anchors() -> NDArray[np.float32]:
    """Return the middle of each answer's cell, in shares of the tile."""
    found = []
    for cells, answers in _GRIDS:
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
        found.append(np.repeat(grid, answers, axis=0))
    return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One person in shares of the tile."""

    score: float
    face: tuple[float, float]
    hips: tuple[float, float]
    shoulders: tuple[float, float]
    size: float
    """From the hips to where the whole body ends."""


class PersonDetector:
    """Owns the interpreter: one thread of its own, and one caller at a time."""

    def __init__(self, model: Path = MODEL) -> None:
        self._interpreter = Interpreter(str(model), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        boxes, scores = self._interpreter.get_output_details()
        self._boxes, self._scores = boxes["index"], scores["index"]
        self._anchors = _anchors()
        self._small: NDArray[np.uint8] = np.empty((INPUT_PX * 3 // 2, INPUT_PX), np.uint8)

    def find(self, frame: Frame, tile: Tile) -> list[Person]:
        """Return the people in a tile of the frame, surest first, in shares of the whole picture."""
        rgb = cv2.cvtColor(self._cut(frame, tile), cv2.COLOR_YUV2RGB_I420)
        self._interpreter.set_tensor(self._input, np.multiply(rgb, 2 / 255, dtype=np.float32)[None] - np.float32(1))
        self._interpreter.invoke()
        answers = self._read(
            self._interpreter.get_tensor(self._boxes)[0], self._interpreter.get_tensor(self._scores)[0]
        )
        return [_person(answer, tile) for answer in answers]

    def _cut(self, frame: Frame, tile: Tile) -> NDArray[np.uint8]:
        """Return the tile, small, as I420."""
        width_px, height_px = frame.width_px, frame.height_px
        left, right = (int(edge * width_px / 2) for edge in (tile.left, tile.left + tile.width))
        top, bottom = (int(edge * height_px / 2) for edge in (tile.top, tile.top + tile.height))
        light = frame.image[top * 2 : bottom * 2, left * 2 : right * 2]
        size, half = (INPUT_PX, INPUT_PX), (INPUT_PX // 2, INPUT_PX // 2)
        self._small[:INPUT_PX] = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
        chroma = frame.image.reshape(-1)[width_px * height_px :].reshape(2, height_px // 2, width_px // 2)
        small = self._small.reshape(-1)[INPUT_PX * INPUT_PX :].reshape(2, INPUT_PX // 2, INPUT_PX // 2)
        for plane in (0, 1):
            part = chroma[plane, top:bottom, left:right]
            small[plane] = cv2.resize(part, half, interpolation=cv2.INTER_AREA)
        return self._small

    def _read(self, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[_Answer]:
        """Return the answers that are sure enough, one for each person."""
        sure = 1 / (1 + np.exp(-np.clip(scores[:, 0], -30, 30)))
        found: list[_Answer] = []
        for index in sorted(np.flatnonzero(sure >= SURE), key=lambda one: -float(sure[one])):
            row = boxes[index] / INPUT_PX
            row[[0, 1]] += self._anchors[index]
            row[4:] += np.tile(self._anchors[index], 4)
            hips, around = row[_HIPS : _HIPS + 2], row[_AROUND : _AROUND + 2]
            shoulders = row[_SHOULDERS : _SHOULDERS + 2]
            size = float(np.hypot(*(around - hips)))
            is_new = all(np.hypot(*(hips - one.hips)) > SAME * max(size, one.size) for one in found)
            if is_new:
                found.append(
                    _Answer(
                        float(sure[index]),
                        (float(row[0]), float(row[1])),
                        (float(hips[0]), float(hips[1])),
                        (float(shoulders[0]), float(shoulders[1])),
                        size,
                    )
                )
        return found


def _person(answer: _Answer, tile: Tile) -> Person:
    face_x, face_y = answer.face
    return Person(
        x=tile.left + (face_x + answer.shoulders[0]) / 2 * tile.width,
        top=tile.top + (face_y - HEAD * max(answer.hips[1] - face_y, 0.0)) * tile.height,
        hips=tile.top + answer.hips[1] * tile.height,
        score=answer.score,
    )
