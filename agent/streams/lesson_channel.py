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
"""A page says hello once and reports each second; more than this is not read."""
MISUSE_MOST, MISUSE_HEALS_A_SECOND = 100.0, 1.0
"""A page whose misuse adds up to this is shown out; it heals, so that one burst in an hour is none."""
OF_NO_FORM, TOO_MANY = 5.0, 1.0
"""What a message costs that is not of its form, or that is not read because too many come. A type that is not known
costs nothing: pages may be newer than the room."""
MAX_WAITING_BYTES = 262_144
"""A page that takes nothing from its channel gets no further notices."""
FLUSH_S = 0.2
"""How long a last word may take to leave: longer than a packet needs, shorter than anybody waits."""


class LessonChannel:
    """Wraps the channel that the page opened. ``on_message`` hears every well-formed message.

    ``on_misuse`` is called once, when too much of what came was of no form or too many; nothing is read after that.
    """

    def __init__(
        self,
        data: RTCDataChannel,
        on_message: Callable[[channel.FromPupil], None],
        now: Callable[[], float],
        on_misuse: Callable[[], None],
    ) -> None:
        self._data = data
        self._on_message = on_message
        self._now = now
        self._on_misuse = on_misuse
        self._misuse = 0.0
        self._is_misused = False
        self._allowance = float(MESSAGES_A_SECOND)
        self._counted_s = now()
        self.ignored = 0
        data.on("message", self._received)

    @property
    def is_open(self) -> bool:
        """Messages can be sent."""
        return bool(self._data.readyState == "open")

    def send(self, message: channel.FromRoom) -> None:
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
        passed_s, self._counted_s = now_s - self._counted_s, now_s
        self._allowance = min(float(MESSAGES_A_SECOND), self._allowance + passed_s * MESSAGES_A_SECOND)
        self._misuse = max(0.0, self._misuse - passed_s * MISUSE_HEALS_A_SECOND)
        message = self._read(data) if not self._is_misused else None
        if message is None:
            self.ignored += 1
        else:
            self._on_message(message)

    def _read(self, data: str | bytes) -> channel.FromPupil | None:
        if self._allowance < 1:
            self._misused(TOO_MANY)
            return None
        self._allowance -= 1
        try:
            # a str has at least a byte for each character, so neither kind is parsed beyond the bound
            if len(data) > channel.MAX_MESSAGE_BYTES:
                raise ValueError(len(data))
            return channel.FROM_PUPIL.validate_json(data)
        except ValidationError as error:
            if error.errors(include_url=False, include_input=False)[0]["type"] == "union_tag_invalid":
                log.debug("A message on the lesson channel is of a type that this room does not know")
                return None
        except ValueError:
            pass
        log.debug("A message on the lesson channel was not understood", extra={"size": len(data)})
        self._misused(OF_NO_FORM)
        return None

    def _misused(self, cost: float) -> None:
        self._misuse += cost
        if self._misuse >= MISUSE_MOST:
            self._is_misused = True
            self._on_misuse()
