"""The pupil who speaks in a lesson: its microphone's connection, and what room and classmates hear of it.

Only a pupil whose hand is taken is answered, one at a time, and for ten minutes at most.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.media import BLOCK_S, BLOCK_SAMPLES, AudioBlock
from agent.streams.limiter import Limiter
from agent.streams.mixer import PUPIL
from agent.streams.publisher import Publisher
from agent.streams.talkback import TalkConnection
from protocol import channel
from protocol.errors import SignallingError
from protocol.messages import IceServer, OnAir
from protocol.panel import PanelTalk

log = logging.getLogger(__name__)

TALK_MOST_S = 600.0
"""A microphone that somebody forgot is closed after this; the teacher may give the floor again."""
FRESH_S = 1.0
"""Nothing came for so long: it is not said any more that the pupil is heard."""
STOOD_S = 0.06
"""A loop that stood for so long does not catch up: what would come then is late speech."""
METER_BLOCKS = 5
SILENCE_DBFS = -120.0

State = Literal["waiting", "heard", "no-loudspeaker", "paused"]
End = Literal["teacher", "left", "lost", "time"]


class Loudspeaker(Protocol):
    """The room's, as `agent.room_sound.RoomSound` has it."""

    def play(self, samples: NDArray[np.int16]) -> bool:
        """Play 20 ms; False when there is none."""
        ...


class Rights(Protocol):
    """Whose hand is taken, as `agent.people.People` knows it; pupils are named by their ticket's mark."""

    def floor(self) -> tuple[str, str, str] | None:
        """Return mark, panel's id and name of the pupil who has the floor; None: nobody."""
        ...

    def may_speak(self, holder: str) -> bool: ...

    def give_back(self, holder: str) -> None:
        """This pupil has spoken: its hand goes down."""
        ...


@dataclass(slots=True, eq=False)
class _Speaker:
    holder: str
    connection: TalkConnection
    began_s: float
    state: State = "waiting"
    heard_s: float = -math.inf
    is_played: bool = False
    told: channel.Talk | None = None
    limiter: Limiter = field(default_factory=Limiter)
    meter: deque[float] = field(default_factory=lambda: deque(maxlen=METER_BLOCKS))


class Talk:
    """Talk-back of one lesson. ``on_change`` hears of what the panel shows."""

    def __init__(
        self,
        publisher: Publisher,
        loudspeaker: Loudspeaker,
        rights: Rights,
        *,
        on_change: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._loudspeaker = loudspeaker
        self._rights = rights
        self._on_change = on_change
        self._clock = clock
        self._speaker: _Speaker | None = None
        self._is_paused, self._is_muted = False, False
        self._running = asyncio.Event()
        self._has_ended = False
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Serve whoever has the floor until cancelled; then the connection is closed within half a second."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._running.set()
                await asyncio.get_running_loop().create_future()
        finally:
            self._has_ended = True
            self._running.set()  # whoever waits to be let in hears that it is over
            speaker, self._speaker = self._speaker, None
            if speaker is not None:
                await speaker.connection.close()

    # --- signalling -----------------------------------------------------------------------------------------------

    async def accept(self, talker: str, sdp: str, ice_servers: Sequence[IceServer], holder: str) -> str:
        """Return the complete answer to a pupil's offer to speak; its connection before, if any, is replaced.

        Raises SignallingError: ``hand-not-taken``, ``speaker-in-room``, ``somebody-speaks``, ``offer-invalid``,
        ``offer-too-large``, ``no-common-codec``, ``room-timeout``, ``lesson-ended``.
        """
        await self._running.wait()
        self._check(holder)
        connection = TalkConnection(talker, sdp, ice_servers, on_gone=self._gone, spawn=self._spawn, clock=self._clock)
        if self._speaker is not None:  # of the same pupil, who begins anew and is told nothing
            self._close(self._speaker)
        speaker = self._speaker = _Speaker(holder, connection, self._clock())
        try:
            try:
                answer = await connection.answer()
            except SignallingError:  # also when it was closed meanwhile, and that is the reason to be told
                self._check_still(speaker)
                raise
            self._check_still(speaker)
        except BaseException:
            if self._speaker is speaker:
                self._speaker = None
                self._publisher.set_speaker(None)
                self._on_change()
            await connection.close()
            raise
        self._publisher.set_speaker(holder)
        self._spawn(self._pump(speaker), f"talk-back {talker}")
        log.info("A pupil's microphone is let in", extra={"viewer": talker})
        self._tell(speaker)
        return answer

    def _check(self, holder: str) -> None:
        if self._has_ended:
            raise SignallingError("the lesson is over", code="lesson-ended")
        if any(viewer.is_in_room for viewer in self._publisher.viewers_of(holder)):
            raise SignallingError("this page is in the room itself; speak up there", code="speaker-in-room")
        if not self._rights.may_speak(holder):
            raise SignallingError("the teacher has not taken this pupil's hand", code="hand-not-taken")
        if self._speaker is not None and self._speaker.holder != holder:
            raise SignallingError("another pupil speaks", code="somebody-speaks", retryable=True)

    def _check_still(self, speaker: _Speaker) -> None:
        if self._speaker is not speaker:
            self._check(speaker.holder)
            raise SignallingError("the connection was closed meanwhile", code="viewer-not-found")

    def knows(self, talker: str) -> bool:
        """Say whether this is the connection of the pupil who speaks."""
        return self._speaker is not None and self._speaker.connection.id == talker

    async def add_candidates(self, talker: str, candidates: Sequence[str], mid: str | None) -> None:
        """Give ICE more addresses of the pupil. Raises SignallingError ``viewer-not-found``, ``candidate-invalid``."""
        if self._speaker is None or not self.knows(talker):
            raise SignallingError("this pupil does not speak any more", code="viewer-not-found")
        await self._speaker.connection.add_candidates(candidates, mid)

    def leave(self, talker: str) -> None:
        """The pupil has ended; fine when it had already."""
        if self._speaker is not None and self.knows(talker):
            self._end(self._speaker, "left")

    # --- what others decide ---------------------------------------------------------------------------------------

    def rights_changed(self) -> None:
        """Look again who has the floor: whoever has not, is not heard from now on."""
        if self._speaker is not None and not self._rights.may_speak(self._speaker.holder):
            self._end(self._speaker, "teacher")

    def set_on_air(self, on_air: OnAir, paused: bool) -> None:
        """Take in what the teacher lets out: in a pause nobody speaks; what is muted reaches the room alone."""
        self._is_paused, self._is_muted = paused, not on_air.sound
        if self._speaker is not None:
            self._tell(self._speaker)

    # --- what others are shown ------------------------------------------------------------------------------------

    @property
    def is_heard(self) -> bool:
        """Whether the other pupils hear the one who speaks."""
        speaker = self._speaker
        return speaker is not None and not self._is_muted and self._state(speaker) in ("heard", "no-loudspeaker")

    def view(self) -> PanelTalk | None:
        """Return who has the floor, and how it stands; None: nobody."""
        floor, speaker = self._rights.floor(), self._speaker
        if floor is None:
            return None
        _, pupil, name = floor
        return PanelTalk(pupil=pupil, name=name, state="invited" if speaker is None else self._state(speaker))

    def level_dbfs(self) -> float | None:
        """Return the RMS of the last 100 ms that the pupil said; None while nobody speaks."""
        speaker = self._speaker
        if speaker is None:
            return None
        power = sum(speaker.meter) / METER_BLOCKS / 32_768**2
        return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS

    # --- 20 ms after the other ------------------------------------------------------------------------------------

    async def _pump(self, speaker: _Speaker) -> None:
        at_s, number = self._clock(), 0
        while self._speaker is speaker:
            at_s = max(at_s + BLOCK_S, self._clock() - STOOD_S)
            await asyncio.sleep(at_s - self._clock())
            if self._speaker is speaker:
                self._beat(speaker, at_s, number)
                number += 1

    def _beat(self, speaker: _Speaker, now_s: float, number: int) -> None:
        samples = speaker.connection.take(now_s)
        if self._speaker is not speaker:  # taking may find that the pupil is gone
            return
        if samples is None:
            speaker.meter.append(0.0)
        else:
            loud = samples.astype(np.float32)
            speaker.meter.append(float(np.dot(loud, loud)) / len(loud))
            if not self._is_paused:
                self._let_out(speaker, loud, number, now_s)
        if now_s - speaker.began_s > TALK_MOST_S:
            self._end(speaker, "time")
        elif self._message(speaker) != speaker.told:
            self._tell(speaker)

    def _let_out(self, speaker: _Speaker, loud: NDArray[np.float32], number: int, now_s: float) -> None:
        if now_s - speaker.heard_s > 1.5 * BLOCK_S:
            loud = loud * np.linspace(0.0, 1.0, BLOCK_SAMPLES, dtype=np.float32)
        block = AudioBlock(speaker.limiter.apply(loud), now_s - BLOCK_S, number)
        speaker.heard_s = now_s
        speaker.is_played = self._loudspeaker.play(block.samples)
        self._publisher.push_sound(PUPIL, block)

    def _fade_out(self, speaker: _Speaker) -> None:
        """Let the last sound end in silence; without it a voice that is cut off clicks."""
        now_s = speaker.heard_s + BLOCK_S
        samples = speaker.connection.take(now_s) if self._clock() - speaker.heard_s < 2 * BLOCK_S else None
        if samples is not None and not self._is_paused:
            fading = np.linspace(1.0, 0.0, BLOCK_SAMPLES, dtype=np.float32)
            self._let_out(speaker, samples * fading, 0, now_s)

    # --- the end, and what the pupil is told ----------------------------------------------------------------------

    def _gone(self, connection: TalkConnection, reason: str) -> None:
        speaker = self._speaker
        if speaker is not None and speaker.connection is connection:
            log.info("A pupil's microphone is gone", extra={"viewer": connection.id, "reason": reason})
            self._end(speaker, "left" if reason == "left" else "lost")

    def _end(self, speaker: _Speaker, reason: End) -> None:
        self._close(speaker)
        self._speaker = None
        self._publisher.set_speaker(None)
        self._say(speaker, channel.Talk(state="ended", reason=reason))
        log.info("A pupil's microphone is let out", extra={"viewer": speaker.connection.id, "reason": reason})
        if reason in ("left", "time"):  # a lost line comes back by itself, and may go on
            self._rights.give_back(speaker.holder)
        self._on_change()

    def _close(self, speaker: _Speaker) -> None:
        if not speaker.connection.ended:
            self._fade_out(speaker)
            speaker.connection.ended = True
        self._spawn(speaker.connection.close(), f"close talk-back {speaker.connection.id}")

    def _state(self, speaker: _Speaker) -> State:
        if self._is_paused:
            return "paused"
        if self._clock() - speaker.heard_s > FRESH_S:
            return "waiting"
        return "heard" if speaker.is_played else "no-loudspeaker"

    def _message(self, speaker: _Speaker) -> channel.Talk:
        return channel.Talk(state=self._state(speaker), is_room_muted=self._is_muted)

    def _tell(self, speaker: _Speaker) -> None:
        speaker.told = self._message(speaker)
        self._say(speaker, speaker.told)
        self._on_change()

    def _say(self, speaker: _Speaker, message: channel.Talk) -> None:
        for viewer in self._publisher.viewers_of(speaker.holder):
            self._publisher.send(viewer.id, message)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._has_ended or self._group is None:
            work.close()
        else:
            self._group.create_task(work, name=name)
