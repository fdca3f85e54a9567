"""coturn with our example: whom it gives a relay, and where a relay may not lead."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from pathlib import Path

import pytest
from aioice import stun, turn

from controller.pki import CertificateAuthority
from tests.broker import free_port
from tests.deploy.conftest import StartServer
from tests.peers import need

SECRET = "the-secret-of-this-test"


@pytest.fixture
def turn_port(
    deploy: Path,
    tmp_path: Path,
    authority: CertificateAuthority,
    start_server: StartServer,
) -> int:
    """Starts coturn on loopback with the example's ports, files and secret replaced; returns its port."""
    program, port = need("turnserver", "coturn"), free_port()
    issued = authority.web(["turn.estrade.example.org"])
    text = (deploy / "coturn/turnserver.conf").read_text()
    for example, here in (
        ("replace-this-secret", SECRET),
        ("listening-port=3478", f"listening-port={port}\nlistening-ip=127.0.0.1\nrelay-ip=127.0.0.1"),
        ("tls-listening-port=443", f"tls-listening-port={free_port()}"),
        ("/etc/estrade/turn/fullchain.pem", str(issued.cert)),
        ("/etc/estrade/turn/key.pem", str(issued.key)),
        ("\nsyslog\n", f"\nlog-file={tmp_path}/turn.log\nsimple-log\npidfile={tmp_path}/turn.pid\n"),
    ):
        assert example in text
        text = text.replace(example, here, 1)
    conf = tmp_path / "turnserver.conf"
    conf.write_text(text)
    start_server([program, "-c", str(conf), "--db", str(tmp_path / "turndb")], port)
    return port


def credentials(secret: str, ttl_s: int) -> tuple[str, str]:
    """Return user name and password as the controller signs them for a ticket."""
    user = f"{int(time.time()) + ttl_s}:ticket"
    digest = hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()
    return user, base64.b64encode(digest).decode()


async def allocate(port: int, user: str, password: str) -> turn.TurnTransport:
    transport, _ = await turn.create_turn_endpoint(
        _Silent, server_addr=("127.0.0.1", port), username=user, password=password, lifetime=60
    )
    return transport


class _Silent(asyncio.DatagramProtocol):
    """Nobody is relayed to in these tests."""


async def test_a_ticket_gets_a_relay_that_leads_to_no_private_network(turn_port: int) -> None:
    transport = await allocate(turn_port, *credentials(SECRET, 600))
    inner = transport._TurnTransport__inner_protocol  # type: ignore[attr-defined]  # aioice names no public way
    try:
        for peer in ("10.1.2.3", "127.0.0.1", "169.254.169.254", "192.168.1.1", "172.20.0.1"):
            with pytest.raises(stun.TransactionFailed) as refusal:
                await inner.channel_bind(0x4000, (peer, 9))
            assert refusal.value.response.attributes["ERROR-CODE"][0] == 403, peer
        await inner.channel_bind(0x4001, ("203.0.113.7", 9))
    finally:
        await inner.delete()


@pytest.mark.parametrize(("secret", "ttl_s"), [("another-secret", 600), (SECRET, -60)])
async def test_a_forged_or_old_ticket_gets_none(turn_port: int, secret: str, ttl_s: int) -> None:
    with pytest.raises(stun.TransactionFailed) as refusal:
        await allocate(turn_port, *credentials(secret, ttl_s))
    assert refusal.value.response.attributes["ERROR-CODE"][0] == 401
