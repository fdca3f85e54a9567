"""The room's look at its TURN server, with a real coturn."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.streams.turn import Reach
from protocol.messages import CheckStatus, IceServer
from tests.broker import free_port
from tests.peers import need

SECRET = "north wind and sun"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A coturn on loopback, over UDP and TCP."""
    free = free_port()
    process = await asyncio.create_subprocess_exec(
        need("turnserver", "coturn"), "-n", "--use-auth-secret", f"--static-auth-secret={SECRET}",
        "--realm=estrade", "--fingerprint", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers",
        "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={free}",
        f"--pidfile={tmp_path / 'turn.pid'}", f"--userdb={tmp_path / 'turn.db'}", "--log-file=stdout",
        "--user-quota=2", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=tmp_path,
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


def _servers(port: int, secret: str = SECRET) -> tuple[IceServer, ...]:
    user = f"{int(time.time()) + 600}:salle-b12"
    credential = base64.b64encode(hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()).decode()
    urls = (f"turn:127.0.0.1:{port}", f"turn:127.0.0.1:{port}?transport=tcp")
    return IceServer(urls=(f"stun:127.0.0.1:{port}",)), IceServer(urls=urls, username=user, credential=credential)


async def test_a_look_gets_relays_and_gives_them_back(port: int) -> None:
    """The quota takes one look at a time: relays that were kept would make the next one fail for ten minutes."""
    reach = Reach()
    await reach.look(_servers(port))
    assert [(check.id, check.status) for check in reach.checks()] == [
        ("turn", CheckStatus.OK),
        ("turn-udp", CheckStatus.OK),
        ("turn-tcp", CheckStatus.OK),
    ]
    stun, turn = await reach.usable(_servers(port))
    assert (*stun.urls, *turn.urls) == (f"stun:127.0.0.1:{port}", f"turn:127.0.0.1:{port}")
    async with asyncio.timeout(10):  # coturn counts a relay for up to a second after it was given back
        while True:
            await reach.look(_servers(port))
            if {check.status for check in reach.checks()} == {CheckStatus.OK}:
                return
            await asyncio.sleep(0.2)


async def test_wrong_credentials_and_silence_are_told_apart(port: int) -> None:
    reach = Reach()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        stun, turn = _servers(port, "another secret")
        dead = IceServer(urls=(f"turn:127.0.0.1:{silent.getsockname()[1]}",), username="u", credential="c")
        began = time.monotonic()
        await reach.look((stun, dead, turn.model_copy(update={"urls": turn.urls[1:]})))
        assert time.monotonic() - began < 6.5, "both at once, with a limit"
    said = {check.id: check.message.en for check in reach.checks() if check.message}
    assert said["turn-udp"] == "The TURN server does not answer over UDP."
    assert said["turn-tcp"] == "The TURN server refuses the room's credentials over TCP."
