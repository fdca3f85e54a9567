"""A device on a line, TCP or a pseudo-terminal: what it says comes from a talker, what goes wrong from `LineFaults`."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Talker(Protocol):
    """A device's side of a protocol: bytes in, bytes out. It keeps what is not whole yet."""

    def hear(self, data: bytes) -> bytes: ...


@dataclass
class LineFaults:
    """What goes wrong; each is off by itself."""

    silent: bool = False
    delay_s: float = 0.0
    garbage: bytes | None = None
    """Said instead of every answer."""
    lose: int = 0
    """So many answers are lost."""
    drip: bool = False
    """Answers byte by byte."""
    half_closed: bool = False
    """TCP: takes a command and sends the end of its own direction."""
    hang_up: bool = False
    """TCP: cuts the line when a command comes."""
    single: bool = False
    """TCP: hangs up on a second connection."""


@dataclass
class LineDevice:
    """A talker with its faults and counters."""

    talker: Talker
    faults: LineFaults = field(default_factory=LineFaults)
    connections: int = 0
    open: int = 0
    heard: bytearray = field(default_factory=bytearray)

    async def answer(self, data: bytes, say: Callable[[bytes], None]) -> None:
        """Let the talker hear ``data`` and say what it answers, as the faults have it."""
        self.heard += data
        answer = self.talker.hear(data)
        faults = self.faults
        if faults.silent:
            return
        await asyncio.sleep(faults.delay_s)
        if faults.garbage is not None:
            answer = faults.garbage
        elif answer and faults.lose:
            faults.lose -= 1
            return
        for part in [answer[i : i + 1] for i in range(len(answer))] if faults.drip else [answer]:
            if part:
                say(part)
            await asyncio.sleep(0)


@asynccontextmanager
async def serve_tcp(device: LineDevice, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve on TCP; yields the port. Connections still open at the end are cut."""
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device.connections += 1
        if device.faults.single and device.open:
            writer.close()
            return
        device.open += 1
        try:
            while data := await reader.read(1024):
                if device.faults.hang_up:
                    return
                if device.faults.half_closed:
                    writer.write_eof()
                    continue
                await device.answer(data, writer.write)
        except ConnectionError:
            return
        finally:
            device.open -= 1
            writer.close()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talk(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(take, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def serve_pty(device: LineDevice) -> AsyncIterator[Path]:
    """Serve on a pseudo-terminal; yields the path of the side that a driver opens."""
    ours, theirs = os.openpty()  # we keep their side open too, or ours ends with the first driver that closes
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    def came() -> None:
        queue.put_nowait(os.read(ours, 1024))

    async def talk() -> None:
        while True:
            await device.answer(await queue.get(), lambda data: void(os.write(ours, data)))

    loop.add_reader(ours, came)
    task = asyncio.create_task(talk())
    try:
        yield Path(os.ttyname(theirs))
    finally:
        loop.remove_reader(ours)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.close(ours)
        os.close(theirs)


def void(_: object) -> None:
    """Drop a value."""
