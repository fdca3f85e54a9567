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
from agent.streams.answering import IncomingConnection
from agent.streams.talk_buffer import TalkBuffer, TalkCounts
from protocol.messages import IceServer

CONNECT_S = 30.0
SILENCE_S = 9.0
"""A microphone that is held open sends a packet each 20 ms, also when it hears nothing: no packet, no pupil."""
CLOSE_S = 0.5


class TalkConnection(IncomingConnection):
    """The microphone of one pupil."""

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
        super().__init__(talker, sdp, "sound", ice_servers, on_gone=on_gone, spawn=spawn)
        self._clock = clock
        self._made_s = clock()
        self._buffer = TalkBuffer()

    async def answer(self) -> str:
        """Return the complete answer. Raises SignallingError; the caller then closes this object."""
        return await self._answered(
            lambda: wire_in.add_receiving(self._peer, self), no_codec="the microphone is not offered as Opus"
        )

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
