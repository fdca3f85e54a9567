"""What one controller takes for many rooms that report: processor, memory, and how long the list of rooms takes.

    python -m benchmarks.fleet --rooms 2000 --seconds 60 --json

A real mosquitto, a real controller with mTLS and SQLite, two open pages of IT; the rooms are bare MQTT packets of a
process of its own. With --json the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import process_tree
from benchmarks.figures import Distribution
from benchmarks.fleet_rooms import in_lesson, room_name
from benchmarks.machine import machine, machine_line
from controller.pki import CertificateAuthority
from estrade.children import python
from estrade.demo_folder import IT_NAME, LOOPBACK, DemoFolder, Room, any_port
from tests.peers import need

WHOLE_EVERY_S = 30.0
"""As `agent.reporter`: how often a room sends its checks; 0 is with each health, as rooms of version 1 do."""
SETTLE_S = 12.0
"""Longer than every period: each room has spoken."""
CALM_S = 3.0
"""A page that was told nothing for so long has been told of every room."""
LISTS = 20
PAGES = 2
_START_S = 60.0


@contextmanager
def child(log: Path, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program as long as the block; what it complains of goes to ``log``."""
    with log.open("ab") as complaints:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=complaints)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=_START_S)


def write_broker(folder: DemoFolder, authority: CertificateAuthority, tls_port: int, plain_port: int) -> Path:
    """Write a broker that knows controllers by their certificates and lets the rooms' one connection say all."""
    paths = authority.broker([LOOPBACK, "localhost"])
    path = folder.path / "fleet.conf"
    lines = [
        "per_listener_settings false",
        "allow_anonymous true",
        "set_tcp_nodelay true",
        "max_inflight_messages 100",
        "max_queued_messages 50000",
        "persistence false",
        "log_type error",
        f"listener {plain_port} {LOOPBACK}",
        f"listener {tls_port} {LOOPBACK}",
        f"cafile {authority.ca_path}",
        f"certfile {paths.cert}",
        f"keyfile {paths.key}",
        "require_certificate true",
        "use_identity_as_username true",
    ]
    if os.geteuid() == 0:
        lines.append("user root")  # or it becomes another user who cannot read this folder
    path.write_text("\n".join(lines) + "\n")
    return path


@asynccontextmanager
async def open_page(http: httpx.AsyncClient) -> AsyncIterator[list[int]]:
    """Read IT's live stream; the list's one number is how many bytes came."""
    came = [0]

    async def read() -> None:
        async with http.stream("GET", "/api/v1/events") as answer:
            async for chunk in answer.aiter_bytes():
                came[0] += len(chunk)

    task = asyncio.create_task(read(), name="page")
    try:
        yield came
    finally:
        task.cancel()
        await asyncio.wait({task})


async def measure(
    http: httpx.AsyncClient, controller: psutil.Process, rooms: int, seconds: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measure a centre whose rooms report."""
    async with open_page(http) as first, open_page(http) as second:
        await asyncio.sleep(SETTLE_S)
        before = -1
        async with asyncio.timeout(_START_S):
            while before != first[0] + second[0]:
                before = first[0] + second[0]
                await asyncio.sleep(CALM_S)
        use = await process_tree.measure(controller, seconds)
        page_bytes = first[0] + second[0] - before
        lists_ms, size = [], 0
        for _ in range(LISTS):
            began_s = time.monotonic()
            answer = await http.get("/api/v1/rooms")
            lists_ms.append((time.monotonic() - began_s) * 1000)
            size = len(answer.content)
    links = [room["link"] for room in answer.json()["rooms"]]
    found = {
        "controller_cpu_percent": round(use.cpu_percent, 1),
        "controller_rss_mb": round(controller.memory_info().rss / 1e6, 1),
        "controller_pss_most_mb": round(use.pss_mb, 1),
        "api_rooms_ms": Distribution.of(lists_ms).as_json(),
        "api_rooms_bytes": size,
        "page_bytes_a_second": round(page_bytes / PAGES / use.seconds),
        "online": links.count("online"),
    }
    tell(f"{rooms} rooms, {sum(map(in_lesson, range(rooms)))} in a lesson: {found}")
    return found


async def run(rooms: int, seconds: float, whole_every_s: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure; return what --json prints."""
    found = machine()
    tell(machine_line(found))
    with tempfile.TemporaryDirectory(prefix="estrade-bench-") as path:
        folder = DemoFolder(Path(path) / "fleet")
        authority = folder.authority()
        tls_port, plain_port, web_port = (any_port(LOOPBACK) for _ in range(3))
        url = f"http://{LOOPBACK}:{web_port}"
        config = folder.write_controller(
            authority, broker_port=tls_port, host=LOOPBACK, port=web_port, public_url=url, tls=False, more={}
        )
        listed = [Room(room_name(number), f"Salle {number}") for number in range(rooms)]
        password = folder.register(config, listed)
        log, broker = folder.logs / "all.log", str(write_broker(folder, authority, tls_port, plain_port))
        with (
            child(log, need("mosquitto", "mosquitto"), "-c", broker),
            child(log, *python("controller.cli", "--config", str(config))) as controller,
        ):
            async with httpx.AsyncClient(base_url=url, timeout=_START_S) as http:
                await _ready(http)
                answer = await http.post("/api/v1/session", json={"name": IT_NAME, "password": password})
                answer.raise_for_status()
                speak = python("benchmarks.fleet_rooms", str(plain_port), str(rooms), str(whole_every_s))
                with child(log, *speak) as them:
                    assert them.stdout is not None
                    await asyncio.to_thread(them.stdout.readline)
                    got = await measure(http, psutil.Process(controller.pid), rooms, seconds, tell)
        folder.close()
    what = {"rooms": rooms, "seconds": seconds, "whole_every_s": whole_every_s}
    return {"benchmark": "fleet", "machine": found, **what, **got}


async def _ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(_START_S):
        while True:
            with suppress(httpx.TransportError):  # it does not listen yet
                if (await http.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rooms", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--whole-every", type=float, default=WHOLE_EVERY_S, metavar="S", help="0: with each health")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on a line")
    given = parser.parse_args()
    result = asyncio.run(run(given.rooms, given.seconds, given.whole_every, lambda line: print(line, flush=True)))
    if given.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
