"""A real TURN server, coturn, on loopback, and the credentials that it takes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from protocol.messages import IceServer
from tests.broker import free_port
from tests.peers import need

SECRET = "north wind and sun"


@asynccontextmanager
async def relay(folder: Path, quota: int) -> AsyncIterator[int]:
    """Run coturn over UDP and TCP, with ``quota`` relays at most; yield its port."""
    free = free_port()
    process = await asyncio.create_subprocess_exec(
        need("turnserver", "coturn"), "-n", "--use-auth-secret", f"--static-auth-secret={SECRET}",
        "--realm=estrade", "--fingerprint", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers",
        "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={free}",
        f"--pidfile={folder / 'turn.pid'}", f"--userdb={folder / 'turn.db'}", "--log-file=stdout",
        f"--user-quota={quota}", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    try:
        await _listens(free)
        yield free
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


def ice_servers(port: int, secret: str = SECRET) -> tuple[IceServer, ...]:
    """Return the server as a room is told of it: STUN, and TURN over UDP and TCP."""
    user = f"{int(time.time()) + 600}:salle-b12"
    credential = base64.b64encode(hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()).decode()
    urls = (f"turn:127.0.0.1:{port}", f"turn:127.0.0.1:{port}?transport=tcp")
    return IceServer(urls=(f"stun:127.0.0.1:{port}",)), IceServer(urls=urls, username=user, credential=credential)
