"""What the checks of deploy/ share: the folder, an authority, servers that are started and stopped."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from controller.pki import CertificateAuthority

START_S = 10.0
"""From exec to an open port. coturn takes a second, the others a tenth; two busy cores take longer."""

StartServer = Callable[[Sequence[str], int], subprocess.Popen[str]]


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The repository's folder ``deploy``."""
    return Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """A certificate authority of its own for this run."""
    return CertificateAuthority.create(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts a server, waits until its loopback port answers, and stops it after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(command: Sequence[str], port: int) -> subprocess.Popen[str]:
        log = tmp_path / f"server-{len(started)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True, cwd=tmp_path)
        started.append(process)
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
                return process
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    pytest.fail(f"{command[0]} does not answer on port {port}; it said:\n{log.read_text()}")
            # Nothing announces an open port: asked again until it is, or the deadline passes.
            time.sleep(0.05)

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
