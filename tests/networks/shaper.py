"""A thin, slow or lossy line between a room and one viewer: a UDP relay whose every decision is repeatable.

What a packet meets depends on its number, its size, when it came, and a seed; nothing of the machine's network is
touched, so that no right is needed. The viewer is told the relay's address in the room's answer, and the room answers
where it was asked from: both are ordinary ICE.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

IP_UDP_BYTES = 28
"""A line carries these of each datagram too (IPv4 and UDP)."""
_CANDIDATE = re.compile(
    r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*$", re.MULTILINE | re.IGNORECASE
)
_ANY_CANDIDATE = re.compile(r"^a=candidate:.*\r?\n", re.MULTILINE)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One direction of a line. ``loss`` comes in bursts of ``burst_packets`` on average; ``reordered`` is the share of
    packets that come ``reordered_s`` later than they would."""

    rate_bps: float = float("inf")
    delay_s: float = 0.0
    queue_s: float = 1.0
    """What would wait longer than this is dropped, as a modem's full buffer does."""
    jitter_s: float = 0.0
    """A packet takes up to this much longer, each another share of it; none overtakes another for it."""
    loss: float = 0.0
    burst_packets: float = 1.0
    reordered: float = 0.0
    reordered_s: float = 0.03
    seed: int = 1


class Shape:
    """Says when each packet of one direction arrives. Pure: time is passed in. ``line`` may change at any time."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._random = random.Random(line.seed)
        self._free_s = self._arrived_s = float("-inf")
        self._is_losing = False
        self.is_cut = False
        self.carried = self.lost = self.dropped = self.bytes = 0
        self.longest_wait_s = 0.0

    def arrival_s(self, now_s: float, size: int) -> float | None:
        """Return when a datagram of ``size`` bytes that was sent now arrives; None when it does not."""
        line = self.line
        chance = self._random.random()
        if self._is_losing:
            self._is_losing = chance >= 1 / line.burst_packets
        elif line.loss:
            self._is_losing = chance < line.loss / (line.burst_packets * (1 - line.loss))
        is_late = self._random.random() < line.reordered
        wait_s = max(0.0, self._free_s - now_s)
        if wait_s > line.queue_s:
            self.dropped += 1
            return None
        self._free_s = now_s + wait_s + (size + IP_UDP_BYTES) * 8 / line.rate_bps
        self.longest_wait_s = max(self.longest_wait_s, wait_s)
        if self._is_losing or self.is_cut:
            self.lost += 1
            return None
        self.carried += 1
        self.bytes += size + IP_UDP_BYTES
        at_s = self._free_s + line.delay_s
        if line.jitter_s:
            self._arrived_s = at_s = max(self._arrived_s, at_s + line.jitter_s * self._random.random())
        return at_s + line.reordered_s * is_late


class Shaper:
    """The relay: ``to_viewer`` and ``to_room`` count what they carried. A viewer that connects anew, or twice, stays
    behind the same line."""

    def __init__(self, to_viewer: Line, to_room: Line) -> None:
        self.to_viewer, self.to_room = Shape(to_viewer), Shape(to_room)
        self._ways: list[_Way] = []

    @property
    def is_cut(self) -> bool:
        """Nothing comes through."""
        return self.to_viewer.is_cut

    @property
    def round_trip_s(self) -> float:
        """How long an empty line takes there and back."""
        return self.to_viewer.line.delay_s + self.to_room.line.delay_s

    def cut(self, is_cut: bool) -> None:
        """Let nothing through, or everything again."""
        self.to_viewer.is_cut = self.to_room.is_cut = is_cut

    @staticmethod
    def offer(sdp: str) -> str:
        """Return the viewer's offer without its addresses: the room learns only the relay's."""
        return _ANY_CANDIDATE.sub("", sdp)

    async def answer(self, sdp: str) -> str:
        """Return the room's answer with the relay's address in place of the room's."""
        found = _CANDIDATE.search(sdp)
        assert found is not None, "the answer has no IPv4 address"
        way = _Way(self, (found[1], int(found[2])))
        self._ways.append(way)
        host, port = await way.open()
        line = found[0].replace(f" {found[1]} {found[2]} ", f" {host} {port} ", 1)
        first = True

        def put(match: re.Match[str]) -> str:
            nonlocal first
            was_first, first = first, False
            return line.rstrip("\r") + "\r\n" if was_first else ""

        return _ANY_CANDIDATE.sub(put, sdp)

    def close(self) -> None:
        """Close the relay's sockets."""
        for way in self._ways:
            way.close()


class _Way:
    """The sockets between one connection's two ends."""

    def __init__(self, shaper: Shaper, room: Address) -> None:
        self._shaper = shaper
        self._room = room
        self._viewer: Address | None = None
        self._loop = asyncio.get_running_loop()
        self._to_room: asyncio.DatagramTransport | None = None
        self._to_viewer: asyncio.DatagramTransport | None = None

    async def open(self) -> Address:
        """Open the sockets; return where the viewer sends."""
        here = (self._room[0], 0)
        self._to_room, _ = await self._loop.create_datagram_endpoint(lambda: _Side(self._from_room), local_addr=here)
        self._to_viewer, _ = await self._loop.create_datagram_endpoint(
            lambda: _Side(self._from_viewer), local_addr=here
        )
        host, port = self._to_viewer.get_extra_info("sockname")[:2]
        return host, port

    def _from_room(self, data: bytes, address: Address) -> None:
        if self._viewer is not None:
            self._carry(self._shaper.to_viewer, self._to_viewer, data, self._viewer)

    def _from_viewer(self, data: bytes, address: Address) -> None:
        self._viewer = address
        self._carry(self._shaper.to_room, self._to_room, data, self._room)

    def _carry(self, shape: Shape, out: asyncio.DatagramTransport | None, data: bytes, address: Address) -> None:
        at_s = shape.arrival_s(self._loop.time(), len(data))
        if at_s is not None:
            self._loop.call_at(at_s, self._deliver, out, data, address)

    @staticmethod
    def _deliver(out: asyncio.DatagramTransport | None, data: bytes, address: Address) -> None:
        if out is not None and not out.is_closing():
            out.sendto(data, address)

    def close(self) -> None:
        """Close both sockets."""
        for transport in (self._to_room, self._to_viewer):
            if transport is not None:
                transport.close()


class _Side(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._on_datagram(data, addr)


@asynccontextmanager
async def shaped(to_viewer: Line, to_room: Line) -> AsyncIterator[Shaper]:
    """Put a line between a room and the next viewer that joins through it."""
    shaper = Shaper(to_viewer, to_room)
    try:
        yield shaper
    finally:
        shaper.close()
