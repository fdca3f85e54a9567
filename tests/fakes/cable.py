"""A TCP connection that can be pulled: stands between a driver and its device, and hears what is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Cable:
    """Carries connections from ``port`` on 127.0.0.1. ``heard`` is what the driver's side said, in order of arrival."""

    def __init__(self, device_port: int) -> None:
        self.device_port = device_port
        self.port = 0
        self.heard = b""
        self.connections = 0
        self._in = asyncio.Event()
        self._in.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def pull(self) -> None:
        """Let nothing through any more, and say nothing: as an unplugged cable does."""
        self._in.clear()

    def plug_in(self) -> None:
        """Carry again, and begin with what was held back."""
        self._in.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._in.wait()
            device_reader, device_writer = await asyncio.open_connection("127.0.0.1", self.device_port)
        except OSError:
            writer.close()
            return
        except asyncio.CancelledError:
            return  # the streams' own callback would print a cancelled task as a fault
        there = asyncio.create_task(self._carry(reader, device_writer, listens=True), name="to the device")
        back = asyncio.create_task(self._carry(device_reader, writer), name="from the device")
        self._tasks |= {there, back}
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass
        finally:
            for task in (there, back):
                task.cancel()
            writer.close()
            device_writer.close()
            await asyncio.gather(there, back, return_exceptions=True)
            self._tasks -= {there, back}

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, listens: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if listens:
                    self.heard += data
                await self._in.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def cable(device_port: int) -> AsyncIterator[Cable]:
    """Run a cable to a device's port; ``cable.port`` is where the driver connects."""
    made = Cable(device_port)
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.plug_in()
        for task in tuple(made._tasks):
            task.cancel()
        await asyncio.sleep(0)


@asynccontextmanager
async def answering(answer: bytes | None, *, drip_s: float = 0.0) -> AsyncIterator[int]:
    """Run a server that says ``answer`` to whoever connects, byte by byte if ``drip_s``, then hangs up; yield its port.

    None: it takes connections and says nothing.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            if answer is None:
                await reader.read()
            else:
                await reader.read(4096)
                for piece in [answer[at : at + 1] for at in range(len(answer))] if drip_s else [answer]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(drip_s)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
