"""The issuer's socket: one line of JSON in, one out, then the connection ends. Who asks is asked of the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pwd
import signal
import socket
import stat
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.issuer.verbs import Issuer
from controller.notify_systemd import SystemdNotifier
from protocol.errors import ConfigError

log = logging.getLogger(__name__)

LINE_MOST = 8_192
"""Bytes. A request for a P-256 key has 400 to 700 of them."""
READ_S = 2.0
WRITE_S = 2.0
MOST_AT_ONCE = 16
"""Connections; the next one is closed. The controller has one or two, and nobody else may ask."""
_FIRST_FD = 3
"""Where systemd puts the socket that it listens on (sd_listen_fds(3))."""


def listening_socket(path: Path | None, environment: Mapping[str, str] = os.environ) -> socket.socket:
    """Return the socket that systemd gave, or one made at ``path``; raise ConfigError when there is neither."""
    if path is None:
        if environment.get("LISTEN_PID") != str(os.getpid()) or environment.get("LISTEN_FDS") != "1":
            msg = "the issuer is started by systemd at its socket (estrade-issuer.socket), or with --socket PATH"
            raise ConfigError(msg, code="args-invalid")
        return socket.socket(fileno=_FIRST_FD)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode):  # of an issuer that was killed
                path.unlink()
        listening.bind(str(path))
        path.chmod(0o660)
        listening.listen(MOST_AT_ONCE)
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen at {path} ({error.strerror})", code="args-invalid") from error
    return listening


def peer_of(connection: socket.socket) -> dict[str, int]:
    """Return who connected, as the kernel saw it (unix(7), SO_PEERCRED)."""
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return {"pid": pid, "uid": uid, "gid": gid}


def may_ask(user: str) -> frozenset[int]:
    """Return the uids that are answered: root, and the controller's user where there is one."""
    try:
        return frozenset({0, pwd.getpwnam(user).pw_uid})
    except KeyError:
        log.warning("there is no user %s: root alone is answered", user)
        return frozenset({0})


class IssuerServer:
    """Takes connections, each for one request."""

    def __init__(self, issuer: Issuer, allowed: frozenset[int]) -> None:
        self._issuer = issuer
        self._allowed = allowed
        self._open = 0

    async def run(self, listening: socket.socket) -> None:
        """Serve until cancelled; an act that has been begun by then is finished, though nobody is told."""
        async with asyncio.TaskGroup() as group:

            def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                group.create_task(self._one(reader, writer), name="issuer request")

            server = await asyncio.start_unix_server(take, sock=listening, limit=LINE_MOST)
            try:
                await server.serve_forever()
            finally:
                server.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MOST_AT_ONCE:
                await self._answer(reader, writer)
        except OSError as error:
            log.debug("an asker left: %s", error)
        finally:
            self._open -= 1
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = peer_of(writer.get_extra_info("socket"))
        line, why_not = await _read_line(reader)  # who is refused too: a line left unread would reset the answer
        if peer["uid"] not in self._allowed:
            said = _refusal("issuer-refused", "only the controller may ask the issuer")
            await asyncio.to_thread(self._issuer.refuse, None, said, peer)
        elif why_not:
            said = _refusal("issuer-bad-request", why_not)
            await asyncio.to_thread(self._issuer.refuse, None, said, peer)
        else:
            said = await asyncio.shield(asyncio.to_thread(self._issuer.answer, line, peer))
        writer.write(json.dumps(said).encode() + b"\n")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_S):
                await writer.drain()


def _refusal(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "message": message}


async def _read_line(reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """Return the first line and "", or why there is none."""
    try:
        async with asyncio.timeout(READ_S):
            line = await reader.readuntil(b"\n")
    except TimeoutError:
        return b"", "no request came in time"
    except asyncio.LimitOverrunError:
        return b"", f"a request is one line of at most {LINE_MOST} bytes"
    except asyncio.IncompleteReadError:
        return b"", "the connection ended before its request"
    return line.rstrip(b"\n"), ""


def run(issuer: Issuer, listening: socket.socket, user: str) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    listening.setblocking(False)

    async def serve() -> None:
        serving = asyncio.create_task(IssuerServer(issuer, may_ask(user)).run(listening), name="issuer")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)
        SystemdNotifier().say("READY=1")
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    asyncio.run(serve())
    return 0
