"""A real mosquitto of a test's own: free loopback port, TLS and rights as in production, or plain for cheap tests."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from controller.acl import mosquitto_acl
from controller.pki import CertificateAuthority
from mqttlink import LinkSettings
from tests.peers import need

RELOAD_MOST_S = 5.0
START_TIMEOUT_S = 10.0
MOST_PACKET_BYTES = 262_144
"""As in deploy/mosquitto/estrade.conf."""


def free_port() -> int:
    """Return a TCP port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """mosquitto as a child process; `stop`, `kill`, `freeze` and `start` again on the same port.

    With an ``authority`` it speaks TLS and every client needs a certificate of it; without, plain TCP and anybody.
    """

    def __init__(self, folder: Path, authority: CertificateAuthority | None = None, *, extra: str = "") -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self.authority = authority
        self._folder = folder
        self._program = need("mosquitto", "mosquitto")
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "mosquitto.log"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(self._text() + extra)

    def room(self, room: str) -> LinkSettings:
        """Return settings for a room, with a certificate of its own when this broker wants one."""
        return self._settings(room)

    def controller(self, instance: str, purpose: str = "rpc") -> LinkSettings:
        """Return settings for a controller's connection and let it in."""
        settings = self._settings(f"controller-{instance}-{purpose}", instance)
        self.reload_rights()
        return settings

    def start(self) -> None:
        """Start and wait until it says that it runs."""
        assert self._process is None, "it runs already"
        starts = self._log.read_text().count(" running\n") if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)], stdout=log, stderr=subprocess.STDOUT, cwd=self._folder
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self._log.read_text().count(" running\n") > starts:  # the port answers before SIGHUP is harmless
                return
            time.sleep(0.01)
        raise AssertionError(f"mosquitto did not start: {self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End it as systemd would; it says goodbye to its clients and publishes their wills."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a word."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it from answering while its sockets stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def reload_rights(self, *, without: str | None = None) -> None:
        """Write the access list anew for the controllers that have certificates, and have it read.

        ``without`` leaves out the rules that end so: what they allowed is refused.
        """
        if self.authority is not None:
            lines = mosquitto_acl(self.authority.controller_users()).splitlines(keepends=True)
            kept = [line for line in lines if without is None or not line.rstrip().endswith(without)]
            text, file = "".join(kept), self._folder / "acl"
            whole = file.with_name("acl.new")
            whole.write_text(text)
            whole.replace(file)
            if self._process is not None:
                self._reload()

    def _reload(self) -> None:
        """Have it read its files, and wait until it has: of two signals in one reload, the second would be lost."""
        reloads = self._log.read_text().count("Reloading config")
        self._signal(signal.SIGHUP)
        end_s = time.monotonic() + RELOAD_MOST_S
        while self._log.read_text().count("Reloading config") == reloads and time.monotonic() < end_s:
            time.sleep(0.005)
        assert self.authority is not None
        context = ssl.create_default_context(cafile=self.authority.ca_path)
        context.check_hostname = False
        # it answers a handshake, and refuses us who have no certificate, only when it is through with its files
        with (
            socket.create_connection((self.host, self.port), RELOAD_MOST_S) as line,
            suppress(OSError),
            context.wrap_socket(line),
        ):
            pass

    @property
    def log_text(self) -> str:
        return self._log.read_text()

    def _settings(self, client_id: str, instance: str = "") -> LinkSettings:
        settings = LinkSettings(self.host, self.port, client_id, first_backoff_s=0.1, most_backoff_s=1.0)
        if self.authority is None:
            return settings
        if instance:
            purpose = client_id.rsplit("-", 1)[1]
            paths = self.authority.controller(instance)[purpose]
        else:
            paths = self.authority.room(client_id)
        return replace(settings, ca_file=self.authority.ca_path, cert_file=paths.cert, key_file=paths.key)

    def _text(self) -> str:
        lines = [
            "per_listener_settings false",
            "set_tcp_nodelay true",
            "max_inflight_messages 100",
            "max_queued_messages 50000",
            f"max_packet_size {MOST_PACKET_BYTES}",
            "max_keepalive 120",
            "persistence false",
            "log_type error",
            "log_type information",
            f"listener {self.port} {self.host}",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # mosquitto gives its rights up otherwise and cannot read the test's folder
        if self.authority is None:
            lines.append("allow_anonymous true")
        else:
            paths = self.authority.broker([self.host, "localhost"])
            self.reload_rights()
            lines += [
                "allow_anonymous false",
                f"acl_file {self._folder / 'acl'}",
                f"cafile {self.authority.ca_path}",
                f"certfile {paths.cert}",
                f"keyfile {paths.key}",
                f"crlfile {self.authority.crl_path}",
                "require_certificate true",
                "use_identity_as_username true",
                "use_username_as_clientid true",
                "tls_version tlsv1.2",
            ]
        return "\n".join(lines) + "\n"

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(signal.SIGCONT)
        self._signal(number)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
