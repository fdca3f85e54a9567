"""A controller's connection of our own to a rig's broker, which may hear everything."""

from __future__ import annotations

import signal

import psutil

from controller.acl import mosquitto_acl
from controller.pki import CertificateAuthority
from mqttlink.link import Link, LinkSettings
from tests.rig import Rig


def witness_link(rig: Rig) -> Link:
    """Return a link with a controller's certificate of its own, which may hear everything."""
    authority = CertificateAuthority.create(rig.folder / "pki", name="Estrade demo CA")
    paths = authority.controller("witness")["events"]
    (rig.folder / "broker" / "acl").write_text(mosquitto_acl(authority.controller_users()))
    broker = next(
        process for process in psutil.Process(rig.controller.ppid()).children() if process.name() == "mosquitto"
    )
    broker.send_signal(signal.SIGHUP)
    port = next(one.laddr.port for one in broker.net_connections() if one.status == psutil.CONN_LISTEN)
    return Link(
        LinkSettings(
            "127.0.0.1",
            port,
            "controller-witness-events",
            ca_file=authority.ca_path,
            cert_file=paths.cert,
            key_file=paths.key,
            first_backoff_s=0.1,
        )
    )
