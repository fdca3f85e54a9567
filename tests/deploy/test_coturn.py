"""coturn with our example: whom it gives a relay, and where a relay may not lead."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from aioice import stun, turn
from cryptography import x509

from controller.pki import CertificateAuthority
from tests.broker import free_port
from tests.deploy.conftest import StartServer
from tests.peers import need

SECRET = "the-secret-of-this-test"
_INSTALL = """case "$*" in
*/key.pem) test "$1 $2 $3 $4" = "-m 0640 -g turnserver" || exit 1; exec {program} -m 0640 "$5" "$6" ;;
*) exec {program} "$@" ;;
esac"""


@dataclass(frozen=True, slots=True)
class Coturn:
    """A running coturn, its two ports, and where its certificate lies."""

    process: subprocess.Popen[str]
    port: int
    tls_port: int
    folder: Path


def certificate(authority: CertificateAuthority, name: str, lineage: Path) -> Path:
    """Issue a certificate and lay it out as certbot does; return the folder."""
    issued = authority.web([name])
    lineage.mkdir(exist_ok=True)
    shutil.copy(issued.cert, lineage / "fullchain.pem")
    shutil.copy(issued.key, lineage / "privkey.pem")
    return lineage


def bring(deploy: Path, lineage: Path, folder: Path, systemctl: str = "exit 1") -> None:
    """Run ``renewed`` as certbot does, with a systemctl of ours; the group is looked at, not given."""
    programs = folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, lines in (("systemctl", systemctl), ("install", _INSTALL.format(program=shutil.which("install")))):
        (programs / name).write_text(f"#!/bin/sh\n{lines}\n")
        (programs / name).chmod(0o755)
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "RENEWED_LINEAGE": str(lineage), "ESTRADE_TURN": str(folder)}
    subprocess.run([deploy / "coturn/renewed"], env=environ, check=True, timeout=10)


@pytest.fixture
def coturn(deploy: Path, tmp_path: Path, authority: CertificateAuthority, start_server: StartServer) -> Coturn:
    """Starts coturn on loopback with the example's ports, files and secret replaced."""
    program, port, tls_port = need("turnserver", "coturn"), free_port(), free_port()
    folder = tmp_path / "turn"
    bring(deploy, certificate(authority, "turn.estrade.example.org", tmp_path / "first"), folder)
    text = (deploy / "coturn/turnserver.conf").read_text()
    for example, here in (
        ("replace-this-secret", SECRET),
        ("# listening-ip=203.0.113.11\n", "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\n"),
        ("listening-port=3478", f"listening-port={port}"),
        ("tls-listening-port=443", f"tls-listening-port={tls_port}"),
        ("/etc/estrade/turn/fullchain.pem", str(folder / "fullchain.pem")),
        ("/etc/estrade/turn/key.pem", str(folder / "key.pem")),
        ("\nsyslog\n", f"\nlog-file={tmp_path}/turn.log\nsimple-log\npidfile={tmp_path}/turn.pid\n"),
    ):
        assert example in text
        text = text.replace(example, here, 1)
    conf = tmp_path / "turnserver.conf"
    conf.write_text(text)
    process = start_server([program, "-c", str(conf), "--db", str(tmp_path / "turndb")], port)
    return Coturn(process, port, tls_port, folder)


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


async def test_a_ticket_gets_a_relay_that_leads_to_no_private_network(coturn: Coturn) -> None:
    transport = await allocate(coturn.port, *credentials(SECRET, 600))
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
async def test_a_forged_or_old_ticket_gets_none(coturn: Coturn, secret: str, ttl_s: int) -> None:
    with pytest.raises(stun.TransactionFailed) as refusal:
        await allocate(coturn.port, *credentials(secret, ttl_s))
    assert refusal.value.response.attributes["ERROR-CODE"][0] == 401


def names(port: int, authority: CertificateAuthority) -> list[str]:
    """Return the names in the certificate that coturn shows."""
    context = ssl.create_default_context(cafile=authority.ca_path)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line, context.wrap_socket(line) as tls:
        shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    extensions = x509.load_der_x509_certificate(shown).extensions
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def test_a_renewed_certificate_is_taken_while_relays_stand(
    coturn: Coturn, deploy: Path, tmp_path: Path, authority: CertificateAuthority
) -> None:
    assert names(coturn.tls_port, authority) == ["turn.estrade.example.org"]
    key = coturn.folder / "key.pem"
    assert key.stat().st_mode & 0o777 == 0o640
    renewed = certificate(authority, "renewed.estrade.example.org", tmp_path / "second")
    asked = f'test "$*" = "kill --signal=USR2 coturn" && kill -USR2 {coturn.process.pid}'
    bring(deploy, renewed, coturn.folder, systemctl=asked)
    deadline_s = time.monotonic() + 10
    while names(coturn.tls_port, authority) != ["renewed.estrade.example.org"]:
        assert time.monotonic() < deadline_s, "coturn still shows the old certificate"
        time.sleep(0.1)  # it reads the files when it comes round to it
    assert coturn.process.poll() is None


@pytest.mark.parametrize("page", ["en.md", "fr.md"])
def test_operations_say_how_the_certificate_comes_where_coturn_looks(deploy: Path, page: str) -> None:
    text = (deploy.parent / "docs/operations" / page).read_text(encoding="utf-8")
    conf = (deploy / "coturn/turnserver.conf").read_text()
    example = (deploy / "examples/controller.toml").read_text()
    assert "install -m 0755 deploy/coturn/renewed /etc/estrade/turn/\n" in text
    assert "--deploy-hook /etc/estrade/turn/renewed\n" in text
    assert "# listening-ip=203.0.113.11\n" in conf
    assert "--http-01-address 203.0.113.11 -d turn.estrade.example.org" in text
    assert "turns:turn.estrade.example.org:443" in example
