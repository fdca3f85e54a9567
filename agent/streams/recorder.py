"""Records what is sent: takes the encoded frames that viewers get and cuts them into fragments, encoding nothing again.

The loop hands frames over and never waits; a thread makes a fragment each second and gives it to the keeper, which
seals and stores it. So a power cut takes a second of the lesson, and a disk that hangs takes nothing from pupils.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, Protocol

from agent.streams import fmp4
from agent.streams.encoders import EncodedFrame, Picture
from agent.streams.fmp4 import Parameters, Sample
from agent.streams.layers import PictureTrackName, TrackName
from agent.streams.slides import SlideWatch
from protocol.errors import RecordingError

log = logging.getLogger(__name__)

FRAGMENT_S: Final = 1.0
"""A power cut loses this and what the disk was just told."""
KEY_EVERY_S: Final = 30.0
"""A player decodes this much before a place that is looked for; a key frame more often would cost pupils' lines."""
MOST_WAITING_BYTES: Final = 16_000_000
"""Some 40 s of everything: a disk that is further behind does not come back in time."""

ChapterKind = Literal["start", "pause", "resume", "slide", "stop"]


class Keeper(Protocol):
    """Where a recording goes; called in the recorder's thread alone. ``at_ms`` counts from the recording's start."""

    def parameters(self, track: PictureTrackName, sets: Parameters) -> None:
        """Keep what the track's first pictures are decoded with."""
        ...

    def chapter(self, kind: ChapterKind, at_ms: int) -> None:
        """Keep that something begins."""
        ...

    def fragment(self, data: bytes, end_ms: int) -> None:
        """Store a fragment for good: when this returns, a power cut does not take it. Raises OSError."""
        ...

    def finish(self, at_ms: int) -> None:
        """Say that the recording is whole."""
        ...

    def close(self) -> None:
        """Let the file go, whole or not."""
        ...


class RecordedTrack:
    """The recorder's way in for one track: a `senders.AskingSender` that is never behind.

    ``on_key`` asks for a key frame: now and then one is made for whoever looks for a place in the recording.
    """

    def __init__(self, take: Callable[[EncodedFrame, float], None]) -> None:
        self.on_key: Callable[[], None] = lambda: None
        self.on_drained: Callable[[], None] = lambda: None
        self._take = take
        self._key_s = float("-inf")

    @property
    def backlog(self) -> int:
        """Nothing waits here: what was given belongs to the recording."""
        return 0

    @property
    def lane(self) -> None:
        """Nothing leaves from here."""
        return

    def send(self, frame: EncodedFrame, stamp_mono_s: float) -> None:
        """Take a frame that pupils are sent."""
        if frame.key:
            self._key_s = stamp_mono_s
        elif stamp_mono_s - self._key_s > KEY_EVERY_S:
            self.on_key()
        self._take(frame, stamp_mono_s)

    def drop_oldest(self) -> None:
        """Forget nothing: what pupils saw was seen."""

    def rest(self) -> None:
        """Nothing is asked for again here."""

    def repeat(self, packets_ago: int) -> None:
        """Nothing is lost here."""


class _Line:
    """One track in the making."""

    def __init__(self, track: TrackName) -> None:
        self.rate_hz = fmp4.RATES_HZ[track]
        self.sets: Parameters | None = None
        self.waiting: list[tuple[int, bytes, bool]] = []
        self._last = -1

    def add(self, at_s: float, data: bytes, *, key: bool) -> None:
        self._last = max(round(at_s * self.rate_hz), self._last + 1)
        self.waiting.append((self._last, data, key))

    def samples(self, end_s: float) -> list[Sample]:
        """Return what waits, each standing until the next; the last as long as the one before."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return []
        starts = [at for at, _, _ in waiting]
        steps = [later - at for at, later in itertools.pairwise(starts)]
        steps.append(steps[-1] if steps else max(1, round(end_s * self.rate_hz) - starts[0]))
        return [Sample(at, step, data, key) for (at, data, key), step in zip(waiting, steps, strict=True)]


class Recorder:
    """Records one stretch of a lesson. ``board`` gives the board's own picture while it is shown, for the chapters.

    Give `tracks` what pupils are sent. ``on_failed`` is called in the recorder's thread, once.
    """

    def __init__(
        self,
        keeper: Keeper,
        began_mono_s: float,
        *,
        board: Callable[[], Picture | None],
        on_failed: Callable[[Exception], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tracks: dict[TrackName, RecordedTrack] = {
            name: RecordedTrack(self._take) for name in ("sound", "board", "camera")
        }
        self.began_mono_s = began_mono_s
        self._keeper = keeper
        self._board = board
        self._on_failed = on_failed
        self._now = now
        self._wake = threading.Condition()
        self._frames: deque[tuple[EncodedFrame, float]] = deque()
        self._waiting_bytes = 0
        self._marks: list[tuple[ChapterKind, int]] = [("start", 0)]
        self._is_over = self._has_stopped = False
        self._lines: dict[TrackName, _Line] = {name: _Line(name) for name in fmp4.TRACK_IDS}
        self._slides = SlideWatch()
        self._fragments = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to store."""
        self._thread.start()

    def mark(self, kind: ChapterKind) -> None:
        """Let a chapter begin now. Any thread."""
        with self._wake:
            self._marks.append((kind, self._ms(self._now())))

    def stop(self) -> None:
        """Store what has come and end; see `join`. Frames that come later are not taken."""
        with self._wake:
            self._has_stopped = True
            self._wake.notify()

    def join(self, timeout_s: float) -> None:
        """Wait until the file is closed. Not on the loop."""
        self._thread.join(timeout_s)

    @property
    def seconds(self) -> float:
        """How long it has recorded."""
        return self._now() - self.began_mono_s

    def _ms(self, mono_s: float) -> int:
        return max(0, round((mono_s - self.began_mono_s) * 1000))

    def _take(self, frame: EncodedFrame, stamp_s: float) -> None:
        if frame.track == "sound" and stamp_s < self.began_mono_s:
            return  # sound leaves up to 0.3 s after it was said: this was said before somebody pressed the button
        with self._wake:
            if self._has_stopped or self._is_over:
                return
            self._frames.append((frame, stamp_s))
            self._waiting_bytes += frame.size
            if self._waiting_bytes <= MOST_WAITING_BYTES:
                return
            self._is_over = True  # told here, for the thread may hang in the disk for good
            self._frames.clear()
        self._on_failed(RecordingError("the disk does not keep up with the recording", code="recording-disk-slow"))

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._record()
        except Exception as met:
            error = met
        finally:
            with self._wake:
                is_told, self._is_over = self._is_over, True
                self._frames.clear()
            try:
                self._keeper.close()
            except OSError as met:
                error = error or met
        if error is not None and not is_told:
            log.warning("The recording ended by an error", exc_info=error)
            self._on_failed(error)

    def _record(self) -> None:
        due_s = self._now() + FRAGMENT_S
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._has_stopped, max(0.0, due_s - self._now()))
                if self._is_over:
                    return
                is_last = self._has_stopped
                frames, self._frames, self._waiting_bytes = self._frames, deque(), 0
                marks, self._marks = self._marks, []
            now_s = self._now()
            due_s = now_s + FRAGMENT_S
            self._store(frames, marks, now_s)
            if is_last:
                self._keeper.chapter("stop", self._ms(now_s))
                self._keeper.finish(self._ms(now_s))
                return
            self._look_for_slide(now_s)

    def _store(
        self, frames: deque[tuple[EncodedFrame, float]], marks: list[tuple[ChapterKind, int]], now_s: float
    ) -> None:
        for kind, at_ms in marks:
            self._keeper.chapter(kind, at_ms)
        for frame, stamp_s in frames:
            self._add(frame, stamp_s - self.began_mono_s)
        end_s = now_s - self.began_mono_s
        runs = {name: line.samples(end_s) for name, line in self._lines.items()}
        if any(runs.values()):
            self._fragments += 1
            self._keeper.fragment(fmp4.fragment(self._fragments, runs), self._ms(now_s))

    def _add(self, frame: EncodedFrame, at_s: float) -> None:
        line = self._lines[frame.track]
        if frame.track == "sound":
            line.add(at_s, frame.units[0], key=True)
            return
        if line.sets is None:
            line.sets = fmp4.parameters(frame.units)
            if line.sets is None:
                return  # nothing can be decoded before a picture that says how
            self._keeper.parameters(frame.track, line.sets)
        line.add(at_s, fmp4.picture_data(frame.units), key=frame.key)

    def _look_for_slide(self, now_s: float) -> None:
        picture = self._board()
        if picture is not None and self._slides.see(picture.frame(), now_s):
            with self._wake:
                self._marks.append(("slide", self._ms(now_s)))
