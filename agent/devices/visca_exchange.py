"""One request and its answer at a time with a VISCA camera, over a way that may lose some: two dialects.

*Sony* (UDP 52381): each packet has a number that the answer repeats. A request without an answer is sent again under
the **same** number: lost on the way there it is carried out now; lost on the way back the camera says that the number
is used up, so it was carried out. A new number would carry it out twice.

*Raw* (TCP, serial, UDP of many makers): bare frames without a number. An answer belongs to the request before it, so
the next waits until the last has been understood. On UDP a request is sent again, which is safe because all of ours are
idempotent, and the second answer is waited for and thrown away.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

from agent.devices import visca_codec as codec
from agent.devices.visca_codec import Ack, Answer, Done, Refusal, Reply, SonyPacket, Why
from agent.devices.visca_line import Line
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)

RESEND_S = 0.2
"""A camera acknowledges within two pictures; on a school's network a packet takes a millisecond."""

TRIES = 4
"""Of ten packets in a hundred lost each way, one exchange in a thousand still fails."""

DEADLINE_S = 1.0
"""For one exchange with all that is sent again."""

AGAIN_S = 0.1
NOT_NOW_TRIES = 4
"""After a preset some models refuse for up to 240 ms, and a camera with both sockets in use for as long as that."""

SETTLE_S = 0.1
"""For the late answer to a request that was sent again or given up; only on ways without numbers."""


class Exchange(Protocol):
    """A camera that one can ask."""

    label: str

    async def greet(self) -> None:
        """Make sure that something there speaks this dialect. Raises DeviceError and its kinds."""
        ...

    async def ask(self, body: bytes) -> Reply:
        """Return the camera's first word on a request: `Ack`, `Done`, `Answer` or `Refusal`.

        Raises DeviceTimeoutError, DeviceLostError, DeviceNotFoundError or DeviceProtocolError.
        """
        ...


async def request(exchange: Exchange, body: bytes) -> bytes:
    """Have one request carried out; return the data of an inquiry. Raises also DeviceUnsupportedError, DeviceError."""
    for attempt in range(NOT_NOW_TRIES):
        match await exchange.ask(body):
            case Answer(data):
                return data
            case Refusal(_, why) if why in (Why.NOT_NOW, Why.FULL) and attempt < NOT_NOW_TRIES - 1:
                await asyncio.sleep(AGAIN_S)
            case Refusal(_, why):
                raise refused(why, exchange.label)
            case _:
                return b""
    raise AssertionError("the last try returns or raises")


def refused(why: int, label: str) -> DeviceError:
    """Return what a refusal means."""
    if why in (Why.LENGTH, Why.SYNTAX):
        return DeviceUnsupportedError(f"{label}: the camera does not know this command; it cannot do that")
    if why == Why.NOT_NOW:
        return DeviceError(f"{label}: the camera cannot do that at present; switch it on, or wait until it has turned")
    if why == Why.FULL:
        return DeviceError(f"{label}: the camera is busy with other commands; try again in a moment")
    return DeviceError(f"{label}: the camera refused the command (reason {why:02X}h); try again")


def _silent(label: str) -> DeviceTimeoutError:
    what = "check its power, its cable, and that VISCA is switched on"
    return DeviceTimeoutError(f"{label}: the camera did not answer within {DEADLINE_S:g} s; {what}")


def _stranger(label: str) -> DeviceProtocolError:
    what = "it is another device, or set to another kind of VISCA: correct host, port and transport"
    return DeviceProtocolError(f"{label}: what answers there does not speak this kind of VISCA; {what}")


class SonyExchange:
    """Sony's numbered packets over UDP."""

    def __init__(self, line: Line) -> None:
        self.label = line.label
        self._line = line
        self._next = 0
        self._turn = asyncio.Lock()

    async def greet(self) -> None:
        async with self._turn:
            is_silent = not await self._reset()
        if is_silent:  # some cameras have the numbers and not the reset
            await self.ask(codec.VERSION)

    async def ask(self, body: bytes) -> Reply:
        async with self._turn:
            frame = codec.frame(body)
            for is_first in (True, False):
                number = self._take_number()
                got = await self._converse(codec.sony_packet(frame, number), number)
                if isinstance(got, Reply):
                    return got
                sent = got
                if sent > 1 and not codec.is_inquiry(body):
                    return Done(0)  # it was carried out, and the answer was lost
                if sent == 1:  # nobody sent it before: the camera counts otherwise, for it was restarted
                    if not is_first:
                        break
                    await self._reset()
            raise _stranger(self.label)

    def _take_number(self) -> int:
        number, self._next = self._next, (self._next + 1) & 0xFFFF_FFFF
        return number

    async def _reset(self) -> bool:
        """Have the camera count from 0 again; return whether it answered. Raises DeviceProtocolError, as a stranger."""
        self._next = 0
        is_stranger = False
        for _ in range(TRIES):
            self._line.send(codec.SONY_RESET)
            try:
                async with asyncio.timeout(RESEND_S):
                    while True:
                        packet = codec.parse_sony(await self._line.receive())
                        if packet is None:
                            is_stranger = True
                        elif packet.kind == codec.Payload.CONTROL_REPLY and packet.payload == codec.SONY_RESET_DONE:
                            return True
            except TimeoutError:
                continue
        if is_stranger:
            raise _stranger(self.label)
        return False

    async def _converse(self, packet: bytes, number: int) -> Reply | int:
        """Return the reply; or, when the camera says that the number is used up, how often the packet was sent."""
        until_mono_s = time.monotonic() + DEADLINE_S
        for sent in range(1, TRIES + 1):
            self._line.send(packet)
            limit_s = RESEND_S if sent < TRIES else max(RESEND_S, until_mono_s - time.monotonic())
            try:
                async with asyncio.timeout(limit_s):
                    while True:
                        got = codec.parse_sony(await self._line.receive())
                        if got is None or got.number != number:
                            continue  # an answer to an earlier request, come late
                        if self._is_used_up(got):
                            return sent
                        if (reply := codec.parse(got.payload)) is not None:
                            return reply
            except TimeoutError:
                continue
        raise _silent(self.label)

    def _is_used_up(self, packet: SonyPacket) -> bool:
        """Return whether the camera refuses the packet's number. DeviceProtocolError when it refuses its kind."""
        if packet.kind != codec.Payload.CONTROL_REPLY:
            return False
        if packet.payload == codec.SONY_BAD_TYPE:
            raise _stranger(self.label)
        return packet.payload == codec.SONY_BAD_NUMBER


class RawExchange:
    """Bare frames. ``resends``: on a way that loses some (UDP). ``is_chain``: a serial line, where cameras are numbered
    first and ``address`` is one of them; elsewhere it is 1."""

    def __init__(self, line: Line, *, address: int = 1, is_chain: bool = False, resends: bool = False) -> None:
        self.label = line.label
        self._line = line
        self._address = address
        self._is_chain = is_chain
        self._tries = TRIES if resends else 1
        self._splitter = codec.Splitter()
        self._replies: deque[Reply] = deque()
        self._sockets: set[int] = set()
        """Sockets in which a command that was understood is still being carried out."""
        self._settle_until_mono_s = 0.0
        self._strange_frames = 0
        self._turn = asyncio.Lock()

    async def greet(self) -> None:
        if self._is_chain:
            self._line.send(codec.ADDRESS_SET)
            self._settle_until_mono_s = time.monotonic() + SETTLE_S
        try:
            await self.ask(codec.IF_CLEAR)
        except (DeviceTimeoutError, DeviceLostError) as error:
            if self._strange_frames or self._splitter.garbage:
                raise _stranger(self.label) from None
            if isinstance(error, DeviceTimeoutError):
                raise
            what = "it may serve one program at a time: close the other"
            raise DeviceBusyError(f"{self.label}: the camera hung up at once; {what}") from None

    async def ask(self, body: bytes) -> Reply:
        async with self._turn:
            await self._settle()
            sent = 0
            is_answered = False
            try:
                async with asyncio.timeout(DEADLINE_S):
                    while True:
                        self._line.send(codec.frame(body, self._address))
                        sent += 1
                        reply = await self._reply_to(body, RESEND_S if sent < self._tries else DEADLINE_S)
                        if reply is not None:
                            is_answered = True
                            return reply
            except TimeoutError:
                raise _silent(self.label) from None
            finally:
                if sent > 1 or not is_answered:
                    self._settle_until_mono_s = time.monotonic() + SETTLE_S

    async def _reply_to(self, body: bytes, most_s: float) -> Reply | None:
        try:
            async with asyncio.timeout(most_s):
                while True:
                    reply = await self._next_reply()
                    if self._is_for(reply, body):
                        return reply
        except TimeoutError:
            return None

    def _is_for(self, reply: Reply, body: bytes) -> bool:
        """Return whether a reply is the one to this request; note what an earlier one has come to."""
        match reply:
            case Answer():
                return codec.is_inquiry(body)
            case Ack(socket):
                self._sockets.add(socket)
                return not codec.is_inquiry(body)
            case Done(socket) if socket in self._sockets:
                self._sockets.discard(socket)  # an earlier command has been carried out
                return False
            case Done():
                return not codec.is_inquiry(body)  # cameras that acknowledge nothing
            case Refusal(socket) if socket in self._sockets:
                self._sockets.discard(socket)
                return False
        return True

    async def _next_reply(self) -> Reply:
        while not self._replies:
            frames = self._splitter.feed(await self._line.receive())
            for frame in frames:
                reply = codec.parse(frame, self._address)
                if reply is not None:
                    self._replies.append(reply)
                elif frame[0] != codec.BROADCAST:
                    self._strange_frames += 1
        return self._replies.popleft()

    async def _settle(self) -> None:
        """Take and forget what may still come for an earlier request."""
        while (left_s := self._settle_until_mono_s - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    self._forget(await self._next_reply())
            except TimeoutError:
                break
        while self._replies:
            self._forget(self._replies.popleft())

    def _forget(self, reply: Reply) -> None:
        if isinstance(reply, Done | Refusal):
            self._sockets.discard(reply.socket)
