"""Which views of the camera somebody in the room has looked at and found right, on the room's disk. Numbers only."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from agent.devices.ptz import Position
from agent.whole_file import read_kept, write_whole

log = logging.getLogger(__name__)

_Place = tuple[float | None, float | None, float | None]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    made_for: str = ""
    confirmed: dict[str, _Place] = Field(default_factory=dict)
    moved: frozenset[str] = frozenset()
    may_show_class: bool = False
    aspect: float | None = None


class ViewMemory:
    """Owns the file. Writes are small, atomic and on the loop; a disk that takes none costs a new look after a restart.

    ``made_for`` names the camera and its masks: what was found right for others counts for nothing.
    """

    def __init__(self, path: Path, made_for: str) -> None:
        self._path = path
        self._is_told = False
        kept = self._load()
        is_same = kept.made_for == made_for
        self._kept = kept if is_same else _Kept(made_for=made_for, may_show_class=kept.may_show_class)

    def place(self, view: str) -> Position | None:
        """Return where the camera looks in a view that was found right; None while it has to be looked at."""
        place = self._kept.confirmed.get(view)
        return None if place is None else Position(*place)

    @property
    def confirmed(self) -> tuple[str, ...]:
        return tuple(self._kept.confirmed)

    def has_moved(self, view: str) -> bool:
        """Whether a view has to be looked at because the camera was moved, and not because nobody ever did."""
        return view in self._kept.moved

    @property
    def may_show_class(self) -> bool:
        """Whether the camera was sent to the pupils, and not away from them since; also by an earlier run."""
        return self._kept.may_show_class

    @may_show_class.setter
    def may_show_class(self, may_show: bool) -> None:
        if may_show != self._kept.may_show_class:
            self._write(self._kept.model_copy(update={"may_show_class": may_show}))

    @property
    def aspect(self) -> float | None:
        """Width over height of the pictures for which views were found right; None while there are none."""
        return self._kept.aspect

    @aspect.setter
    def aspect(self, aspect: float) -> None:
        if aspect != self._kept.aspect:
            self._write(self._kept.model_copy(update={"aspect": aspect}))

    def confirm(self, view: str, place: Position) -> None:
        """Note that somebody found the view right, and where the camera looks in it."""
        confirmed = {**self._kept.confirmed, view: astuple(place)}
        self._write(self._kept.model_copy(update={"confirmed": confirmed, "moved": self._kept.moved - {view}}))

    def forget(self, *views: str, has_moved: bool) -> None:
        """Note that these have to be looked at again."""
        confirmed = {view: place for view, place in self._kept.confirmed.items() if view not in views}
        moved = self._kept.moved | set(views) if has_moved else self._kept.moved - set(views)
        if (confirmed, moved) != (self._kept.confirmed, self._kept.moved):
            self._write(self._kept.model_copy(update={"confirmed": confirmed, "moved": frozenset(moved)}))

    def _load(self) -> _Kept:
        warning = "What was kept of the camera's views cannot be read and is dropped"
        return read_kept(self._path, _Kept, warning) or _Kept()

    def _write(self, kept: _Kept) -> None:
        self._kept = kept
        try:
            write_whole(self._path, kept.model_dump_json().encode(), is_synced=True)
        except OSError as error:
            with suppress(OSError):  # an older one may call right what is not
                self._path.unlink(missing_ok=True)
            if not self._is_told:
                self._is_told = True
                log.error("The camera's views cannot be kept on disk", extra={"reason": str(error)})
