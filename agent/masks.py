"""Masks: parts of the camera's picture that never leave the room, painted before anything else sees a frame.

A mask is a rectangle or a polygon in shares of the picture. What it touches is painted whole, by cells of `CELL_PX`, so
that no edge of it shows what lies beneath; nothing is blurred, for a blur can be undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from agent.devices.login import UNTOLD
from agent.media import Frame
from protocol.topics import ID_PATTERN

CELL_PX = 16
"""A macroblock: fewer and larger cells are painted faster, and a ragged edge costs the encoder nothing."""
PAINT_Y = 61
PAINT_UV = np.array([[[128]], [[116]]], np.uint8)
"""The slate of the stand-in pictures."""

Share = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Share, Share]
Span = tuple[int, int, int, int]
"""A painted rectangle in cells: first row, row after the last, first column, column after the last."""


class Mask(BaseModel):
    """``[[mask]]``: one part of the picture, of one preset or of a camera that does not turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Annotated[str, StringConstraints(pattern=ID_PATTERN)] | None = Field(
        default=None, description="the preset it belongs to; none for a camera that does not turn"
    )
    rectangle: tuple[Share, Share, Share, Share] | None = Field(
        default=None, description="left, top, width, height, as shares of the picture"
    )
    polygon: Annotated[tuple[Point, ...], Field(min_length=3, max_length=64)] | None = Field(
        default=None, description="its corners, [across, down] as shares of the picture"
    )

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if (self.rectangle is None) == (self.polygon is None):
            raise PydanticCustomError(UNTOLD, "write either rectangle or polygon")
        if self.rectangle is not None:
            left, top, width, height = self.rectangle
            if not width or not height or left + width > 1 + 1e-9 or top + height > 1 + 1e-9:
                raise PydanticCustomError(
                    UNTOLD, "rectangle is left, top, width, height, none of the last two 0, and ends within the picture"
                )
        return self

    @property
    def corners(self) -> tuple[Point, ...]:
        """The shape as a polygon."""
        if self.polygon is not None:
            return self.polygon
        assert self.rectangle is not None
        left, top, width, height = self.rectangle
        right, bottom = min(1.0, left + width), min(1.0, top + height)
        return ((left, top), (right, top), (right, bottom), (left, bottom))


class Painter:
    """Paints one set of masks into frames; keeps what it worked out for the last size. Any thread."""

    def __init__(self, masks: Sequence[Mask]) -> None:
        self.masks = tuple(masks)
        self._made: tuple[tuple[int, int], list[_Cut]] | None = None

    def paint(self, frame: Frame) -> Frame:
        """Return the frame with everything under the masks gone; the frame itself when there are none."""
        if not self.masks:
            return frame
        size = (frame.width_px, frame.height_px)
        made = self._made
        if made is None or made[0] != size:
            self._made = made = (size, [_cut(span) for span in spans(self.masks, *size)])
        image = frame.image.copy()
        luma, chroma = _planes(image, *size)
        for in_luma, in_chroma in made[1]:
            luma[in_luma] = PAINT_Y
            chroma[in_chroma] = PAINT_UV
        return frame.with_image(image)


_Cut = tuple[tuple[slice, slice], tuple[slice, slice, slice]]


def _cut(span: Span) -> _Cut:
    """Return where a rectangle of cells lies in Y, and in U and V."""
    top, bottom, left, right = span
    half = CELL_PX // 2
    return (
        (slice(top * CELL_PX, bottom * CELL_PX), slice(left * CELL_PX, right * CELL_PX)),
        (slice(None), slice(top * half, bottom * half), slice(left * half, right * half)),
    )


def spans(masks: Sequence[Mask], width_px: int, height_px: int) -> tuple[Span, ...]:
    """Return the cells that the masks touch, as rectangles; what a mask touches at all is in one of them."""
    columns, rows = -(-width_px // CELL_PX), -(-height_px // CELL_PX)
    touched = np.zeros((rows, columns), np.bool_)
    for mask in masks:
        corners = np.array(mask.corners) * (width_px / CELL_PX, height_px / CELL_PX)
        touched |= _inside(corners, rows, columns) | _on_edges(corners, rows, columns)
    return tuple(_rectangles(touched))


def _inside(corners: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the cells whose middle the polygon goes around, however often it crosses itself."""
    x, y = np.arange(columns) + 0.5, (np.arange(rows) + 0.5)[:, None]
    winding: NDArray[np.int64] = np.zeros((rows, columns), np.int64)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        is_left = x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
        winding += np.where((y0 <= y) & (y < y1), is_left, 0) - np.where((y1 <= y) & (y < y0), is_left, 0)
    return np.not_equal(winding, 0)


def _on_edges(corners: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the cells that an edge passes, and those that it all but touches."""
    touched = np.zeros((rows, columns), np.bool_)
    near = 0.125
    around = [np.array((across, down)) for across in (-near, near) for down in (-near, near)]
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        steps = int(np.abs(end - start).max() / near) + 2
        points = np.linspace(start, end, steps)
        for offset in around:
            cells = np.floor(points + offset).astype(int)
            touched[cells[:, 1].clip(0, rows - 1), cells[:, 0].clip(0, columns - 1)] = True
    return touched


def _rectangles(touched: NDArray[np.bool_]) -> list[Span]:
    """Cut the touched cells into few rectangles: runs of a row, joined downwards where they are alike."""
    open_runs: dict[tuple[int, int], int] = {}
    found: list[Span] = []
    for row in range(touched.shape[0] + 1):
        runs: set[tuple[int, int]] = set()
        if row < touched.shape[0]:
            edges = np.flatnonzero(np.diff(np.concatenate(([0], touched[row].view(np.int8), [0]))))
            runs = {(int(left), int(right)) for left, right in zip(edges[::2], edges[1::2], strict=True)}
        for run in open_runs.keys() - runs:
            found.append((open_runs.pop(run), row, *run))
        for run in runs - open_runs.keys():
            open_runs[run] = row
    return sorted(found)


def _planes(image: NDArray[np.uint8], width_px: int, height_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return views of an I420 picture: Y, and U and V together."""
    flat, luma = image.reshape(-1), width_px * height_px
    return flat[:luma].reshape(height_px, width_px), flat[luma:].reshape(2, height_px // 2, width_px // 2)
