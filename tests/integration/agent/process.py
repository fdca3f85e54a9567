"""The agent as a process of its own, as its unit runs it, and what its panel shows meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from protocol.topics import RoomTopics
from tests.broker import Broker, free_port

START_S = 20.0


class Process:
    """The agent's configuration, and one process after the other that runs it."""

    def __init__(self, broker: Broker, folder: Path, topics: RoomTopics, devices: dict[str, Any]) -> None:
        link, self.port = broker.room(topics.room), free_port()
        self.module = "agent.cli"
        """What is run; a test may put an agent with a fault in its place."""
        self.prefix: list[str] = []
        """What runs the agent's own command; a test may put it into another world."""
        self.state = folder / "state"
        self._config = folder / "agent.toml"
        tables: dict[str, dict[str, Any]] = {
            "room": {"id": topics.room, "territory": topics.territory, "name": "Salle B12"},
            "broker": {
                "host": link.host,
                "port": link.port,
                "ca_file": str(link.ca_file),
                "cert_file": str(link.cert_file),
                "key_file": str(link.key_file),
            },
            "panel": {"port": self.port},
            **devices,
        }
        lines = [f"state_dir = {json.dumps(str(self.state))}"]
        for table, values in tables.items():
            lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        self._config.write_text("\n".join(lines))

    @contextmanager
    def running(self, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        argv = [*self.prefix, sys.executable, "-m", self.module, "--config", str(self._config)]
        with (self.state.parent / "agent.log").open("ab") as log:
            process = subprocess.Popen(argv, stderr=log, env={**os.environ, **environment})
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def shows(panel: httpx.AsyncClient, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Wait until the panel's view is as wanted and return it."""
    async with asyncio.timeout(START_S):
        while True:
            try:
                view: dict[str, Any] = (await panel.get("/api/panel")).json()
            except httpx.TransportError:  # nobody listens yet
                view = {}
            if view and wanted(view):
                return view
            await asyncio.sleep(0.02)


def is_live(view: dict[str, Any]) -> bool:
    return bool(view["state"] == "live")
