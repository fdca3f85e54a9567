"""A real media server of a test's own: Janus, with WHIP and WHEP before it (``tests/fakes/media_server.mjs``)."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.broker import free_port
from tests.peers import missing, need

START_TIMEOUT_S = 20.0
TOKEN = "publisher-of-the-tests"
FRONT = Path(__file__).parent / "fakes/media_server.mjs"
WHEP = Path(__file__).parent.parent / "node_modules/janus-whep-server"
UDP_PORTS = 64
_OTHER_PLUGINS = "audiobridge duktape echotest lua nosip recordplay sip textroom videocall voicemail"
_OTHER_DOORS = "http pfunix mqtt nanomsg rabbitmq"


class MediaServer:
    """Janus and its front as child processes; `kill` ends both without a word, `start` begins anew on the same port."""

    def __init__(self, folder: Path) -> None:
        self._janus = need("janus", "janus")
        self._node = need("node", "nodejs")
        if not WHEP.is_dir():
            missing("janus-whep-server is missing; it comes with: make npm")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port, self._websocket = free_port(), free_port()
        self._udp = _free_udp_ports()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._log = folder / "media-server.log"
        (folder / "janus.jcfg").write_text(self._config())
        (folder / "janus.transport.websockets.jcfg").write_text(
            f'general: {{ ws = true, ws_port = {self._websocket}, ws_ip = "127.0.0.1" }}\n'
        )

    def whip(self, name: str) -> str:
        """Return the address that takes a publisher of this name."""
        return f"http://127.0.0.1:{self._port}/whip/{name}"

    def door(self, name: str) -> str:
        """Return an address that sends a publisher on to `whip`."""
        return f"http://127.0.0.1:{self._port}/door/{name}"

    def whep(self, name: str) -> str:
        """Return the address that gives what a publisher of this name sends."""
        return f"http://127.0.0.1:{self._port}/whep/endpoint/{name}"

    def refuse(self, status: int) -> None:
        """Refuse each further publisher with this status; 0: take them again."""
        self._ask(f"/test/refuse/{status}", "POST")

    def published(self) -> set[str]:
        """Return the names of what is published now."""
        return set(json.loads(self._ask("/test/published", "GET")))

    def start(self) -> None:
        """Start and wait until both answer."""
        assert not self._processes, "it runs already"
        with self._log.open("ab") as log:
            self._processes.append(
                subprocess.Popen([self._janus, "-F", str(self._folder)], stdout=log, stderr=subprocess.STDOUT)
            )
        self._wait_for(self._websocket)
        argv = [self._node, str(FRONT), str(self._port), f"ws://127.0.0.1:{self._websocket}", str(self._udp), TOKEN]
        with self._log.open("ab") as log:
            self._processes.append(subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT))
        self._wait_for(self._port)

    def kill(self) -> None:
        """End both without a word to anybody."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()

    def _ask(self, path: str, method: str) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.read().decode())

    def _wait_for(self, port: int) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and self._processes[-1].poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the media server did not start: {self._log.read_text()[-3000:]}")

    def _config(self) -> str:
        libraries = next(Path("/usr/lib").glob("*/janus"))

        def names(libraries: str) -> str:
            return ",".join(f"libjanus_{name}.so" for name in libraries.split())

        return f"""
general: {{
    configs_folder = "{self._folder}"
    plugins_folder = "{libraries}/plugins"
    transports_folder = "{libraries}/transports"
    debug_level = 3
    debug_colors = false
}}
plugins: {{ disable = "{names(_OTHER_PLUGINS)}" }}
transports: {{ disable = "{names(_OTHER_DOORS)}" }}
events: {{ broadcast = false }}
"""


def _free_udp_ports() -> int:
    """Return the first of `UDP_PORTS` ports on loopback that were free a moment ago; below the kernel's own range."""
    while True:
        first = random.randrange(12_000, 30_000, UDP_PORTS)
        try:
            for port in range(first, first + UDP_PORTS):
                with socket.socket(type=socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
