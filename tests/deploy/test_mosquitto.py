"""Debian's mosquitto with our configuration beside its own: who gets in, and what each may say."""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path

import aiomqtt
import pytest

from controller.acl import mosquitto_acl
from controller.pki import PURPOSES, CertificateAuthority, CertificatePaths, controller_name
from tests.broker import free_port
from tests.deploy.conftest import StartServer
from tests.peers import need


@pytest.fixture
def broker(
    deploy: Path,
    tmp_path: Path,
    authority: CertificateAuthority,
    start_server: StartServer,
) -> int:
    """Starts the broker as Debian would, with paths and port moved; returns the port."""
    program = need("mosquitto", "mosquitto")
    folder, port = tmp_path / "mosquitto", free_port()
    (folder / "conf.d").mkdir(parents=True)
    issued = authority.broker(["127.0.0.1"])
    files = {
        "ca.pem": authority.ca_path,
        "broker.pem": issued.cert,
        "broker.key": issued.key,
        "crl.pem": authority.crl_path,
    }
    for name, source in files.items():
        (folder / name).write_bytes(source.read_bytes())
    (folder / "acl").write_bytes((deploy / "mosquitto/acl").read_bytes())
    ours = (deploy / "mosquitto/estrade.conf").read_text().replace("/etc/estrade/mosquitto/", f"{folder}/")
    ours, count = re.subn(r"(?m)^listener 8883$", f"listener {port} 127.0.0.1", ours)
    assert count == 1
    (folder / "conf.d/estrade.conf").write_text(ours)
    debian = Path("/etc/mosquitto/mosquitto.conf").read_text()
    for path in ("/run/mosquitto/", "/var/lib/mosquitto/", "/var/log/mosquitto/", "/etc/mosquitto/"):
        debian = debian.replace(path, f"{folder}/")
    (folder / "mosquitto.conf").write_text(f"{debian}\nuser root\n")
    start_server([program, "-c", str(folder / "mosquitto.conf")], port)
    return port


def connection(authority: CertificateAuthority, files: CertificatePaths, port: int, name: str) -> aiomqtt.Client:
    context = ssl.create_default_context(cafile=authority.ca_path)
    context.load_cert_chain(files.cert, files.key)
    return aiomqtt.Client(
        "127.0.0.1", port, tls_context=context, protocol=aiomqtt.ProtocolVersion.V5, identifier=name, timeout=10
    )


def test_the_example_access_list_is_what_the_controller_writes(deploy: Path) -> None:
    users = [controller_name("centre-1", purpose) for purpose in PURPOSES]
    assert (deploy / "mosquitto/acl").read_text() == mosquitto_acl(users)


async def test_a_room_is_heard_on_its_own_topics_only(broker: int, authority: CertificateAuthority) -> None:
    centre = connection(authority, authority.controller("centre-1")["events"], broker, "any-name")
    room = connection(authority, authority.room("b12"), broker, "c14")
    async with centre, room:
        await centre.subscribe("estrade/v1/#", qos=1)
        for topic in ("estrade/v1/075/c14/state", "estrade/v1/075/b12/cmd/stop", "estrade/v1/075/b12/state"):
            await room.publish(topic, b"from b12", qos=1)
        heard = await anext(centre.messages)
        assert str(heard.topic) == "estrade/v1/075/b12/state"


async def test_a_room_hears_its_own_commands_only(broker: int, authority: CertificateAuthority) -> None:
    centre = connection(authority, authority.controller("centre-1")["rpc"], broker, "any-name")
    room = connection(authority, authority.room("b12"), broker, "b12")
    async with centre, room:
        await room.subscribe("estrade/v1/#", qos=1)
        for topic in ("estrade/v1/075/c14/cmd/stop", "estrade/v1/075/c14/state", "estrade/v1/075/b12/cmd/stop"):
            await centre.publish(topic, b"from the centre", qos=1)
        heard = await anext(room.messages)
        assert str(heard.topic) == "estrade/v1/075/b12/cmd/stop"


def test_nobody_gets_in_without_a_certificate_of_this_authority(
    broker: int, authority: CertificateAuthority, tmp_path: Path
) -> None:
    stranger = CertificateAuthority.create(tmp_path / "stranger").room("b12")
    context = ssl.create_default_context(cafile=authority.ca_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3 the refusal comes after the client's handshake
    context.load_cert_chain(stranger.cert, stranger.key)
    with (
        socket.create_connection(("127.0.0.1", broker)) as plain,
        pytest.raises(ssl.SSLError, match="unknown ca"),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_one_directive_stands_on_each_line(deploy: Path) -> None:
    """mosquitto takes what follows a value as part of it, comments too."""
    for line in (deploy / "mosquitto/estrade.conf").read_text().splitlines():
        assert line == "" or line.startswith("#") or re.fullmatch(r"[a-z_]+ [^ #;]+", line), line
