"""The demo's private folder: certificates, configurations and databases, kept between runs so that links stay the same.

Everything of the production set-up is here in small: an authority, a certificate per room and per controller
connection, a broker with TLS and rights, and the same configuration files that a centre and a room have.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estrade.children import python, what_matters
from estrade.toml import write_toml
from protocol.errors import ConfigError

if TYPE_CHECKING:
    from controller.pki import CertificateAuthority, CertificatePaths

TERRITORY = "075"
ROOM, ROOM_NAME = "salle-12", "Salle 12"
INSTANCE = "demo"
IT_NAME = "it"
LOOPBACK = "127.0.0.1"
PANEL_PORT, WEB_PORT, CA_PORT = 8480, 8470, 8471
_RENEW_S = 60 * 86_400
"""A demo's certificates are made anew after so long; they would hold for 400 days."""
_ACT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Room:
    """A room of the demo."""

    id: str
    name: str


def simulated_rooms(count: int) -> list[Room]:
    """Return rooms that only report."""
    return [Room(f"salle-{100 + n}", f"Salle {100 + n}") for n in range(1, count + 1)]


def free_port(wanted: int, host: str = LOOPBACK) -> int:
    """Return ``wanted`` if nothing listens there, else a port that is free."""
    return wanted if is_free(wanted, host) else any_port(host)


def need_port(wanted: int, host: str = LOOPBACK) -> int:
    """Return ``wanted``; raise ConfigError ``port-taken`` when something listens there."""
    if not is_free(wanted, host):
        raise ConfigError(
            f"port {wanted} on {host} is taken by another program; end it or name another port", code="port-taken"
        )
    return wanted


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen on that port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def any_port(host: str) -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class DemoFolder:
    """The folder, held by this process alone while it lives: a second demo in it is refused."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        """Take the folder; ``fresh`` empties it first. Raises ConfigError, ``already-running`` while another has it."""
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"the demo's folder {path} cannot be written ({error.strerror}); name another with --state"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise ConfigError(
                f"a demo runs already in {path}; stop it with Ctrl-C where it was started, "
                "or name another folder with --state",
                code="already-running",
            ) from None
        if fresh:
            self._empty()
        self.logs = path / "logs"
        self.logs.mkdir(exist_ok=True)

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._lock)

    # --- certificates and files -----------------------------------------------------------------------------------

    def authority(self) -> CertificateAuthority:
        """Open the demo's authority, made at the first run, with a revocation list that is in date."""
        from controller.pki import CertificateAuthority

        authority = CertificateAuthority.create(self.path / "pki", name="Estrade demo CA")
        authority.write_crl()  # an overdue one would lock everybody out
        return authority

    def write_broker(self, authority: CertificateAuthority, port: int) -> Path:
        """Write mosquitto's configuration and return its path."""
        from controller.acl import mosquitto_acl

        paths = _kept(authority.folder / "broker", lambda: authority.broker([LOOPBACK, "localhost"]))
        folder = self.path / "broker"
        folder.mkdir(exist_ok=True)
        acl = folder / "acl"
        acl.write_text(mosquitto_acl(authority.controller_users()))
        acl.chmod(0o600)
        lines = [
            "per_listener_settings false",
            "allow_anonymous false",
            f"acl_file {acl}",
            "set_tcp_nodelay true",
            "max_inflight_messages 100",
            "max_queued_messages 50000",
            "max_packet_size 262144",
            "max_keepalive 120",
            "persistence true",
            f"persistence_location {folder}/",
            "log_type error",
            "log_type warning",
            "log_dest stderr",
            f"listener {port} {LOOPBACK}",
            f"cafile {authority.ca_path}",
            f"certfile {paths.cert}",
            f"keyfile {paths.key}",
            f"crlfile {authority.crl_path}",
            "require_certificate true",
            "use_identity_as_username true",
            "use_username_as_clientid true",
            "tls_version tlsv1.2",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # or it becomes another user who cannot read this folder
        return self._write("mosquitto.conf", "\n".join(lines) + "\n")

    def write_controller(
        self,
        authority: CertificateAuthority,
        *,
        broker_port: int,
        host: str,
        port: int,
        public_url: str,
        tls: bool,
        more: Mapping[str, Mapping[str, Any]],
    ) -> Path:
        """Write the controller's configuration and return its path; ``more`` are further tables and keys."""
        from controller.pki import PURPOSES, controller_name

        http: dict[str, Any] = {"host": host, "port": port, "public_url": public_url}
        if tls:
            web = authority.web([LOOPBACK, "localhost", public_url.removeprefix("https://").rsplit(":", 1)[0]])
            http["tls"] = {"cert_file": web.cert, "key_file": web.key}
        broker: dict[str, Any] = {"host": LOOPBACK, "port": broker_port, "ca_file": authority.ca_path}
        for purpose in PURPOSES:
            stem = authority.folder / "controllers" / controller_name(INSTANCE, purpose)
            paths = _kept(stem, partial(_connection, authority, purpose))
            broker[purpose] = {"cert_file": paths.cert, "key_file": paths.key}
        document: dict[str, Any] = {
            "instance": INSTANCE,
            "state_dir": self.path / "controller",
            "pki_dir": self.path / "pki",
            "http": http,
            "broker": broker,
        }
        for table, keys in more.items():
            document[table] = {**document.get(table, {}), **keys}
        (self.path / "controller").mkdir(exist_ok=True, mode=0o700)
        return self._write("controller.toml", write_toml(document))

    def write_agent(
        self,
        authority: CertificateAuthority,
        *,
        broker_port: int,
        panel_port: int,
        devices: Mapping[str, Mapping[str, Any]],
    ) -> Path:
        """Write the room's configuration and return its path."""
        paths = _kept(authority.folder / "rooms" / ROOM, partial(authority.room, ROOM))
        document: dict[str, Any] = {
            "state_dir": self.path / "agent",
            "room": {"id": ROOM, "territory": TERRITORY, "name": ROOM_NAME},
            "broker": {
                "host": LOOPBACK,
                "port": broker_port,
                "ca_file": authority.ca_path,
                "cert_file": paths.cert,
                "key_file": paths.key,
            },
            "panel": {"port": panel_port},
        }
        for table, keys in devices.items():
            document[table] = {**document.get(table, {}), **keys}
        (self.path / "agent").mkdir(exist_ok=True, mode=0o700)
        return self._write("agent.toml", write_toml(document))

    def panel_token(self) -> str:
        """Return the token that opens the room's panel; raise OSError while the agent has made none."""
        return (self.path / "agent" / "panel-token").read_text(encoding="ascii").partition("\n")[0]

    def write_simulated(self, authority: CertificateAuthority, rooms: Sequence[Room], *, broker_port: int) -> Path:
        """Write what `estrade.simulated_rooms` reads and return its path."""
        listed = []
        for room in rooms:
            paths = _kept(authority.folder / "rooms" / room.id, partial(authority.room, room.id))
            listed.append({"id": room.id, "name": room.name, "cert_file": str(paths.cert), "key_file": str(paths.key)})
        document = {
            "territory": TERRITORY,
            "broker": {"host": LOOPBACK, "port": broker_port, "ca_file": str(authority.ca_path)},
            "rooms": listed,
        }
        return self._write("simulated.json", json.dumps(document))

    # --- the centre's database ------------------------------------------------------------------------------------

    def register(self, controller_toml: Path, rooms: Sequence[Room]) -> str | None:
        """Make the rooms and IT's account known to the centre.

        Return IT's password, a new one until `note_password_shown` was called; then None.
        """
        done = self._registered()
        wanted = [room.id for room in rooms]
        known = done.get("rooms", [])
        if not set(wanted) <= set(known):
            csv = "id,name,territory\n" + "".join(f"{room.id},{room.name},{TERRITORY}\n" for room in rooms)
            _controller(controller_toml, "room", "import", "-", given=csv)
            self._note_registered(rooms=sorted({*known, *wanted}))
        if done.get("it"):
            return None
        said = _controller(controller_toml, "user", "add", IT_NAME, "--random")
        return str(said["password"])

    def note_password_shown(self) -> None:
        """Keep IT's password from now on: somebody has seen it."""
        self._note_registered(it=True)

    def _registered(self) -> dict[str, Any]:
        path = self.path / "registered.json"
        done: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return done

    def _note_registered(self, **more: Any) -> None:
        self._write("registered.json", json.dumps({**self._registered(), **more}))

    def _write(self, name: str, text: str) -> Path:
        """Write a file of the folder, whole or not at all: a demo may be killed at any instant."""
        path, new = self.path / name, self.path / f"{name}.new"
        new.touch(mode=0o600)
        new.write_text(text, encoding="utf-8")
        new.replace(path)
        return path

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _connection(authority: CertificateAuthority, purpose: str) -> CertificatePaths:
    return authority.controller(INSTANCE)[purpose]


def _kept(stem: Path, issue: Callable[[], CertificatePaths]) -> CertificatePaths:
    """Return the certificate that lies under ``stem`` unless it is old; else issue it."""
    from controller.pki import CertificatePaths

    kept = CertificatePaths(stem.with_suffix(".pem"), stem.with_suffix(".key"))
    if kept.key.exists() and kept.cert.exists() and time.time() - kept.cert.stat().st_mtime < _RENEW_S:
        return kept
    return issue()


def _controller(config: Path, *arguments: str, given: str = "") -> dict[str, Any]:
    """Run one act of ``estrade-controller`` and return what it said; raise ConfigError with its sentence."""
    done = subprocess.run(
        python("controller.cli", "--config", str(config), "--json", *arguments),
        input=given,
        capture_output=True,
        text=True,
        timeout=_ACT_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigError(f"the centre's database cannot be prepared: {what_matters(done.stderr)}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said
