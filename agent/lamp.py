"""The lamp of one lesson: joins what pages report with what the room heard, and looks four times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from agent.levels import RoomLevels
from agent.reception import Listeners, Pictures, Verdict
from agent.streams.ladder import TILES, Choice
from protocol import channel

LOOK_S = 0.25
DEAF_S = 1.0
"""A microphone without a block for so long gives pupils nothing."""


def pictures_of(sending: Choice | None) -> Pictures:
    """Return how a viewer is sent pictures; who has just come, as video."""
    if sending is None or sending.camera is not None or sending.board not in (None, TILES):
        return "video"
    return "none" if sending.board is None else "tiles"


class Lamp:
    """One lesson's. ``viewers`` are those who are connected, and how each is sent pictures.

    ``on_change`` hears that something is different now, ``on_look`` that there was a look.
    """

    def __init__(
        self,
        levels: RoomLevels,
        *,
        said_mono_s: Callable[[str, int], float | None],
        viewers: Callable[[], Mapping[str, Pictures]],
        is_microphone_wrong: Callable[[], bool],
        on_change: Callable[[], None],
        on_look: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._levels = levels
        self._viewers = viewers
        self._is_microphone_wrong = is_microphone_wrong
        self._on_change = on_change
        self._on_look = on_look
        self._now = now
        self._listeners = Listeners(levels, said_mono_s)

    def hear_from(self, viewer: str, message: channel.FromPupil) -> None:
        """Take what a page says, if it is of what it plays."""
        if isinstance(message, channel.Reception):
            self._listeners.take(viewer, message, self._now())

    def verdict(self, viewer: str) -> Verdict:
        """Return what is known of a viewer."""
        return self._listeners.verdict(viewer)

    def has_heard_since(self, viewer: str, mono_s: float) -> bool:
        """Say whether a viewer hears, and was proved to by sound that was all played after this."""
        return self._listeners.has_heard_since(viewer, mono_s)

    async def run(self) -> None:
        """Look in time, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Look once."""
        now_s = self._now()
        is_wrong = now_s - self._levels.microphone.end_mono_s > DEAF_S or self._is_microphone_wrong()
        if self._listeners.look(self._viewers(), now_s, is_microphone_wrong=is_wrong):
            self._on_change()
        self._on_look()
