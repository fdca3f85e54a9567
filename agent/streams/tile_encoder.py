"""Parts of the board as WebP, each made once for all viewers, in a thread of its own.

Text and drawings are smaller without loss than with it once their levels are few, and their edges stay sharp; a
photograph is not. Both are tried and the smaller is taken: docs/adr/0011-board-as-tiles.md has the figures.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from agent.streams.encoders import Picture
from agent.streams.tiles import BoardView, Part, TileMap
from protocol.tiles import HEADER_BYTES

MAX_PICTURE_BYTES: Final = 1160 - HEADER_BYTES
"""One packet (aiortc.rtcsctptransport.USERDATA_MAX_LENGTH): between two of them the sound has the line."""
CACHE_BYTES = 2_000_000
SHARP_BONUS = 1.1
"""A sharp picture may be so much larger than a soft one."""
EXACT = 3
"""Levels: nobody sees what is nearer to the board than this, so it is not sent finer."""
INK_PIXELS = 0.001
"""A level that so many pixels have is the ink's."""
MAX_COLOURS = 256
"""More are not written as a palette (WebP lossless §4.4), and a photograph then takes ten times its lossy size."""

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]


@dataclass(frozen=True, slots=True)
class Quality:
    """How near a picture comes to the board: steps in levels of luma and chroma, or libwebp's quality 0…100."""

    luma_step: int
    chroma_step: int
    lossy: int


COARSE, FINE = Quality(40, 32, 20), Quality(6, 4, 80)
"""At COARSE text of 24 px reads as on the board; a photograph shows its blocks."""


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """A part of the board as WebP: as it was after ``change``, the newest of its cells captured at that instant."""

    part: Part
    scene: int
    board_width_px: int
    board_height_px: int
    change: int
    captured_mono_s: float
    picture: bytes
    is_fine: bool
    """It is as near to the board as it will be sent."""


def encode_part(planes: Planes, quality: Quality) -> tuple[bytes, bool]:
    """Return Y, U and V as a WebP file, and whether it is as good as the board."""
    levels = [_few_levels(plane, quality.chroma_step if n else quality.luma_step) for n, plane in enumerate(planes)]
    is_exact = all(
        int(np.abs(few[plane].astype(np.int16) - plane).max()) <= EXACT
        for few, plane in zip(levels, planes, strict=True)
    )
    sharp = _sharp(planes, levels)
    if sharp is not None and is_exact:
        return sharp, True
    soft = _soft(planes, quality.lossy)
    if sharp is not None and len(sharp) <= len(soft) * SHARP_BONUS:
        return sharp, False
    return soft, False


def _few_levels(plane: Plane, step: int) -> Plane:
    """Return which level stands for each of 256: about ``step`` apart, the two most frequent ones as they are.

    Those are the ground and the ink; what lies between them is the soft edge of a letter.
    """
    counts = np.bincount(plane.reshape(-1), minlength=256)
    ground = int(counts.argmax())
    counts[max(0, ground - step) : ground + step + 1] = 0
    ink = int(counts.argmax())
    apart = (ink - ground) / round(abs(ink - ground) / step) if counts[ink] > plane.size * INK_PIXELS else step
    few: Plane = np.clip(np.round(ground + np.round((np.arange(256) - ground) / apart) * apart), 0, 255).astype(
        np.uint8
    )
    return few


def _sharp(planes: Planes, levels: Sequence[Plane]) -> bytes | None:
    """Return the planes in these levels without loss; None when they have too many colours for that to be small."""
    used = [np.unique(few) for few in levels]
    y_of, u_of, v_of = (np.searchsorted(own, few)[plane] for own, few, plane in zip(used, levels, planes, strict=True))
    chroma = (u_of * len(used[2]) + v_of).repeat(2, 0).repeat(2, 1)
    pixels = y_of * (len(used[1]) * len(used[2])) + chroma
    is_there = np.bincount(pixels.reshape(-1), minlength=len(used[0]) * len(used[1]) * len(used[2])) > 0
    colours = np.flatnonzero(is_there)
    if len(colours) > MAX_COLOURS:
        return None
    # BT.601, studio range: what agent.media.Frame holds and what a decoder of WebP makes of its own YUV
    rest, v_at = np.divmod(colours, len(used[2]))
    y_at, u_at = np.divmod(rest, len(used[1]))
    y = 1.164383 * (used[0][y_at].astype(np.float64) - 16)
    u, v = used[1][u_at].astype(np.float64) - 128, used[2][v_at].astype(np.float64) - 128
    bgra = np.full((len(is_there), 4), 255, np.uint8)
    for channel, level in enumerate((y + 2.017232 * u, y - 0.391762 * u - 0.812968 * v, y + 1.596027 * v)):
        bgra[colours, channel] = np.clip(level + 0.5, 0, 255)
    frame = av.VideoFrame.from_ndarray(bgra[pixels], format="bgra")
    return _webp(frame, {"lossless": "1", "quality": "75"})


def _soft(planes: Planes, quality: int) -> bytes:
    height_px, width_px = planes[0].shape
    frame = av.VideoFrame(width_px, height_px, "yuv420p")
    for plane, samples in zip(frame.planes, planes, strict=True):
        into = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        into[:, : plane.width] = samples
    return _webp(frame, {"quality": str(quality)})


def _webp(frame: av.VideoFrame, options: dict[str, str]) -> bytes:
    codec = av.CodecContext.create("libwebp", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, frame.format.name
    codec.time_base = Fraction(1, 1)
    codec.options = options
    codec.open()
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


class TileEncoder:
    """Keeps the board and cuts parts out of it. ``on_board``, ``on_part`` and ``on_fault`` are called in its thread.

    A picture that waits is replaced by a newer one; whatever was asked for is cut out of the newest one that was taken.
    """

    def __init__(
        self,
        on_board: Callable[[tuple[int, BoardView]], object],
        on_part: Callable[[tuple[object, EncodedPart]], object],
        on_fault: Callable[[BaseException], object],
    ) -> None:
        self._on_board, self._on_part, self._on_fault = on_board, on_part, on_fault
        self._wake = threading.Condition()
        self._waiting: tuple[Picture, float] | None = None
        self._asked: deque[tuple[object, Part]] = deque()
        self._scene = self._map_scene = 0
        self._stopped = False
        self._map = TileMap()
        self._cache: OrderedDict[tuple[Part, int], tuple[bytes, bool]] = OrderedDict()
        self._cached_bytes = 0
        self._thread: threading.Thread | None = None

    def submit(self, picture: Picture, stamp_mono_s: float) -> None:
        """Hand the newest picture of the present scene over. Never blocks. The first one starts the thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="encode-tiles", daemon=True)
            self._thread.start()
        with self._wake:
            self._waiting = (picture, stamp_mono_s)
            self._wake.notify()

    def ask(self, asker: object, part: Part) -> None:
        """Have a part made; ``on_part`` gets it with ``asker``, unless another scene begins before."""
        with self._wake:
            self._asked.append((asker, part))
            self._wake.notify()

    def begin_scene(self, scene: int) -> None:
        """Forget the board, and whatever was asked of it."""
        with self._wake:
            self._scene = scene
            self._waiting = None
            self._asked.clear()
            self._wake.notify()

    def stop(self) -> None:
        """End the thread after the part at hand; see `join`."""
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, if it was started. Not on the loop."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while True:
                picture: tuple[Picture, float] | None = None
                asked: tuple[object, Part] | None = None
                with self._wake:
                    while not (self._waiting or self._asked or self._stopped or self._scene != self._map_scene):
                        self._wake.wait()
                    if self._stopped:
                        return
                    scene = self._scene
                    if self._waiting is not None:
                        picture, self._waiting = self._waiting, None
                    elif self._asked:
                        asked = self._asked.popleft()
                if scene != self._map_scene:
                    self._forget(scene)
                if picture is not None:
                    self._take(*picture)
                elif asked is not None and self._map.view is not None:
                    self._on_part((asked[0], self._encoded(asked[1], self._map.view)))
        except BaseException as error:
            self._on_fault(error)

    def _forget(self, scene: int) -> None:
        self._map_scene = scene
        self._map.clear()
        self._cache.clear()
        self._cached_bytes = 0

    def _take(self, picture: Picture, stamp_mono_s: float) -> None:
        if self._map.take(picture.frame(), stamp_mono_s):
            assert self._map.view is not None
            self._on_board((self._map_scene, self._map.view))

    def _encoded(self, part: Part, view: BoardView) -> EncodedPart:
        """Make the part, or as much of its beginning as one packet holds."""
        picture, is_exact = self._made(part)
        while len(picture) > MAX_PICTURE_BYTES and (smaller := part.first_half()) is not None:
            part = smaller
            picture, is_exact = self._made(part)
        return EncodedPart(
            part,
            self._map_scene,
            view.width_px,
            view.height_px,
            view.change,
            self._map.captured_mono_s(part),
            picture,
            is_exact or part.is_fine,
        )

    def _made(self, part: Part) -> tuple[bytes, bool]:
        key = (replace(part, is_ink=False), self._map.newest(part))
        made = self._cache.get(key)
        if made is None:
            made = self._cache[key] = encode_part(self._map.cut(part), FINE if part.is_fine else COARSE)
            self._cached_bytes += len(made[0])
            while self._cached_bytes > CACHE_BYTES:
                self._cached_bytes -= len(self._cache.popitem(last=False)[1][0])
        else:
            self._cache.move_to_end(key)
        return made
