"""What stands for the world outside the centre: a web server that does what a test says, and names of a test's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

from controller.pki import CertificatePaths

Served = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


class Asked:
    """One request as it came over the wire."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ", 2)
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }


class Outside:
    """A server on loopback; `asked` has every request."""

    def __init__(self, serve: Served) -> None:
        self.serve = serve
        self.asked: list[Asked] = []
        self.connections = 0
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection."""
        self.connections += 1
        try:
            asked = Asked(await reader.readuntil(b"\r\n\r\n"))
            self.asked.append(asked)
            await self.serve(asked, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other end went, or the test is over
        finally:
            writer.close()
            with suppress(Exception):
                await writer.wait_closed()


@asynccontextmanager
async def outside(
    serve: Served, certificate: CertificatePaths | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Outside]:
    """Run a server for as long as the block does; over TLS with a certificate."""
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.cert, certificate.key)
    server = Outside(serve)
    tasks: set[asyncio.Task[None]] = set()

    def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(server.answer(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(taken, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(body: bytes, status: str = "200 OK", **headers: str) -> Served:
    """Return what serves one whole answer; ``_`` in a header's name is a hyphen."""

    async def serve(asked: Asked, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    return serve


class Names:
    """A name server of a test's own: each name's answers in turn, the last one for ever; `asked` counts them."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        """Return the next answer, or the address that the name is; OSError for a name that there is not."""
        self.asked.append(host)
        with suppress(ValueError):
            return [str(ip_address(host))]
        if host not in self._answers:
            raise OSError(f"no {host}")
        given = self._answers[host]
        return given.pop(0) if len(given) > 1 else given[0]
