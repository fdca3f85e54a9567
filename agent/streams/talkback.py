"""The connection over which one pupil speaks: receives Opus and nothing else. Single use.

A second connection beside the pupil's own, so that nothing of that is negotiated again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.streams import wire, wire_in
from agent.streams.answering import Candidates, answer_sender, answering_peer
from agent.streams.offers import read_publish_offer
from agent.streams.talk_buffer import TalkBuffer, TalkCounts
from protocol.messages import IceServer

CONNECT_S = 30.0
SILENCE_S = 9.0
"""A microphone that is held open sends a packet each 20 ms, also when it hears nothing: no packet, no pupil."""
CLOSE_S = 0.5


class TalkConnection:
    """``on_gone`` comes once, unless `close` was called first; ``spawn`` starts a task that somebody owns."""

    def __init__(
        self,
        talker: str,
        sdp: str,
        ice_servers: Sequence[IceServer],
        *,
        on_gone: Callable[[TalkConnection, str], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = talker
        self.ended = False
        self._plan = read_publish_offer(sdp, "sound")
        self._on_gone, self._clock = on_gone, clock
        self._made_s = clock()
        self._buffer = TalkBuffer()
        self._peer = answering_peer(self._plan, ice_servers)
        self._candidates = Candidates(self._peer, self._plan, talker, spawn)
        self._peer.on("connectionstatechange", self._state_changed)

    async def answer(self) -> str:
        """Return the complete answer. Raises SignallingError; the caller then closes this object."""
        answer = await answer_sender(
            self._peer,
            self._plan,
            lambda: wire_in.add_receiving(self._peer, self),
            no_codec="the microphone is not offered as Opus",
        )
        self._candidates.add(self._plan.candidates, None)
        return answer

    async def add_candidates(self, lines: Sequence[str], mid: str | None) -> None:
        """Give ICE more of the pupil's addresses. Raises SignallingError ``candidate-invalid``; all or none."""
        self._candidates.add(lines, mid)

    def take(self, now_s: float) -> NDArray[np.int16] | None:
        """Return the next 20 ms of what the pupil says, 48 kHz mono; None while nothing comes.

        Each 20 ms, with the instant at which it was to be asked for: that is steadier than the one at which it is.
        """
        heard_s = self._buffer.last_packet_s
        if heard_s < self._made_s:
            if now_s - self._made_s > CONNECT_S:
                self._gone("never connected")
        elif now_s - heard_s > SILENCE_S:
            self._gone("silent")
        return self._buffer.take(now_s)

    @property
    def counts(self) -> TalkCounts:
        return self._buffer.counts

    async def close(self) -> None:
        """Close, within `CLOSE_S`."""
        self.ended = True
        await wire.close_peer(self._peer, CLOSE_S)

    # --- what the receiver tells (`wire_in.Sink`) -----------------------------------------------------------------

    def on_packet(self, ssrc: int, timestamp: int, payload: bytes) -> None:
        if not self.ended:
            self._buffer.put(ssrc, timestamp, payload, self._clock())

    def on_bye(self) -> None:
        self._gone("left")

    def _state_changed(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._gone(f"connection {self._peer.connectionState}")

    def _gone(self, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self._on_gone(self, reason)
