"""The data channel ``lesson`` of one viewer: reads `protocol.channel` messages, bounds what a page may send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiortc import RTCDataChannel
from pydantic import ValidationError

from protocol import channel

log = logging.getLogger(__name__)

MESSAGES_A_SECOND = 10
"""A page says hello once and reports each 2 s; more than this is not read."""
MAX_WAITING_BYTES = 262_144
"""A page that takes nothing from its channel gets no further notices."""
FLUSH_S = 0.2
"""How long a last word may take to leave: longer than a packet needs, shorter than anybody waits."""


class LessonChannel:
    """Wraps the channel that the page opened. ``on_message`` hears every well-formed message."""

    def __init__(
        self,
        data: RTCDataChannel,
        on_message: Callable[[channel.Hello | channel.Reception | channel.Bye], None],
        now: Callable[[], float],
    ) -> None:
        self._data = data
        self._on_message = on_message
        self._now = now
        self._allowance = float(MESSAGES_A_SECOND)
        self._counted_s = now()
        self.ignored = 0
        data.on("message", self._received)

    @property
    def is_open(self) -> bool:
        """Messages can be sent."""
        return bool(self._data.readyState == "open")

    def send(self, message: channel.Notice | channel.Ended) -> None:
        """Send if the channel is open and the page takes what it is sent."""
        if self.is_open and self._data.bufferedAmount <= MAX_WAITING_BYTES:
            self._data.send(message.model_dump_json())

    async def flush(self) -> None:
        """Wait until what was sent has been handed to the transport, for a moment at most."""
        if not self.is_open or not self._data.bufferedAmount:
            return
        empty = asyncio.Event()
        self._data.on("bufferedamountlow", empty.set)
        try:
            async with asyncio.timeout(FLUSH_S):
                await empty.wait()
        except TimeoutError:
            return

    def _received(self, data: str | bytes) -> None:
        now_s = self._now()
        self._allowance = min(float(MESSAGES_A_SECOND), self._allowance + (now_s - self._counted_s) * MESSAGES_A_SECOND)
        self._counted_s = now_s
        if self._allowance < 1:
            self.ignored += 1
            return
        self._allowance -= 1
        try:
            # a str has at least a byte for each character, so neither kind is parsed beyond the bound
            if len(data) > channel.MAX_MESSAGE_BYTES:
                raise ValueError(len(data))
            message = channel.FROM_PUPIL.validate_json(data)
        except (ValidationError, ValueError):
            self.ignored += 1
            log.debug("A message on the lesson channel was not understood", extra={"size": len(data)})
            return
        self._on_message(message)
