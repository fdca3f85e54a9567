"""A real RTSP camera beside a test: tests/fakes/rtsp_camera.py under Debian's own Python."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import missing

PYTHON = "/usr/bin/python3"
PROGRAM = Path(__file__).parents[2] / "fakes" / "rtsp_camera.py"
RATE_HZ = 15


@dataclass(frozen=True, slots=True)
class NetworkCamera:
    port: int
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def network_camera(*login: str, port: int | None = None) -> Iterator[NetworkCamera]:
    """Run a camera of 1280 × 720 at 15 Hz until the end of the block. ``login``: basic or digest, user, password."""
    needed = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if subprocess.run([PYTHON, "-c", needed], capture_output=True).returncode != 0:
        missing("GStreamer's RTSP server is missing; apt install gir1.2-gst-rtsp-server-1.0 python3-gi")
    port = port or free_port()
    command = [PYTHON, str(PROGRAM), str(port), str(RATE_HZ), *login]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield NetworkCamera(port, process)
    finally:
        process.kill()
        process.communicate()
