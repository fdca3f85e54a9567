"""The room's sound between devices and publisher: which microphone is heard, and the board's sound beside it; and what
a pupil says, on its way to the loudspeaker.

Every microphone of the configuration is open in a lesson and listened to by an `agent.ear.Ear`; the publisher gets the
one that `agent.microphones` says, and for a moment the one before it, so that one fades into the other.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from agent.board_source import BoardSource
from agent.device_slot import DeviceSlot
from agent.devices.base import EchoReference, Playback
from agent.ear import Ear
from agent.levels import Levels, RoomLevels
from agent.media import AudioBlock, Frame
from agent.microphones import DEAD_S, Change, Microphones, Seen
from agent.same_room import SameRoom
from agent.streams.mixer import BOARD_SOUND
from agent.streams.publisher import Publisher
from protocol.errors import DeviceNotFoundError
from protocol.messages import DeviceRole

log = logging.getLogger(__name__)

LOOK_S = 0.1
FORGET_S = 1.0
"""Away for so long, what a microphone heard before says nothing of what it will hear."""
PLAYED_AFTER_S = 0.06
"""From handing 20 ms over to when they sound: 40 ms wait for their turn, and the card has some. Told to microphones of
other cards, whose echo cancellers find the rest."""
MONITOR = ".monitor"
"""How a sound server ends the name of what is taken from one of its own outputs."""
PLAYED_FOR_S = 0.5
"""So long after a pupil was played last its voice may still come out of a monitor: servers hand over late."""
OVERLAP_S = 0.5
"""For so long the one before is still pushed: the new one's first sound may come that late."""


class RoomSound:
    """One lesson's. Where slots put what they capture; pictures go straight on to ``pictures``.

    ``is_dead`` says whether a microphone whose blocks keep coming gives nothing real. It must be false for one that was
    muted on its own switch: nobody is to be heard by another microphone because they switched theirs off.
    ``levels`` learns what the microphone that is heard gives, before anything is done to it here.
    ``on_change`` hears of another microphone being heard (None: of a proposal that came or went).
    """

    def __init__(
        self,
        publisher: Publisher,
        pictures: BoardSource,
        slots: Sequence[DeviceSlot],
        *,
        levels: RoomLevels,
        wanted: str | None,
        is_dead: Callable[[str], bool],
        on_change: Callable[[Change | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._pictures = pictures
        self._slots = {slot.choice.id: slot for slot in slots if slot.role is DeviceRole.MICROPHONE}
        self._board = {slot.choice.id for slot in slots if slot.role is DeviceRole.BOARD_SOUND}
        self._levels = levels
        self._monitors = {name for name in self._board if _source_of(slots, name).endswith(MONITOR)}
        self._played_s = -math.inf
        self._is_dead = is_dead
        self._on_change = on_change
        self._clock = clock
        self._ears = {name: Ear() for name in self._slots}
        self._heard = {name: Levels() for name in self._slots}
        self._same_room = SameRoom()
        self._gave: set[str] = set()
        self._before: str | None = None
        self._overlap_until_s = -math.inf
        self.microphones: Microphones | None = None
        """Only where there are several."""
        if len(self._slots) > 1:
            self.microphones = Microphones(tuple(self._slots), clock(), wanted=wanted)
            publisher.hear(_source(self.microphones.in_use))

    async def run(self) -> None:
        """Look at the microphones until cancelled."""
        while self.microphones is not None:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Take in how the microphones are, and do what follows from it."""
        assert self.microphones is not None
        before = self.microphones.proposal
        change = self.microphones.look({name: self._seen(name) for name in self._slots}, self._clock())
        if change is not None:
            self._hear(change)
        elif self.microphones.proposal != before:
            self._on_change(None)

    def choose(self, name: str) -> None:
        """Hear this microphone for the rest of the lesson. Raises DeviceNotFoundError or DeviceNotNowError."""
        change = self._several().choose(name, self._clock())
        if change is not None:
            self._hear(change)
        else:
            self._on_change(None)

    def decline(self, name: str) -> None:
        """Stay with the microphone that is heard; that one is not proposed again in this lesson.

        Raises DeviceNotFoundError.
        """
        self._several().decline(name)
        self._on_change(None)

    def is_alive(self, name: str) -> bool:
        """Say whether a microphone gives sound now."""
        slot, ear = self._slots[name], self._ears[name]
        return slot.is_working and self._clock() - ear.last_s < DEAD_S and not self._is_dead(name)

    def is_stranger(self) -> bool:
        """Say whether the microphone that is heard has other people before it than the room's own one."""
        if self.microphones is None:
            return False
        own, heard = self._heard[next(iter(self._slots))], self._heard[self.microphones.in_use]
        self._same_room.look(own, heard, self._clock())
        return self._same_room.is_stranger

    # --- where slots put what they capture ------------------------------------------------------------------------

    def push_frame(self, track: Literal["camera", "board"], frame: Frame) -> None:
        """Hand a picture on."""
        self._pictures.push_frame(track, frame)

    def set_away(self, track: Literal["camera", "board"], is_away: bool) -> None:
        """Hand on that a picture device is lost."""
        self._pictures.set_away(track, is_away)

    def push_sound(self, source: str, block: AudioBlock) -> None:
        """Take 20 ms of a device."""
        if source in self._board:
            if source in self._monitors and self._clock() - self._played_s < PLAYED_FOR_S:
                return  # the pupil who speaks is in it: it would hear itself, and be in a recording
            self._publisher.push_sound(BOARD_SOUND, block)
            self._refer_to(block.samples, block.captured_mono_s)
            return
        if self.microphones is not None:
            now_s = self._clock()
            self._ears[source].take(block, now_s)
            self._heard[source].hear(block)
            self._gave.add(source)
            if source != self.microphones.in_use and (source != self._before or now_s > self._overlap_until_s):
                return
        if self.microphones is None or source == self.microphones.in_use:
            self._levels.hear(block)
        self._publisher.push_sound(_source(source), block)

    @property
    def has_loudspeaker(self) -> bool:
        """Whether `play` would be heard in the room now."""
        return any(slot.sound and "playback" in slot.sound.info.capabilities for slot in self._slots.values())

    def play(self, samples: NDArray[np.int16]) -> bool:
        """Play 20 ms of 48 kHz mono out of the room's loudspeaker; False when the room has none, or it is away."""
        for name, slot in self._slots.items():
            if slot.sound is not None and "playback" in slot.sound.info.capabilities:
                cast("Playback", slot.sound).play(samples)
                self._played_s = self._clock()
                self._refer_to(samples, self._clock() + PLAYED_AFTER_S, but=name)  # its own process knows by itself
                return True
        return False

    # --- joints ---------------------------------------------------------------------------------------------------

    def _refer_to(self, samples: NDArray[np.int16], mono_s: float, *, but: str | None = None) -> None:
        """Tell the microphones that take echo away what sounds in the room, let out to pupils or not."""
        for name, slot in self._slots.items():
            if name != but and slot.sound is not None and "echo-reference" in slot.sound.info.capabilities:
                cast("EchoReference", slot.sound).reference(samples, mono_s)

    def _seen(self, name: str) -> Seen:
        now_s, ear = self._clock(), self._ears[name]
        if now_s - ear.last_s >= FORGET_S:
            ear = self._ears[name] = Ear()
        return Seen(
            is_alive=self.is_alive(name),
            is_opening=self._slots[name].problem is None and name not in self._gave,
            is_quiet=ear.is_quiet(now_s),
            hearing=ear.hearing(),
        )

    def _hear(self, change: Change) -> None:
        log.info(
            "Another microphone is heard",
            extra={"device": change.microphone, "before": change.before, "reason": change.reason},
        )
        self._before, self._overlap_until_s = change.before, self._clock() + OVERLAP_S
        self._publisher.hear(_source(change.microphone))
        self._on_change(change)

    def _several(self) -> Microphones:
        if self.microphones is None:
            raise DeviceNotFoundError("this room has no other microphone to take; configure it as [[spare_microphone]]")
        return self.microphones


def _source_of(slots: Sequence[DeviceSlot], name: str) -> str:
    """Return what a sound server calls a device's source; empty for a device of another kind."""
    config = next(slot.choice.config for slot in slots if slot.choice.id == name)
    return str(getattr(config, "source", ""))


def _source(microphone: str) -> str:
    """Return its name in the mixer, which no device's id can be."""
    return f"microphone/{microphone}"
