"""A demo as somebody at a terminal starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.broker import free_port
from tests.peers import need

READY_S = 120.0
"""On a machine where everything else runs too."""
T = TypeVar("T")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "estrade.cli", *arguments]


def environ(state: Path, **more: str) -> dict[str, str]:
    """Return an English environment whose own folders are the test's."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "XDG_STATE_HOME": str(state), **more}


def own_ports() -> list[str]:
    """Return arguments for a demo that runs beside another one, which may be about to take the usual ports."""
    return ["--panel-port", str(free_port()), "--web-port", str(free_port())]


def start_demo(state: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ``estrade demo --json`` in a state folder of its own; what it complains of is in ``stderr`` there."""
    need("mosquitto", "mosquitto")
    state.mkdir(parents=True, exist_ok=True)
    with (state / "stderr").open("w") as errors:
        return subprocess.Popen(
            command("demo", "--json", "--state", str(state / "demo"), *arguments),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environ(state),
            start_new_session=True,
        )


class RunningDemo:
    """A demo that has told its links."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self.state = state
        self.errors = state / "stderr"
        self.process = start_demo(state, *arguments)
        assert self.process.stdout is not None
        alarm = threading.Timer(READY_S, self.process.kill)
        alarm.start()
        line = self.process.stdout.readline()
        alarm.cancel()
        assert line, f"the demo ended: {self.errors.read_text()[-2000:]}"
        self.links: dict[str, Any] = json.loads(line)

    def children(self) -> list[psutil.Process]:
        """Return every process that the demo has started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, module: str) -> psutil.Process | None:
        """Return the demo's own child that runs a module, None while there is none."""
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if module in child.cmdline():
                    return child
        return None

    def end(self, number: signal.Signals) -> str:
        """End it and return what it still said on standard output."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=60)
        return str(rest)


def get(url: str, *, data: object = None, token: str | None = None, **more: Any) -> tuple[int, bytes]:
    """Return status and body of a request."""
    body = None if data is None else json.dumps(data).encode()
    headers: dict[str, str] = {} if body is None else {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=10, **more) as answer:
        return answer.status, answer.read()


def eventually(look: Callable[[], T], what: str, timeout_s: float = 30.0) -> T:
    """Return the first true result of ``look``; OSError counts as not yet."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if result := look():
                return result
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what}: not in {timeout_s:g} s")
