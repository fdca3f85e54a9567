"""All of Estrade on this machine, as ``estrade demo`` starts it, and a hand on its processes.

For browser tests and benchmarks: a broker with TLS, a centre and one room, on free ports, in a folder of its own.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.broker import free_port

READY_S = 60.0
END_S = 15.0
LOOK_S = 0.02

Settings = Mapping[str, object]
"""Keys of the room's configuration, as ``camera.time_strip``, and their values."""


class Rig:
    """One run of ``estrade demo``. Start it, use it, end it; single use.

    ``links`` is what the demo printed: ``panel`` (with the token that opens it), ``pupil``, ``it``,
    ``code``, ``room``, ``whep``, ``it_name`` and ``it_password``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        camera: str = "simulated",
        settings: Settings | None = None,
        centre_settings: Settings | None = None,
    ) -> None:
        self.folder = folder
        self.links: dict[str, str] = {}
        ports = ["--panel-port", str(free_port()), "--web-port", str(free_port())]
        self._argv = [sys.executable, "-m", "estrade.cli", "demo", "--json", "--state", str(folder), *ports]
        self._argv += ["--camera", camera]
        for option, keys in (("--set", settings), ("--set-centre", centre_settings)):
            for key, value in (keys or {}).items():
                self._argv += [option, f"{key} = {json.dumps(value)}"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything; AssertionError with what it said when it is not ready in time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        said_file = self.folder / "demo.err"
        with said_file.open("wb") as said:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, start_new_session=True
            )
        line = _first_line(self._process, READY_S)
        if not line:
            self.end()
            raise AssertionError(f"the demo was not ready in {READY_S:g} s: {said_file.read_text()[-2000:]}")
        self.links = json.loads(line)

    def end(self) -> None:
        """End everything, in order; by force when it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children are told by the kernel
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    # --- processes ------------------------------------------------------------------------------------------------

    @property
    def agent(self) -> psutil.Process:
        """The room's agent that runs now."""
        return self._child("agent.cli")

    @property
    def controller(self) -> psutil.Process:
        return self._child("controller.cli")

    @property
    def broker(self) -> psutil.Process:
        return self._child(str(self.folder / "mosquitto.conf"))

    def capture(self, device: str) -> psutil.Process | None:
        """The capture process of a device, ``camera`` for instance; None while it has none."""
        for process in self.agent.children(recursive=True):
            try:
                if process.name() == f"es-{device}":
                    return process
            except psutil.NoSuchProcess:  # it went while we looked
                continue
        return None

    def kill_agent(self) -> None:
        """Kill the agent with SIGKILL; its supervisor starts it again at once."""
        self.agent.kill()

    @contextmanager
    def room_off(self) -> Iterator[None]:
        """Switch the room's agent off in good order and keep it off for the block."""
        with self.off(self.agent):
            yield

    @contextmanager
    def off(self, *programs: psutil.Process, kill: bool = False) -> Iterator[None]:
        """End programs, in good order or by SIGKILL, and keep them off for the block."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # or it would start them again
        try:
            for program in programs:
                if kill:
                    program.kill()
                else:
                    program.terminate()
            wait_for(lambda: not any(_lives(program) for program in programs), "the programs' end")
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def facts(self) -> list[tuple[str, str]]:
        """Return id and kind of every fact that the centre has stored, in the order of storing."""
        with closing(sqlite3.connect(f"file:{self.folder}/controller/estrade.db?mode=ro", uri=True, timeout=10)) as db:
            return [(str(fact), str(kind)) for fact, kind in db.execute("SELECT id, kind FROM events ORDER BY seq")]

    def _child(self, argument: str) -> psutil.Process:
        assert self._process is not None
        found: list[psutil.Process] = []

        def is_there() -> bool:
            assert self._process is not None
            for process in psutil.Process(self._process.pid).children():
                try:
                    if argument in process.cmdline():
                        found.append(process)
                        return True
                except (psutil.NoSuchProcess, psutil.ZombieProcess):
                    continue
            return False

        wait_for(is_there, f"a process of {argument}")
        return found[0]

    # --- the room's panel, as its page asks ------------------------------------------------------------------------

    def panel(self) -> dict[str, Any] | None:
        """Return the panel's view; None while the agent does not answer."""
        try:
            return self._ask("GET", "/api/panel")
        except (urllib.error.URLError, OSError):
            return None

    def press(self, act: str, body: Settings | None = None) -> dict[str, Any]:
        """Do what a button of the panel does: ``lesson/start``, ``lesson/stop``, … Raises HTTPError when refused."""
        return self._ask("POST", f"/api/{act}", body or {})

    def wait_state(self, *states: str, deadline_s: float = 20.0) -> dict[str, Any]:
        """Wait until the lesson is in one of these states; return the panel's view."""
        return self.wait_for_panel(
            lambda view: view["state"] in states, f"the lesson to be {' or '.join(states)}", deadline_s
        )

    def wait_for_panel(
        self, condition: Callable[[dict[str, Any]], object], what: str, deadline_s: float = 20.0
    ) -> dict[str, Any]:
        """Wait until the panel's view is as wanted; return it."""
        seen: dict[str, Any] = {}

        def is_so() -> object:
            view = self.panel()
            if view is not None:
                seen.update(view)
            return view is not None and condition(view)

        wait_for(is_so, what, deadline_s)
        return seen

    def wait_ready(self, deadline_s: float = READY_S) -> None:
        """Wait until the room is idle, warm and linked to the centre."""
        self.wait_for_panel(
            lambda view: view["state"] == "idle" and view["centre"] == "connected",
            "the room to be idle and linked to the centre",
            deadline_s,
        )

    def _ask(self, method: str, path: str, body: Settings | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        address, _, token = self.links["panel"].partition("/?token=")
        request = urllib.request.Request(address + path, data, {"Authorization": f"Bearer {token}"}, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            view: dict[str, Any] = json.load(answer)
            return view


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = 10.0) -> None:
    """Wait until the condition is true; AssertionError that names what did not come."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end_s:
            raise AssertionError(f"waited {deadline_s:g} s in vain for {what}")
        time.sleep(LOOK_S)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _first_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """Return the first line of a program's standard output; empty when it ends or takes too long."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            return b""
    return process.stdout.readline()
