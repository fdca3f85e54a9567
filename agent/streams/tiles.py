"""What changed on the board, in cells of 16 px, and what one viewer has of it. Pure: pictures and time are passed in.

A change counts up; each cell knows the change that it comes from, and a viewer's `Holdings` the change up to which it
has the cell. What was superseded before it left is thus never sent: a part is cut out of the newest picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agent.media import Frame

CELL_PX = 16
"""WebP predicts and transforms in blocks of 16 px, with one chroma sample for 2 px (RFC 6386 §2)."""
BLOCK_ROWS, BLOCK_COLUMNS = 8, 16
"""A part lies in a row of blocks of 256×128 px: of text 0.5 to 2 kB, half a second of the thinnest line."""
PART_BUSY_CELLS = 96
"""A part goes on over the next block as long as no more of its cells have anything on them."""
LEAST_SIDE_PX = 4 * CELL_PX
"""Smaller parts are no longer halved: two of them are hardly smaller than one."""
TOLERANCE = 10
"""Levels: below it are a capture card's noise and a codec's, above it the faintest chalk."""
INK_SHARE = 0.03
"""A change of at most this share of the board is ink: what a hand writes between two pictures, a pointer, a word."""
SETTLED_S = 1.0
"""What has not changed for so long is sent once more, fine."""

Cells = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of the board, as it is to be sent. Its edges are cells' edges or the board's."""

    x_px: int
    y_px: int
    width_px: int
    height_px: int
    is_ink: bool
    is_fine: bool

    def first_half(self) -> Part | None:
        """Return its left or upper half, whichever is nearer to a square; None of one that is small enough."""
        if self.width_px >= self.height_px and self.width_px > LEAST_SIDE_PX:
            return replace(self, width_px=_cells(self.width_px // 2) * CELL_PX)
        if self.height_px > LEAST_SIDE_PX:
            return replace(self, height_px=_cells(self.height_px // 2) * CELL_PX)
        return None


@dataclass(frozen=True, slots=True)
class BoardView:
    """The board after a change: arrays of shape (rows, columns) of cells that nobody writes into."""

    width_px: int
    height_px: int
    change: int
    changes: NDArray[np.int32]
    """The change that each cell comes from, from 1."""
    captured_mono_s: NDArray[np.float64]
    """When that was captured."""
    is_ink: Cells
    is_busy: Cells
    """There is something on the cell."""


class TileMap:
    """Compares each picture with what it took for the board so far. One thread.

    What is within the tolerance stays as it was, so that a slow drift is seen when it has become visible.
    """

    def __init__(self) -> None:
        self.image: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        """The board as it is to be sent: I420, as in `agent.media.Frame`."""
        self.view: BoardView | None = None

    def clear(self) -> None:
        """Forget the board."""
        self.image, self.view = np.zeros((0, 0), np.uint8), None

    def take(self, frame: Frame, captured_mono_s: float) -> bool:
        """Take the newest picture; say whether the board changed. A picture of another size is another board."""
        view = self.view
        if view is None or (view.width_px, view.height_px) != (frame.width_px, frame.height_px):
            shape = (_cells(frame.height_px), _cells(frame.width_px))
            view = BoardView(
                frame.width_px,
                frame.height_px,
                0,
                np.zeros(shape, np.int32),
                np.zeros(shape, np.float64),
                np.zeros(shape, np.bool_),
                np.zeros(shape, np.bool_),
            )
            self.image, band = frame.image.copy(), slice(0, shape[0])
            changed = np.ones(shape, np.bool_)
        else:
            band = self._differing(frame)
            if band.stop == 0:
                return False
            changed = np.zeros(view.is_ink.shape, np.bool_)
            changed[band] = self._compare(frame, band)
            if not changed.any():
                return False
            self._copy(frame, band, changed[band])
        is_busy = view.is_busy.copy()
        is_busy[band] = _busy(self._rows(self.image, view, band)[0])
        change = view.change + 1
        is_ink = bool(changed.sum() <= INK_SHARE * changed.size)
        self.view = BoardView(
            view.width_px,
            view.height_px,
            change,
            np.where(changed, np.int32(change), view.changes),
            np.where(changed, captured_mono_s, view.captured_mono_s),
            np.where(changed, is_ink, view.is_ink),
            is_busy,
        )
        return True

    def cut(self, part: Part) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        """Return Y, U and V of a part."""
        assert self.view is not None
        y, u, v = _planes(self.image, self.view.width_px, self.view.height_px)
        rows = slice(part.y_px, part.y_px + part.height_px)
        columns = slice(part.x_px, part.x_px + part.width_px)
        half_rows = slice(part.y_px // 2, (part.y_px + part.height_px) // 2)
        half_columns = slice(part.x_px // 2, (part.x_px + part.width_px) // 2)
        return y[rows, columns], u[half_rows, half_columns], v[half_rows, half_columns]

    def newest(self, part: Part) -> int:
        """Return the last change within a part."""
        assert self.view is not None
        return int(self.view.changes[_cells_of(part)].max())

    def captured_mono_s(self, part: Part) -> float:
        """Return when the last change within a part was captured."""
        assert self.view is not None
        return float(self.view.captured_mono_s[_cells_of(part)].max())

    def _differing(self, frame: Frame) -> slice:
        """Return the rows of cells from the first to the last in which any pixel differs at all."""
        pairs = zip(self._rows(self.image, frame), self._rows(frame.image, frame), strict=True)
        rows = [np.flatnonzero((one != other).any(axis=1)) // _side(n) for n, (one, other) in enumerate(pairs)]
        found = np.concatenate(rows)
        return slice(int(found.min()), int(found.max()) + 1) if len(found) else slice(0, 0)

    def _compare(self, frame: Frame, band: slice) -> Cells:
        pairs = zip(self._rows(self.image, frame, band), self._rows(frame.image, frame, band), strict=True)
        changed: Cells = np.logical_or.reduce(
            [
                _any(np.maximum(one, other) - np.minimum(one, other) > TOLERANCE, _side(n))
                for n, (one, other) in enumerate(pairs)
            ]
        )
        return changed

    def _copy(self, frame: Frame, band: slice, changed: Cells) -> None:
        pairs = zip(self._rows(self.image, frame, band), self._rows(frame.image, frame, band), strict=True)
        for n, (mine, new) in enumerate(pairs):
            where = changed.repeat(_side(n), 0).repeat(_side(n), 1)[: mine.shape[0], : mine.shape[1]]
            np.copyto(mine, new, where=where)

    def _rows(
        self, image: NDArray[np.uint8], size: Frame | BoardView, band: slice = slice(None)
    ) -> list[NDArray[np.uint8]]:
        """Return Y, U and V of some rows of cells, without a copy."""
        planes = _planes(image, size.width_px, size.height_px)
        if band.start is None:
            return list(planes)
        return [plane[band.start * _side(n) : band.stop * _side(n)] for n, plane in enumerate(planes)]


class Holdings:
    """What one viewer has of the board: up to which change each cell, and how finely."""

    def __init__(self, view: BoardView) -> None:
        self._has = np.zeros_like(view.changes)
        self._is_fine = np.zeros_like(view.is_ink)

    def next_part(self, view: BoardView, now_s: float) -> Part | None:
        """Return what is to be sent first: ink, the newest change, what can be finer; None: nothing."""
        missing = view.changes > self._has
        ink = missing & view.is_ink
        if ink.any():
            return _first(ink, view, is_ink=True, is_fine=False)
        if missing.any():
            return _first(missing, view, is_ink=False, is_fine=False)
        coarse = ~self._is_fine & (view.captured_mono_s <= now_s - SETTLED_S)
        if coarse.any():
            return _first(coarse, view, is_ink=False, is_fine=True)
        return None

    def next_settled_mono_s(self, view: BoardView) -> float | None:
        """Return when something that is only coarse yet may be sent finely; None when all of it is fine."""
        if self._is_fine.all():
            return None
        return float(view.captured_mono_s[~self._is_fine].min()) + SETTLED_S

    def sent(self, part: Part, change: int, *, is_fine: bool) -> None:
        """Note that a part is on its way, as it was after ``change``."""
        self._has[_cells_of(part)] = change
        self._is_fine[_cells_of(part)] = is_fine

    def waiting_since_mono_s(self, view: BoardView) -> float | None:
        """Return the capture of the oldest change that the viewer lacks; None: it has the whole board."""
        missing = view.changes > self._has
        return float(view.captured_mono_s[missing].min()) if missing.any() else None


def _first(wanted: Cells, view: BoardView, *, is_ink: bool, is_fine: bool) -> Part:
    """Return the part with the newest of the wanted cells, the top left one of several."""
    rows, columns = wanted.shape
    edges = range(0, rows, BLOCK_ROWS), range(0, columns, BLOCK_COLUMNS)
    newest = np.maximum.reduceat(np.where(wanted, view.changes, 0), edges[0], axis=0)
    newest = np.maximum.reduceat(newest, edges[1], axis=1)
    row, column = divmod(int(newest.argmax()), newest.shape[1])
    band = slice(row * BLOCK_ROWS, (row + 1) * BLOCK_ROWS)
    is_wanted = newest[row] > 0
    busy = np.add.reduceat((view.is_busy[band] & wanted[band]).sum(axis=0), edges[1])
    first = last = column
    while last + 1 < len(is_wanted) and is_wanted[last + 1] and busy[first : last + 2].sum() <= PART_BUSY_CELLS:
        last += 1
    while first > 0 and is_wanted[first - 1] and busy[first - 1 : last + 1].sum() <= PART_BUSY_CELLS:
        first -= 1
    inside = wanted[band, first * BLOCK_COLUMNS : (last + 1) * BLOCK_COLUMNS]
    down, across = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    x_px = (first * BLOCK_COLUMNS + int(across[0])) * CELL_PX
    y_px = (row * BLOCK_ROWS + int(down[0])) * CELL_PX
    right_px = min(view.width_px, (first * BLOCK_COLUMNS + int(across[-1]) + 1) * CELL_PX)
    bottom_px = min(view.height_px, (row * BLOCK_ROWS + int(down[-1]) + 1) * CELL_PX)
    return Part(x_px, y_px, right_px - x_px, bottom_px - y_px, is_ink, is_fine)


def _cells(size_px: int) -> int:
    return -(-size_px // CELL_PX)


def _cells_of(part: Part) -> tuple[slice, slice]:
    return (
        slice(part.y_px // CELL_PX, _cells(part.y_px + part.height_px)),
        slice(part.x_px // CELL_PX, _cells(part.x_px + part.width_px)),
    )


def _planes(
    image: NDArray[np.uint8], width_px: int, height_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return Y, U and V of an I420 picture, without a copy."""
    flat, luma, chroma = image.reshape(-1), width_px * height_px, width_px * height_px // 4
    half = (height_px // 2, width_px // 2)
    return (
        flat[:luma].reshape(height_px, width_px),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )


def _any(pixels: Cells, side_px: int) -> Cells:
    """Return for each cell whether any of its pixels is true."""
    rows = np.logical_or.reduceat(pixels, range(0, pixels.shape[0], side_px), axis=0)
    return np.logical_or.reduceat(rows, range(0, pixels.shape[1], side_px), axis=1)


def _side(plane: int) -> int:
    """Return how many samples of Y (0), U or V (1, 2) a cell is wide and high."""
    return CELL_PX if plane == 0 else CELL_PX // 2


def _busy(luma: NDArray[np.uint8]) -> Cells:
    edges = range(0, luma.shape[0], CELL_PX), range(0, luma.shape[1], CELL_PX)
    most = np.maximum.reduceat(np.maximum.reduceat(luma, edges[0], axis=0), edges[1], axis=1)
    least = np.minimum.reduceat(np.minimum.reduceat(luma, edges[0], axis=0), edges[1], axis=1)
    return most - least > TOLERANCE
