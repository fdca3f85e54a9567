"""The centre as the process that systemd starts: ready, watched, stopped cleanly, with open pages."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from controller.pki import CertificateAuthority
from controller.store.rooms import RoomRecord
from tests.broker import Broker, free_port
from tests.integration.controller.scripted import (
    TERRITORY,
    centre_config,
    register,
    scripted_room,
)
from tests.waiting import until


def _write(folder: Path, broker: Broker, port: int, extra: str = "") -> Path:
    config = centre_config(folder, broker)
    lines = [
        'instance = "centre-1"',
        'state_dir = "state"',
        "[broker]",
        f'host = "{broker.host}"',
        f"port = {broker.port}",
        f'ca_file = "{config.broker.ca_file}"',
        f'rpc = {{ cert_file = "{config.broker.rpc.cert_file}", key_file = "{config.broker.rpc.key_file}" }}',
        f'events = {{ cert_file = "{config.broker.events.cert_file}", key_file = "{config.broker.events.key_file}" }}',
        "[http]",
        f"port = {port}",
        extra,
    ]
    path = folder / "controller.toml"
    path.write_text("\n".join(lines))
    return path


@asynccontextmanager
async def _process(path: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controller.cli", "--config", str(path),
        env=os.environ | environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _is_up(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def test_systemd_hears_ready_and_watchdog_and_sigterm_ends_it_with_pages_open(
    tmp_path: Path, broker: Broker
) -> None:
    port = free_port()
    path = _write(tmp_path / "centre", broker, port)
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(address))
        notified.settimeout(20)
        async with (
            _process(path, NOTIFY_SOCKET=str(address), WATCHDOG_USEC="400000") as process,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
        ):
            said = [await asyncio.to_thread(notified.recv, 4096) for _ in range(4)]
            assert any(b"READY=1" in line for line in said)
            assert sum(b"WATCHDOG=1" in line for line in said) >= 2
            await until(lambda: _is_up(http), "it serves")
            await register(centre_config(tmp_path / "centre", broker))
            process.send_signal(signal.SIGHUP)
            async with scripted_room(broker) as room:
                access = await room.access()
                joined = (await http.post("/api/v1/join", json={"code": access.code})).json()
                headers = {"Authorization": f"Bearer {joined['token']}"}
                async with http.stream("GET", joined["events"], headers=headers) as stream:
                    lines = stream.aiter_lines()
                    assert await anext(lines)
                    process.send_signal(signal.SIGTERM)
                    async with asyncio.timeout(8):
                        assert await process.wait() == 0
        assert process.stderr is not None
        log = (await process.stderr.read()).decode()
        assert "Traceback" not in log
        assert "stopping: SIGTERM" in log


async def test_a_second_one_on_the_same_port_says_so_in_one_line(tmp_path: Path, broker: Broker) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = _write(tmp_path / "centre", broker, taken.getsockname()[1])
        async with _process(path) as process:
            async with asyncio.timeout(20):
                assert await process.wait() == 2
            assert process.stderr is not None
            error = (await process.stderr.read()).decode()
    assert error.count("\n") == 1
    assert error.endswith("[port-taken]\n")


async def test_a_phone_on_the_same_network_is_served_over_https_with_a_host_cookie(
    tmp_path: Path, broker: Broker, authority: CertificateAuthority
) -> None:
    web = authority.web(["127.0.0.1", "localhost"])
    port = free_port()
    extra = f'tls = {{ cert_file = "{web.cert}", key_file = "{web.key}" }}'
    path = _write(tmp_path / "centre", broker, port, extra)
    await register(centre_config(tmp_path / "centre", broker), RoomRecord("r-1", TERRITORY, "x"))
    import ssl

    trusting = ssl.create_default_context(cafile=authority.ca_path)
    async with (
        _process(path),
        httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusting) as http,
    ):
        await until(lambda: _is_up(http), "it serves", most_s=20)
        assert (await http.get("/")).status_code == 200
        answer = await http.delete("/api/v1/session")
        assert answer.headers["set-cookie"].startswith("__Host-estrade=")
        assert "Secure" in answer.headers["set-cookie"]
