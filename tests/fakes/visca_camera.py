"""A VISCA camera: Sony's packets or bare frames over UDP, bare frames over TCP or a pseudo-terminal; faults to order.

It turns for real: position is speed × time, so a test sees whether it stands. ``done`` lists every command that it
carried out, once for each time, IF_Clear apart.
"""

from __future__ import annotations

import asyncio
import os
import time
import tty
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

RESET = bytes.fromhex("0200000100000000") + b"\x01"


@dataclass
class ViscaFaults:
    """``lose_requests`` and ``lose_replies`` are eaten one packet at a time: True is lost; when empty, nothing is."""

    lose_requests: list[bool] = field(default_factory=list)
    lose_replies: list[bool] = field(default_factory=list)
    delay_s: float = 0.0
    answer_with: bytes | None = None
    """Say this to everything: another device."""
    is_silent: bool = False
    refuse: dict[bytes, list[int]] = field(default_factory=dict)
    """Command's first bytes → reasons, one for each time."""
    hang_up: bool = False
    knows_reset: bool = True
    one_connection: bool = False


@dataclass
class ViscaCamera:
    """What the camera is and has done."""

    faults: ViscaFaults = field(default_factory=ViscaFaults)
    turns: bool = True
    zooms: bool = True
    presets: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    done: list[bytes] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    """Everything that arrived, whether it was lost later or not."""
    speed: tuple[int, int, int] = (0, 0, 0)
    """Pan (right), tilt (up), zoom (narrow), signed, as VISCA counts."""
    connections: int = 0
    _expected: int = 0
    _last_answers: dict[int, list[bytes]] = field(default_factory=dict)
    _view: tuple[float, float, float] = (0.0, 0.0, 0.0)
    _since_s: float = field(default_factory=time.monotonic)

    @property
    def stands(self) -> bool:
        return self.speed == (0, 0, 0)

    @property
    def view(self) -> tuple[float, float, float]:
        """Pan, tilt, zoom in steps, now."""
        now = time.monotonic()
        moved = tuple(at + speed * 10 * (now - self._since_s) for at, speed in zip(self._view, self.speed, strict=True))
        return moved[0], moved[1], max(0.0, moved[2])

    def _set_speed(self, **change: int) -> None:
        self._view, self._since_s = self.view, time.monotonic()
        pan, tilt, zoom = self.speed
        self.speed = (change.get("pan", pan), change.get("tilt", tilt), change.get("zoom", zoom))

    # VISCA.

    def answers(self, frame: bytes) -> Iterable[bytes]:
        """Carry one frame out; yield its answers."""
        if frame == b"\x88\x30\x01\xff":
            yield b"\x88\x30\x02\xff"
            return
        body = frame[1:-1]
        for start, reasons in self.faults.refuse.items():
            if body.startswith(start) and reasons:
                yield bytes((0x90, 0x60, reasons.pop(0), 0xFF))
                return
        if body[:1] == b"\x09":
            yield self._inquiry(body)
            return
        if not self._command(body):
            yield b"\x90\x60\x02\xff"
            return
        if body != b"\x01\x00\x01":
            self.done.append(body)
        yield b"\x90\x41\xff"
        yield b"\x90\x51\xff"

    def _inquiry(self, body: bytes) -> bytes:
        pan, tilt, zoom = (round(at) for at in self.view)
        match body:
            case b"\x09\x00\x02":
                return b"\x90\x50\x00\x01\x05\x19\x01\x00\x02\xff"
            case b"\x09\x06\x12" if self.turns:
                return b"\x90\x50" + _half_bytes(pan) + _half_bytes(tilt) + b"\xff"
            case b"\x09\x04\x47" if self.zooms:
                return b"\x90\x50" + _half_bytes(zoom) + b"\xff"
        return b"\x90\x60\x02\xff"

    def _command(self, body: bytes) -> bool:
        match tuple(body):
            case (0x01, 0x00, 0x01):
                return True
            case (0x01, 0x06, 0x01, pan, tilt, across, along) if self.turns:
                self._set_speed(pan=pan * (0, -1, 1, 0)[across], tilt=tilt * (0, 1, -1, 0)[along])
            case (0x01, 0x04, 0x07, how) if self.zooms:
                self._set_speed(zoom={0: 0, 2: 1, 3: -1}[how >> 4] * ((how & 7) + 1))
            case (0x01, 0x04, 0x3F, 0x01, number):
                self.presets[number] = self.view
            case (0x01, 0x04, 0x3F, 0x02, number) if number in self.presets:
                self._set_speed(pan=0, tilt=0, zoom=0)
                self._view = self.presets[number]
            case _:
                return False
        return True

    # The two dialects.

    def sony(self, packet: bytes) -> Iterable[bytes]:
        """Answer one of Sony's packets: a number that was used is not carried out again."""
        kind, number, frame = packet[:2], packet[4:8], packet[8:]
        if packet[:8] == RESET[:8] and self.faults.knows_reset:
            self._expected = 0
            yield b"\x02\x01\x00\x01" + number + b"\x01"
        elif kind == b"\x02\x00":
            return
        elif int.from_bytes(number, "big") != self._expected:
            yield b"\x02\x01\x00\x02" + number + b"\x0f\x01"
        else:
            self._expected += 1
            for answer in self.answers(frame):
                yield b"\x01\x11" + len(answer).to_bytes(2, "big") + number + answer

    async def reply(self, data: bytes, *, is_sony: bool) -> AsyncIterator[bytes]:
        """Yield what the camera says to a datagram or a frame, with its faults."""
        self.packets.append(data)
        faults = self.faults
        if faults.is_silent or (faults.lose_requests and faults.lose_requests.pop(0)):
            return
        if faults.answer_with is not None:
            yield faults.answer_with
            return
        for answer in list(self.sony(data) if is_sony else self.answers(data)):
            await asyncio.sleep(faults.delay_s)
            if not (faults.lose_replies and faults.lose_replies.pop(0)):
                yield answer


def _half_bytes(number: int) -> bytes:
    return bytes((number >> shift) & 0x0F for shift in (12, 8, 4, 0))


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, camera: ViscaCamera, *, is_sony: bool) -> None:
        self._camera, self._is_sony = camera, is_sony
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        async def answer() -> None:
            async for reply in self._camera.reply(data, is_sony=self._is_sony):
                self._transport.sendto(reply, addr)

        task = asyncio.create_task(answer(), name="visca answer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def udp_camera(camera: ViscaCamera, *, is_sony: bool) -> AsyncIterator[int]:
    """Have the camera listen on a free UDP port of 127.0.0.1; yield the port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(camera, is_sony=is_sony), ("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@asynccontextmanager
async def tcp_camera(camera: ViscaCamera, port: int = 0) -> AsyncIterator[int]:
    """Have the camera listen on a TCP port of 127.0.0.1; yield the port."""
    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        camera.connections += 1
        if camera.faults.hang_up or (camera.faults.one_connection and open_now):
            writer.close()
            return
        open_now.add(writer)
        with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            while True:
                frame = await reader.readuntil(b"\xff")
                async for reply in camera.reply(frame, is_sony=False):
                    writer.write(reply)
        open_now.discard(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in tuple(open_now):
            writer.close()


@asynccontextmanager
async def serial_camera(camera: ViscaCamera) -> AsyncIterator[str]:
    """Have the camera on a pseudo-terminal; yield the path of the end that a program opens."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    path = os.ttyname(theirs)
    loop = asyncio.get_running_loop()
    frames: asyncio.Queue[bytes] = asyncio.Queue()
    rest = b""

    def readable() -> None:
        nonlocal rest
        *whole, rest = (rest + os.read(ours, 256)).split(b"\xff")
        for part in whole:
            frames.put_nowait(part + b"\xff")

    async def serve() -> None:
        while True:
            frame = await frames.get()
            async for reply in camera.reply(frame, is_sony=False):
                os.write(ours, reply)

    loop.add_reader(ours, readable)
    task = asyncio.create_task(serve(), name="serial camera")
    try:
        yield path
    finally:
        loop.remove_reader(ours)
        task.cancel()
        os.close(ours)
        os.close(theirs)
