"""The room's look at its TURN server, with a real coturn."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.streams.turn import Reach
from protocol.messages import CheckStatus, IceServer
from tests.integration.streams.relay import ice_servers, relay

pytestmark = pytest.mark.timed


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    async with relay(tmp_path, quota=2) as free:
        yield free


async def test_a_look_gets_relays_and_gives_them_back(port: int) -> None:
    """The quota takes one look at a time: relays that were kept would make the next one fail for ten minutes."""
    reach = Reach()
    await reach.look(ice_servers(port))
    assert [(check.id, check.status) for check in reach.checks()] == [
        ("turn", CheckStatus.OK),
        ("turn-udp", CheckStatus.OK),
        ("turn-tcp", CheckStatus.OK),
    ]
    stun, turn = await reach.usable(ice_servers(port))
    assert (*stun.urls, *turn.urls) == (f"stun:127.0.0.1:{port}", f"turn:127.0.0.1:{port}")
    async with asyncio.timeout(10):  # coturn counts a relay for up to a second after it was given back
        while True:
            await reach.look(ice_servers(port))
            if {check.status for check in reach.checks()} == {CheckStatus.OK}:
                return
            await asyncio.sleep(0.2)


async def test_wrong_credentials_and_silence_are_told_apart(port: int) -> None:
    reach = Reach()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        stun, turn = ice_servers(port, "another secret")
        dead = IceServer(urls=(f"turn:127.0.0.1:{silent.getsockname()[1]}",), username="u", credential="c")
        began = time.monotonic()
        await reach.look((stun, dead, turn.model_copy(update={"urls": turn.urls[1:]})))
        assert time.monotonic() - began < 6.5, "both at once, with a limit"
    said = {check.id: check.message.en for check in reach.checks() if check.message}
    assert said["turn-udp"] == "The TURN server does not answer over UDP."
    assert said["turn-tcp"] == "The TURN server refuses the room's credentials over TCP."
