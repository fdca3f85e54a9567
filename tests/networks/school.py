"""A school, a home and a centre, each in a network of its own, with everything real in between.

To be used inside `namespaces.run_inside` only.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from controller.acl import mosquitto_acl
from controller.config import load
from controller.pki import CertificateAuthority
from controller.store.rooms import RoomRecord
from controller.store.store import open_store
from estrade.toml import write_toml
from tests import chromium
from tests.browser.people import Pupil, until
from tests.networks.namespaces import Firewall, Nat, Networks, at, entered, programs
from tests.peers import need
from tests.rig import Rig, wait_for

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ROOM, TERRITORY = "salle-12", "075"
WEB_NAME, TURN_NAME, BROKER_NAME = "centre.estrade.test", "turn.estrade.test", "broker.estrade.test"
WEB, TURN, BROKER = "203.0.113.10", "203.0.113.11", "203.0.113.12"
SECRET = "north wind and sun"
PANEL_PORT = 8480
READY_S = 30.0
# Chromium looks the names of STUN servers and of TURN over UDP up by DNS alone, which there is none of here.
STUN_URL = f"stun:{TURN}:3478"
TURN_URLS = (
    f"turn:{TURN}:3478?transport=udp",
    f"turn:{TURN}:3478?transport=tcp",
    f"turns:{TURN_NAME}:443?transport=tcp",
)
_PAIR_JS = """async () => {
  const report = await window.estrade.connection.getStats();
  const transport = [...report.values()].find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId);
  if (!transport) return null;
  const pair = report.get(transport.selectedCandidatePairId);
  const [own, room] = [report.get(pair.localCandidateId), report.get(pair.remoteCandidateId)];
  return { own: own.candidateType, relay: own.relayProtocol || null, room: room.candidateType, at: room.address };
}"""


@dataclass(frozen=True, slots=True)
class Case:
    """What lies between room and pupil. ``nat`` None: both are in one network."""

    nat: Nat | None = None
    firewall: Firewall = "open"
    has_stun: bool = True
    has_turn: bool = True


CASES = {
    "direct": Case(has_stun=False, has_turn=False),
    "stun": Case("port-restricted", has_turn=False),
    "symmetric": Case("symmetric"),
    "no-udp": Case("port-restricted", "no-udp"),
    "only-443": Case("port-restricted", "only-443"),
    "home": Case("port-restricted"),
}


class Panel(Rig):
    """The room's panel, asked from within the room; its program is started elsewhere."""

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        token = (self.folder / "agent" / "panel-token").read_text().partition("\n")[0]
        self.links = {"panel": f"http://127.0.0.1:{PANEL_PORT}/?token={token}"}
        with entered("room"):
            return super()._ask(method, path, body)


class School:
    """Room, pupil and centre of one case. ``networks`` changes them while they run."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.networks = Networks({WEB_NAME: WEB, TURN_NAME: TURN, BROKER_NAME: BROKER})
        self.panel = Panel(folder)
        self._authority = CertificateAuthority.create(folder / "pki")
        self._health = folder / "health.jsonl"
        self._browser: Browser | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start everything; the room is idle, warm and linked to the centre in the block."""
        self._lay_cables()
        with ExitStack() as stack:
            for name, place, argv, environ in await self._programs():
                stack.enter_context(self._program(name, place, argv, environ))
            async with async_playwright() as playwright:
                self._browser = await chromium.launch(playwright, str(self._browser_of_the_pupil()))
                try:
                    await asyncio.to_thread(self.panel.wait_ready, READY_S)
                    yield
                finally:
                    await self._browser.close()

    # --- what a test does -----------------------------------------------------------------------------------------

    async def pupil(self) -> Pupil:
        """Return a new pupil's page, opened with the room's link."""
        view = await asyncio.to_thread(self.panel.wait_for_panel, lambda view: view["access"], "the room's link")
        assert self._browser is not None
        context = await chromium.new_context(self._browser)
        page = await context.new_page()
        await page.goto(view["access"]["link"])
        await page.wait_for_selector("html[data-phase=join]")
        return Pupil(page)

    async def press(self, act: str) -> float:
        """Press a button of the panel; return the wall clock of that in milliseconds."""
        pressed_ms = time.time() * 1000
        await asyncio.to_thread(self.panel.press, act)
        return pressed_ms

    async def checks(self) -> dict[str, str]:
        """Return the room's own checks of its ways out, as the centre hears them: id and status."""
        found: dict[str, str] = {}

        async def is_told() -> bool:
            lines = self._health.read_text().splitlines()
            found.clear()
            if lines:
                checks = json.loads(lines[-1])["checks"]
                found.update({one["id"]: one["status"] for one in checks if one["id"].partition("-")[0] == "turn"})
            return found.get("turn") != "unknown" and bool(lines)

        await until(is_told, "the room's health with a look at TURN")
        return found

    # --- putting it up --------------------------------------------------------------------------------------------

    def _lay_cables(self) -> None:
        self.networks.plug_in("centre", WEB, TURN, BROKER)
        if self.case.nat is None:
            self.networks.plug_in("room", "203.0.113.20")
            self.networks.plug_in("pupil", "203.0.113.21")
            return
        kind: dict[str, Any] = {"nat": self.case.nat, "firewall": self.case.firewall}
        self.networks.put_behind("room", "r-router", address="192.168.10.20", outside="203.0.113.2", **kind)
        self.networks.put_behind("pupil", "p-router", address="192.168.20.20", outside="203.0.113.3", **kind)

    async def _programs(self) -> list[tuple[str, str, list[str], dict[str, str]]]:
        folder, ca = self.folder, self._authority.ca_path
        broker = self._write_broker()
        controller = await self._write_controller()
        watch = self._authority.folder / "controllers" / "controller-watch-rpc"
        hear = ["mosquitto_sub", "-V", "5", "-h", BROKER_NAME, "-p", "443", "--cafile", str(ca)]
        hear += ["--cert", f"{watch}.pem", "--key", f"{watch}.key", "-t", f"estrade/v1/{TERRITORY}/{ROOM}/health"]
        python = [sys.executable, "-m"]
        return [
            ("mosquitto", "centre", programs(["mosquitto", "-c", str(broker)]), {}),
            ("coturn", "centre", [need("turnserver", "coturn"), "-c", str(self._write_coturn())], {}),
            ("controller", "centre", [*python, "controller.cli", "--config", str(controller)], {}),
            # a school's own authority reaches OpenSSL this way, too; Debian's list has the public ones
            ("agent", "room", [*python, "agent.cli", "--config", str(self._write_agent())], {"SSL_CERT_FILE": str(ca)}),
            ("health", "centre", [need(hear[0], "mosquitto-clients"), *hear[1:]], {"to": str(folder / "health.jsonl")}),
        ]

    def _write_broker(self) -> Path:
        authority, folder = self._authority, self.folder
        paths = authority.broker([BROKER_NAME])
        self._controller_paths = authority.controller("main")
        authority.controller("watch")
        (folder / "acl").write_text(mosquitto_acl(authority.controller_users()))
        (folder / "acl").chmod(0o600)
        lines = [
            "per_listener_settings false",
            "set_tcp_nodelay true",
            "persistence false",
            "user root",
            f"listener 443 {BROKER}",
            "allow_anonymous false",
            f"acl_file {folder / 'acl'}",
            f"cafile {authority.ca_path}",
            f"certfile {paths.cert}",
            f"keyfile {paths.key}",
            "require_certificate true",
            "use_identity_as_username true",
            "use_username_as_clientid true",
        ]
        return self._write("mosquitto.conf", "\n".join(lines) + "\n")

    async def _write_controller(self) -> Path:
        web, connection = self._authority.web([WEB_NAME, TURN_NAME]), self._controller_paths
        (self.folder / "turn.secret").write_text(SECRET)
        ice: dict[str, Any] = {"stun": [STUN_URL] if self.case.has_stun else []}
        if self.case.has_turn:
            ice["turn"] = {"urls": list(TURN_URLS), "secret_file": self.folder / "turn.secret"}
        broker: dict[str, Any] = {"host": BROKER_NAME, "port": 443, "ca_file": self._authority.ca_path}
        for purpose, paths in connection.items():
            broker[purpose] = {"cert_file": paths.cert, "key_file": paths.key}
        (self.folder / "controller").mkdir(mode=0o700)
        path = self._write(
            "controller.toml",
            write_toml(
                {
                    "instance": "main",
                    "state_dir": self.folder / "controller",
                    "http": {
                        "host": WEB,
                        "port": 443,
                        "public_url": f"https://{WEB_NAME}",
                        "tls": {"cert_file": web.cert, "key_file": web.key},
                    },
                    "broker": broker,
                    "ice": ice,
                }
            ),
        )
        config = load(path)
        async with open_store(config.database) as store:
            await store.rooms.put([RoomRecord(ROOM, TERRITORY, "Salle 12")], now=datetime.now(UTC))
        return path

    def _write_coturn(self) -> Path:
        """Write the example of deploy/ with its addresses, files and secret replaced."""
        web, folder = self._authority.folder / "web", self.folder
        text = (DEPLOY / "coturn/turnserver.conf").read_text()
        for example, here in (
            ("replace-this-secret", SECRET),
            ("# listening-ip=203.0.113.11\n", f"listening-ip={TURN}\nrelay-ip={TURN}\n"),
            ("/etc/estrade/turn/fullchain.pem", f"{web}.pem"),
            ("/etc/estrade/turn/key.pem", f"{web}.key"),
            (
                "\nsyslog\n",
                f"\nlog-file={folder}/turn.log\nsimple-log\npidfile={folder}/turn.pid\nuserdb={folder}/turndb\n",
            ),
        ):
            assert example in text, example
            text = text.replace(example, here, 1)
        return self._write("turnserver.conf", text)

    def _write_agent(self) -> Path:
        paths = self._authority.room(ROOM)
        (self.folder / "agent").mkdir(mode=0o700)
        document: dict[str, Any] = {
            "state_dir": self.folder / "agent",
            "room": {"id": ROOM, "territory": TERRITORY, "name": "Salle 12"},
            "broker": {
                "host": BROKER_NAME,
                "port": 443,
                "ca_file": self._authority.ca_path,
                "cert_file": paths.cert,
                "key_file": paths.key,
            },
            "panel": {"port": PANEL_PORT},
            "camera": {"driver": "simulated", "time_strip": True, "flash_and_beep_s": 1.0},
            "board": {"driver": "simulated", "time_strip": True},
            "microphone": {"driver": "simulated", "flash_and_beep_s": 1.0, "voice": "none"},
        }
        return self._write("agent.toml", write_toml(document))

    def _browser_of_the_pupil(self) -> Path:
        """Return a program that is Chromium in the pupil's network, with our authority in its own store."""
        home = self.folder / "home"
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        certutil = need("certutil", "libnss3-tools")
        ca = str(self._authority.ca_path)
        for argv in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "estrade", "-i", ca]):
            subprocess.run([certutil, "-d", f"sql:{store}", *argv], check=True, capture_output=True)
        program = " ".join(at("pupil", need(chromium.PROGRAM, chromium.PACKAGE)))
        path = self._write("pupils-chromium", f'#!/bin/sh\nHOME={home}; export HOME\nexec {program} "$@"\n')
        path.chmod(0o700)
        return path

    @contextmanager
    def _program(self, name: str, place: str, argv: list[str], environ: dict[str, str]) -> Iterator[None]:
        said = Path(environ.pop("to", str(self.folder / f"{name}.log")))
        with said.open("wb") as into:
            process = subprocess.Popen(
                at(place, *argv),
                stdin=subprocess.DEVNULL,
                stdout=into,
                stderr=subprocess.STDOUT if said.suffix == ".log" else subprocess.DEVNULL,
                env={**os.environ, **environ},
                cwd=Path(__file__).resolve().parents[2],
            )
        try:
            if name == "mosquitto":
                wait_for(lambda: _listens(place, BROKER), "mosquitto")
            yield
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def said(self) -> str:
        """Return the ends of what the programs said, for a failure."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


def _listens(place: str, address: str) -> bool:
    with entered(place):
        try:
            socket.create_connection((address, 443), timeout=1).close()
        except OSError:
            return False
    return True


async def pair(pupil: Pupil) -> dict[str, Any]:
    """Return the candidates that are used: ``own`` and ``room`` by type, ``relay`` by the pupil's way to it."""
    found: dict[str, Any] = {}

    async def is_chosen() -> bool:
        found.update(await pupil.page.evaluate(_PAIR_JS) or {})
        return bool(found)

    await until(is_chosen, "a chosen candidate pair")
    return found


async def first_pictures(pupil: Pupil, deadline_s: float = 20.0) -> dict[str, float]:
    """Wait for a picture of the room in both videos; return when each came, in milliseconds of the wall clock."""
    shown: dict[str, float] = {}

    async def have_come() -> bool:
        tracks = (await pupil.seen())["tracks"]
        shown.update({name: one["firstReal"] for name, one in tracks.items() if one.get("firstReal")})
        return {"camera", "board"} <= shown.keys()

    await until(have_come, "pictures of both videos", deadline_s)
    return shown
