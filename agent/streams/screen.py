"""The connection over which another computer's screen comes: receives VP8 and nothing else. Single use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from agent.media import Frame
from agent.streams import wire, wire_in
from agent.streams.answering import IncomingConnection
from agent.streams.screen_buffer import ScreenBuffer, ScreenCounts
from agent.streams.screen_decoder import DecoderCounts, ScreenDecoder
from protocol.messages import IceServer

CLOSE_S = 0.5
ALLOWED_BPS = 3_000_000
"""What a page of ours sends at most; from then on the line says how much it carries."""
ALLOW_S = 1.5
"""A browser believes this in its first two seconds alone."""


class ScreenConnection(IncomingConnection):
    """The screen of another computer. ``on_frame`` hears of each picture."""

    def __init__(
        self,
        sender: str,
        sdp: str,
        ice_servers: Sequence[IceServer],
        *,
        on_frame: Callable[[Frame], None],
        on_gone: Callable[[ScreenConnection, str], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(sender, sdp, "board", ice_servers, on_gone=on_gone, spawn=spawn)
        self.was_heard = False
        self.heard_mono_s = clock()
        """When anything came last, a picture or not; when this was made, if nothing has."""
        self._on_frame, self._clock = on_frame, clock
        self._buffer = ScreenBuffer()
        self._decoder = ScreenDecoder(
            asyncio.get_running_loop(),
            on_frame=self._decoded,
            on_broken=self._buffer.begin_anew,
            on_too_large=lambda: self._gone("too-large"),
        )
        self._receiver: wire_in.TakenPictureReceiver | None = None
        self._allowed_s: float | None = None

    async def answer(self) -> str:
        """Return the complete answer. Raises SignallingError; the caller then closes this object."""
        return await self._answered(self._receive, no_codec="the screen is not offered as VP8")

    def _receive(self) -> None:
        self._receiver = wire_in.add_receiving_picture(self._peer, self)

    @property
    def counts(self) -> tuple[ScreenCounts, DecoderCounts]:
        return self._buffer.counts, self._decoder.counts

    async def close(self) -> None:
        """Close, within `CLOSE_S` and the time of one picture."""
        self.ended = True
        self._decoder.close()
        await wire.close_peer(self._peer, CLOSE_S)
        await self._decoder.join()

    # --- what the receiver tells (`wire_in.PictureSink`) ----------------------------------------------------------

    def on_sign_of_life(self) -> None:
        self.was_heard, self.heard_mono_s = True, self._clock()

    def on_packet(self, ssrc: int, sequence: int, payload: bytes, ends: bool) -> bool:
        if self.ended:
            return False
        now_s = self._clock()
        self._allow(ssrc, now_s)
        for picture in self._buffer.put(ssrc, sequence, payload, ends=ends, now_s=now_s):
            self._decoder.put(picture, now_s)
        return self._buffer.is_key_wanted(now_s)

    def _allow(self, ssrc: int, now_s: float) -> None:
        """Tell a sender that begins what may come: one that hears of no limit feels its way up for half a minute."""
        if self._allowed_s is None:
            self._allowed_s = now_s
        if self._receiver is not None and now_s - self._allowed_s < ALLOW_S:
            self._spawn(self._receiver.allow(ssrc, ALLOWED_BPS), f"allow screen {self.id}")

    def _decoded(self, frame: Frame) -> None:
        if not self.ended:
            self._on_frame(frame)
