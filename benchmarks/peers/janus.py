"""Janus with its streaming plugin, fed with RTP of the benchmark's stream, and its HTTP signalling."""

from __future__ import annotations

import asyncio
import platform
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agent.streams.clock import SOUND_RATE_HZ, VIDEO_RATE_HZ, RoomClock
from agent.streams.encoders import EncodedFrame
from benchmarks.peers.fan_stream import Player
from tests.broker import free_port
from tests.peers import need

LISTENS_S = 20.0
_HEADER = struct.Struct("!BBHLL")
_TYPES = {"sound": (111, SOUND_RATE_HZ), "camera": (102, VIDEO_RATE_HZ)}


@asynccontextmanager
async def running(folder: Path, host: str, enter: Sequence[str] = ()) -> AsyncIterator[tuple[int, str, Player]]:
    """Run Janus and feed it; yield its process, its address and the feed. ``enter`` is put before its command."""
    program = need("janus", "janus")
    http, ports = free_port(), {"sound": free_port(), "camera": free_port()}
    libraries = f"/usr/lib/{platform.machine()}-linux-gnu/janus"
    (folder / "janus.jcfg").write_text(f"""
general: {{ configs_folder = "{folder}" plugins_folder = "{libraries}/plugins"
  transports_folder = "{libraries}/transports" events_folder = "{libraries}/events"
  loggers_folder = "{libraries}/loggers" session_timeout = 0 debug_level = 3 server_name = "benchmark" }}
media: {{ ipv6 = false }}
""")
    (folder / "janus.transport.http.jcfg").write_text(
        f'general: {{ json = "compact" base_path = "/janus" http = true port = {http} ip = "{host}" https = false }}\n'
    )
    (folder / "janus.plugin.streaming.jcfg").write_text(f"""
lesson: {{ type = "rtp" id = 1 media = (
  {{ type = "audio" mid = "a" port = {ports["sound"]} pt = 111 codec = "opus" }},
  {{ type = "video" mid = "v" port = {ports["camera"]} pt = 102 codec = "h264"
     fmtp = "profile-level-id=42e01f;packetization-mode=1" }} ) }}
""")
    log = (folder / "janus.log").open("wb")
    argv = [*enter, program, "--config", str(folder / "janus.jcfg"), "--configs-folder", str(folder)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=log, stderr=log)
    feed = None
    try:
        url = f"http://{host}:{http}/janus"
        async with httpx.AsyncClient() as client, asyncio.timeout(LISTENS_S):
            while True:
                try:
                    await client.get(f"{url}/info")
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)
        player = Player(_Feed(host, ports).send)
        feed = asyncio.create_task(player.run())
        yield process.pid, url, player
    finally:
        if feed is not None:
            feed.cancel()
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()


class _Feed:
    """Sends frames as plain RTP."""

    def __init__(self, host: str, ports: dict[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._clock = RoomClock()
        self._to = {track: (host, port) for track, port in ports.items()}
        self._sequence = dict.fromkeys(ports, 0)

    def send(self, frame: EncodedFrame) -> None:
        payload_type, rate_hz = _TYPES[frame.track]
        rtp = self._clock.rtp(frame.captured_mono_s, rate_hz)
        last = len(frame.payloads) - 1
        for number, payload in enumerate(frame.payloads):
            sequence = self._sequence[frame.track] = (self._sequence[frame.track] + 1) & 0xFFFF
            marker = 0x80 if number == last else 0
            header = _HEADER.pack(0x80, marker | payload_type, sequence, rtp, payload_type)
            self._socket.sendto(header + payload, self._to[frame.track])


@dataclass
class Watching:
    """One viewer's conversation with Janus."""

    http: httpx.AsyncClient
    url: str
    handle: str = ""

    async def offer(self) -> str:
        """Ask for the stream; return Janus's offer."""
        session = (await self._post(self.url, janus="create"))["data"]["id"]
        self.url = f"{self.url}/{session}"
        attached = await self._post(self.url, janus="attach", plugin="janus.plugin.streaming")
        self.handle = f"{self.url}/{attached['data']['id']}"
        await self._post(self.handle, janus="message", body={"request": "watch", "id": 1})
        while True:
            event = (await self.http.get(self.url, params={"maxev": 1}, timeout=40)).json()
            if isinstance(event, list):
                event = event[0] if event else {}
            if "jsep" in event:
                return str(event["jsep"]["sdp"])

    async def answer(self, sdp: str) -> None:
        """Give the answer to it."""
        jsep = {"type": "answer", "sdp": sdp}
        await self._post(self.handle, janus="message", body={"request": "start"}, jsep=jsep)

    async def _post(self, url: str, **message: Any) -> Any:
        answered = (await self.http.post(url, json={"transaction": "t", **message})).json()
        assert answered["janus"] in ("success", "ack"), answered
        return answered
