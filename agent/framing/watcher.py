"""A thread that looks for people in the newest picture, some times a second, never for more than its share of a core.

While nothing in the picture moves, what was seen last still holds and no more than a glance a second is spent. Pictures
are looked at and let go; where people are is all that is kept, for seconds, in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.framing.people import Looks, People, Person, Tile
from agent.media import Frame

LOOK_S = 0.25
"""The least between two looks."""
MOST_OF_A_CORE = 0.045
"""A slow mini-PC looks less often instead."""
STILL_S = 3.0
"""So long after the last movement everybody who is there has been seen, and who left has been missed."""
GLANCE_S = 1.0
"""How often a picture that does not move is looked at all the same."""
SMALL_PX = (160, 90)
MOVED = 8.0
"""Mean difference of a cell of 10×10 small pixels, of 255; a camera's noise gives 1 to 2 there, a hand 15."""


class Detector(Protocol):
    def find(self, frame: Frame, tile: Tile) -> list[Person]: ...


@dataclass(slots=True)
class WatchCounts:
    """What was done so far; written by the thread."""

    looks: int = 0
    glances: int = 0
    """Times at which nothing had moved, so that no look was needed."""
    busy_s: float = 0.0
    """CPU time of the thread, after its start."""


class Watcher:
    """Owns the thread. ``on_seen`` and ``on_fault`` are called in it; ``make`` too, so that loading blocks nobody."""

    def __init__(
        self,
        make: Callable[[], Detector],
        on_seen: Callable[[Sequence[Person], float], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.counts = WatchCounts()
        self._make = make
        self._on_seen = on_seen
        self._on_fault = on_fault
        self._wake = threading.Condition()
        self._newest: Frame | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="framing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def show(self, frame: Frame) -> None:
        """Hand over the newest picture; returns at once. Any thread."""
        with self._wake:
            if self._newest is None or frame.captured_mono_s >= self._newest.captured_mono_s:
                self._newest = frame
                self._wake.notify()

    def stop(self) -> None:
        """Have the thread end; see `join`."""
        self._stopped.set()
        with self._wake:
            self._wake.notify()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, if it was started. Not on the loop."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            detector = self._make()
            eye: Eye | None = None
            while (frame := self._next()) is not None:
                began_s, began_cpu_s = time.monotonic(), time.thread_time()
                if eye is None or eye.size != (frame.width_px, frame.height_px):
                    eye = Eye(frame.width_px, frame.height_px)
                if eye.must_look(frame):
                    self.counts.looks += 1
                    eye.look(detector, frame)
                else:
                    self.counts.glances += 1
                self._on_seen(eye.people.there(), frame.captured_mono_s)
                cpu_s = time.thread_time() - began_cpu_s
                self.counts.busy_s += cpu_s
                self._stopped.wait(max(LOOK_S, cpu_s / MOST_OF_A_CORE) - (time.monotonic() - began_s))
        except BaseException as error:
            self._on_fault(error)

    def _next(self) -> Frame | None:
        """Wait for a picture that was not looked at yet; None when told to stop."""
        with self._wake:
            while self._newest is None and not self._stopped.is_set():
                self._wake.wait()
            frame, self._newest = self._newest, None
            return None if self._stopped.is_set() else frame


class Eye:
    """What is known of a camera's picture of one size."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self.size = (width_px, height_px)
        aspect = width_px / height_px
        self.people = People(aspect)
        self._looks = Looks(aspect)
        self._before: NDArray[np.uint8] | None = None
        self._looked_mono_s = float("-inf")
        self._moved_mono_s = float("-inf")

    def must_look(self, frame: Frame) -> bool:
        """Whether something moved not long ago, or it is time for a glance."""
        small: NDArray[np.uint8] = np.empty((SMALL_PX[1], SMALL_PX[0]), np.uint8)
        cv2.resize(frame.image[: frame.height_px], SMALL_PX, dst=small, interpolation=cv2.INTER_AREA)
        now_s = frame.captured_mono_s
        if self._before is None or moved(self._before, small) >= MOVED:
            self._before, self._moved_mono_s = small, now_s
        if now_s - self._moved_mono_s > STILL_S and now_s - self._looked_mono_s < GLANCE_S:
            return False
        self._looked_mono_s = now_s
        return True

    def look(self, detector: Detector, frame: Frame) -> None:
        tile = self._looks.tile(self.people.guesses())
        self.people.saw(detector.find(frame, tile), tile, frame.captured_mono_s)


def moved(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> float:
    """Return by how much the cell that changed most did, of 255."""
    cells = cv2.resize(cv2.absdiff(before, now), (16, 9), interpolation=cv2.INTER_AREA)
    return float(cells.max())
