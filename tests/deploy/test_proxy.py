"""The proxy examples, run by nginx and Caddy in front of a small HTTP server: TLS, HTTP/2, live events, limits."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.pki import CertificateAuthority
from tests.broker import free_port
from tests.deploy.conftest import StartServer
from tests.peers import need

HOST = "estrade.example.org"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy, the port of its TLS listener, and the port where it looks for the controller."""

    port: int
    upstream_port: int


def nginx(text: str, folder: Path) -> tuple[list[str], int]:
    """Write the configuration as Debian's nginx includes it; return the command and the TLS port."""
    program, tls, plain = need("nginx", "nginx"), free_port(), free_port()
    moved = re.sub(r"(?m)^ +listen \[::\].*\n", "", text)
    moved = moved.replace("listen 443 ", f"listen 127.0.0.1:{tls} ").replace("listen 80;", f"listen 127.0.0.1:{plain};")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = folder / "whole.conf"
    whole.write_text(
        f"pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off; worker_processes 1;\n"
        f"events {{}}\nhttp {{ {temporary} access_log off;\n{moved}\n}}\n"
    )
    return [program, "-e", f"{folder}/error.log", "-c", str(whole)], tls


def caddy(text: str, folder: Path) -> tuple[list[str], int]:
    """Write the configuration with its ports moved; return the command and the TLS port."""
    program, tls, plain = need("caddy", "caddy"), free_port(), free_port()
    moved = text.replace("admin off", f"admin off\n\thttp_port {plain}\n\thttps_port {tls}\n\tdefault_bind 127.0.0.1")
    whole = folder / "Caddyfile"
    whole.write_text(moved)
    home = f"HOME={folder}", f"XDG_DATA_HOME={folder}/data", f"XDG_CONFIG_HOME={folder}/config"
    return ["env", *home, program, "run", "--adapter", "caddyfile", "--config", str(whole)], tls


@pytest.fixture(params=["nginx.conf", "Caddyfile"])
def proxy(
    request: pytest.FixtureRequest,
    deploy: Path,
    tmp_path: Path,
    authority: CertificateAuthority,
    start_server: StartServer,
) -> Proxy:
    issued, upstream_port = authority.web([HOST]), free_port()
    text = (deploy / "proxy" / request.param).read_text()
    for example, here in (
        ("/etc/estrade/web/fullchain.pem", str(issued.cert)),
        ("/etc/estrade/web/key.pem", str(issued.key)),
        ("127.0.0.1:8080", f"127.0.0.1:{upstream_port}"),
    ):
        assert example in text
        text = text.replace(example, here)
    command, port = (nginx if request.param == "nginx.conf" else caddy)(text, tmp_path)
    start_server(command, port)
    return Proxy(port, upstream_port)


@asynccontextmanager
async def upstream(proxy: Proxy, answer: Callable[[list[str], asyncio.StreamWriter], object]) -> AsyncIterator[None]:
    """Stands where the controller would; ``answer`` gets the lines of each request's head."""

    serving: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving[writer] = task
        with contextlib.suppress(
            asyncio.IncompleteReadError, ConnectionError
        ):  # the proxy closes when it has no more requests
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                length = next((int(line.split()[1]) for line in head if line.lower().startswith("content-length:")), 0)
                await reader.readexactly(length)
                answer(head, writer)
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", proxy.upstream_port)
    try:
        yield
    finally:
        server.close()
        await asyncio.sleep(0)  # lets a connection that was just accepted reach serve
        for writer in serving:
            writer.transport.abort()
        await asyncio.gather(*serving.values())


@asynccontextmanager
async def tls_connection(
    proxy: Proxy, authority: CertificateAuthority, alpn: str = "http/1.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    context = ssl.create_default_context(cafile=authority.ca_path)
    context.set_alpn_protocols([alpn])
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=context, server_hostname=HOST)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def asked(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *headers, "", ""]).encode()


async def test_http_2_is_offered(proxy: Proxy, authority: CertificateAuthority) -> None:
    async with tls_connection(proxy, authority, "h2") as (_, writer):
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"


async def test_a_live_event_passes_at_once(proxy: Proxy, authority: CertificateAuthority) -> None:
    """The stream stays open behind it: a proxy that collects before it sends would keep the event for ever."""

    def answer(_: list[str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        event = b"event: lesson\ndata: {}\n\n"
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))

    async with upstream(proxy, answer), tls_connection(proxy, authority) as (reader, writer):
        writer.write(asked("/api/v1/lessons/a12/events"))
        async with asyncio.timeout(5):
            assert b" 200 " in await reader.readline()
            await reader.readuntil(b"event: lesson\ndata: {}\n\n")


async def test_whep_methods_and_their_location_pass(proxy: Proxy, authority: CertificateAuthority) -> None:
    seen: list[str] = []

    def answer(head: list[str], writer: asyncio.StreamWriter) -> None:
        seen.append(head[0])
        writer.write(b"HTTP/1.1 201 Created\r\nLocation: /whep/b12/v1\r\nContent-Length: 0\r\n\r\n")

    async with upstream(proxy, answer):
        for method in ("POST", "PATCH", "DELETE"):
            async with tls_connection(proxy, authority) as (reader, writer):
                writer.write(asked("/whep/b12/v1", "Content-Length: 0", method=method))
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                assert head.startswith("HTTP/1.1 201")
                assert "location: /whep/b12/v1" in head.lower()
    assert [line.split()[0] for line in seen] == ["POST", "PATCH", "DELETE"]


async def test_the_controller_learns_the_real_address_and_no_claimed_one(
    proxy: Proxy, authority: CertificateAuthority
) -> None:
    heads: list[list[str]] = []

    def answer(head: list[str], writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with upstream(proxy, answer), tls_connection(proxy, authority) as (reader, writer):
        writer.write(asked("/api/v1/join", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http"))
        await reader.readuntil(b"\r\n\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in heads[0][1:])}
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "https"
    assert fields["host"].partition(":")[0] == HOST


async def test_a_body_of_a_megabyte_never_reaches_the_controller(proxy: Proxy, authority: CertificateAuthority) -> None:
    reached: list[str] = []

    def answer(head: list[str], _: asyncio.StreamWriter) -> None:
        reached.append(head[0])

    async with upstream(proxy, answer), tls_connection(proxy, authority) as (reader, writer):
        writer.write(asked("/whep/b12", "Content-Length: 1000000", method="POST") + b"v=0\r\n" * 200_000)
        async with asyncio.timeout(5):
            status = int((await reader.readline()).split()[1])
    assert status in (413, 502)  # nginx reads the length; Caddy breaks off while it passes the body on
    assert reached == []


async def test_metrics_are_not_for_the_world(proxy: Proxy, authority: CertificateAuthority) -> None:
    async with tls_connection(proxy, authority) as (reader, writer):
        writer.write(asked("/metrics"))
        assert b" 404" in await reader.readline()
