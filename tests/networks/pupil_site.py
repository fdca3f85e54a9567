"""The pupil's page behind a shaped line, with no centre: its files, and what it asks of the centre on the way in."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from email.parser import BytesParser
from http import HTTPStatus
from itertools import count
from pathlib import Path

import web
from tests.networks.shaper import Shaper
from web.csp import policy

HOST = "127.0.0.1"
"""A secure context without TLS, which WebRTC's microphones and worklets need."""
PATH = "/j/lesson"
"""Of a pupil's link."""
_WEB = Path(next(iter(web.__path__)))
_JOIN = {
    "token": "t",
    "whep": "/whep/room",
    "whip": "/whip/room",
    "events": "/events",
    "ice_servers": [],
    "expires_at": "2100-01-01T00:00:00Z",
    "view": {
        "lesson": "lesson",
        "room": "room",
        "room_name": "Salle 12",
        "room_online": True,
        "phase": "open",
        "state": "live",
        "paused": False,
    },
}

Accept = Callable[[str, str], Awaitable[str]]
"""Takes a new viewer's name and offer; returns the room's answer."""


class _Site:
    def __init__(self, accept: Accept, line: Shaper, pictures: Mapping[str, bytes]) -> None:
        self._accept = accept
        self._line = line
        self._pictures = pictures
        self._html = (_WEB / "pupil" / "index.html").read_text(encoding="utf-8")
        self._numbers = count(1)
        self._open: set[StreamWriter] = set()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer one request; where there is no answer, break the connection as a line does."""
        self._open.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                request, _, fields = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
                length = int(BytesParser().parsebytes(fields)["Content-Length"] or 0)
                body = (await reader.readexactly(length)).decode()
                answer = await self._answer(request.split()[1].decode(), body)
                if answer is None:
                    writer.transport.abort()
                else:
                    writer.write(answer)
                    await writer.drain()
        finally:
            writer.close()
            self._open.discard(writer)

    def close(self) -> None:
        """Close connections on which nothing was asked: a browser opens some in advance."""
        for writer in self._open:
            writer.close()

    async def _answer(self, path: str, body: str) -> bytes | None:
        if self._line.is_cut or path == "/events":
            return None
        if path.startswith("/static/"):
            file = _WEB / path.removeprefix("/static/")
            return _response(HTTPStatus.OK, file.read_bytes(), mimetypes.guess_type(file)[0])
        if path in self._pictures:
            return _response(HTTPStatus.OK, self._pictures[path], "image/png")
        if path == "/whep/room":
            offer = self._line.offer(body)
            await asyncio.sleep(self._line.round_trip_s)
            answer = await self._line.answer(await self._accept(f"pupil-{next(self._numbers)}", offer))
            return _response(HTTPStatus.CREATED, answer.encode(), "application/sdp", Location="/whep/room/pupil")
        if path == "/api/v1/join":
            return _response(HTTPStatus.OK, json.dumps(_JOIN).encode(), "application/json")
        if path == "/" or path.startswith("/j/"):
            security = {"Content-Security-Policy": policy(self._html)}
            return _response(HTTPStatus.OK, self._html.encode(), "text/html; charset=utf-8", **security)
        return _response(HTTPStatus.NO_CONTENT)


def _response(status: HTTPStatus, body: bytes = b"", content_type: str | None = None, **fields: str) -> bytes:
    all_fields = {"Content-Length": str(len(body)), "Connection": "close", **fields}
    if content_type:
        all_fields["Content-Type"] = content_type
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in all_fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def pupil_site(accept: Accept, line: Shaper, pictures: Mapping[str, bytes] | None = None) -> AsyncIterator[str]:
    """Answer as the centre does, and nothing while the line is cut; yield the site's address.

    The answer of ``accept`` goes through ``line``. Candidates that a page sends after its offer reach nobody: the room
    learns the line's address alone. ``pictures`` are further files (PNG) by their path.
    """
    site = _Site(accept, line, pictures or {})
    server = await asyncio.start_server(site.serve, HOST)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        site.close()
