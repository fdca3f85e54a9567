"""A PJLink projector on a real socket: class 1 or 2, both logins, warm-up, search, notifications, faults to order.

It answers as the specification says, from its own state, and shares no code with our driver; aiopjlink2 talks to it
too.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

MAC = "00:11:22:aa:bb:cc"


@dataclass
class Faults:
    """What goes wrong, in order; each is off by itself."""

    delay_s: float = 0.0
    """Before each answer."""
    half_closed: bool = False
    """Takes the connection and the command, sends the end of its own direction instead of an answer."""
    garbage: bytes | None = None
    """Says this instead of the greeting."""
    garbage_answer: bytes | None = None
    """Says this instead of an answer."""
    single: bool = False
    """Hangs up on a second connection while one is open."""
    silent: bool = False
    """Takes the connection and says nothing, ever."""
    stray: bytes | None = None
    """Once, before the first answer: a line nobody asked for, then it hangs up."""
    pad: bytes = b""
    """After each CR."""
    lower_case: bool = False
    hang_up_at_off: bool = False
    lose_searches: int = 0
    """So many search packets are lost."""
    drip: bool = False
    """Answers byte by byte."""


@dataclass
class Projector:
    """State and counters; `serve` puts it on a socket."""

    class_: int = 2
    password: str | None = None
    sha256: bool = False
    power: str = "0"
    input: str = "11"
    inputs: str = "11 31 32 51"
    hours: str = "1234 1"
    erst: str = "000000"
    avmt: str = "30"
    ires: str = "1920x1080"
    has_lamp: bool = True
    filter_hours: str = "321"
    """``ERR1``: it has none."""
    warms: int = 1
    """After POWR 1 and POWR 0, so many looks at the power tell 3 and 2 (warm-up and cooling)."""
    faults: Faults = field(default_factory=Faults)
    said: list[str] = field(default_factory=list)
    """Every command, without its prefix."""
    connections: int = 0
    refusals: int = 0
    """Logins that failed."""
    port: int = 0
    _open: int = 0
    _looks_left: int = 0

    # --- state ----------------------------------------------------------------------------------------------------

    def answer(self, class_: str, body: str, param: str) -> str:
        """Return an answer's parameter."""
        if class_ == "2" and self.class_ == 1:
            return "ERR1"
        if body == "POWR":
            return self._power(param)
        standing = {
            "CLSS": str(self.class_), "INF1": "Lumière", "INF2": "P-7000", "NAME": "Salle B12",
            "INFO": "", "ERST": self.erst, "LAMP": self.hours if self.has_lamp else "ERR1",
        }  # fmt: skip
        if self.class_ == 2:
            standing |= {"SNUM": "SN-42", "FILT": self.filter_hours}
        if param == "?" and body in standing:
            return standing[body]
        if body not in ("INPT", "AVMT", "INST", *(("IRES", "INNM") if self.class_ == 2 else ())):
            return "ERR1"
        if self.power != "1":
            return "ERR3"
        return self._when_on(body, param)

    def _power(self, param: str) -> str:
        if param == "?":
            told = self.power
            if self.power in "23":
                self._looks_left -= 1
                if self._looks_left <= 0:
                    self.power = {"2": "0", "3": "1"}[self.power]
            return told
        if param not in ("0", "1"):
            return "ERR2"
        if self.power in "23":
            return "ERR3"
        if param != self.power:
            self._looks_left = self.warms
            self.power = {"1": "3", "0": "2"}[param] if self.warms else param
        return "OK"

    def _when_on(self, body: str, param: str) -> str:
        if body == "INNM":
            return f"Prise {param[1:]}" if param[1:] in self.inputs.split() else "ERR2"
        if param == "?":
            return {"INPT": self.input, "AVMT": self.avmt, "INST": self.inputs, "IRES": self.ires}[body]
        if body == "INPT" and param in self.inputs.split():
            self.input = param
            return "OK"
        return "ERR2"

    # --- one connection -------------------------------------------------------------------------------------------

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.faults.single and self._open:
                return
            self._open += 1
            try:
                with suppress(asyncio.IncompleteReadError, ConnectionError):
                    await self._talk(reader, writer)
            finally:
                self._open -= 1
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        faults = self.faults
        if faults.silent:
            await reader.read()
            return
        random = secrets.token_hex(4)
        await self._say(
            writer, faults.garbage or (b"PJLINK 0\r" if self.password is None else f"PJLINK 1 {random}\r".encode())
        )
        is_in = self.password is None
        digest = hashlib.md5(f"{random}{self.password}".encode()).hexdigest()
        theirs = ""
        while line := (await reader.readuntil(b"\r")).decode()[:-1]:
            if line == "PJLINK 2" and not is_in:
                if not self.sha256:
                    return
                theirs = secrets.token_hex(16)
                await self._say(writer, f"PJLINK 2 {theirs}\r".encode())
                continue
            if not is_in:
                if theirs:
                    ours, line = line[:32], line[32:]
                    mixed = "".join(f"{int(a, 16) ^ int(b, 16):x}" for a, b in zip(theirs, ours, strict=True))
                    digest = hashlib.sha256(f"{mixed}{self.password}".encode()).hexdigest()
                if not line.startswith(digest):
                    self.refusals += 1
                    await self._say(writer, b"PJLINK ERRA\r")
                    return
                line, is_in = line[len(digest) :], True
            if not await self._answer(line, writer):
                return

    async def _answer(self, line: str, writer: asyncio.StreamWriter) -> bool:
        """Answer one command; say whether the connection goes on."""
        faults = self.faults
        self.said.append(line[1:])
        await asyncio.sleep(faults.delay_s)
        if faults.half_closed:
            writer.write_eof()
            await asyncio.sleep(3600)
        if faults.garbage_answer is not None:
            await self._say(writer, faults.garbage_answer)
            return True
        if faults.stray is not None:
            stray, faults.stray = faults.stray, None
            await self._say(writer, stray)
            return False
        class_, body, param = line[1], line[2:6], line[7:]
        said = self.answer(class_, body, param)
        if faults.hang_up_at_off and (body, param) == ("POWR", "0"):
            return False
        await self._say(
            writer, f"%{class_}{body}={said.lower() if faults.lower_case else said}\r".encode() + faults.pad
        )
        return True

    async def _say(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        for part in [data[i : i + 1] for i in range(len(data))] if self.faults.drip else [data]:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    # --- UDP ------------------------------------------------------------------------------------------------------

    def searched(self, data: bytes) -> bytes | None:
        """Return the answer to a datagram, if it is a search that is not lost and we are of class 2."""
        if data != b"%2SRCH\r" or self.class_ != 2:
            return None
        if self.faults.lose_searches:
            self.faults.lose_searches -= 1
            return None
        return f"%2ACKN={MAC}\r".encode()


@asynccontextmanager
async def serve(projector: Projector, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Projector]:
    """Serve on TCP; ``projector.port`` is the port. Connections still open at the end are cut."""
    tasks: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(projector.talk(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(take, host, port)
    projector.port = server.sockets[0].getsockname()[1]
    try:
        yield projector
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._projector.searched(data)
        if answer is not None and self.transport is not None:
            self.transport.sendto(b"noise\r", addr)
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def serve_udp(projector: Projector, host: str, port: int) -> AsyncIterator[asyncio.DatagramTransport]:
    """Answer searches at an address of its own (any of 127/8); the transport sends notifications."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(projector), local_addr=(host, port))
    try:
        yield transport
    finally:
        transport.close()
