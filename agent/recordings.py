"""The room's recordings on its disk: made, listed, read as MP4, deleted. Blocks; see a thread.

What a file says of itself is when it began and of which lesson it is, no name and no word of anybody.
"""

from __future__ import annotations

import os
import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from itertools import accumulate
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from agent.sealed_file import SUFFIX, Record, SealedFile, SealedWriter
from agent.streams import fmp4
from agent.streams.fmp4 import Chapter, Parameters
from agent.streams.layers import PictureTrackName
from agent.streams.recorder import ChapterKind
from protocol.errors import RecordingError
from protocol.panel import RECORDING_ID_PATTERN

_ID_BYTES = 8
_Seen = tuple[str, int, int]
"""A file as it was looked at: id, size in bytes, time of change in ns."""
_CHAPTERS: Mapping[str, Mapping[ChapterKind, str]] = {
    "fr": {"start": "Début", "pause": "Pause", "resume": "Reprise", "slide": "Tableau {n}", "stop": "Fin"},
    "en": {"start": "Start", "pause": "Pause", "resume": "Again", "slide": "Board {n}", "stop": "End"},
}


class _Kind(IntEnum):
    ABOUT = 1
    PARAMETERS = 2
    CHAPTER = 3
    FRAGMENT = 4
    END = 5


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class About(_Stored):
    """The first record of each file."""

    lesson: str
    began_at: AwareDatetime


class _Sets(_Stored):
    track: PictureTrackName
    sps: str
    pps: str


class _Mark(_Stored):
    kind: ChapterKind


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording as listed. ``about`` None: it cannot be read, and can be deleted."""

    id: str
    about: About | None
    kept_since: datetime
    """When its file was last written to."""
    duration_s: float
    size_bytes: int
    """On the disk."""
    is_whole: bool
    """Its end was stored: it was not cut off."""


class RecordingFile:
    """One recording in the making: a `streams.recorder.Keeper`."""

    def __init__(self, recording_id: str, writer: SealedWriter, about: About, on_closed: Callable[[], None]) -> None:
        self.id = recording_id
        self._writer = writer
        self._on_closed = on_closed
        self._writer.append(_Kind.ABOUT, 0, about.model_dump_json().encode())

    def parameters(self, track: PictureTrackName, sets: Parameters) -> None:
        stored = _Sets(track=track, sps=sets.sps.hex(), pps=sets.pps.hex())
        self._writer.append(_Kind.PARAMETERS, 0, stored.model_dump_json().encode())

    def chapter(self, kind: ChapterKind, at_ms: int) -> None:
        self._writer.append(_Kind.CHAPTER, at_ms, _Mark(kind=kind).model_dump_json().encode())

    def fragment(self, data: bytes, end_ms: int) -> None:
        self._writer.append(_Kind.FRAGMENT, end_ms, data, is_synced=True)

    def finish(self, at_ms: int) -> None:
        self._writer.append(_Kind.END, at_ms, b"", is_synced=True)

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._on_closed()


class Mp4:
    """A recording as one MP4, opened as it is read."""

    def __init__(self, file: SealedFile, language: str) -> None:
        self._file = file
        self._fragments = [record for record in file.records if record.kind == _Kind.FRAGMENT]
        self._head = _head(file, language)
        self._ends = list(accumulate((record.size for record in self._fragments), initial=len(self._head)))
        self.size = self._ends[-1]

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the bytes from ``first`` to ``last``, both included, and let the file go."""
        try:
            if first < len(self._head):
                yield self._head[first : last + 1]
            begin = max(0, bisect_right(self._ends, first) - 1)
            for at, record in zip(self._ends[begin:], self._fragments[begin:], strict=False):
                if at > last:
                    return
                yield self._file.read(record)[max(0, first - at) : last + 1 - at]
        finally:
            self.close()

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


class Recordings:
    """The recordings of one room, in a folder of theirs. ``key`` gives the room's, or raises RecordingError."""

    def __init__(
        self, folder: Path, key: Callable[[], bytes], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.folder = folder
        self._key = key
        self._now = now
        self._known: dict[_Seen, Recording] = {}
        self._making: set[str] = set()
        """Listed once they are closed."""

    def create(self, lesson: str) -> RecordingFile:
        """Begin a recording. Raises OSError, RecordingError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        recording_id, key = secrets.token_hex(_ID_BYTES), self._key()
        path, writer, about = self._path(recording_id), None, About(lesson=lesson, began_at=self._now())
        self._making.add(recording_id)
        try:
            writer = SealedWriter(path, key)
            return RecordingFile(recording_id, writer, about, lambda: self._making.discard(recording_id))
        except BaseException:
            if writer is not None:
                writer.close()
            path.unlink(missing_ok=True)
            self._making.discard(recording_id)
            raise

    def all(self) -> list[Recording]:
        """Return every recording that is made, the newest first; also those whose content cannot be read."""
        paths = self.folder.glob("*" + SUFFIX) if self.folder.exists() else ()
        marks = {(path.stem, facts.st_size, facts.st_mtime_ns): path for path in paths if (facts := _facts(path))}
        self._known = {mark: self._recording(mark, path) for mark, path in marks.items() if mark[0] not in self._making}
        return sorted(self._known.values(), key=lambda one: one.kept_since, reverse=True)

    def open(self, recording_id: str, language: str = "fr") -> Mp4:
        """Return a recording as MP4; whoever reads it closes it. Raises RecordingError."""
        try:
            file = SealedFile(self._path(recording_id), self._key())
        except FileNotFoundError:
            raise _not_found() from None
        except OSError as error:
            raise RecordingError(f"the disk does not give the recording ({error.strerror})") from None
        try:
            return Mp4(file, language)
        except BaseException:
            file.close()
            raise

    def delete(self, recording_id: str) -> None:
        """Delete a recording. Raises RecordingError."""
        try:
            self._path(recording_id).unlink()
        except FileNotFoundError:
            raise _not_found() from None
        except OSError as error:
            raise RecordingError(f"the recording is not deleted ({error.strerror})") from None

    def keep_from(self, recording_id: str, instant: datetime) -> None:
        """Let a recording's time begin at this instant. Raises OSError."""
        unix_s = instant.timestamp()
        os.utime(self._path(recording_id), (unix_s, unix_s))

    def _path(self, recording_id: str) -> Path:
        if not RECORDING_ID_PATTERN.fullmatch(recording_id):
            raise _not_found()
        return self.folder / (recording_id + SUFFIX)

    def _recording(self, mark: _Seen, path: Path) -> Recording:
        """Return what is known of a file that has not changed; what could not be read is looked at again."""
        known = self._known.get(mark)
        if known is None or known.about is None:
            _, size_bytes, changed_ns = mark
            known = self._looked_at(path, size_bytes, changed_ns / 1e9)
        return known

    def _looked_at(self, path: Path, size_bytes: int, changed_unix_s: float) -> Recording:
        since = datetime.fromtimestamp(changed_unix_s, UTC)
        try:
            file = SealedFile(path, self._key())
        except (OSError, RecordingError):
            return Recording(path.stem, None, since, 0.0, size_bytes, is_whole=False)
        try:
            records = file.records
            about = About.model_validate_json(file.read(records[0])) if records else None
        except (RecordingError, ValidationError):
            about = None
        finally:
            file.close()
        duration_s = max((record.at_ms for record in records), default=0) / 1000
        is_whole = bool(records) and records[-1].kind == _Kind.END
        return Recording(path.stem, about, since, duration_s, size_bytes, is_whole)


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # deleted meanwhile
        return None


def _not_found() -> RecordingError:
    return RecordingError("there is no such recording any more", code="recording-not-found")


def _head(file: SealedFile, language: str) -> bytes:
    """Return the MP4's head, made of what the file holds now: length and chapters come out also where it was cut."""
    pictures: dict[PictureTrackName, Parameters] = {}
    marks: list[tuple[Record, _Mark]] = []
    try:
        about = About.model_validate_json(file.read(file.records[0]))
        for record in file.records:
            if record.kind == _Kind.PARAMETERS:
                sets = _Sets.model_validate_json(file.read(record))
                pictures.setdefault(sets.track, Parameters(bytes.fromhex(sets.sps), bytes.fromhex(sets.pps)))
            elif record.kind == _Kind.CHAPTER:
                marks.append((record, _Mark.model_validate_json(file.read(record))))
        return fmp4.head(
            {name: pictures[name] for name in ("board", "camera") if name in pictures},
            duration_ms=max(record.at_ms for record in file.records),
            began_unix_s=about.began_at.timestamp(),
            chapters=_chapters(marks, language),
        )
    except (IndexError, ValueError):
        raise RecordingError("the recording holds nothing that can be read", code="recording-unreadable") from None


def _chapters(marks: list[tuple[Record, _Mark]], language: str) -> list[Chapter]:
    titles, slides, chapters = _CHAPTERS.get(language, _CHAPTERS["fr"]), 1, []
    for record, mark in sorted(marks, key=lambda one: one[0].at_ms):
        slides += mark.kind == "slide"
        chapters.append(Chapter(record.at_ms, titles[mark.kind].format(n=slides)))
    return chapters
