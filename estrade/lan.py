"""The demo on the local network: this machine's address, and the authority's certificate for phones to fetch.

The certificate is served over plain HTTP: a phone that does not trust the authority yet could fetch it over HTTPS only
after a warning that people should not learn to click away. Whoever installs it compares the fingerprint that the
terminal shows.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from contextlib import suppress
from pathlib import Path

from protocol.errors import ConfigError

_REQUEST_TIMEOUT_S = 5.0
_ELSEWHERE = ("198.51.100.1", 9)
"""An address of documentation (RFC 5737): nothing is sent to it, the kernel only chooses our side."""


def lan_address() -> str:
    """Return the address others on the network reach this machine at; raise ConfigError ``no-network``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
            address = str(probe.getsockname()[0])
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        raise ConfigError(
            "this machine has no network address for others; connect it to the network, or leave --lan out",
            code="no-network",
        )
    return address


def fingerprint(ca_file: Path) -> str:
    """Return the SHA-256 fingerprint of a PEM certificate as phones show it."""
    der = ssl.PEM_cert_to_DER_cert(ca_file.read_text())
    return hashlib.sha256(der).digest().hex(":").upper()


async def serve_ca(body: bytes, host: str, port: int) -> None:
    """Serve the authority's certificate (PEM) at ``/ca.pem`` over HTTP until cancelled."""
    found = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-x509-ca-cert\r\n"
        b'Content-Disposition: attachment; filename="estrade-demo-ca.pem"\r\n'
        b"Content-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    )
    lost = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(TimeoutError, ConnectionError, ValueError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                    line = await reader.readline()
                    writer.write(found if line.startswith(b"GET /ca.pem ") else lost)
                    await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, port, limit=4_096)
    async with server:
        await server.serve_forever()
