"""The ways to a VISCA camera: UDP, TCP, a serial port. Each carries bytes, knows when it is gone, and no VISCA."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from protocol.errors import (
    DeviceBusyError,
    DeviceLostError,
    DeviceNotFoundError,
)

CONNECT_S = 3.0
CLOSE_S = 0.5
WAITING_PIECES = 64
"""Datagrams not yet taken; a camera sends three a request. Further ones are dropped, as networks do."""


class Line(Protocol):
    """A way to the camera. ``label`` begins the sentences about it."""

    label: str

    def send(self, data: bytes) -> None:
        """Send without waiting. Raises DeviceLostError when the line is gone."""
        ...

    async def receive(self) -> bytes:
        """Return the next datagram, or the next bytes of a stream. Raises DeviceLostError when the line is gone."""
        ...


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | OSError] = asyncio.Queue(WAITING_PIECES)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        with suppress(asyncio.QueueFull):
            self.queue.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            with suppress(asyncio.QueueFull):
                self.queue.put_nowait(exc)


class UdpLine:
    def __init__(self, label: str, transport: asyncio.DatagramTransport, datagrams: _Datagrams) -> None:
        self.label, self._transport, self._datagrams = label, transport, datagrams

    def send(self, data: bytes) -> None:
        self._transport.sendto(data)

    async def receive(self) -> bytes:
        got = await self._datagrams.queue.get()
        if isinstance(got, OSError):
            raise DeviceNotFoundError(f"{self.label}: {_unreachable(got)}")
        return got


class StreamLine:
    def __init__(self, label: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.label, self._reader, self._writer = label, reader, writer

    def send(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise DeviceLostError(f"{self.label}: the connection is gone; it is made anew")
        self._writer.write(data)

    async def receive(self) -> bytes:
        try:
            data = await self._reader.read(256)
        except OSError as error:  # pyserial's SerialException is one
            raise DeviceLostError(
                f"{self.label}: the connection broke ({error.strerror or 'no answer'}); check its cable"
            ) from None
        if not data:
            raise DeviceLostError(f"{self.label}: the camera ended the connection; it may serve one program at a time")
        return data


def _unreachable(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return (
            "is there but nothing listens on this port; switch VISCA on in the camera's settings, or correct the port"
        )
    return "cannot be reached; check its power, its cable and its address"


@asynccontextmanager
async def udp_line(label: str, host: str, port: int, local_port: int = 0) -> AsyncIterator[Line]:
    """Open a socket that speaks with this host and port alone. Raises DeviceNotFoundError or DeviceBusyError."""
    loop = asyncio.get_running_loop()
    local = ("0.0.0.0", local_port) if local_port else None  # noqa: S104 - only datagrams of the camera get in
    try:
        transport, datagrams = await loop.create_datagram_endpoint(
            _Datagrams, remote_addr=(host, port), local_addr=local
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise DeviceBusyError(f"{label}: the local port {local_port} is used by another program") from None
        raise DeviceNotFoundError(f"{label}: {_unreachable(error)}") from None
    try:
        yield UdpLine(label, transport, datagrams)
    finally:
        transport.close()


@asynccontextmanager
async def tcp_line(label: str, host: str, port: int) -> AsyncIterator[Line]:
    """Connect. Raises DeviceNotFoundError."""
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:  # a TimeoutError is one
        raise DeviceNotFoundError(f"{label}: {_unreachable(error)}") from None
    async with _closing(writer):
        yield StreamLine(label, reader, writer)


@asynccontextmanager
async def serial_line(label: str, path: Path, baud: int) -> AsyncIterator[Line]:
    """Open a serial port for us alone. Errors as `agent.devices.serial_port.open_port`."""
    from serial_asyncio_fast import SerialTransport  # rooms without a serial camera need none of it

    from agent.devices.serial_port import open_port

    port = await open_port(path, baud, label)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport = SerialTransport(loop, protocol, port)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    async with _closing(writer):
        yield StreamLine(label, reader, writer)


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await writer.wait_closed()
