"""A line of bytes to a device, over TCP or a serial port: sent, waited for with a deadline, closed.

Shared by the drivers whose devices answer one command at a time. Nothing here knows a protocol.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar, cast

from pydantic import Field, model_validator
from serial_asyncio_fast import SerialTransport

from agent.devices.display import DisplayConfig
from agent.devices.serial_port import open_port
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceProtocolError,
    DeviceTimeoutError,
)

FLOOD = 16_384
"""More bytes than this at once are no answer of any display; then the line is cut."""
CLOSE_MOST_S = 1.0


Answer = TypeVar("Answer")


class SerialConfig(DisplayConfig):
    """A display on a serial line of its own."""

    serial_port: Path = Field(description="by a name that stays: /dev/serial/by-id/…")
    baud: int = Field(default=9600, ge=1200, le=115_200)

    @property
    def whose(self) -> str:
        """The device in a sentence."""
        return f"display on {self.serial_port}"


class LineConfig(DisplayConfig):
    """A display on the network or on a serial line: ``host`` or ``serial_port``, one of the two."""

    host: str | None = Field(default=None, min_length=1, max_length=253)
    port: int = Field(default=1, ge=1, le=65535)
    serial_port: Path | None = Field(default=None, description="by a name that stays: /dev/serial/by-id/…")
    baud: int = Field(default=9600, ge=1200, le=115_200)

    @model_validator(mode="after")
    def _one_line(self) -> Self:
        if (self.host is None) == (self.serial_port is None):
            raise ValueError("needs host (network) or serial_port (serial line), one of the two")
        return self

    @property
    def whose(self) -> str:
        """The device in a sentence."""
        return f'display at "{self.host}"' if self.host is not None else f"display on {self.serial_port}"


class ByteLine(asyncio.Protocol):
    """One open line. Reading is bounded in bytes and in time; ``whose`` names the device in every error.

    ``gap_s`` is the least time between what was last on the line and the next command, where a device needs it.
    """

    def __init__(self, whose: str, *, gap_s: float = 0.0) -> None:
        self._whose = whose
        self._gap_s = gap_s
        self._buffer = bytearray()
        self._came = asyncio.Event()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._why = ""
        self._is_flooded = False
        self._transport: asyncio.WriteTransport | None = None
        self._quiet_since_s = 0.0

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # neither uvloop's nor the serial one derives from it
        if not self.opened.done():
            self.opened.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._quiet_since_s = asyncio.get_running_loop().time()
        if len(self._buffer) + len(data) > FLOOD:
            self._is_flooded = True
            self._abort()
        else:
            self._buffer += data
        self._came.set()

    def eof_received(self) -> None:
        self._why = self._why or "it closed the line"

    def connection_lost(self, exc: Exception | None) -> None:
        self._why = self._why or (str(exc) if exc else "the line is closed")
        if not self._lost.done():
            self._lost.set_result(None)
        self._came.set()

    # --- what drivers use -----------------------------------------------------------------------------------------

    async def send(self, data: bytes) -> None:
        """Send a command. What came before it and was not read is no answer to it, and is dropped."""
        loop = asyncio.get_running_loop()
        wait_s = self._quiet_since_s + self._gap_s - loop.time()
        if self._gap_s and wait_s > 0:
            await asyncio.sleep(wait_s)
        self._must_live()
        self._buffer.clear()
        assert self._transport is not None
        self._transport.write(data)
        self._quiet_since_s = loop.time()

    async def read_until(self, end: bytes, *, within_s: float, most: int = 1024) -> bytes:
        """Return what came up to ``end``, without it.

        Raises DeviceTimeoutError when it is not whole in time, DeviceLostError when the line ends first, and
        DeviceProtocolError for more than ``most`` bytes without an end.
        """

        def whole() -> bytes | None:
            at = self._buffer.find(end)
            if at > most or (at < 0 and len(self._buffer) > most):
                raise self._foreign()
            return None if at < 0 else self._take(at, len(end))

        return await self._read(whole, within_s)

    async def read_exactly(self, count: int, *, within_s: float) -> bytes:
        """Return ``count`` bytes; errors as `read_until`."""
        return await self._read(lambda: self._take(count, 0) if len(self._buffer) >= count else None, within_s)

    async def read_quiet(self, *, within_s: float, quiet_s: float, most: int = 1024) -> bytes:
        """Return all that comes, once something came and then nothing for ``quiet_s``; errors as `read_until`."""
        await self._read(lambda: b"" if self._buffer else None, within_s)
        loop = asyncio.get_running_loop()
        while (left_s := self._quiet_since_s + quiet_s - loop.time()) > 0 and not self._is_flooded:
            if len(self._buffer) > most:
                raise self._foreign()
            await asyncio.sleep(left_s)
        if self._is_flooded:
            raise self._foreign()
        return self._take(len(self._buffer), 0)

    @property
    def pending(self) -> bytes:
        """What came and was not read."""
        return bytes(self._buffer)

    def foreign(self, said: bytes) -> DeviceProtocolError:
        """Return the error for bytes that are not of this device's protocol."""
        shown = said[:40].decode("latin-1").encode("unicode_escape").decode("ascii")
        return DeviceProtocolError(
            f'{self._whose} does not speak the protocol of its driver (it said "{shown}"); '
            "check driver, address and port"
        )

    # --- within ---------------------------------------------------------------------------------------------------

    async def _read(self, take: Callable[[], bytes | None], within_s: float) -> bytes:
        try:
            async with asyncio.timeout(within_s):
                while True:
                    if self._is_flooded:
                        raise self._foreign()
                    taken = take()
                    if taken is not None:
                        return taken
                    self._must_live()
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise DeviceTimeoutError(
                f"{self._whose} did not answer within {within_s:g} s; it may be off at the mains or busy"
            ) from None

    def _take(self, count: int, skip: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[: count + skip]
        return taken

    def _foreign(self) -> DeviceProtocolError:
        return self.foreign(bytes(self._buffer))

    def _must_live(self) -> None:
        if self._lost.done():
            raise DeviceLostError(f"{self._whose} is gone ({self._why}); it is tried again")

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close the line; what a device still holds up after `CLOSE_MOST_S` is cut."""
        if self._transport is None or self._lost.done():
            return
        self._transport.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_MOST_S):
                await asyncio.shield(self._lost)
                return
        if not isinstance(self._transport, SerialTransport):  # that one is closed by a thread already, and once only
            self._abort()


@asynccontextmanager
async def tcp_line(
    host: str, port: int, *, whose: str, connect_s: float, gap_s: float = 0.0
) -> AsyncIterator[ByteLine]:
    """Open a TCP connection within ``connect_s``, and close it at the end.

    Raises DeviceNotFoundError for a name or address that is not there, DeviceBusyError when it is refused.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(connect_s):
            _, line = await loop.create_connection(lambda: ByteLine(whose, gap_s=gap_s), host, port)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no DNS can hold
        raise _no_tcp(error, whose, port, connect_s) from None
    try:
        yield line
    finally:
        await line.close()


def _no_tcp(error: Exception, whose: str, port: int, connect_s: float) -> DeviceError:
    if isinstance(error, TimeoutError):
        return DeviceTimeoutError(f"{whose} did not take a connection within {connect_s:g} s; is it on at the mains?")
    if isinstance(error, socket.gaierror | UnicodeError):
        return DeviceNotFoundError(f"{whose}: that name has no address; correct host, or give the address itself")
    if isinstance(error, ConnectionRefusedError | ConnectionResetError):
        return DeviceBusyError(
            f"{whose} refuses a connection to port {port}; another program may hold it, "
            "or its network control is switched off in its menu"
        )
    return DeviceNotFoundError(f"{whose} cannot be reached ({error}); check address, cable and network")


@asynccontextmanager
async def serial_line(path: Path, baud: int, *, whose: str, gap_s: float = 0.0) -> AsyncIterator[ByteLine]:
    """Open a serial port with 8 data bits, no parity, 1 stop bit, for us alone; close it at the end.

    Errors as `agent.devices.serial_port.open_port`.
    """
    port = await open_port(path, baud, whose)
    line = ByteLine(whose, gap_s=gap_s)
    SerialTransport(asyncio.get_running_loop(), line, port)
    await line.opened
    try:
        yield line
    finally:
        await line.close()


@asynccontextmanager
async def open_line(
    config: LineConfig | SerialConfig, *, connect_s: float, gap_s: float = 0.0
) -> AsyncIterator[ByteLine]:
    """Open whichever line the configuration names."""
    if isinstance(config, LineConfig) and config.host is not None:
        opened = tcp_line(config.host, config.port, whose=config.whose, connect_s=connect_s, gap_s=gap_s)
    else:
        assert config.serial_port is not None
        opened = serial_line(config.serial_port, config.baud, whose=config.whose, gap_s=gap_s)
    async with opened as line:
        yield line


async def exchange(line: ByteLine, command: bytes, read: Callable[[], Awaitable[Answer]], *, tries: int) -> Answer:
    """Send a command and return its answer; send it again when none comes in time, ``tries`` times in all.

    For commands that may be carried out twice without harm, as every set and get here is. Bytes that came without
    making an answer are another device's: DeviceProtocolError.
    """
    for number in range(tries):
        await line.send(command)
        try:
            return await read()
        except DeviceTimeoutError:
            if number == tries - 1:
                if line.pending:
                    raise line.foreign(line.pending) from None
                raise
    raise AssertionError("a command is sent at least once")
