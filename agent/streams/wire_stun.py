"""What is private of aioice's checks (STUN), beside what `wire` makes patient: one with ballast, to try a line."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from aioice.ice import Connection
from aioice.stun import Class, Message
from aiortc import RTCPeerConnection

_BALLAST = 0xBFFF
"""An attribute that nobody has given a meaning: who does not know one from 0x8000 on passes over it (RFC 8489 §14)."""
_HEADER = struct.Struct("!HH")
_HEADER_BYTES = 20


class HeavyMessage(Message):
    """A STUN message with so many bytes more."""

    ballast_bytes = 0

    def __bytes__(self) -> bytes:
        plain = super().__bytes__()
        if not self.ballast_bytes:
            return plain
        body = _HEADER.pack(_BALLAST, self.ballast_bytes) + bytes(self.ballast_bytes) + plain[_HEADER_BYTES:]
        return plain[:2] + struct.pack("!H", len(body)) + plain[4:_HEADER_BYTES] + body


class _Check:
    """What aioice takes for a transaction of its own: it is told the answer. Asked once, never again."""

    def __init__(self, key: bytes) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._key = key

    def response_received(self, message: Message, addr: tuple[str, int]) -> None:
        is_answer = message.message_class == Class.RESPONSE and message.check_message_integrity(self._key)
        if is_answer and not self.answered.done():
            self.answered.set_result(None)


def check(peer: RTCPeerConnection, ballast_bytes: int, on_answer: Callable[[], None]) -> Callable[[], None]:
    """Send a connectivity check of ``ballast_bytes`` more than it needs (a multiple of 4) over the pair in use.

    ``on_answer`` is called when its answer comes. Return what ends the waiting for it. Only while ICE is connected.
    """
    private: Any = peer
    connection: Connection = private._RTCPeerConnection__iceTransports.copy().pop()._connection
    pair = connection._nominated[1]
    plain, key = connection.build_request(pair, nominate=False), str(connection.remote_password).encode()
    request = HeavyMessage(plain.message_method, plain.message_class, plain.transaction_id, plain.attributes)
    request.ballast_bytes = ballast_bytes
    request.add_message_integrity(key)
    mine, transactions = _Check(key), pair.protocol.transactions
    mine.answered.add_done_callback(lambda answered: None if answered.cancelled() else on_answer())
    transactions[request.transaction_id] = mine  # type: ignore[assignment]  # all that is called of one
    pair.protocol.send_stun(request, pair.remote_addr)

    def end() -> None:
        transactions.pop(request.transaction_id, None)
        mine.answered.cancel()

    return end
